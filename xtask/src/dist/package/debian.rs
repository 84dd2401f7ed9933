//! A Debian package: an `ar` archive of a format number and two tar files, one with facts about the package and one
//! with its files. It is written here and not by `dpkg-deb`, because the tar files are those of [`Archive`], so
//! the package can be made on every Linux; what is left is sixty bytes before each member.

use std::fs;
use std::io;

use md5::{Digest, Md5};
use minijinja::context;

use super::super::layout::{DOCUMENTS, Release, fill};
use super::super::symbols;
use super::super::tree::{Node, Tree};
use super::Archive;
use crate::failure::{Failure, Outcome, While};

/// Debian's name of the processor that this program, and so everything built with it, is for.
const ARCHITECTURE: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
const PREFIX: &str = "usr";

/// A package in its two parts.
pub(crate) struct Package {
    file_name: String,
    facts: Tree,
    files: Tree,
}

impl Package {
    pub(crate) fn new(tree: &Tree, release: &Release) -> Outcome<Package> {
        let version = release.version;
        let onnxruntime = tree.nodes().any(|(path, _)| path.contains("/libonnxruntime"));
        let facts = context! {
            version,
            architecture => ARCHITECTURE,
            kibibytes => tree.bytes()?.div_ceil(1024),
            glibc => oldest_glibc(tree)?,
            onnxruntime,
            mit => as_field(include_str!("../../../../LICENSE-MIT")),
        };
        let mut files = tree.clone();
        let copyright = fill(include_str!("../../../templates/dist/copyright"), facts.clone())?;
        files.add(format!("{DOCUMENTS}/copyright"), Node::Text(copyright));
        let control = fill(include_str!("../../../templates/dist/control"), facts)?;
        let mut facts = Tree::default();
        facts.add("control", Node::Text(control));
        facts.add("md5sums", Node::Text(md5sums(&files)?));
        // For packages of programs that are linked to the library: which package they need, from which version.
        facts.add("shlibs", Node::Text(format!("libscorecam {} scorecam (>= {version})\n", release.major())));
        facts.add("triggers", Node::Text("activate-noawait ldconfig\n".into()));
        Ok(Package { file_name: format!("scorecam_{version}_{ARCHITECTURE}.deb"), facts, files })
    }

    pub(crate) fn file_name(&self) -> String {
        self.file_name.clone()
    }

    pub(crate) fn pack(&self, archive: &Archive) -> io::Result<Vec<u8>> {
        let (mut control, mut data) = (Vec::new(), Vec::new());
        archive.write(&self.facts, "", &mut control)?;
        archive.write(&self.files, PREFIX, &mut data)?;
        let mut package = b"!<arch>\n".to_vec();
        let members: [(&str, &[u8]); 3] =
            [("debian-binary", b"2.0\n"), ("control.tar.gz", &control), ("data.tar.gz", &data)];
        for (name, contents) in members {
            let (time, bytes) = (archive.time, contents.len());
            // Name, time, owner, group, permissions and size, each at its own width.
            package
                .extend(format!("{name:<16}{time:<12}{:<6}{:<6}{:<8}{bytes:<10}`\n", 0, 0, 100_644).bytes());
            package.extend(contents);
            if bytes % 2 == 1 {
                package.push(b'\n');
            }
        }
        Ok(package)
    }
}

/// What everything in the package needs together, as `2.34`.
fn oldest_glibc(tree: &Tree) -> Outcome<String> {
    let mut newest = (0, 0);
    for (path, node) in tree.nodes() {
        match node {
            Node::Program(file) => newest = newest.max(symbols::glibc(file)?),
            Node::File(file) if path.contains(".so") => newest = newest.max(symbols::glibc(file)?),
            _ => {}
        }
    }
    if newest == (0, 0) {
        return Err(Failure::new("nothing in the package needs glibc; it was not built for Debian's libc6"));
    }
    Ok(format!("{}.{}", newest.0, newest.1))
}

fn md5sums(files: &Tree) -> Outcome<String> {
    let mut lines = String::new();
    for (path, node) in files.nodes() {
        let sum = match node {
            Node::Program(file) | Node::File(file) => {
                Md5::digest(fs::read(file).doing(|| format!("read {}", file.display()))?)
            }
            Node::Text(text) => Md5::digest(text),
            Node::Link(_) => continue,
        };
        let hex: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
        lines += &format!("{hex}  {PREFIX}/{path}\n");
    }
    Ok(lines)
}

/// A text inside a field of a control file: lines begin with a space, and empty ones hold a dot.
fn as_field(text: &str) -> String {
    let line = |line: &str| if line.is_empty() { " .".to_owned() } else { format!(" {line}") };
    text.trim_end().lines().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_sums_have_debians_form() {
        assert_eq!(as_field("a\n\nb\n"), " a\n .\n b");
        let mut files = Tree::default();
        files.add("lib/a", Node::Text("hello".into()));
        files.add("lib/b", Node::Link("a".into()));
        assert_eq!(md5sums(&files).unwrap(), "5d41402abc4b2a76b9719d911017c592  usr/lib/a\n");
    }

    #[test]
    fn a_package_of_what_needs_no_glibc_is_refused() {
        let failure = Package::new(&Tree::default(), &Release { version: "1.0.0" }).err().unwrap();
        assert!(failure.to_string().contains("libc6"), "{failure}");
    }
}
