//! The four headers compile alone and twice, for gcc and clang, in every language version and mode that they
//! promise, without a warning.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use scorecam_tests::{compiler_named, run};

/// A compiler of a language.
struct Compilers {
    names: [&'static str; 2],
    extension: &'static str,
}

const C: Compilers = Compilers { names: ["gcc", "clang"], extension: "c" };
const CPP: Compilers = Compilers { names: ["g++", "clang++"], extension: "cpp" };

const C_HEADERS: [&str; 2] = ["scorecam.h", "scorecam_plugin.h"];
const CPP_HEADERS: [&str; 2] = ["scorecam.hpp", "scorecam_plugin.hpp"];

/// Beyond what the programs of the tests are held to: headers are compiled with their users' warnings.
const STRICT: [&str; 3] = ["-Wshadow", "-Wconversion", "-Wsign-conversion"];
const CPP_STRICT: [&str; 1] = ["-Wold-style-cast"];

/// Compiles a source with each of the compilers, standards and sets of flags, as many at once as there are
/// cores.
fn check(compilers: &Compilers, standards: &[&str], flags: &[&[&str]], source: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("source").with_extension(compilers.extension);
    std::fs::write(&path, source).expect("the folder is writable");
    let all: Vec<_> = compilers
        .names
        .iter()
        .flat_map(|name| standards.iter().flat_map(move |s| flags.iter().map(move |f| (*name, *s, *f))))
        .collect();
    let (next, cores) = (AtomicUsize::new(0), std::thread::available_parallelism().map_or(1, usize::from));
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while let Some((name, standard, flags)) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let mut command = compiler_named(name, standard);
                    run(command.arg("-fsyntax-only").args(STRICT).args(*flags).arg(&path));
                }
            });
        }
    });
}

fn twice(header: &str) -> String {
    format!("#include \"{header}\"\n#include \"{header}\"\nint main(void) {{ return 0; }}\n")
}

#[test]
fn c_headers_compile_alone_and_twice() {
    for header in C_HEADERS {
        check(&C, &["c11", "c17"], &[&[]], &twice(header));
        check(&CPP, &["c++11", "c++17", "c++20"], &[&CPP_STRICT], &twice(header));
    }
}

#[test]
fn cpp_headers_compile_alone_and_twice_in_all_modes() {
    // c++2b is what C++23 is called by compilers that have most of it, and by those that have all.
    for header in CPP_HEADERS {
        check(&CPP, &["c++17", "c++20", "c++2b"], &[&CPP_STRICT], &twice(header));
        let bare = ["-fno-exceptions", "-fno-rtti", CPP_STRICT[0]];
        check(&CPP, &["c++17", "c++20"], &[&bare], &twice(header));
    }
}

/// Every begin value of a struct, as an object of its type.
#[test]
fn begin_values_are_right_for_c_and_cpp() {
    let header = Path::new(env!("CARGO_MANIFEST_DIR")).join("../include/scorecam.h");
    let header = std::fs::read_to_string(header).expect("the header");
    let macros = header.lines().filter_map(|line| line.strip_prefix("#define ")?.split(' ').next());
    let objects: Vec<String> = macros
        .filter_map(|name| name.strip_suffix("_INIT"))
        .map(|name| {
            let kind = name.to_lowercase().replace("scorecam_tensor", "scorecam_image");
            format!("extern {kind} {0}_object;\n{kind} {0}_object = {name}_INIT;\n", name.to_lowercase())
        })
        .collect();
    assert_eq!(objects.len(), 11, "{objects:?}");
    let source = format!("#include \"scorecam.h\"\n{}", objects.concat());
    check(&C, &["c11"], &[&[]], &source);
    check(&CPP, &["c++11", "c++20"], &[&CPP_STRICT], &source);
}

/// Of two libraries in a process each keeps its own, however they were compiled: nothing of the headers is unique in
/// the process, and every name says of which version of them it is.
#[test]
fn libraries_of_two_versions_of_the_headers_share_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("c/plugin_faults.cpp");
    for name in CPP.names {
        let library = folder.path().join(name);
        run(compiler_named(name, "c++17").args(["-shared", "-fPIC"]).arg(&source).arg("-o").arg(&library));
        let nm = run(Command::new("nm").args(["-D", "--defined-only", "--format=posix"]).arg(&library));
        let symbols: Vec<(&str, &str)> = nm
            .lines()
            .filter_map(|line| line.split_once(' '))
            .filter(|(symbol, _)| symbol.contains("8scorecam"))
            .collect();
        assert!(symbols.len() > 100, "{name}: {symbols:?}");
        for (symbol, kind) in symbols {
            assert!(!kind.starts_with('u'), "{name}: {symbol} is unique in the process");
            assert!(symbol.contains("8throws_1"), "{name}: {symbol} has no version");
        }
    }
}

#[test]
fn headers_get_along_in_any_order() {
    let [api, plugin] = CPP_HEADERS;
    let opencv = "opencv2/core.hpp";
    let flags: Vec<String> = run(Command::new("pkg-config").args(["--cflags-only-I", "opencv4"]))
        .split_whitespace()
        .map(|flag| flag.replacen("-I", "-isystem", 1))
        .collect();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    // The matrix functions appear as soon as OpenCV is there.
    let uses =
        "int main() { cv::Mat m(1, 1, CV_8U); return scorecam::photo_of(m).upright_width() == 1 ? 0 : 1; }";
    for order in [[plugin, opencv, api], [api, opencv, api], [opencv, plugin, api]] {
        let includes: String = order.iter().map(|header| format!("#include \"{header}\"\n")).collect();
        check(&CPP, &["c++17"], &[&flags], &format!("{includes}{uses}\n"));
    }
}

#[test]
fn every_header_is_in_the_matrix() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../include");
    let mut found: Vec<String> = std::fs::read_dir(folder)
        .expect("the headers")
        .map(|entry| entry.expect("an entry"))
        .filter(|entry| entry.path().is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    found.sort();
    let mut checked = [C_HEADERS, CPP_HEADERS].concat();
    checked.sort();
    assert_eq!(found, checked);
}
