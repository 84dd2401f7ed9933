//! Licences of others whose code is in what is shipped: of each Rust crate that is linked in, its name, version and
//! licence, and the licence files of its package. Crates that only build or test are not in it, nor are
//! procedural macros, which run in the compiler.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::build;
use crate::failure::{Failure, Outcome, While};
use crate::workspace::Workspace;

/// The workspace of the libtorch engine, and its package.
const ENGINE: (&str, &str) = ("plugins/libtorch/engine/Cargo.toml", "scorecam-libtorch-engine");

/// What a file of a package is called when it states a licence.
const NAMES: [&str; 6] = ["license", "licence", "copying", "copyright", "notice", "unlicense"];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    repository: Option<String>,
    manifest_path: PathBuf,
    /// None for what belongs to this repository.
    source: Option<String>,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Deserialize)]
struct DependencyKind {
    /// None for one that is linked in.
    kind: Option<String>,
}

/// The notices of all crates as one text; `engine` says whether the libtorch engine is shipped, too.
pub(crate) fn of_crates(workspace: &Workspace, engine: bool) -> Outcome<String> {
    let mut crates = linked(&metadata(workspace, "Cargo.toml")?, &build::PACKAGES);
    if engine {
        let (manifest, package) = ENGINE;
        crates.append(&mut linked(&metadata(workspace, manifest)?, &[package]));
    }
    let mut list = String::new();
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for Crate { name, version, license, repository, folder } in &crates {
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
    let output = rustc.args(["--print", "sysroot"]).output().ok()?;
    let sysroot = String::from_utf8(output.stdout).ok()?;
    let file = Path::new(sysroot.trim()).join("share/doc/rust/COPYRIGHT-library.html");
    file.is_file().then_some(file)
}

/// A crate of someone else, ordered by its name.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Crate {
    name: String,
    version: String,
    license: String,
    repository: String,
    folder: PathBuf,
}

fn metadata(workspace: &Workspace, manifest: &str) -> Outcome<Metadata> {
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut cargo = workspace.cargo(&["metadata", "--format-version", "1", "--filter-platform", &platform]);
    cargo.arg("--manifest-path").arg(workspace.path(manifest)).stderr(Stdio::inherit());
    let output = cargo.output().doing(|| "run cargo metadata".into())?;
    if !output.status.success() {
        return Err(Failure::new(format!("cargo metadata of {manifest} failed; its own messages are above")));
    }
    serde_json::from_slice(&output.stdout).doing(|| format!("read what cargo metadata says of {manifest}"))
}

/// What is linked into these packages of the repository.
fn linked(metadata: &Metadata, roots: &[&str]) -> BTreeSet<Crate> {
    let packages: HashMap<&str, &Package> = metadata.packages.iter().map(|p| (p.id.as_str(), p)).collect();
    let nodes: HashMap<&str, &Node> = metadata.resolve.nodes.iter().map(|n| (n.id.as_str(), n)).collect();
    let is_root = |p: &&Package| p.source.is_none() && roots.contains(&p.name.as_str());
    let mut open: Vec<&str> = metadata.packages.iter().filter(is_root).map(|p| p.id.as_str()).collect();
    let mut seen: BTreeSet<&str> = open.iter().copied().collect();
    let mut crates = BTreeSet::new();
    while let Some(id) = open.pop() {
        let (Some(package), Some(node)) = (packages.get(id), nodes.get(id)) else { continue };
        if package.targets.iter().any(|target| target.kind.iter().any(|kind| kind == "proc-macro")) {
            continue;
        }
        if package.source.is_some() {
            crates.insert(Crate {
                name: package.name.clone(),
                version: package.version.clone(),
                license: package.license.clone().unwrap_or_else(|| "see its licence file".into()),
                repository: package.repository.clone().unwrap_or_else(|| "crates.io".into()),
                folder: package.manifest_path.parent().map(Path::to_path_buf).unwrap_or_default(),
            });
        }
        let of_ours = |d: &&Dependency| d.dep_kinds.iter().any(|kind| kind.kind.is_none());
        for dependency in node.deps.iter().filter(of_ours).map(|d| d.pkg.as_str()) {
            if seen.insert(dependency) {
                open.push(dependency);
            }
        }
    }
    crates
}

/// The licence files of a package, in the order of their names.
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
    fn what_is_linked_is_named_and_what_only_builds_is_not() {
        let package = |name: &str, source: &str, kind: &str| {
            format!(
                r#"{{"id": "{name}", "name": "{name}", "version": "1.0.0", "license": "MIT", "repository": null,
                    "manifest_path": "/p/{name}/Cargo.toml", "source": {source}, "targets": [{{"kind": ["{kind}"]}}]}}"#
            )
        };
        let node = |name: &str, deps: &[(&str, &str)]| {
            let deps: Vec<String> = deps
                .iter()
                .map(|(on, kind)| format!(r#"{{"pkg": "{on}", "dep_kinds": [{{"kind": {kind}}}]}}"#))
                .collect();
            format!(r#"{{"id": "{name}", "deps": [{}]}}"#, deps.join(","))
        };
        let packages = [
            package("ours", "null", "cdylib"),
            package("a", "\"registry\"", "lib"),
            package("b", "\"registry\"", "lib"),
            package("derive", "\"registry\"", "proc-macro"),
            package("of-derive", "\"registry\"", "lib"),
            package("tester", "\"registry\"", "lib"),
        ];
        let nodes = [
            node("ours", &[("a", "null"), ("tester", "\"dev\"")]),
            node("a", &[("b", "null"), ("derive", "null"), ("tester", "\"build\"")]),
            node("b", &[("a", "null")]),
            node("derive", &[("of-derive", "null")]),
            node("of-derive", &[]),
            node("tester", &[]),
        ];
        let text = format!(
            r#"{{"packages": [{}], "resolve": {{"nodes": [{}]}}}}"#,
            packages.join(","),
            nodes.join(",")
        );
        let found = linked(&serde_json::from_str(&text).unwrap(), &["ours"]);
        assert_eq!(found.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
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
