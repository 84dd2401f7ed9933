//! What the pages show in C and C++ compiles, by gcc and clang: each block as it stands. Those of the page on plugins are
//! linked, with the bodies of what they only declare.

use std::path::Path;

use scorecam_tests::{compiler_named, root, run};

/// A page's blocks of a language, of which there are so many.
fn blocks<const COUNT: usize>(page: &str, language: &str) -> [String; COUNT] {
    let page = std::fs::read_to_string(root().join("docs").join(page)).expect("the page");
    let fence = format!("```{language}\n");
    let blocks = page.split(&fence).skip(1);
    let blocks = blocks.map(|rest| rest.split_once("```").expect("the end of a block").0.to_owned());
    blocks.collect::<Vec<_>>().try_into().expect("as many blocks as that")
}

/// Makes a plugin of a source, which may leave nothing undefined.
fn check(compilers: [&str; 2], standard: &str, source: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(if standard == "c11" { "page.c" } else { "page.cpp" });
    std::fs::write(&path, format!("{source}\n")).expect("the folder is writable");
    for name in compilers {
        let library = folder.path().join(name);
        let mut command = compiler_named(name, standard);
        command.args(["-shared", "-fPIC", "-fvisibility=hidden", "-Wl,--no-undefined"]).arg(&path);
        run(command.arg("-o").arg(&library));
        exports_the_entry(&library);
    }
}

fn exports_the_entry(library: &Path) {
    let symbols = run(std::process::Command::new("nm").args(["-D", "--defined-only"]).arg(library));
    assert!(symbols.contains(" scorecam_plugin_entry"), "{}: {symbols}", library.display());
}

#[test]
fn the_c_blocks_of_the_page_on_plugins_are_a_plugin() {
    let [table, assess] = blocks("plugins.md", "c");
    let bodies = "
        static const scorecam_descriptor *descriptor(uint32_t index) { (void)index; return NULL; }
        static int32_t load(const scorecam_model_config *config, void **model, scorecam_message *why)
        { (void)config; (void)model; (void)why; return SCORECAM_ERR_MODEL; }
        static void release(void *model) { (void)model; }
        static int32_t describe(void *model, const scorecam_model_description **description, scorecam_message *why)
        { (void)model; (void)description; (void)why; return SCORECAM_ERR_MODEL; }
        static int32_t forward(void *model, const scorecam_inputs *inputs, const char *const *wanted,
                               uint64_t wanted_count, scorecam_outputs *outputs, scorecam_message *why)
        { (void)model; (void)inputs; (void)wanted; (void)wanted_count; (void)outputs; (void)why;
          return SCORECAM_ERR_MODEL; }
        const scorecam_readiness my_readiness = {sizeof my_readiness, 0, assess};
    ";
    let includes = ["stddef.h", "stdio.h", "string.h", "unistd.h", "scorecam_plugin.h"]
        .map(|name| format!("#include <{name}>\n"))
        .concat();
    check(["gcc", "clang"], "c11", &format!("{includes}{table}{assess}{bodies}"));
}

#[test]
fn the_cpp_blocks_of_the_page_on_plugins_are_a_plugin() {
    let bodies = "
        scorecam::ModelDescription MyModel::describe() const { return {}; }
        std::vector<scorecam::Tensor> MyModel::forward(const scorecam::Inputs &,
                                                       scorecam::View<const std::string_view>) const { return {}; }
        std::unique_ptr<scorecam::Engine> MyRuntime::load(const scorecam::ModelConfig &) const
        { return std::make_unique<MyModel>(); }
        scorecam::MethodResult MyCam::explain(const scorecam::Study &, const scorecam::OptionValues &) const
        { return {}; }
    ";
    let [backend, method] = blocks("plugins.md", "cpp");
    let source = format!("#include \"scorecam_plugin.hpp\"\n{method}{backend}{bodies}");
    check(["g++", "clang++"], "c++17", &source);
    // Overrides need not be public.
    check(["g++", "clang++"], "c++17", &source.replace("public:\n", ""));
}

/// The program of the page on the C API; that on toolchains goes on with its photo and explanation.
#[test]
fn the_cpp_blocks_of_the_other_pages_are_a_program() {
    let [program] = blocks("c-api.md", "cpp");
    let [map] = blocks("toolchains.md", "cpp");
    let (includes, body): (Vec<&str>, Vec<&str>) = program.lines().partition(|line| line.starts_with('#'));
    let (includes, body) = (includes.join("\n"), body.join("\n"));
    let source =
        format!("{includes}\n#include <iostream>\nint main() {{\n{body}\n{map}\nreturn map.empty(); }}\n");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("page.cpp");
    std::fs::write(&path, source).expect("the folder is writable");
    let flags = run(std::process::Command::new("pkg-config").args(["--cflags-only-I", "opencv4"]));
    let flags: Vec<String> =
        flags.split_whitespace().map(|flag| flag.replacen("-I", "-isystem", 1)).collect();
    for name in ["g++", "clang++"] {
        run(compiler_named(name, "c++17").arg("-fsyntax-only").args(&flags).arg(&path));
    }
}

/// The program of the page on C++, as a reader copies it.
#[test]
fn the_cpp_block_of_the_page_on_cpp_is_a_program() {
    let [program] = blocks("cpp.md", "cpp");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("my_program.cpp");
    std::fs::write(&path, program).expect("the folder is writable");
    for name in ["g++", "clang++"] {
        run(compiler_named(name, "c++17").arg("-fsyntax-only").arg(&path));
    }
}
