//! [`MemoryFile`]: bytes as a file, for engines that open files.
//!
//! Every backend, including those of plugins, loads a model by its path. So a model in memory gets one: on Linux that
//! of a file in memory (memfd_create), elsewhere that of a temporary file.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use scorecam_core::{Error, Result};
use tempfile::TempDir;

/// A file in a separate folder, removed on drop.
pub(crate) struct MemoryFile {
    path: PathBuf,
    _folder: TempDir,
    _file: File,
}

impl MemoryFile {
    /// `bytes` as a file with the file name of `path`.
    pub(crate) fn new(path: &Path, bytes: &[u8]) -> Result<Self> {
        let name = path.file_name().filter(|_| path.extension().is_some_and(|e| e != "toml"));
        let name = name.ok_or_else(|| {
            Error::invalid(format!(
                "{:?} is not a name for a model in memory; give one with the format's extension, such as net.onnx",
                path.display()
            ))
        })?;
        let failed = |e| Error::io(format!("model {} from memory: {e}", path.display()));
        let folder = tempfile::tempdir().map_err(failed)?;
        let path = folder.path().join(name);
        let mut file = Self::file(&path).map_err(failed)?;
        file.write_all(bytes).map_err(failed)?;
        Ok(Self { path, _folder: folder, _file: file })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    #[cfg(target_os = "linux")]
    fn file(path: &Path) -> std::io::Result<File> {
        use std::os::fd::AsRawFd;

        let file = File::from(rustix::fs::memfd_create("scorecam", rustix::fs::MemfdFlags::CLOEXEC)?);
        std::os::unix::fs::symlink(format!("/proc/self/fd/{}", file.as_raw_fd()), path)?;
        Ok(file)
    }

    #[cfg(not(target_os = "linux"))]
    fn file(path: &Path) -> std::io::Result<File> {
        File::create_new(path)
    }
}
