//! The cache: downloaded and converted files that outlive every build folder.
//!
//! Every file in it is pinned by the SHA-256 of its contents, and a file counts as present only when its
//! contents have that hash. A folder of thousands of files is pinned as one, by a hash over all their names and
//! contents. So no stamp can lie: what is half-written, damaged or outdated is simply missing and gets fetched
//! again. Everything is made in a staging folder inside the cache, checked there, and renamed into place. One
//! process delivers at a time, which a lock file sees to; reading takes no lock, so a whole cache works on a
//! read-only disk.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::failure::{Failure, Outcome, While};
use crate::hash;

const STAGING_PREFIX: &str = ".incoming-";

/// A file or folder the cache should hold.
pub(crate) struct Pinned<'a> {
    /// Relative to the cache, with forward slashes.
    pub(crate) path: &'a str,
    pub(crate) contents: Contents,
}

/// What lies at a path, by SHA-256 in lower-case hex.
pub(crate) enum Contents {
    /// A file with this hash.
    File(String),
    /// A folder with this hash of all that is below it, as [`hash::folder`] makes it.
    Folder(String),
}

impl Contents {
    fn sha256(&self) -> &str {
        match self {
            Contents::File(sha256) | Contents::Folder(sha256) => sha256,
        }
    }

    /// The hash of what lies at a path, read the way this kind of contents is.
    fn found_at(&self, path: &Path) -> io::Result<String> {
        match self {
            Contents::File(_) => hash::file(path),
            Contents::Folder(_) => hash::folder(path),
        }
    }
}

/// The cache folder; it need not exist yet.
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// The cache of this user: `$SCORECAM_CACHE`, else `scorecam` in the platform's cache folder.
    pub fn locate() -> Outcome<Cache> {
        let chosen = root_on(env::consts::OS, |name| env::var_os(name))?;
        let root = std::path::absolute(&chosen)
            .doing(|| format!("make SCORECAM_CACHE={} an absolute path", chosen.display()))?;
        Ok(Cache::at(root))
    }

    /// The cache in this folder, given as an absolute path.
    pub fn at(root: PathBuf) -> Cache {
        Cache { root }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The place of a file of the cache.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// Whether the file or folder is there with the right contents.
    pub(crate) fn holds(&self, pinned: &Pinned<'_>) -> Outcome<bool> {
        let path = self.path(pinned.path);
        match pinned.contents.found_at(&path) {
            Ok(found) => Ok(found == pinned.contents.sha256()),
            // A folder or a plain file in the way is reported when something is to be put there.
            Err(cause) if matches!(cause.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(false),
            Err(cause) => Err(Failure::new(format!("can't read {}: {cause}", path.display()))),
        }
    }

    /// Begins to put files into the cache. Waits while another process does the same. `room` is how many bytes
    /// of disk making them takes at most, for the message when the disk is full.
    pub(crate) fn deliver(&self, room: u64) -> Outcome<Delivery<'_>> {
        let writable = |cause| cannot_write(&self.root, &cause, room);
        fs::create_dir_all(&self.root).map_err(writable)?;
        let lock = File::create(self.path(".lock")).map_err(writable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                eprintln!("waiting for another process that fills {}", self.root.display());
                lock.lock().map_err(writable)?;
            }
            // Some network file systems have no locks; two at once then only cost a second download.
            Err(TryLockError::Error(cause)) if cause.kind() == ErrorKind::Unsupported => {}
            Err(TryLockError::Error(cause)) => return Err(writable(cause)),
        }
        self.sweep().map_err(writable)?;
        let staging =
            tempfile::Builder::new().prefix(STAGING_PREFIX).tempdir_in(&self.root).map_err(writable)?;
        Ok(Delivery { cache: self, room, staging, _lock: lock })
    }

    /// Removes what a killed process left behind; the caller holds the lock, so nobody is using it.
    fn sweep(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.root)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(STAGING_PREFIX) {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    }
}

/// Files on their way into the cache. What has not landed is removed when this is dropped.
pub(crate) struct Delivery<'a> {
    cache: &'a Cache,
    room: u64,
    staging: TempDir,
    _lock: File,
}

impl Delivery<'_> {
    /// The staged place of a file or folder that belongs at this path of the cache, in a folder that exists. It
    /// is on the cache's own disk.
    pub(crate) fn place(&self, relative: &str) -> Outcome<PathBuf> {
        let place = self.staging.path().join(relative);
        let folder = place.parent().unwrap_or(self.staging.path());
        fs::create_dir_all(folder).map_err(|cause| self.cannot_write(&self.cache.root, &cause))?;
        Ok(place)
    }

    /// Checks all that is staged, then moves each thing into place in one step.
    pub(crate) fn land(self, all: &[Pinned<'_>]) -> Outcome {
        for pinned in all {
            let staged = self.staging.path().join(pinned.path);
            let found = pinned.contents.found_at(&staged).doing(|| format!("read {}", staged.display()))?;
            if found != pinned.contents.sha256() {
                return Err(Failure::new(format!(
                    "{} has SHA-256 {found}, but {} is pinned; the file was not kept; if models/ was \
                     changed on purpose, pin the new hash in xtask/catalogue.toml",
                    pinned.path,
                    pinned.contents.sha256()
                )));
            }
        }
        for pinned in all {
            let target = self.cache.path(pinned.path);
            self.settle(pinned, &target).map_err(|cause| self.cannot_write(&target, &cause))?;
        }
        Ok(())
    }

    fn settle(&self, pinned: &Pinned<'_>, target: &Path) -> io::Result<()> {
        fs::create_dir_all(target.parent().unwrap_or(&self.cache.root))?;
        // A file replaces a file, but no folder replaces a folder: a damaged one has to go first.
        if matches!(pinned.contents, Contents::Folder(_)) && target.is_dir() {
            fs::remove_dir_all(target)?;
        }
        fs::rename(self.staging.path().join(pinned.path), target)
    }

    /// The one line for a file that can't be written, here or on its way into the cache.
    pub(crate) fn cannot_write(&self, path: &Path, cause: &io::Error) -> Failure {
        cannot_write(path, cause, self.room)
    }

    /// What to do when there is no room left for what is being delivered.
    pub(crate) fn make_room(&self) -> String {
        make_room(self.room)
    }
}

fn cannot_write(path: &Path, cause: &io::Error, room: u64) -> Failure {
    let advice = match cause.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => make_room(room),
        _ => "set SCORECAM_CACHE to a folder that can be written".to_owned(),
    };
    Failure::new(format!("can't write to the cache {}: {cause}; {advice}", path.display()))
}

fn make_room(room: u64) -> String {
    let tenths = room.div_ceil(100_000_000);
    format!(
        "free some {}.{} GB there, or set SCORECAM_CACHE to a folder on another disk",
        tenths / 10,
        tenths % 10
    )
}

/// Where the cache lies on an operating system (as `std::env::consts::OS` spells it) with this environment.
fn root_on(os: &str, variable: impl Fn(&str) -> Option<OsString>) -> Outcome<PathBuf> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(root) = set("SCORECAM_CACHE") {
        return Ok(root);
    }
    let platform = match os {
        "windows" => set("LOCALAPPDATA"),
        "macos" => set("HOME").map(|home| home.join("Library").join("Caches")),
        // The XDG specification says that a relative path is to be ignored.
        _ => set("XDG_CACHE_HOME")
            .filter(|path| path.is_absolute())
            .or_else(|| set("HOME").map(|home| home.join(".cache"))),
    };
    platform.map(|folder| folder.join("scorecam")).ok_or_else(|| {
        Failure::new("no folder for the cache: neither SCORECAM_CACHE nor HOME is set; set SCORECAM_CACHE")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: u64 = 1_000_000;

    fn cache() -> (TempDir, Cache) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("cache");
        (folder, Cache { root })
    }

    fn pinned(contents: &str) -> Vec<Pinned<'static>> {
        vec![Pinned { path: "models/a.txt", contents: Contents::File(hash::bytes(contents.as_bytes())) }]
    }

    #[test]
    fn the_cache_lies_where_the_environment_says() {
        let check = |os: &str, set: &[(&str, &str)], expected: Option<&str>| {
            let variable =
                |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into());
            assert_eq!(root_on(os, variable).ok(), expected.map(PathBuf::from), "{os} {set:?}");
        };
        check("linux", &[("SCORECAM_CACHE", "/c"), ("HOME", "/h")], Some("/c"));
        check("linux", &[("SCORECAM_CACHE", ""), ("HOME", "/h")], Some("/h/.cache/scorecam"));
        check("linux", &[("XDG_CACHE_HOME", "/x"), ("HOME", "/h")], Some("/x/scorecam"));
        check("linux", &[("XDG_CACHE_HOME", "x"), ("HOME", "/h")], Some("/h/.cache/scorecam"));
        check("macos", &[("XDG_CACHE_HOME", "/x"), ("HOME", "/h")], Some("/h/Library/Caches/scorecam"));
        check("windows", &[("LOCALAPPDATA", "/l")], Some("/l/scorecam"));
        check("linux", &[], None);
    }

    #[test]
    fn a_delivered_file_is_held_and_nothing_else_stays() {
        let (_folder, cache) = cache();
        let files = pinned("hello");
        assert!(!cache.holds(&files[0]).unwrap());
        let delivery = cache.deliver(ROOM).unwrap();
        fs::write(delivery.place("models/a.txt").unwrap(), "hello").unwrap();
        delivery.land(&files).unwrap();
        assert!(cache.holds(&files[0]).unwrap());
        let mut left: Vec<_> = fs::read_dir(cache.root()).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [".lock", "models"]);
    }

    #[test]
    fn wrong_contents_never_land() {
        let (_folder, cache) = cache();
        let delivery = cache.deliver(ROOM).unwrap();
        fs::write(delivery.place("models/a.txt").unwrap(), "hel").unwrap();
        let failure = delivery.land(&pinned("hello")).unwrap_err().to_string();
        assert!(failure.starts_with("models/a.txt has SHA-256 "), "{failure}");
        assert!(!cache.path("models").exists());
    }

    #[test]
    fn a_damaged_file_is_not_held() {
        let (_folder, cache) = cache();
        fs::create_dir_all(cache.path("models")).unwrap();
        for damaged in ["", "hell", "hello "] {
            fs::write(cache.path("models/a.txt"), damaged).unwrap();
            assert!(!cache.holds(&pinned("hello")[0]).unwrap(), "{damaged:?}");
        }
    }

    #[test]
    fn a_folder_is_held_whole_and_replaced_whole() {
        let (_folder, cache) = cache();
        let fill = |root: &Path| {
            fs::create_dir_all(root.join("deep"))?;
            fs::write(root.join("a.h"), "a").and_then(|()| fs::write(root.join("deep/b.h"), "b"))
        };
        let elsewhere = tempfile::tempdir().unwrap();
        fill(elsewhere.path()).unwrap();
        let sha256 = hash::folder(elsewhere.path()).unwrap();
        let pinned = [Pinned { path: "lib/include", contents: Contents::Folder(sha256) }];
        let place = cache.path("lib/include");
        let damages: [fn(&Path) -> io::Result<()>; 4] = [
            |root| fs::remove_dir_all(root),
            |root| fs::write(root.join("a.h"), "b"),
            |root| fs::remove_file(root.join("deep/b.h")),
            |root| fs::write(root.join("deep/c.h"), ""),
        ];
        fs::create_dir_all(&place).unwrap();
        for damage in damages {
            damage(&place).unwrap();
            assert!(!cache.holds(&pinned[0]).unwrap());
            let delivery = cache.deliver(ROOM).unwrap();
            fill(&delivery.place("lib/include").unwrap()).unwrap();
            delivery.land(&pinned).unwrap();
            assert!(cache.holds(&pinned[0]).unwrap());
        }
    }

    #[test]
    fn a_full_disk_says_how_much_to_free() {
        let check = |room, expected: &str| {
            let failure = cannot_write(Path::new("/c"), &ErrorKind::StorageFull.into(), room).to_string();
            assert!(failure.contains(expected) && !failure.contains('\n'), "{failure}");
        };
        check(1_179_000_000, "free some 1.2 GB there");
        check(150_000_000, "free some 0.2 GB there");
    }

    #[test]
    fn what_a_killed_process_left_is_swept() {
        let (_folder, cache) = cache();
        let abandoned = cache.path(".incoming-old");
        fs::create_dir_all(&abandoned).unwrap();
        fs::write(abandoned.join("half"), "x").unwrap();
        drop(cache.deliver(ROOM).unwrap());
        assert!(!abandoned.exists());
    }

    #[test]
    fn a_cache_that_cannot_be_made_says_what_to_do() {
        let (folder, _) = cache();
        fs::write(folder.path().join("file"), "").unwrap();
        let cache = Cache { root: folder.path().join("file/cache") };
        let failure = cache.deliver(ROOM).err().unwrap().to_string();
        assert!(failure.contains("file/cache") && failure.contains("set SCORECAM_CACHE"), "{failure}");
        assert!(!cache.holds(&pinned("hello")[0]).unwrap());
    }
}
