//! A tree as a compressed tar file.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};

use super::super::tree::{Node, OPEN, Tree};
use super::Effort;

/// How archives are written.
pub(crate) struct Archive {
    /// Of every entry, in seconds since 1970.
    pub(crate) time: u64,
    pub(crate) effort: Effort,
}

impl Archive {
    /// Writes the tree below `root`, which is a relative path and may be empty. Every folder has an entry before
    /// what is in it, as package managers expect.
    pub(crate) fn write(&self, tree: &Tree, root: &str, out: impl Write) -> io::Result<()> {
        let level = match self.effort {
            Effort::Fast => Compression::fast(),
            Effort::Small => Compression::best(),
        };
        let mut builder = Builder::new(GzEncoder::new(out, level));
        let mut folders = BTreeSet::new();
        for (path, node) in tree.nodes() {
            let path = if root.is_empty() { path.to_owned() } else { format!("{root}/{path}") };
            for (end, _) in path.match_indices('/') {
                if folders.insert(path[..end].to_owned()) {
                    let mut header = self.header(EntryType::Directory, OPEN, 0);
                    builder.append_data(&mut header, format!("{}/", &path[..end]), io::empty())?;
                }
            }
            self.append(&mut builder, &path, node)?;
        }
        builder.into_inner()?.finish()?.flush()
    }

    fn append(&self, builder: &mut Builder<impl Write>, path: &str, node: &Node) -> io::Result<()> {
        let mut file = |contents: &mut dyn Read, bytes| {
            let mut header = self.header(EntryType::Regular, node.mode(), bytes);
            builder.append_data(&mut header, path, contents)
        };
        match node {
            Node::Program(source) | Node::File(source) => {
                let mut source = File::open(source)?;
                let bytes = source.metadata()?.len();
                file(&mut source, bytes)
            }
            Node::Text(text) => file(&mut text.as_bytes(), text.len() as u64),
            Node::Link(to) => {
                let mut header = self.header(EntryType::Symlink, 0o777, 0);
                builder.append_link(&mut header, path, to)
            }
        }
    }

    fn header(&self, kind: EntryType, mode: u32, bytes: u64) -> Header {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(bytes);
        header.set_mtime(self.time);
        header.set_uid(0);
        header.set_gid(0);
        header
    }
}

#[cfg(test)]
mod tests {
    use flate2::read::GzDecoder;

    use super::super::super::tree::READABLE;
    use super::*;

    #[test]
    fn a_tree_comes_out_as_it_went_in_and_belongs_to_root() {
        let mut tree = Tree::default();
        tree.add("lib/b", Node::Link("a".into()));
        tree.add("lib/a", Node::Text("text".into()));
        let mut packed = Vec::new();
        Archive { time: 5, effort: Effort::Fast }.write(&tree, "root", &mut packed).unwrap();
        let mut archive = tar::Archive::new(GzDecoder::new(packed.as_slice()));
        let mut found = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string();
            let header = entry.header();
            assert_eq!((header.uid().unwrap(), header.gid().unwrap(), header.mtime().unwrap()), (0, 0, 5));
            let (kind, mode) = (header.entry_type(), header.mode().unwrap());
            let mut contents = String::new();
            entry.read_to_string(&mut contents).unwrap();
            found.push((path, kind, mode, contents));
        }
        let expected = [
            ("root/", EntryType::Directory, OPEN, ""),
            ("root/lib/", EntryType::Directory, OPEN, ""),
            ("root/lib/a", EntryType::Regular, READABLE, "text"),
            ("root/lib/b", EntryType::Symlink, 0o777, ""),
        ];
        assert_eq!(found, expected.map(|(path, kind, mode, text)| (path.into(), kind, mode, text.into())));
    }
}
