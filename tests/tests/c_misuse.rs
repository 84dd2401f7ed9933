//! Misuse of the C API, from C: every mistake is answered with a status and a message, and none is a crash, a
//! leak or undefined behavior.
//!
//! The programs are `tests/c/misuse_*.c`. They run as they are, under the sanitizers of gcc and clang, under
//! valgrind, and, in a long test, with a library that is watched as well; a program that commits a fault on purpose proves each time that the tool was on. What they
//! print is compared with the header: a function, parameter or status that no program tries fails here.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use scorecam_tests::{Sanitizer, Watched, compiler_named, golden, library, link_shared, root};

const PROGRAMS: [&str; 5] =
    ["misuse_null", "misuse_handles", "misuse_structs", "misuse_values", "misuse_engine"];

/// Limits its own address space, which sanitizers and valgrind need for themselves.
const PLAIN_ONLY: &str = "misuse_memory";

const SANITIZERS: [&str; 5] =
    ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer", "-O1", "-g"];

/// What valgrind ends with when it found something; no program ends with it by itself.
const FOUND: i32 = 99;

#[test]
fn every_mistake_of_the_header_is_answered() {
    let out = tempfile::tempdir().expect("a folder");
    let mut printed = String::new();
    for program in PROGRAMS.iter().chain([&PLAIN_ONLY]) {
        printed += &passes(&mut misuse(&build(program, "gcc", &[], out.path()), out.path()), program);
    }
    let reported = |mark: &str| -> BTreeSet<String> {
        printed.lines().filter_map(|l| l.strip_prefix(mark)).map(str::to_owned).collect()
    };
    let functions = functions();
    let parameters = |wanted: fn(&Parameter) -> bool| -> BTreeSet<String> {
        let all = functions.iter().flat_map(|f| f.parameters.iter().map(move |p| (f, p)));
        all.filter(|(_, p)| wanted(p)).map(|(f, p)| format!("{}.{}", f.name, p.name)).collect()
    };
    let without_pointers = functions.iter().filter(|f| !f.parameters.iter().any(Parameter::is_pointer));
    let mut null = parameters(Parameter::is_pointer);
    null.extend(without_pointers.map(|f| f.name.clone()));
    let rows = |mark| -> BTreeSet<String> {
        reported(mark).iter().map(|row| row.split(':').next().unwrap_or(row).to_owned()).collect()
    };
    assert_eq!(rows("null "), null, "misuse_null.c has a row for every pointer of the header");
    assert_eq!(rows("misaligned "), parameters(Parameter::is_scalar_result), "misuse_null.c, odd addresses");
    assert_eq!(
        reported("handle "),
        parameters(Parameter::is_handle),
        "misuse_handles.c has a row for every handle"
    );
    assert_eq!(reported("status "), statuses(), "every status of the header is reached");
}

#[test]
fn nothing_is_found_by_the_sanitizers_of_gcc() {
    sanitized("gcc");
}

#[test]
fn nothing_is_found_by_the_sanitizers_of_clang() {
    sanitized("clang");
}

/// The sanitizers above watch the programs; here AddressSanitizer watches the library, too, and Rust's own.
#[test]
#[ignore = "long: cargo xtask soak"]
fn nothing_is_found_in_a_watched_library() {
    let out = tempfile::tempdir().expect("a folder");
    let watched = Watched::build(Sanitizer::Address);
    let build =
        |program: &str| watched.program(&root().join("tests/c").join(format!("{program}.c")), out.path());
    let proof = build("misuse_proof");
    passes(watched.command(&proof).arg("none"), "a sound program with a watched library");
    found(watched.command(&proof).arg("endless"), None, "AddressSanitizer: heap-buffer-overflow");
    for program in PROGRAMS {
        let mut command = watched.command(&build(program));
        command.arg(watched.library("scorecam_toy")).arg(golden("toy/plain.toy")).arg(out.path());
        passes(&mut command, program);
    }
}

#[test]
fn nothing_is_found_by_valgrind() {
    let out = tempfile::tempdir().expect("a folder");
    let proof = build("misuse_proof", "gcc", &["-g"], out.path());
    passes(valgrind(&proof).arg("none"), "valgrind on a sound program");
    found(valgrind(&proof).arg("leak"), Some(FOUND), "1,234 bytes in 1 blocks are definitely lost");
    found(valgrind(&proof).arg("overflow"), Some(FOUND), "Invalid read of size 1");
    for program in PROGRAMS {
        let binary = build(program, "gcc", &["-g"], out.path());
        passes(world(&mut valgrind(&binary), out.path()), program);
    }
}

fn sanitized(cc: &str) {
    let out = tempfile::tempdir().expect("a folder");
    let proof = build("misuse_proof", cc, &SANITIZERS, out.path());
    let faults = [
        ("overflow", "AddressSanitizer: heap-buffer-overflow"),
        ("leak", "LeakSanitizer: detected memory leaks"),
        ("arithmetic", "signed integer overflow"),
    ];
    passes(Command::new(&proof).arg("none"), "a sound program with sanitizers");
    for (fault, report) in faults {
        found(Command::new(&proof).arg(fault), None, report);
    }
    for program in PROGRAMS {
        passes(&mut misuse(&build(program, cc, &SANITIZERS, out.path()), out.path()), program);
    }
}

fn build(program: &str, cc: &str, flags: &[&str], out: &Path) -> PathBuf {
    let binary = out.join(program);
    let mut command = compiler_named(cc, "c11");
    command.args(flags).arg(root().join("tests/c").join(format!("{program}.c"))).arg("-o").arg(&binary);
    let output = output(command.args(link_shared()).args(["-pthread", "-lm"]));
    let errors = String::from_utf8_lossy(&output.stderr);
    let hint = "cargo xtask tools lists gcc, clang, its sanitizers and valgrind with their packages";
    assert!(output.status.success(), "{cc} on {program}: {errors}\n{hint}");
    binary
}

fn valgrind(binary: &Path) -> Command {
    let mut command = Command::new("valgrind");
    command.args([
        "-q",
        "--leak-check=full",
        "--show-leak-kinds=definite",
        "--errors-for-leak-kinds=definite",
    ]);
    command.arg(format!("--error-exitcode={FOUND}")).arg(binary);
    command
}

fn misuse(binary: &Path, out: &Path) -> Command {
    let mut command = Command::new(binary);
    world(&mut command, out);
    command
}

/// What every misuse program works on.
fn world<'a>(command: &'a mut Command, out: &Path) -> &'a mut Command {
    command.arg(library("scorecam_toy")).arg(golden("toy/plain.toy")).arg(out)
}

fn output(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|e| panic!("{command:?}: {e}; cargo xtask tools lists the package of it"))
}

/// What the command prints when all is well.
fn passes(command: &mut Command, what: &str) -> String {
    let output = output(command);
    let (reported, errors) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{what}: {}\n{errors}", output.status);
    reported.into_owned()
}

/// Fails unless the command ends with `code`, or any but 0, and reports the fault.
fn found(command: &mut Command, code: Option<i32>, report: &str) {
    let output = output(command);
    let errors = String::from_utf8_lossy(&output.stderr);
    let ended = output.status.code();
    assert!(ended != Some(0) && (code.is_none() || ended == code), "{command:?} ended with {ended:?}");
    assert!(errors.contains(report), "{command:?} does not report {report:?}:\n{errors}");
}

/// An exported function, as the header declares it.
struct Function {
    name: String,
    parameters: Vec<Parameter>,
}

struct Parameter {
    declaration: String,
    name: String,
}

impl Parameter {
    fn is_pointer(&self) -> bool {
        self.declaration.contains('*')
    }

    fn is_handle(&self) -> bool {
        let opaque = ["scorecam_host *", "scorecam_model *", "scorecam_explanation *"];
        opaque.iter().any(|o| self.declaration.contains(o)) && !self.declaration.contains("**")
    }

    /// A result that is written as one value, so that its address must be aligned.
    fn is_scalar_result(&self) -> bool {
        let declaration = &self.declaration;
        declaration.contains("**") || ["uint64_t *", "double *"].iter().any(|of| declaration.starts_with(of))
    }
}

fn header(name: &str) -> String {
    scorecam_tests::header(&root().join("include").join(name))
}

fn functions() -> Vec<Function> {
    let header = header("scorecam.h");
    let declarations = header.split("extern \"C\" {").last().expect("the functions");
    let code: String = declarations.split("/*").map(|s| s.split_once("*/").map_or(s, |(_, c)| c)).collect();
    let functions: Vec<Function> = code.split(';').filter_map(function).collect();
    assert!(functions.len() > 20, "only {} functions were found in the header", functions.len());
    functions
}

fn function(declaration: &str) -> Option<Function> {
    let (head, parameters) = declaration.split_once('(')?;
    let name = last_word(head);
    let parameters = parameters.split_once(')')?.0.split(',').map(|p| Parameter {
        declaration: p.split_whitespace().collect::<Vec<_>>().join(" "),
        name: last_word(p),
    });
    name.starts_with("scorecam_").then(|| Function { name, parameters: parameters.collect() })
}

fn last_word(text: &str) -> String {
    text.trim().rsplit([' ', '*', '\n']).next().unwrap_or_default().to_owned()
}

/// The statuses of the plugin header, which all functions return.
fn statuses() -> BTreeSet<String> {
    let header = header("scorecam_plugin.h");
    let names = header.lines().filter_map(|l| l.strip_prefix("#define ")?.split(' ').next());
    names.filter(|n| *n == "SCORECAM_OK" || n.starts_with("SCORECAM_ERR_")).map(str::to_owned).collect()
}
