//! Packages of a tree: one to unpack anywhere, made by `tar`, and one for Debian and its derivatives, made by `dpkg-deb`.
//!
//! Both are made of a copy of the tree. Equal files give equal packages, byte for byte: entries are in the order of
//! their names and belong to root, and all have one time, which is `SOURCE_DATE_EPOCH` where that is set.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use minijinja::context;

use super::layout::{DOCUMENTS, Release, fill};
use super::symbols;
use super::tree::{Node, OPEN, READABLE, Tree, cannot_write, set_mode};
use crate::failure::{Failure, Outcome, While};
use crate::tools;
use crate::workspace::{output, run};

/// How much work goes into making packages small.
#[derive(Clone, Copy)]
pub(crate) enum Effort {
    Fast,
    Small,
}

impl Effort {
    /// gzip's level.
    fn level(self) -> u32 {
        match self {
            Effort::Fast => 1,
            Effort::Small => 9,
        }
    }
}

/// The time of all entries by default: the first that every archive format has, 1980-01-01.
const LONG_AGO: u64 = 315_532_800;

/// Debian's name of the CPU that this program, and so everything built with it, is for.
const ARCHITECTURE: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
const PREFIX: &str = "usr";

/// Writes all packages into a folder, which need not exist, and returns their paths. `work` is a folder for the copy of
/// the tree.
pub(crate) fn write(
    tree: &Tree,
    release: &Release,
    effort: Effort,
    (folder, work): (&Path, &Path),
) -> Outcome<Vec<PathBuf>> {
    tools::ensure(&[tools::DPKG_DEB], "a Debian package")?;
    let time = time()?;
    let room = tree.bytes()?;
    let writable = |cause| cannot_write(folder, &cause, room);
    fs::create_dir_all(folder).map_err(writable)?;
    // Packages are written beside their place and renamed, so that nobody finds half a package.
    let staging = tempfile::Builder::new().prefix(".scorecam-").tempdir_in(folder).map_err(writable)?;

    let root = format!("scorecam-{}-linux-{}", release.version, env::consts::ARCH);
    let copy = work.join(&root);
    install_for_all(tree, &copy)?;
    let archive = format!("{root}.tar.gz");
    let mut tar = Command::new("tar");
    tar.args(["--format=gnu", "--sort=name", "--owner=0", "--group=0", "--numeric-owner"]);
    tar.arg(format!("--mtime=@{time}"));
    tar.arg(format!("--use-compress-program=gzip -n -{}", effort.level()));
    tar.arg("-C").arg(work).arg("-cf").arg(staging.path().join(&archive)).arg(&root);
    run(&mut tar, "tar")?;

    let debian = work.join("debian");
    let package = format!("scorecam_{}_{ARCHITECTURE}.deb", release.version);
    fs::create_dir(&debian)
        .and_then(|()| fs::rename(&copy, debian.join(PREFIX)))
        .doing(|| format!("move {}", copy.display()))?;
    add_facts(tree, release, &debian)?;
    let mut dpkg_deb = tools::DPKG_DEB.command();
    dpkg_deb.args(["--root-owner-group", "-Zgzip"]).arg(format!("-z{}", effort.level()));
    dpkg_deb.arg("--build").arg(&debian).arg(staging.path().join(&package));
    run(dpkg_deb.env("SOURCE_DATE_EPOCH", time.to_string()), "dpkg-deb")?;

    let deliver = |name: String| {
        let (made, place) = (staging.path().join(&name), folder.join(&name));
        let delivered = set_mode(&made, READABLE).and_then(|()| fs::rename(made, &place));
        delivered.map_err(|cause| cannot_write(&place, &cause, room)).map(|()| place)
    };
    [archive, package].into_iter().map(deliver).collect()
}

/// Installs a tree with folders that everyone can open, whatever the permissions of new folders are here.
fn install_for_all(tree: &Tree, prefix: &Path) -> Outcome {
    tree.install(prefix)?;
    let open = |folder: &Path| set_mode(folder, OPEN).doing(|| format!("open {}", folder.display()));
    for (path, _) in tree.nodes() {
        Path::new(path).ancestors().skip(1).try_for_each(|folder| open(&prefix.join(folder)))?;
    }
    Ok(())
}

/// Adds Debian's own files to a copy of the tree: `copyright`, and in `DEBIAN` the facts about the package.
fn add_facts(tree: &Tree, release: &Release, root: &Path) -> Outcome {
    let version = release.version;
    let facts = context! {
        version,
        architecture => ARCHITECTURE,
        kibibytes => tree.bytes()?.div_ceil(1024),
        glibc => oldest_glibc(tree)?,
        onnxruntime => tree.nodes().any(|(path, _)| path.contains("/libonnxruntime")),
        mit => as_field(include_str!("../../../LICENSE-MIT")),
    };
    let text = |template, facts| fill(template, facts).map(Node::Text);
    let copyright = text(include_str!("../../templates/dist/copyright"), facts.clone())?;
    let mut files = Tree::default();
    files.add(format!("{PREFIX}/{DOCUMENTS}/copyright"), copyright);
    install_for_all(&files, root)?;
    for (path, node) in tree.nodes() {
        files.add(format!("{PREFIX}/{path}"), node.clone());
    }
    let mut control = Tree::default();
    control.add("control", text(include_str!("../../templates/dist/control"), facts)?);
    control.add("md5sums", Node::Text(md5sums(&files, root)?));
    // For packages of programs that are linked to the library: which package they need, from which version.
    let shlibs = format!("libscorecam {} scorecam (>= {version})\n", release.major());
    control.add("shlibs", Node::Text(shlibs));
    control.add("triggers", Node::Text("activate-noawait ldconfig\n".into()));
    install_for_all(&control, &root.join("DEBIAN"))
}

/// The glibc that all files of the tree need together, as `2.34`.
pub(crate) fn oldest_glibc(tree: &Tree) -> Outcome<String> {
    let mut newest = (0, 0);
    for (path, node) in tree.nodes() {
        match node {
            Node::Program(file) => newest = newest.max(symbols::glibc(file)?),
            Node::File(file) if path.contains(".so") => newest = newest.max(symbols::glibc(file)?),
            _ => {}
        }
    }
    if newest == (0, 0) {
        return Err(Failure::new("nothing that was built needs glibc; Debian's libc6 is another C library"));
    }
    Ok(format!("{}.{}", newest.0, newest.1))
}

/// What `md5sum` prints of the files, which lie below `root`.
fn md5sums(files: &Tree, root: &Path) -> Outcome<String> {
    let plain = files.nodes().filter(|(_, node)| !matches!(node, Node::Link(_))).map(|(path, _)| path);
    output(Command::new("md5sum").args(plain).current_dir(root), "md5sum")
}

/// A text inside a field of a control file: lines begin with a space, and empty ones hold a dot.
fn as_field(text: &str) -> String {
    let line = |line: &str| if line.is_empty() { " .".to_owned() } else { format!(" {line}") };
    text.trim_end().lines().map(line).collect::<Vec<_>>().join("\n")
}

fn time() -> Outcome<u64> {
    match env::var("SOURCE_DATE_EPOCH").ok().filter(|value| !value.is_empty()) {
        None => Ok(LONG_AGO),
        Some(value) => value.parse().map_err(|_| {
            Failure::new(format!(
                "SOURCE_DATE_EPOCH={value} is not a time; give seconds since 1970, or unset it"
            ))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_sums_have_debians_form() {
        assert_eq!(as_field("a\n\nb\n"), " a\n .\n b");
        let root = tempfile::tempdir().unwrap();
        let mut files = Tree::default();
        files.add("usr/lib/a", Node::Text("hello".into()));
        files.add("usr/lib/b", Node::Link("a".into()));
        files.install(root.path()).unwrap();
        let sums = md5sums(&files, root.path()).unwrap();
        assert_eq!(sums, "5d41402abc4b2a76b9719d911017c592  usr/lib/a\n");
    }

    #[test]
    fn a_package_of_what_needs_no_glibc_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let failure = add_facts(&Tree::default(), &Release { version: "1.0.0" }, folder.path()).unwrap_err();
        assert!(failure.to_string().contains("libc6"), "{failure}");
    }
}
