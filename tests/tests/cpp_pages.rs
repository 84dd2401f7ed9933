//! What the page on plugins shows in C and C++ compiles and links, by gcc and clang: each block as it stands, with the
//! bodies of what it only declares.

use std::path::Path;

use scorecam_tests::{compiler_named, root, run};

/// The page's blocks of a language, of which there are so many.
fn blocks<const COUNT: usize>(language: &str) -> [String; COUNT] {
    let page = std::fs::read_to_string(root().join("docs/plugins.md")).expect("the page");
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
    let [table, assess] = blocks("c");
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
fn the_cpp_block_of_the_page_on_plugins_is_a_plugin() {
    let bodies = "
        scorecam::ModelDescription MyModel::describe() const { return {}; }
        std::vector<scorecam::Tensor> MyModel::forward(const scorecam::Inputs &,
                                                       scorecam::View<const std::string_view>) const { return {}; }
        std::unique_ptr<scorecam::Engine> MyRuntime::load(const scorecam::ModelConfig &) const
        { return std::make_unique<MyModel>(); }
    ";
    let [block] = blocks("cpp");
    let source = format!("#include \"scorecam_plugin.hpp\"\n{block}{bodies}");
    check(["g++", "clang++"], "c++17", &source);
    // Overrides need not be public.
    check(["g++", "clang++"], "c++17", &source.replace("public:\n", ""));
}
