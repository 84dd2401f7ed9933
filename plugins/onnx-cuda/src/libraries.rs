//! The libraries of CUDA and cuDNN: where they are looked for, and that they are open before ONNX Runtime wants
//! them.
//!
//! Looked at in this order: the setting `cuda`, the folder of the plugin, the cache that `cargo xtask fetch` fills,
//! the `nvidia` packages of an active Python environment, and the system. The setting is a user's own word, so a
//! folder that lacks one of them is an error and not a reason to look further. A library that is open already
//! answers to its name, so nobody has to set a search path.

use std::fs;
use std::path::{Path, PathBuf};

use libloading::Library;
use scorecam_plugin::{Error, Result, cache_folder, open_library, own_folder, python_package};

/// The cache's folder for them.
const CACHE_FOLDER: &str = "cuda-13";
/// The command that installs them, into an active Python environment.
const COMMAND: &str = "pip install nvidia-cuda-runtime==13.0.96 nvidia-cublas==13.1.1.3 nvidia-curand==10.4.0.35 \
                       nvidia-cuda-nvrtc==13.0.88 nvidia-cudnn-cu13==9.20.0.48";

/// What ONNX Runtime's CUDA provider and cuDNN want, each behind what it needs itself.
#[cfg(not(windows))]
const LIBRARIES: [&str; 6] = [
    "libcudart.so.13",
    "libcublasLt.so.13",
    "libcublas.so.13",
    "libcurand.so.10",
    "libnvrtc.so.13",
    "libcudnn.so.9",
];
#[cfg(windows)]
const LIBRARIES: [&str; 6] = [
    "cudart64_13.dll",
    "cublasLt64_13.dll",
    "cublas64_13.dll",
    "curand64_10.dll",
    "nvrtc64_130_0.dll",
    "cudnn64_9.dll",
];

/// Finds every library; `None` for one that the system finds by its name.
pub(crate) fn find(setting: Option<&Path>) -> Result<Vec<Option<PathBuf>>> {
    let folders = match setting {
        Some(folder) => folders_in(folder),
        None => default_folders(),
    };
    let find = |name: &&str| {
        let file = folders.iter().map(|folder| folder.join(name)).find(|file| file.is_file());
        match (file, setting) {
            (Some(file), _) => Ok(Some(file)),
            (None, Some(folder)) => Err(Error::io(format!(
                "setting \"cuda\" names {}, which holds no {name}; give the folder that does, or leave the setting out \
                 and run \"{COMMAND}\" in an active Python environment",
                folder.display()
            ))),
            (None, None) if is_known_to_the_system(name) => Ok(None),
            (None, None) => Err(missing(name, &folders)),
        }
    };
    LIBRARIES.iter().map(find).collect()
}

/// Opens every library for the life of the process.
pub(crate) fn open(setting: Option<&Path>) -> Result<()> {
    for file in find(setting)?.into_iter().flatten() {
        // SAFETY: NVIDIA's libraries, which the user chose, fetched or installed.
        unsafe { open_library(&file) }.map_err(|e| {
            Error::io(format!("{} cannot be opened: {e}; reinstall it: \"{COMMAND}\"", file.display()))
        })?;
    }
    Ok(())
}

fn missing(name: &str, folders: &[PathBuf]) -> Error {
    let looked: Vec<String> = folders.iter().map(|f| f.display().to_string()).collect();
    Error::io(format!(
        "{name} of CUDA was not found: it is not in {}, and the system does not know it; run \"{COMMAND}\" in an active \
         Python environment (VIRTUAL_ENV or CONDA_PREFIX is set), or name its folder by the setting \"cuda\"",
        looked.join(" or ")
    ))
}

/// Whether the system's loader finds a library by its name. It stays open: it is going to be used.
fn is_known_to_the_system(name: &str) -> bool {
    // SAFETY: a library of NVIDIA's by its own name.
    unsafe { Library::new(name) }.map(std::mem::forget).is_ok()
}

fn default_folders() -> Vec<PathBuf> {
    let cached = cache_folder().map(|cache| cache.join(CACHE_FOLDER));
    let packages = python_package("nvidia");
    own_folder()
        .into_iter()
        .chain(cached)
        .chain(packages.iter().flat_map(|nvidia| libraries_below(nvidia)))
        .collect()
}

/// The folders with libraries in an installation: in itself, in `lib` or `lib64`, or in those of `nvidia` packages.
fn folders_in(folder: &Path) -> Vec<PathBuf> {
    let own = [folder.to_path_buf(), folder.join("lib64"), folder.join("lib"), folder.join("bin")];
    own.into_iter().chain(libraries_below(folder)).chain(libraries_below(&folder.join("nvidia"))).collect()
}

/// Where each folder of `folder` has libraries, as the packages of `nvidia` have them: Linux's, and Windows'.
fn libraries_below(folder: &Path) -> Vec<PathBuf> {
    let packages = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let places = packages.flat_map(|package| ["lib", "bin", "bin/x86_64"].map(|place| package.join(place)));
    let mut found: Vec<PathBuf> = places.filter(|place| place.is_dir()).collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(folder: &Path, names: &[&str]) {
        fs::create_dir_all(folder).expect("a folder");
        names.iter().for_each(|name| fs::write(folder.join(name), "").expect("a file"));
    }

    #[test]
    fn a_folder_that_was_named_must_hold_all_of_them() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        with(folder.path(), &LIBRARIES[..3]);
        let message = find(Some(folder.path())).expect_err("some are missing").to_string();
        let place = folder.path().display().to_string();
        assert!(message.contains(&place) && message.contains(LIBRARIES[3]), "{message}");
        assert!(message.contains(COMMAND), "{message}");
        with(folder.path(), &LIBRARIES[3..]);
        let found = find(Some(folder.path())).expect("all are there");
        assert_eq!(found[0], Some(folder.path().join(LIBRARIES[0])));
    }

    #[test]
    fn the_packages_of_a_python_environment_are_looked_through() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let nvidia = folder.path().join("lib/python3.12/site-packages/nvidia");
        with(&nvidia.join("cu13/lib"), &LIBRARIES[..5]);
        with(&nvidia.join("cudnn/lib"), &LIBRARIES[5..]);
        assert_eq!(libraries_below(&nvidia), [nvidia.join("cu13/lib"), nvidia.join("cudnn/lib")]);
        // Their own folder may be named, and the one that holds it.
        for named in [nvidia.clone(), folder.path().join("lib/python3.12/site-packages")] {
            let found = find(Some(&named)).expect("all are there");
            assert_eq!(found[5], Some(nvidia.join("cudnn/lib").join(LIBRARIES[5])));
        }
    }

    #[test]
    fn damaged_files_are_named_and_not_opened() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        with(folder.path(), &LIBRARIES);
        let message = open(Some(folder.path())).expect_err("empty files").to_string();
        assert!(message.contains(LIBRARIES[0]) && message.contains(COMMAND), "{message}");
    }

    #[test]
    fn the_command_installs_the_versions_that_the_catalogue_pins() {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let read = |name| fs::read_to_string(repository.join(name)).expect("a file of the repository");
        let (catalogue, page) = (read("xtask/catalogue.toml"), read("docs/gpu.md"));
        let packages: Vec<_> = COMMAND.split(' ').filter_map(|word| word.split_once("==")).collect();
        assert_eq!(packages.len(), 5);
        for (name, version) in packages {
            assert!(
                catalogue.contains(&format!("\n{name} = {{ version = \"{version}\"")),
                "{name} {version}"
            );
            assert!(page.contains(&format!("{name}=={version}")), "docs/gpu.md names {name} {version}");
        }
    }
}
