//! The four headers compile alone and twice, for gcc and clang, in every language version and mode that they
//! promise, without a warning.

use std::path::Path;
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
        check(&CPP, &["c++11", "c++17", "c++20"], &[&[]], &twice(header));
    }
}

#[test]
fn cpp_headers_compile_alone_and_twice_in_all_modes() {
    // c++2b is what C++23 is called by compilers that have most of it, and by those that have all.
    for header in CPP_HEADERS {
        check(&CPP, &["c++17", "c++20", "c++2b"], &[&[]], &twice(header));
        check(&CPP, &["c++17", "c++20"], &[&["-fno-exceptions", "-fno-rtti"]], &twice(header));
    }
}

#[test]
fn headers_get_along_in_any_order() {
    let [api, plugin] = CPP_HEADERS;
    let opencv = "opencv2/core.hpp";
    let flags: Vec<String> =
        run(std::process::Command::new("pkg-config").args(["--cflags-only-I", "opencv4"]))
            .split_whitespace()
            .map(|flag| flag.replacen("-I", "-isystem", 1))
            .collect();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    // The matrix functions appear as soon as OpenCV is there.
    let uses =
        "int main() { return scorecam::photo_of(cv::Mat::zeros(1, 1, CV_8U)).upright_width() == 1 ? 0 : 1; }";
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
