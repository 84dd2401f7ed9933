//! Old and new together: what was built against the headers of 1.0 works with the library and the host of today, and
//! what was built against headers to come works with them, or is told what is wrong.
//!
//! `tests/frozen/1.0` holds the headers of 1.0 with a program and a plugin that see nothing else; `tests/c/future_*.c`
//! put fields behind the structs of today. Every declaration of the frozen headers must stand in today's as it was;
//! structs that carry their size may have grown at the end.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use scorecam_tests::{Ended, Language, compiler, library, link_shared, root, run, scorecam};
use sha2::{Digest, Sha256};

/// The first includes the second, and that its parts.
const HEADERS: [&str; 2] = ["scorecam.h", "scorecam_plugin.h"];

fn frozen() -> PathBuf {
    root().join("tests/frozen/1.0")
}

/// A C compiler that sees the headers of 1.0 alone.
fn old_compiler() -> Command {
    let program = std::env::var("CC").ok().filter(|p| !p.is_empty()).unwrap_or_else(|| "cc".into());
    let mut command = Command::new(program);
    command.args(["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-I"]).arg(frozen());
    command
}

fn build(mut compiler: Command, source: &Path, out: &Path, arguments: &[String]) -> PathBuf {
    run(compiler.arg(source).arg("-o").arg(out).args(arguments));
    out.to_path_buf()
}

fn shared() -> [String; 2] {
    ["-shared".into(), "-fPIC".into()]
}

fn write(path: PathBuf, text: &str) -> PathBuf {
    std::fs::write(&path, text).expect("the folder is writable");
    path
}

/// Explains 4 x 4 pixels by a plugin's own backend and `method`.
fn explain(folder: &Path, plugin: &Path, model: &Path, method: &str) -> Ended {
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 4, 4), }";
    let header = format!("{header:<117}\n");
    let mut bytes =
        [&b"\x93NUMPY\x01\x00"[..], &(header.len() as u16).to_le_bytes(), header.as_bytes()].concat();
    bytes.extend((0..16).flat_map(|i| (i as f32).to_le_bytes()));
    let input = folder.join("input.npy");
    std::fs::write(&input, bytes).expect("the folder is writable");
    let mut command = scorecam();
    command.arg("explain").arg(input).arg("--model").arg(model).arg("--plugin").arg(plugin);
    Ended::of(command.args(["--method", method]), Duration::from_secs(60))
}

#[test]
fn nothing_frozen_has_changed() {
    let sums = std::fs::read_to_string(frozen().join("sha256sums")).expect("the sums");
    let lines: Vec<_> = sums.lines().map(|line| line.split_once("  ").expect("a sum and a name")).collect();
    assert_eq!(lines.len(), 15, "{sums}");
    for (sum, name) in lines {
        let bytes = std::fs::read(frozen().join(name)).expect("a frozen file");
        let is: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(is, sum, "{name} has changed, which others have built against; mend the library instead");
    }
}

#[test]
fn a_program_and_a_plugin_of_1_0_work_with_today() {
    let out = tempfile::tempdir().expect("a folder");
    let plugin = build(old_compiler(), &frozen().join("plugin.c"), &out.path().join("frozen.so"), &shared());
    let program =
        build(old_compiler(), &frozen().join("program.c"), &out.path().join("program"), &link_shared());
    let model = write(out.path().join("model.frozen"), "frozen\n");
    let expected = std::fs::read_to_string(frozen().join("printed.txt")).expect("the golden lines");
    assert_eq!(run(Command::new(program).arg(&plugin).arg(&model)), expected);

    for method in ["score-cam", "grad-cam", "frozen-mean"] {
        let ended = explain(out.path(), &plugin, &model, method);
        assert_eq!(ended.how(), "ended with 0", "{method}: {}", ended.stderr);
    }
    let mut check = scorecam();
    let ended =
        Ended::of(check.args(["check", "--model"]).arg(&model).arg(&plugin), Duration::from_secs(100));
    assert_eq!(ended.how(), "ended with 0", "{}", ended.stdout);
}

#[test]
fn the_program_of_1_0_calls_every_function_of_its_header() {
    let program = std::fs::read_to_string(frozen().join("program.c")).expect("the program");
    let functions = Declarations::read(&frozen().join("scorecam.h")).functions;
    assert!(functions.len() > 20, "{} functions", functions.len());
    let missing: Vec<_> = functions.keys().filter(|name| !program.contains(&format!("{name}("))).collect();
    assert!(missing.is_empty(), "not called: {missing:?}");
}

#[test]
fn a_program_to_come_works_or_learns_what_is_wrong() {
    let out = tempfile::tempdir().expect("a folder");
    let sources = root().join("tests/c");
    let c11 = || compiler(Language::C, "c11");
    let plugin = build(c11(), &sources.join("future_plugin.c"), &out.path().join("future.so"), &shared());
    let link = [link_shared(), vec!["-ldl".into(), "-D_DEFAULT_SOURCE".into()]].concat();
    let program = build(c11(), &sources.join("future_program.c"), &out.path().join("program"), &link);
    let model = write(out.path().join("model.future"), "");
    let printed = run(Command::new(program).arg(&plugin).arg(&model).arg(library("scorecam_toy")));
    assert_eq!(printed, "0 wrong\n");
}

#[test]
fn a_plugin_to_come_works_or_learns_what_is_wrong() {
    let out = tempfile::tempdir().expect("a folder");
    let source = root().join("tests/c/future_plugin.c");
    let plugin = |name: &str, define: &str| {
        let flags = [&shared()[..], &[format!("-D{define}")]].concat();
        build(compiler(Language::C, "c11"), &source, &out.path().join(name), &flags)
    };
    let model = write(out.path().join("model.future"), "");
    let longer = plugin("longer.so", "LONGER");
    for method in ["score-cam", "future"] {
        let ended = explain(out.path(), &longer, &model, method);
        assert_eq!(ended.how(), "ended with 0", "{method}: {}", ended.stderr);
    }
    let listed = run(scorecam().args(["plugins", "--plugin"]).arg(&longer));
    assert!(!listed.contains("dreams"), "an item of an unknown kind is passed over:\n{listed}");
    let refused = explain(out.path(), &plugin("option.so", "NEW_OPTION"), &model, "score-cam");
    let error = refused.error().unwrap_or_default();
    assert!(error.ends_with("its option colour is of kind 77; 1 to 5 are known"), "{error}");
}

/// What a header declares, with blanks made equal.
#[derive(Default)]
struct Declarations {
    /// Constants, by name.
    constants: BTreeMap<String, String>,
    /// The fields of structs, in order.
    structs: BTreeMap<String, Vec<String>>,
    /// Whole prototypes.
    functions: BTreeMap<String, String>,
    /// Other types: of functions, and of what only the library knows.
    types: Vec<String>,
}

impl Declarations {
    fn read(header: &Path) -> Self {
        let text = scorecam_tests::header(header);
        let mut found = Self::default();
        let code = without_comments(&text).replace("\\\n", " ");
        let mut plain = String::new();
        for line in code.lines() {
            match line.trim().strip_prefix("#define ") {
                Some(definition) => {
                    let (name, value) = definition.trim().split_once(' ').unwrap_or((definition.trim(), ""));
                    found.constants.insert(name.into(), blanks(value));
                }
                None if line.trim_start().starts_with('#') || line.contains("extern \"C\"") => {}
                None => plain.push_str(&format!("{line} ")),
            }
        }
        found.read_types(&blanks(&plain));
        found
    }

    fn read_types(&mut self, code: &str) {
        let mut rest = code;
        while let Some(end) = rest.find(';') {
            let mut statement = rest[..end].trim();
            if let Some((open, close)) = statement.find('{').zip(rest.find('}')) {
                let name = statement[..open].trim().rsplit(' ').next().unwrap_or_default().to_owned();
                let fields = rest[open + 1..close].split(';').map(|f| f.trim().to_owned());
                self.structs.insert(name, fields.filter(|f| !f.is_empty()).collect());
                rest = rest[close..].split_once(';').map_or("", |(_, rest)| rest).trim();
                continue;
            }
            statement = statement.trim_start_matches('}').trim();
            match statement.split_once('(') {
                Some((before, _)) if !statement.starts_with("typedef") => {
                    let name = before.rsplit([' ', '*']).next().unwrap_or_default().to_owned();
                    self.functions.insert(name, statement.to_owned());
                }
                _ => self.types.push(statement.to_owned()),
            }
            rest = rest[end + 1..].trim();
        }
    }
}

fn without_comments(text: &str) -> String {
    let no_blocks: String = text
        .split("/*")
        .enumerate()
        .map(|(i, part)| if i == 0 { part } else { part.split_once("*/").map_or("", |(_, code)| code) })
        .collect();
    no_blocks.lines().map(|line| line.split("//").next().unwrap_or_default().to_owned() + "\n").collect()
}

fn blanks(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Structs that begin with their size may have grown at the end; all others are as they were. A plugin's tables stand
/// behind an interface id and never change.
fn check_struct(name: &str, old: &[String], new: &[String], header: &str) {
    let may_grow = header == "scorecam.h" && old[0] == "uint32_t struct_size";
    let same = if may_grow { new.starts_with(old) } else { new == old };
    assert!(same, "{name} was\n{old:#?}\nand is\n{new:#?}");
}

#[test]
fn todays_headers_declare_all_that_those_of_1_0_did() {
    for header in HEADERS {
        let (old, new) = (
            Declarations::read(&frozen().join(header)),
            Declarations::read(&root().join("include").join(header)),
        );
        assert!(old.constants.len() > 15 && old.structs.len() > 5, "{header} was read");
        for (name, value) in old.constants {
            let found = new.constants.get(&name).unwrap_or_else(|| panic!("{header} lacks {name}"));
            assert!(name.ends_with("_INIT") || *found == value, "{name} was {value} and is {found}");
        }
        for (name, fields) in &old.structs {
            let found = new.structs.get(name).unwrap_or_else(|| panic!("{header} lacks struct {name}"));
            check_struct(name, fields, found, header);
        }
        for (name, prototype) in &old.functions {
            assert_eq!(new.functions.get(name), Some(prototype), "{name}");
        }
        for declaration in &old.types {
            assert!(new.types.contains(declaration), "{header} lacks {declaration:?}");
        }
    }
}

#[test]
fn fields_of_1_0_lie_where_they_lay() {
    let out = tempfile::tempdir().expect("a folder");
    let structs = HEADERS.iter().flat_map(|h| Declarations::read(&frozen().join(h)).structs);
    let mut program = String::from("#include \"scorecam.h\"\n#include <stdio.h>\nint main(void) {\n");
    for (name, fields) in structs {
        for field in &fields {
            let field = match field.split_once("(*") {
                Some((_, function)) => function.split(')').next().unwrap_or_default(),
                None => {
                    field.split('[').next().unwrap_or_default().rsplit([' ', '*']).next().unwrap_or_default()
                }
            };
            let place = format!("{name}.{field}");
            writeln!(
                program,
                "printf(\"{place} %d %d\\n\", (int)offsetof({name}, {field}), (int)sizeof((({name} *)0)->{field}));"
            )
            .expect("a string grows");
        }
    }
    program.push_str("return 0; }\n");
    let source = write(out.path().join("layout.c"), &program);
    let old = build(old_compiler(), &source, &out.path().join("old"), &[]);
    let new = build(compiler(Language::C, "c11"), &source, &out.path().join("new"), &[]);
    let (old, new) = (run(&mut Command::new(old)), run(&mut Command::new(new)));
    assert!(old.lines().count() > 100, "{old}");
    assert_eq!(old, new);
}
