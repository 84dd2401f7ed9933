//! The cache: downloaded and converted files that outlive every build folder.
//!
//! Every file in it is pinned by the SHA-256 of its contents, and a file counts as present only when its
//! contents have that hash. So no stamp can lie: a half-written, damaged or outdated file is simply missing
//! and gets fetched again. Files are made in a staging folder inside the cache, checked there, and renamed
//! into place. One process delivers at a time, which a lock file sees to; reading takes no lock, so a whole
//! cache works on a read-only disk.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::failure::{Failure, Outcome, While};

const STAGING_PREFIX: &str = ".incoming-";

/// A file the cache should hold.
pub(crate) struct Pinned<'a> {
    /// Relative to the cache, with forward slashes.
    pub(crate) path: &'a str,
    /// Of the contents, in lower-case hex.
    pub(crate) sha256: String,
}

/// The cache folder; it need not exist yet.
pub(crate) struct Cache {
    root: PathBuf,
}

impl Cache {
    /// The cache of this user: `$SCORECAM_CACHE`, else `scorecam` in the platform's cache folder.
    pub(crate) fn locate() -> Outcome<Cache> {
        let chosen = root_on(env::consts::OS, |name| env::var_os(name))?;
        let root = std::path::absolute(&chosen)
            .doing(|| format!("make SCORECAM_CACHE={} an absolute path", chosen.display()))?;
        Ok(Cache { root })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// Whether the file is there with the right contents.
    pub(crate) fn holds(&self, file: &Pinned<'_>) -> Outcome<bool> {
        let path = self.path(file.path);
        match sha256_of(&path) {
            Ok(found) => Ok(found == file.sha256),
            // A folder or a plain file in the way is reported when something is to be put there.
            Err(cause) if matches!(cause.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(false),
            Err(cause) => Err(Failure::new(format!("can't read {}: {cause}", path.display()))),
        }
    }

    /// Begins to put files into the cache. Waits while another process does the same.
    pub(crate) fn deliver(&self) -> Outcome<Delivery<'_>> {
        let writable = |cause| cannot_write(&self.root, &cause);
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
        Ok(Delivery { cache: self, staging, _lock: lock })
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
    staging: TempDir,
    _lock: File,
}

impl Delivery<'_> {
    /// A folder on the cache's own disk to make the files in, at their paths relative to the cache.
    pub(crate) fn staging(&self) -> &Path {
        self.staging.path()
    }

    /// The staged place of a file, in a folder that exists.
    pub(crate) fn place(&self, relative: &str) -> Outcome<PathBuf> {
        let place = self.staging().join(relative);
        let folder = place.parent().unwrap_or(self.staging());
        fs::create_dir_all(folder).map_err(|cause| cannot_write(&self.cache.root, &cause))?;
        Ok(place)
    }

    /// Checks all the staged files, then moves each into place in one step.
    pub(crate) fn land(self, files: &[Pinned<'_>]) -> Outcome {
        for file in files {
            let staged = self.staging().join(file.path);
            let found = sha256_of(&staged).doing(|| format!("read {}", staged.display()))?;
            if found != file.sha256 {
                return Err(Failure::new(format!(
                    "{} came out with SHA-256 {found}, and {} is pinned; nothing was kept; if xtask/python was \
                     changed on purpose, pin the new hash in xtask/src/fetch/catalogue.rs",
                    file.path, file.sha256
                )));
            }
        }
        for file in files {
            let target = self.cache.path(file.path);
            let folder = target.parent().unwrap_or(&self.cache.root);
            fs::create_dir_all(folder)
                .and_then(|()| fs::rename(self.staging().join(file.path), &target))
                .map_err(|cause| cannot_write(&target, &cause))?;
        }
        Ok(())
    }
}

/// The one line for a cache that can't take a file.
pub(crate) fn cannot_write(path: &Path, cause: &io::Error) -> Failure {
    let advice = match cause.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "free some 150 MB there, or set SCORECAM_CACHE to a folder on another disk"
        }
        _ => "set SCORECAM_CACHE to a folder that can be written",
    };
    Failure::new(format!("can't write to the cache {}: {cause}; {advice}", path.display()))
}

/// The SHA-256 of some bytes in lower-case hex.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn sha256_of(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(&hasher.finalize())),
            read => hasher.update(&buffer[..read]),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
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

    fn cache() -> (TempDir, Cache) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("cache");
        (folder, Cache { root })
    }

    fn pinned(contents: &str) -> Vec<Pinned<'static>> {
        vec![Pinned { path: "models/a.txt", sha256: sha256(contents.as_bytes()) }]
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
        let delivery = cache.deliver().unwrap();
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
        let delivery = cache.deliver().unwrap();
        fs::write(delivery.place("models/a.txt").unwrap(), "hel").unwrap();
        let failure = delivery.land(&pinned("hello")).unwrap_err().to_string();
        assert!(failure.starts_with("models/a.txt came out with SHA-256 "), "{failure}");
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
    fn what_a_killed_process_left_is_swept() {
        let (_folder, cache) = cache();
        let abandoned = cache.path(".incoming-old");
        fs::create_dir_all(&abandoned).unwrap();
        fs::write(abandoned.join("half"), "x").unwrap();
        drop(cache.deliver().unwrap());
        assert!(!abandoned.exists());
    }

    #[test]
    fn a_cache_that_cannot_be_made_says_what_to_do() {
        let (folder, _) = cache();
        fs::write(folder.path().join("file"), "").unwrap();
        let cache = Cache { root: folder.path().join("file/cache") };
        let failure = cache.deliver().err().unwrap().to_string();
        assert!(failure.contains("file/cache") && failure.contains("set SCORECAM_CACHE"), "{failure}");
        assert!(!cache.holds(&pinned("hello")[0]).unwrap());
    }
}
