//! What is installed and where, relative to the prefix. An installed library finds its plugins in
//! `lib/scorecam`, and a plugin its runtime beside itself; neither asks where the prefix is.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use minijinja::{Environment, Value, context};

use super::build::Built;
use super::tree::{Node, Tree};
use super::{archive, notices, shared};
use crate::failure::{Failure, Outcome, While};
use crate::workspace::Workspace;

/// Where licenses and documents go, and where packages add their own.
pub(crate) const DOCUMENTS: &str = "share/doc/scorecam";
const PLUGINS: &str = "lib/scorecam";
const SCRIPT: &str = "ffi/scorecam.map";
/// What the examples consist of, by extension.
const SOURCES: [&str; 9] = ["c", "cpp", "h", "hpp", "map", "py", "rs", "toml", "txt"];
/// Folders of what someone has built in an example.
const BUILDS: [&str; 2] = ["build", "target"];

/// What this release calls itself.
pub(crate) struct Release {
    pub(crate) version: &'static str,
}

impl Release {
    /// All crates of the workspace have one version, this one included.
    pub(crate) fn current() -> Release {
        Release { version: env!("CARGO_PKG_VERSION") }
    }

    /// The C API's number. A program that was linked to one runs with every later library of the same number.
    pub(crate) fn major(&self) -> &'static str {
        self.version.split('.').next().unwrap_or(self.version)
    }

    fn soname(&self) -> String {
        format!("libscorecam.so.{}", self.major())
    }

    /// The name of the file that the other names of the shared library are links to.
    fn real_name(&self) -> String {
        format!("libscorecam.so.{}", self.version)
    }

    fn fill(&self, template: &str) -> Outcome<String> {
        let facts = context! {
            version => self.version,
            major => self.major(),
            soname => self.soname(),
            real_name => self.real_name(),
            system_libraries => shared::SYSTEM_LIBRARIES,
        };
        fill(template, facts)
    }
}

/// Fills a template, which ends with a line break as all our files do.
pub(crate) fn fill(template: &str, facts: Value) -> Outcome<String> {
    let filled = Environment::new().render_str(template, facts);
    filled.map(|text| text + "\n").doing(|| "fill a template of xtask/templates/dist".into())
}

/// What the tree is made of.
pub(crate) struct Parts<'a> {
    pub(crate) workspace: &'a Workspace,
    pub(crate) built: &'a Built,
    /// Its library and its licenses; none to leave it out.
    pub(crate) onnxruntime: &'a [PathBuf],
    /// A folder for what is made on the way.
    pub(crate) work: &'a Path,
    pub(crate) release: &'a Release,
}

/// Makes everything that is installed.
pub(crate) fn tree(parts: &Parts<'_>) -> Outcome<Tree> {
    let mut tree = Tree::default();
    add_library(parts, &mut tree)?;
    add_build_files(parts.release, &mut tree)?;
    let program = stripped(parts, &parts.built.program()?)?;
    tree.add("bin/scorecam", Node::Program(program));
    for plugin in parts.built.plugins()? {
        let plugin = stripped(parts, &plugin)?;
        tree.add(format!("{PLUGINS}/{}", name_of(&plugin)?), Node::File(plugin));
    }
    match parts.built.engine() {
        Some(engine) => println!("with the libtorch engine {}", engine.display()),
        None => println!("without the libtorch engine, which `cargo xtask libtorch` builds for this profile"),
    }
    for file in parts.onnxruntime {
        let name = name_of(file)?;
        let folder = match name.starts_with("lib") {
            true => PLUGINS.to_owned(),
            false => format!("{DOCUMENTS}/third-party/onnxruntime"),
        };
        tree.add(format!("{folder}/{name}"), Node::File(file.clone()));
    }
    add_documents(parts, &mut tree)?;
    Ok(tree)
}

fn add_library(parts: &Parts<'_>, tree: &mut Tree) -> Outcome {
    let release = parts.release;
    let archive = parts.built.archive()?;
    let linked = parts.work.join("linked.so");
    shared::link(&archive, &parts.workspace.path(SCRIPT), &release.soname(), &linked)?;
    let library = parts.work.join(release.real_name());
    shared::strip(&linked, &library)?;
    tree.add(format!("lib/{}", release.real_name()), Node::File(library));
    tree.add(format!("lib/{}", release.soname()), Node::Link(release.real_name()));
    tree.add("lib/libscorecam.so", Node::Link(release.soname()));
    let one = parts.work.join("libscorecam.a");
    archive::make(&archive, &parts.workspace.path(SCRIPT), parts.work, &one)?;
    tree.add("lib/libscorecam.a", Node::File(one));
    add_folder(tree, &parts.workspace.path("include"), "include", &["h", "hpp"])
}

fn add_build_files(release: &Release, tree: &mut Tree) -> Outcome {
    let files = [
        ("lib/pkgconfig/scorecam.pc", include_str!("../../templates/dist/scorecam.pc")),
        ("lib/pkgconfig/scorecam-static.pc", include_str!("../../templates/dist/scorecam-static.pc")),
        (
            "lib/cmake/scorecam/scorecamConfig.cmake",
            include_str!("../../templates/dist/scorecamConfig.cmake"),
        ),
        (
            "lib/cmake/scorecam/scorecamConfigVersion.cmake",
            include_str!("../../templates/dist/scorecamConfigVersion.cmake"),
        ),
    ];
    for (path, template) in files {
        tree.add(path, Node::Text(release.fill(template)?));
    }
    Ok(())
}

fn add_documents(parts: &Parts<'_>, tree: &mut Tree) -> Outcome {
    let pages = ["README.md", "CHANGELOG.md", "ARCHITECTURE.md", "CONTRIBUTING.md"];
    for name in ["LICENSE-MIT", "LICENSE-APACHE"].into_iter().chain(pages) {
        tree.add(format!("{DOCUMENTS}/{name}"), Node::File(parts.workspace.path(name)));
    }
    add_folder(
        tree,
        &parts.workspace.path("docs"),
        &format!("{DOCUMENTS}/docs"),
        &["md", "png", "jpg", "svg"],
    )?;
    add_folder(tree, &parts.workspace.path("examples"), &format!("{DOCUMENTS}/examples"), &SOURCES)?;
    // Pages link to headers as they lie in the repository.
    tree.add(format!("{DOCUMENTS}/include"), Node::Link("../../../include".into()));
    let crates = notices::of_crates(parts.workspace, parts.built.engine().is_some())?;
    tree.add(format!("{DOCUMENTS}/third-party/crates.txt"), Node::Text(crates));
    if let Some(standard) = notices::of_the_standard_library() {
        tree.add(format!("{DOCUMENTS}/third-party/rust-standard-library.html"), Node::File(standard));
    }
    Ok(())
}

/// Adds what lies below a folder and has one of these extensions, so that a new header or page needs no word
/// here. Hidden files are someone's own, and so is what was built.
fn add_folder(tree: &mut Tree, folder: &Path, to: &str, extensions: &[&str]) -> Outcome {
    let reading = || format!("read {}", folder.display());
    for entry in fs::read_dir(folder).doing(reading)? {
        let path = entry.doing(reading)?.path();
        let name = name_of(&path)?;
        let below = format!("{to}/{name}");
        if BUILDS.contains(&name) {
            continue;
        }
        if path.is_dir() {
            add_folder(tree, &path, &below, extensions)?;
        } else if !name.starts_with('.')
            && extensions.iter().any(|known| path.extension() == Some(OsStr::new(known)))
        {
            tree.add(below, Node::File(path));
        }
    }
    Ok(())
}

/// A copy without debug information, of the same name.
fn stripped(parts: &Parts<'_>, file: &Path) -> Outcome<PathBuf> {
    let copy = parts.work.join(name_of(file)?);
    shared::strip(file, &copy)?;
    Ok(copy)
}

fn name_of(path: &Path) -> Outcome<&str> {
    let name = path.file_name().and_then(OsStr::to_str);
    name.ok_or_else(|| Failure::new(format!("{} has a name that is not UTF-8; rename it", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_has_the_number_of_the_c_api() {
        // A new number here means that every program has to be linked again: it needs a node of its own in
        // ffi/scorecam.map, and all functions in it.
        let release = Release::current();
        assert_eq!(release.soname(), "libscorecam.so.1");
        assert!(release.real_name().starts_with("libscorecam.so.1."));
    }

    #[test]
    fn templates_leave_the_words_of_cmake_and_pkg_config_alone() {
        let filled = Release { version: "1.2.3" }
            .fill("prefix=${pcfiledir}/../..\nVersion: {{ version }} {{ soname }} {{ real_name }}\n")
            .unwrap();
        assert_eq!(
            filled,
            "prefix=${pcfiledir}/../..\nVersion: 1.2.3 libscorecam.so.1 libscorecam.so.1.2.3\n"
        );
    }

    #[test]
    fn a_folder_is_taken_with_what_is_below_it_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["deep", "build"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        for name in ["a.h", "b.hpp", "deep/c.hpp", "build/b.h", "d.txt", ".e.h"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let mut tree = Tree::default();
        add_folder(&mut tree, folder.path(), "include", &["h", "hpp"]).unwrap();
        let paths: Vec<_> = tree.nodes().map(|(path, _)| path).collect();
        assert_eq!(paths, ["include/a.h", "include/b.hpp", "include/deep/c.hpp"]);
    }
}
