//! Licences of others whose code is in what is shipped: of each Rust crate that is linked in, its name, version and
//! license, and the license files of its package. Crates that only build or test are not in it, nor are
//! procedural macros, which run in the compiler.
//!
//! `cargo tree` knows which crates are linked in and comes with cargo; cargo-about would be some two hundred crates to
//! compile before the first package.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use super::build;
use crate::failure::{Outcome, While};
use crate::workspace::{Workspace, output};

/// The workspace of the libtorch engine, and its package.
const ENGINE: (&str, &str) = ("plugins/libtorch/engine/Cargo.toml", "scorecam-libtorch-engine");

/// What a file of a package is called when it states a license.
const NAMES: [&str; 6] = ["license", "licence", "copying", "copyright", "notice", "unlicense"];

/// The notices of all crates as one text; `engine` says whether the libtorch engine is shipped, too.
pub(crate) fn of_crates(workspace: &Workspace, engine: bool) -> Outcome<String> {
    let mut crates = linked(workspace, "Cargo.toml", &build::PACKAGES)?;
    if engine {
        crates.append(&mut linked(workspace, ENGINE.0, &[ENGINE.1])?);
    }
    text(&crates)
}

/// The notices of the crates in these packages of the repository.
pub(crate) fn of_packages(workspace: &Workspace, packages: &[&str]) -> Outcome<String> {
    text(&linked(workspace, "Cargo.toml", packages)?)
}

fn text(crates: &BTreeSet<Crate>) -> Outcome<String> {
    let mut list = String::new();
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for Crate { name, version, license, repository, folder } in crates {
        list += &format!("{name} {version}: {license} ({repository})\n");
        for text in licence_texts(folder)? {
            texts.entry(text).or_default().push(format!("{name} {version}"));
        }
    }
    let mut notices = format!(
        "Rust crates in these libraries and programs, with their licences. Texts follow that their packages hold, \
         each once.\n\n{list}"
    );
    let mut texts: Vec<_> = texts.into_iter().map(|(text, of)| (of, text)).collect();
    texts.sort();
    for (of, text) in texts {
        notices += &format!("\n{}\n{}\n\n{}\n", "=".repeat(100), of.join(", "), text.trim_end());
    }
    Ok(notices)
}

/// The standard library's own notices, where the toolchain has them.
pub(crate) fn of_the_standard_library() -> Option<PathBuf> {
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    let sysroot = output(rustc.args(["--print", "sysroot"]), "rustc").ok()?;
    let file = Path::new(sysroot.trim()).join("share/doc/rust/COPYRIGHT-library.html");
    file.is_file().then_some(file)
}

/// A crate of someone else, ordered by its name.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Crate {
    name: String,
    version: String,
    license: String,
    repository: String,
    folder: PathBuf,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    repository: Option<String>,
    manifest_path: PathBuf,
    /// None for what belongs to this repository.
    source: Option<String>,
}

/// The crates that are linked into these packages of the repository.
fn linked(workspace: &Workspace, manifest: &str, roots: &[&str]) -> Outcome<BTreeSet<Crate>> {
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let cargo = |command: &[&str], platform_option: &str| {
        let mut cargo = workspace.cargo(command);
        cargo.arg(platform_option).arg(&platform).arg("--manifest-path").arg(workspace.path(manifest));
        cargo
    };
    let edges = ["tree", "--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}"];
    let mut tree = cargo(&edges, "--target");
    tree.args(roots.iter().flat_map(|root| ["-p", root]));
    let tree = output(&mut tree, &format!("cargo tree of {manifest}"))?;
    let names = names(&tree);
    let metadata =
        output(&mut cargo(&["metadata", "--format-version", "1"], "--filter-platform"), "cargo metadata")?;
    let metadata: Metadata =
        serde_json::from_str(&metadata).doing(|| format!("read what cargo metadata says of {manifest}"))?;
    let of_others = metadata.packages.into_iter().filter(|package| {
        package.source.is_some() && names.contains(&(package.name.as_str(), package.version.as_str()))
    });
    let found = of_others.map(|package| Crate {
        name: package.name,
        version: package.version,
        license: package.license.unwrap_or_else(|| "see its licence file".into()),
        repository: package.repository.unwrap_or_else(|| "crates.io".into()),
        folder: package.manifest_path.parent().map(Path::to_path_buf).unwrap_or_default(),
    });
    Ok(found.collect())
}

/// Name and version of each crate that `cargo tree` lists, a line each: `NAME vVERSION`, and what else it says of it.
fn names(tree: &str) -> BTreeSet<(&str, &str)> {
    let crates = tree.lines().filter_map(|line| line.split_once(" v"));
    crates.map(|(name, rest)| (name, rest.split_once(' ').map_or(rest, |(version, _)| version))).collect()
}

/// The license files of a package, in the order of their names.
fn licence_texts(folder: &Path) -> Outcome<Vec<String>> {
    let reading = || format!("read {}", folder.display());
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(folder).doing(reading)? {
        let path = entry.doing(reading)?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
        if path.is_file() && NAMES.iter().any(|known| name.starts_with(known)) {
            files.push(path);
        }
    }
    files.sort();
    let text = |file: &PathBuf| {
        let bytes = fs::read(file).doing(|| format!("read {}", file.display()))?;
        Ok(String::from_utf8_lossy(&bytes).replace("\r\n", "\n"))
    };
    files.iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_that_are_linked_are_named_and_crates_that_only_build_are_not() {
        let listed = "ours v1.0.0 (/a b/ours)\na v0.1.2\nb v2.0.0-rc.1 (*)\n\na v0.1.2 (*)\n";
        let expected = BTreeSet::from([("a", "0.1.2"), ("b", "2.0.0-rc.1"), ("ours", "1.0.0")]);
        assert_eq!(names(listed), expected);
        let workspace = Workspace::find().unwrap();
        let found = linked(&workspace, "Cargo.toml", &["xtask"]).unwrap();
        let found: Vec<&str> = found.iter().map(|found| found.name.as_str()).collect();
        let wrong = ["xtask", "clap_derive", "serde_derive"].iter().any(|name| found.contains(name));
        assert!(found.contains(&"clap") && found.contains(&"clap_builder") && !wrong, "{found:?}");
    }

    #[test]
    fn licence_files_are_known_by_their_names() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("LICENSE-MIT", "mit\r\n"), ("Copying", "bsd\n"), ("README.md", "no")] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        assert_eq!(licence_texts(folder.path()).unwrap(), ["bsd\n", "mit\n"]);
    }
}
