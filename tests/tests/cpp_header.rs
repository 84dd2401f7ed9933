//! The four headers compile alone and twice, for gcc and clang, in every language version and mode that they
//! promise, without a warning.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use scorecam_tests::{compiler_named, link_shared, root, run};

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
    assert_eq!(objects.len(), 14, "{objects:?}");
    let source = format!("#include \"scorecam.h\"\n{}", objects.concat());
    check(&C, &["c11"], &[&[]], &source);
    check(&CPP, &["c++11", "c++20"], &[&CPP_STRICT], &source);
}

/// Structs that callers fill in take designated initializers of C++20, which name the fields that matter and no others.
#[test]
fn designated_initializers_leave_fields_out_without_a_warning() {
    let c = "#include \"scorecam.h\"
        int main() {
            const float values[3] = {0.0f, 0.5f, 1.0f};
            const scorecam_model_options load{.threads = 1, .layer = \"features\"};
            const scorecam_image image{.kind = SCORECAM_IMAGE_TENSOR, .data = values, .data_size = sizeof values,
                                       .width = 1, .height = 1, .sample_type = SCORECAM_SAMPLES_F32, .layout = SCORECAM_LAYOUT_CHW, .channels = 3};
            const scorecam_explain_options explain{.jobs = 2, .top_k = 3, .time_limit = 0.5};
            const scorecam_overlay_options overlay{.colormap = \"turbo\"};
            scorecam_target target;
            return load.struct_size == sizeof load && image.orientation == 1 && explain.method == nullptr &&
                   overlay.opacity == 0.5f && target.struct_size == sizeof target ? 0 : 1;
        }";
    let cpp = "#include \"scorecam.hpp\"
        int main() {
            const scorecam::ModelOptions load{.threads = 1, .settings = {{.name = \"a\", .value = \"b\"}}};
            const scorecam::ExplainOptions explain{.top_k = 3, .time_limit = std::chrono::seconds(2)};
            const scorecam::OverlayOptions overlay{.colormap = \"turbo\"};
            return load.layer.empty() && explain.jobs == 0 && overlay.opacity == 0.5f ? 0 : 1;
        }";
    let plugin = "#include \"scorecam_plugin.hpp\"
        int main() {
            const scorecam::Descriptor descriptor{.id = \"a\", .version = \"1\", .summary = \"b\"};
            const scorecam::OptionSpec option{.name = \"count\", .help = \"how many\", .default_value = \"1\"};
            const scorecam::MethodDescription method{.options = {option}};
            const scorecam::Layer layer{.name = \"features\", .shape = {16, 8, 8}};
            const scorecam::ModelDescription model{.outputs = {{.shape = {1, 10}}}, .layers = {layer}};
            const scorecam::MethodResult result{.warnings = {\"slow\"}};
            const scorecam::Masks masks{.upsample = SCORECAM_UPSAMPLE_NEAREST};
            return descriptor.abilities == 0 && method.needs == 0 && model.fixed_batch == 0 &&
                   result.maps.size() == 0 && !masks.fill ? 0 : 1;
        }";
    let folder = tempfile::tempdir().expect("a folder");
    for (name, source) in [("c", c), ("cpp", cpp), ("plugin", plugin)] {
        let path = folder.path().join(name).with_extension("cpp");
        std::fs::write(&path, source).expect("the folder is writable");
        for compiler in CPP.names {
            let binary = folder.path().join(format!("{name}-{compiler}"));
            let mut command = compiler_named(compiler, "c++20");
            command
                .args(["-Wmissing-field-initializers", "-Wold-style-cast"])
                .arg(&path)
                .arg("-o")
                .arg(&binary);
            run(command.args(link_shared()));
            run(&mut Command::new(&binary));
        }
    }
}

/// C++ begins a field where its macro does.
#[test]
fn a_struct_of_cpp_begins_as_its_macro_says() {
    let header = std::fs::read_to_string(root().join("include/scorecam.h")).expect("the header");
    let names = header
        .lines()
        .filter_map(|line| line.strip_prefix("#define ")?.split(' ').next()?.strip_suffix("_INIT"));
    // A tensor is an image that begins otherwise.
    let names: Vec<_> = names.filter(|name| *name != "SCORECAM_TENSOR").collect();
    assert_eq!(names.len(), 13, "{names:?}");
    let compare = |name: &&str| {
        let kind = name.to_lowercase();
        format!(
            "{{ static {kind} a = {name}_INIT; static {kind} b; if (std::memcmp(&a, &b, sizeof a)) return 1; }}\n"
        )
    };
    let body: String = names.iter().map(compare).collect();
    let source = format!("#include <cstring>\n#include \"scorecam.h\"\nint main() {{\n{body}return 0; }}\n");
    let folder = tempfile::tempdir().expect("a folder");
    let (path, binary) = (folder.path().join("begin.cpp"), folder.path().join("begin"));
    std::fs::write(&path, source).expect("the folder is writable");
    run(compiler_named("g++", "c++14").arg(&path).arg("-o").arg(&binary));
    run(&mut Command::new(&binary));
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
