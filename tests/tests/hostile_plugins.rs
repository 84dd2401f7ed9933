//! Plugins that break the contract, and files that are no plugins: each row of `tests/golden/hostile.txt` is a
//! process of its own, and how it ends is compared with what stands there.
//!
//! The ways in which a plugin is spoiled stand in `tests/hostile`: two libraries in C, one in C++ and one in Rust,
//! each with the way as a variable. A row's command is `explain` (Score-CAM on the plugin's backend), `grad-cam`,
//! `method` (the plugin's own method) or `check` (`scorecam check` with a model). To add a row, write its first two
//! columns; the test fails and says where the whole file lies as it is now.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use scorecam_tests::{Ended, Language, built, compiler, golden, library, link_shared, root, run, scorecam};

/// What a row of the golden file is.
struct Row<'a> {
    way: &'a str,
    command: &'a str,
}

/// The libraries and files that the rows are made of.
struct Workshop {
    folder: tempfile::TempDir,
}

impl Workshop {
    fn new() -> Self {
        let shop = Self { folder: tempfile::tempdir().expect("a folder") };
        let nothing = shop.write("nothing.c", "int nothing_at_all = 1;\n");
        let lost = shop.write("lost.c", "int lost(void);\nint (*const kept)(void) = lost;\n");
        let hostile = root().join("tests/hostile");
        let doors = ["scorecam_plugin_entry", "_1as_0lib_1header_0root_bmodule_bloader"];
        let doors = doors.iter().flat_map(|door| [0, 1].map(|address| (door, address)));
        let doors = doors.map(|(door, address)| {
            let name = format!("file with {door} at address {address}");
            let code = format!("__asm__(\".globl {door}\\n.set {door}, {address}\");\nint some = 1;\n");
            (shop.write(&format!("{name}.c"), code), name)
        });
        let doors: Vec<_> = doors.collect();
        let gone = shop.path("libgone.so");
        std::thread::scope(|scope| {
            scope.spawn(|| shop.compile(Language::C, &hostile.join("spoiled.c"), "spoiled.so"));
            scope.spawn(|| shop.compile(Language::C, &hostile.join("able.c"), "able.so"));
            scope.spawn(|| shop.compile(Language::Cpp, &hostile.join("throws.cpp"), "throws.so"));
            scope.spawn(|| shop.compile(Language::C, &nothing, "file without the symbol"));
            scope.spawn(|| shop.compile(Language::C, &lost, "file with an undefined symbol"));
            scope.spawn(|| shop.compile(Language::C, &nothing, "libgone.so"));
            scope.spawn(|| doors.iter().for_each(|(code, name)| shop.compile(Language::C, code, name)));
        });
        run(compiler(Language::C, "c11")
            .args(["-shared", "-fPIC", "-Wl,--no-as-needed"])
            .arg(&nothing)
            .arg(&gone)
            .arg("-o")
            .arg(shop.path("file with a missing dependency")));
        std::fs::remove_file(&gone).expect("it was built");
        shop.make_files();
        shop.write("sound.spoiled", "sound\n");
        shop.write("sound.toml", "[output]\nactivation = \"none\"\n");
        shop.write("input.npy", npy(&[1.0; 36], "(1, 6, 6)"));
        shop
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        std::fs::write(self.path(name), content).expect("the folder is writable");
        self.path(name)
    }

    fn compile(&self, language: Language, source: &Path, name: &str) {
        let standard = if language == Language::C { "c11" } else { "c++17" };
        let mut command = compiler(language, standard);
        command.args(["-shared", "-fPIC", "-D_DEFAULT_SOURCE"]).arg(source);
        run(command.arg("-o").arg(self.path(name)));
    }

    /// Files that are no whole libraries for this machine.
    fn make_files(&self) {
        let whole = std::fs::read(self.path("spoiled.so")).expect("it was built");
        let with = |at: usize, byte: u8| {
            let mut changed = whole.clone();
            changed[at] = byte;
            changed
        };
        self.write("file of no bytes", "");
        self.write("file of text", "this is a text\n");
        for kept in [4, 63, 64, 1000, whole.len() / 2, whole.len() - 1] {
            let name = match kept {
                kept if kept == whole.len() / 2 => "file cut in half".to_owned(),
                kept if kept == whole.len() - 1 => "file without its last byte".to_owned(),
                kept => format!("file cut after {kept} bytes"),
            };
            self.write(&name, &whole[..kept]);
        }
        // The places of e_ident[EI_CLASS], e_ident[EI_DATA], e_type and e_machine.
        self.write("file for 32 bits", with(4, 1));
        self.write("file of another byte order", with(5, 2));
        self.write("file that is a program", with(16, 2));
        self.write("file for another processor", with(18, if whole[18] == 183 { 62 } else { 183 }));
        std::fs::create_dir(self.path("file that is a folder")).expect("the folder is writable");
        let link = self.path("file that is a link to itself");
        std::os::unix::fs::symlink(&link, &link).expect("the folder is writable");
        run(Command::new("mkfifo").arg(self.path("file that is a pipe")));
    }

    fn plugin(&self, way: &str) -> PathBuf {
        match way.split_once(' ') {
            Some(("panic", _)) => built("examples/libpanics.so"),
            Some(("exception", _)) => self.path("throws.so"),
            Some(("gradients" | "masks", _)) => self.path("able.so"),
            Some(("file", _)) => self.path(way),
            _ => self.path("spoiled.so"),
        }
    }

    /// How the row's process ends, as the golden file writes it.
    fn line(&self, row: &Row<'_>, number: usize) -> String {
        let (plugin, model) = (self.plugin(row.way), self.path("sound.spoiled"));
        let map = self.path(&format!("map{number}.npy"));
        let mut command = scorecam();
        command.env("SPOIL", row.way).env_remove("SCORECAM_PLUGIN_PATH");
        match row.command {
            "check" => {
                // Checks that hang are waited for; all others have time enough on a busy machine.
                let seconds = if row.way.starts_with("hang") { "3" } else { "60" };
                command.args(["check", "--time-limit", seconds, "--model"]).arg(model).arg(&plugin);
            }
            "explain" | "method" | "grad-cam" => {
                let id = match (row.command, row.way.starts_with("panic")) {
                    ("method", true) => "panics",
                    ("method", false) => "spoiled",
                    ("grad-cam", _) => "grad-cam",
                    _ => "score-cam",
                };
                command.arg("explain").arg(self.path("input.npy")).args(["--method", id, "--class", "1"]);
                command.arg("--model").arg(model).arg("--plugin").arg(&plugin).arg("--map").arg(&map);
                command.env("SPOIL_COUNT", "1");
            }
            other => panic!("{}: the command {other:?} is unknown", row.way),
        }
        let ended = Ended::of(&mut command, Duration::from_secs(100));
        let (outcome, text) = match row.command {
            "check" => checked(&ended),
            _ => explained(&ended, map.exists()),
        };
        let folders = [self.folder.path(), plugin.parent().expect("a folder")];
        let text = folders.iter().fold(text, |text, f| text.replace(&f.display().to_string(), "DIR"));
        assert!(!text.contains(char::is_control), "{}: {text:?} is one line", row.way);
        format!("{} | {} | {outcome} | {text}\n", row.way, row.command)
    }
}

/// An `.npy` file.
fn npy(values: &[f32], shape: &str) -> Vec<u8> {
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
    let header = format!("{header:<117}\n");
    let start = [&b"\x93NUMPY\x01\x00"[..], &(header.len() as u16).to_le_bytes(), header.as_bytes()].concat();
    start.into_iter().chain(values.iter().flat_map(|v| v.to_le_bytes())).collect()
}

/// Outcome and text of an explain call: its error or warnings, and what was never released.
fn explained(ended: &Ended, map: bool) -> (String, String) {
    let outcome = match (ended.how().as_str(), map, ended.error()) {
        ("ended with 0", true, _) => "ok".into(),
        ("ended with 0", false, _) => "ended with 0, without a map".into(),
        ("ended with 1", false, Some(_)) => "error".into(),
        (how, ..) => how.to_owned(),
    };
    let warnings = ended.stderr.lines().filter(|line| line.starts_with("warning: "));
    let error = ended.error().filter(|_| outcome == "error");
    let mut texts: Vec<String> = warnings.chain(error).map(shortened).collect();
    // What a process that died left is nobody's fault but the plugin's.
    let kept = ended.stdout.lines().find_map(|line| line.strip_prefix("not released: "));
    let dead = !["ok", "error"].contains(&outcome.as_str());
    if let Some(kept) = kept.filter(|kept| *kept != "0 outputs, 0 models" && !dead) {
        texts.push(format!("not released: {kept}"));
    }
    (outcome, texts.join("; "))
}

/// The exit of `scorecam check`, and the checks that were not passed. The rest of the table must be there.
fn checked(ended: &Ended) -> (String, String) {
    let rows: Vec<&str> = ended.stdout.lines().skip(1).collect();
    let outcomes = ["  ok", "  not run", "  failed", "  crashed", "  timed out"];
    let named = |row: &&&str| outcomes.iter().any(|outcome| row.contains(outcome));
    let tables = rows.iter().filter(named).count();
    assert_eq!((tables, rows.len()), (20, 20), "{}\n{}", ended.stdout, ended.stderr);
    let passed = |row: &&&str| outcomes[..2].iter().any(|outcome| row.contains(outcome));
    let others = rows.iter().filter(|row| !passed(row));
    let tidy = |row: &&str| shortened(&row.split_whitespace().collect::<Vec<_>>().join(" "));
    let texts: Vec<String> = others.map(tidy).collect();
    let expected = if texts.is_empty() { "ended with 0" } else { "ended with 1" };
    assert_eq!(ended.how(), expected, "the exit status says whether all was passed: {texts:?}");
    let outcome = if texts.is_empty() { "ok" } else { "reported" };
    (outcome.into(), texts.join("; "))
}

/// A text without what differs from system to system: the words of its loader, the sizes of its libraries, and
/// which plugins were built.
fn shortened(text: &str) -> String {
    const MOST: usize = 400;
    let ours = [
        "it cannot be loaded: ",
        "no backend loads files like ",
        "it is truncated: ",
        "it is built for another CPU than ",
    ];
    let cut = ours.iter().find_map(|ours| text.find(ours).map(|at| at + ours.len()));
    let cut = cut.or_else(|| text.char_indices().nth(MOST).map(|(at, _)| at));
    cut.map_or(text.to_owned(), |at| format!("{}...", &text[..at]))
}

fn rows(golden: &str) -> Vec<Row<'_>> {
    golden
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| {
            let mut columns = line.split(" | ");
            let (Some(way), Some(command)) = (columns.next(), columns.next()) else {
                panic!("{line:?} does not begin with WAY | COMMAND");
            };
            Row { way, command }
        })
        .collect()
}

#[test]
fn every_row_ends_as_the_golden_file_says() {
    let shop = Workshop::new();
    let file = golden("hostile.txt");
    let expected = std::fs::read_to_string(&file).expect("the golden file");
    let rows = rows(&expected);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(row) = rows.get(number) else { return done };
            done.push((number, shop.line(row, number)));
        }
    };
    // More than there are cores: some rows only wait.
    let mut lines = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..6).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|w| w.join().expect("a row")).collect::<Vec<_>>()
    });
    lines.sort();
    let comments = expected.lines().filter(|l| l.starts_with('#')).map(|l| format!("{l}\n"));
    let actual: String = comments.chain(lines.into_iter().map(|(_, line)| line)).collect();
    if actual != expected {
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("hostile.txt");
        std::fs::write(&kept, &actual).expect("the build's folder is writable");
        let differs = actual.lines().filter(|l| !expected.lines().any(|e| e == *l));
        let differs: Vec<&str> = differs.collect();
        panic!(
            "these rows end otherwise than in {}; all as it is now is in {}:\n{}",
            file.display(),
            kept.display(),
            differs.join("\n")
        );
    }
}

#[test]
fn every_way_to_spoil_a_plugin_has_a_row() {
    let expected = std::fs::read_to_string(golden("hostile.txt")).expect("the golden file");
    let with_row: BTreeSet<&str> = rows(&expected).iter().map(|row| row.way).collect();
    let read =
        |name: &str| std::fs::read_to_string(root().join("tests/hostile").join(name)).expect("a source");
    let named = |source: &str, before: &str| -> Vec<String> {
        source.split(before).skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect()
    };
    let c = read("spoiled.c");
    let mut ways = named(&c, "is(\"");
    ways.extend(named(&c, "SET(\""));
    ways.extend(named(&read("able.c"), "is(\""));
    ways.extend(named(&c, "misbehave(\"").iter().map(|place| format!("crash in {place}")));
    ways.extend(named(&read("throws.cpp"), "throw_in(\""));
    ways.extend(named(&read("panics.rs"), "panic_in(\"").iter().map(|place| format!("panic in {place}")));
    assert!(ways.len() > 150, "only {} ways were found", ways.len());
    let without: Vec<&String> = ways.iter().filter(|way| !with_row.contains(way.as_str())).collect();
    assert!(without.is_empty(), "without a row: {without:?}");
}

/// Builds the example that explains a tensor with the plugin that it is given.
fn explain_tensor(shop: &Workshop) -> PathBuf {
    let binary = shop.path("tensor");
    let mut command = compiler(Language::C, "c11");
    command.arg(root().join("examples/c/explain_tensor.c")).arg("-o").arg(&binary).args(link_shared());
    run(&mut command);
    binary
}

#[test]
fn a_plugin_may_load_plugins_while_it_is_opened() {
    let shop = Workshop::new();
    let (binary, plugin, hostile) =
        (explain_tensor(&shop), shop.path("loads.so"), root().join("tests/hostile"));
    let mut command = compiler(Language::C, "c11");
    command
        .args(["-shared", "-fPIC", "-D_DEFAULT_SOURCE"])
        .args(["spoiled.c", "loads.c"].map(|c| hostile.join(c)));
    run(command.arg("-o").arg(&plugin).args(link_shared()));
    let mut command = Command::new(&binary);
    // No image is given: the program ends when it has loaded the plugin, the model, and found that out.
    command.arg(&plugin).arg(shop.path("sound.spoiled")).args(["1", "0", "6"]);
    command.env("LOADS", library("scorecam_toy")).env("LOADS_ITSELF", &plugin);
    let ended = Ended::of(&mut command, Duration::from_secs(60));
    assert!(
        ended.stdout.ends_with("loaded 2 plugins\n"),
        "{}: {} {}",
        ended.how(),
        ended.stdout,
        ended.stderr
    );
    assert!(ended.stderr.starts_with("explain: "), "{}: {}", ended.how(), ended.stderr);
}

#[test]
fn an_application_sees_the_error_and_no_crash() {
    let shop = Workshop::new();
    let binary = explain_tensor(&shop);
    let input = shop.write("input.raw", [0; 144]);
    for (way, words) in [
        ("version 1", "load the plugin: plugin "),
        ("scores NaN", "explain: the model's class scores: value NaN"),
    ] {
        let mut command = Command::new(&binary);
        command.arg(shop.path("spoiled.so")).arg(shop.path("sound.spoiled")).args(["1", "6", "6"]);
        let output = command
            .env("SPOIL", way)
            .stdin(std::fs::File::open(&input).expect("it was written"))
            .output()
            .expect("the program starts");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{way}: {errors}");
        assert!(errors.starts_with(words), "{way}: {errors}");
    }
}
