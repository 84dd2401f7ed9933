//! Packages of a tree: one to unpack anywhere, and one for Debian and what comes of it.
//!
//! Equal files give equal packages, byte for byte: entries are in the order of their names and belong to root, and
//! all have one time, which is `SOURCE_DATE_EPOCH` where that is set.

mod archive;
mod debian;

use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use self::archive::Archive;
use super::layout::Release;
use super::tree::{READABLE, Tree, cannot_write, set_mode};
use crate::failure::{Failure, Outcome};

/// How much work goes into making packages small.
#[derive(Clone, Copy)]
pub(crate) enum Effort {
    Fast,
    Small,
}

/// The time of all entries when nobody says another: the first that every archive format has, 1980-01-01.
const LONG_AGO: u64 = 315_532_800;

/// Writes all packages into a folder, which need not exist, and returns their paths.
pub(crate) fn write(tree: &Tree, release: &Release, effort: Effort, folder: &Path) -> Outcome<Vec<PathBuf>> {
    let archive = Archive { time: time()?, effort };
    let room = tree.bytes()?;
    let place = |name: String, contents: &dyn Fn(&mut NamedTempFile) -> io::Result<()>| {
        let path = folder.join(name);
        deliver(folder, &path, contents).map_err(|cause| cannot_write(&path, &cause, room))?;
        Ok(path)
    };
    let root = format!("scorecam-{}-linux-{}", release.version, env::consts::ARCH);
    let everywhere = place(format!("{root}.tar.gz"), &|file| archive.write(tree, &root, file))?;
    let package = debian::Package::new(tree, release)?;
    let debian = place(package.file_name(), &|file| file.write_all(&package.pack(&archive)?))?;
    Ok(vec![everywhere, debian])
}

/// Writes a file beside its place and renames it, so that nobody finds half a package.
fn deliver(
    folder: &Path,
    path: &Path,
    contents: &dyn Fn(&mut NamedTempFile) -> io::Result<()>,
) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut file = NamedTempFile::new_in(folder)?;
    contents(&mut file)?;
    set_mode(file.path(), READABLE)?;
    file.persist(path)?;
    Ok(())
}

fn time() -> Outcome<u64> {
    match env::var("SOURCE_DATE_EPOCH").ok().filter(|value| !value.is_empty()) {
        None => Ok(LONG_AGO),
        Some(value) => value.parse().map_err(|_| {
            Failure::new(format!(
                "SOURCE_DATE_EPOCH={value} is no time; give seconds since 1970, or unset it"
            ))
        }),
    }
}
