//! ONNX Runtime's library: where it is looked for, and how it is opened.
//!
//! Looked at in this order: the setting `runtime`, the environment variable `ORT_DYLIB_PATH`, the folder of
//! the plugin itself, the cache that `cargo xtask fetch` fills, and the package `onnxruntime` of an active Python
//! environment. The first two are a user's own word, so a wrong file there is an error and not a reason to look further.
//!
//! One library file holds one runtime for the life of the process, and a plugin (or program) that contains
//! this crate holds one library file: `ort` ignores a second path without a word. So the path is remembered
//! here and a request for another one is an error.

use std::env;
use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::error::Error as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ort::environment::Environment;
use ort::logging::LogLevel;
use scorecam_core::{Error, Result};
use scorecam_plugin::{cache_folder, check_library_file, own_folder, python_package};

/// Which build of ONNX Runtime a plugin is made for, and how a user gets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuntimeRelease {
    /// The version, part of the library's name on Linux and macOS ("1.32.0").
    pub version: &'static str,
    /// The folder in the cache that holds it ("onnxruntime-1.32.0").
    pub cache_folder: &'static str,
    /// The Python package that contains it ("onnxruntime-gpu"). Each of them installs into the folder `onnxruntime`.
    pub package: &'static str,
    /// The libraries of its accelerator ("onnxruntime_providers_cuda"), which the runtime opens from beside itself.
    pub providers: &'static [&'static str],
}

impl RuntimeRelease {
    /// The build for the CPU.
    pub const CPU: Self = Self {
        version: "1.32.0",
        cache_folder: "onnxruntime-1.32.0",
        package: "onnxruntime",
        providers: &[],
    };

    /// The build for NVIDIA's GPUs.
    pub const CUDA: Self = Self {
        version: "1.31.1",
        cache_folder: "onnxruntime-gpu-1.31.1",
        package: "onnxruntime-gpu",
        providers: &["onnxruntime_providers_shared", "onnxruntime_providers_cuda"],
    };

    /// The command that installs it, for messages.
    fn command(&self) -> String {
        format!("pip install {}=={}", self.package, self.version)
    }

    /// The names that the library goes by on this system, the most exact first.
    fn file_names(&self) -> Vec<String> {
        let plain = format!("{DLL_PREFIX}onnxruntime{DLL_SUFFIX}");
        match DLL_SUFFIX {
            ".dll" => vec![plain],
            ".dylib" => vec![format!("{DLL_PREFIX}onnxruntime.{}{DLL_SUFFIX}", self.version), plain],
            _ => vec![format!("{plain}.{}", self.version), format!("{plain}.1"), plain],
        }
    }
}

/// The runtime of this process: the library's canonical path, and the environment once there is one.
struct Loaded {
    library: PathBuf,
    environment: Option<Environment>,
}

static LOADED: Mutex<Option<Loaded>> = Mutex::new(None);

/// Opens the runtime, or hands out the one that is open. `setting` is the user's own choice of a library,
/// `plugin_folder` where to look beside the plugin when that is not where this code lies.
pub(crate) fn open(
    release: &RuntimeRelease,
    setting: Option<&Path>,
    plugin_folder: Option<&Path>,
) -> Result<Environment> {
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(loaded) = &*loaded {
        refuse_another(&loaded.library, setting)?;
        if let Some(environment) = &loaded.environment {
            return Ok(environment.clone());
        }
    }
    let library = match &*loaded {
        Some(loaded) => loaded.library.clone(),
        None => find(release, setting, plugin_folder)?,
    };
    check_library_file(&library)
        .map_err(|e| Error::io(format!("{} cannot be opened as a library: {e}", library.display())))?;
    let builder = ort::init_from(&library).map_err(|e| not_opened(&library, e))?;
    // From here on the process has this runtime, whatever comes.
    *loaded = Some(Loaded { library: library.clone(), environment: None });
    let environment = builder
        .with_name("scorecam")
        .with_telemetry(false)
        .with_logger(Arc::new(log))
        .build()
        .map_err(|e| Error::model(format!("onnxruntime {} does not start: {e}", library.display())))?;
    // The logger is offered every message; below warnings they are not even worth formatting.
    environment.set_log_level(LogLevel::Warning);
    *loaded = Some(Loaded { library, environment: Some(environment.clone()) });
    Ok(environment)
}

/// Where the runtime would be found if it were opened now; nothing is opened.
pub(crate) fn locate(release: &RuntimeRelease, plugin_folder: Option<&Path>) -> Result<PathBuf> {
    let loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    match &*loaded {
        Some(loaded) => Ok(loaded.library.clone()),
        None => find(release, None, plugin_folder),
    }
}

/// Looks beside the runtime that [`locate`] finds, or `setting` names, for the libraries of its accelerator.
pub(crate) fn check_providers(
    release: &RuntimeRelease,
    setting: Option<&Path>,
    plugin_folder: Option<&Path>,
) -> Result<()> {
    let library = match setting {
        Some(_) => find(release, setting, plugin_folder)?,
        None => locate(release, plugin_folder)?,
    };
    let names = release.providers.iter().map(|name| format!("{DLL_PREFIX}{name}{DLL_SUFFIX}"));
    match names.into_iter().find(|name| !library.with_file_name(name).is_file()) {
        Some(missing) => Err(Error::io(format!(
            "{} has no {missing} beside it, so it can't use a GPU; run \"{}\" in an active Python environment, and name \
             no other runtime",
            library.display(),
            release.command()
        ))),
        None => Ok(()),
    }
}

/// The runtime's path; where it is nowhere, an error that lists the places and the command.
fn find(release: &RuntimeRelease, setting: Option<&Path>, plugin_folder: Option<&Path>) -> Result<PathBuf> {
    let named = setting.map(|path| ("setting \"runtime\"", path.to_path_buf())).or_else(|| {
        env::var_os("ORT_DYLIB_PATH").filter(|v| !v.is_empty()).map(|v| ("ORT_DYLIB_PATH", v.into()))
    });
    if let Some((origin, path)) = named {
        return fs::canonicalize(&path).ok().filter(|p| p.is_file()).ok_or_else(|| {
            Error::io(format!(
                "{origin} names {}, which is not a file; give the library's path",
                path.display()
            ))
        });
    }
    let folders = folders(release, plugin_folder);
    for folder in &folders {
        for name in release.file_names() {
            if let Ok(path) = fs::canonicalize(folder.join(name)) {
                return Ok(path);
            }
        }
    }
    if let Some(path) = other_version(release, plugin_folder) {
        return Ok(path);
    }
    let looked: Vec<String> = folders.iter().map(|f| f.display().to_string()).collect();
    Err(Error::io(format!(
        "ONNX Runtime ({}) was not found: neither setting \"runtime\" nor ORT_DYLIB_PATH is set, and it is not in \
         {}; run \"{}\" in an active Python environment (VIRTUAL_ENV or CONDA_PREFIX is set), or name the \
         library with the setting or ORT_DYLIB_PATH",
        release.file_names()[0],
        looked.join(" or "),
        release.command()
    )))
}

/// The CPU's runtime of another version, in the folder that the program names or in an active Python environment, since later
/// ones serve as well. Of an accelerator's only the exact version fits the libraries that go with it.
fn other_version(release: &RuntimeRelease, named: Option<&Path>) -> Option<PathBuf> {
    let plain = format!("{DLL_PREFIX}onnxruntime{DLL_SUFFIX}.");
    let is_library = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&plain)) && path.is_file()
    };
    let files =
        |folder: PathBuf| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let folders = named.map(PathBuf::from).into_iter().chain(packaged());
    let folders = folders.filter(|_| release.providers.is_empty());
    fs::canonicalize(folders.flat_map(files).find(is_library)?).ok()
}

/// The folders of ONNX Runtime's libraries in an active Python environment.
fn packaged() -> Vec<PathBuf> {
    python_package("onnxruntime").into_iter().map(|package| package.join("capi")).collect()
}

fn folders(release: &RuntimeRelease, plugin_folder: Option<&Path>) -> Vec<PathBuf> {
    let beside = plugin_folder.map(PathBuf::from).or_else(own_folder);
    let cached = cache_folder().map(|cache| cache.join(release.cache_folder));
    beside.into_iter().chain(cached).chain(packaged()).collect()
}

fn refuse_another(loaded: &Path, setting: Option<&Path>) -> Result<()> {
    match setting {
        Some(path) if fs::canonicalize(path).ok().as_deref() != Some(loaded) => Err(Error::invalid(format!(
            "setting \"runtime\" names {}, but this process already runs {}; a process has one ONNX Runtime \
             for each plugin: leave the setting out, or start another process",
            path.display(),
            loaded.display()
        ))),
        _ => Ok(()),
    }
}

fn not_opened(library: &Path, error: ort::LoadDynamicError) -> Error {
    let file = library.display();
    Error::io(match error {
        ort::LoadDynamicError::Dlopen { error, .. } => {
            // The message proper says no more than "dlopen failed".
            let cause = error.source().map_or_else(|| error.to_string(), ToString::to_string);
            format!("{file} cannot be opened as a library: {cause}")
        }
        ort::LoadDynamicError::MissingApi { .. } => {
            format!("{file} is not ONNX Runtime: it does not export OrtGetApiBase")
        }
        ort::LoadDynamicError::InvalidVersionString => {
            format!("{file} is not a usable ONNX Runtime: its version cannot be read")
        }
        ort::LoadDynamicError::BadVersion { version_str, .. } => {
            format!("{file} is ONNX Runtime {version_str}; 1.{} or later is required", ort::MINOR_VERSION)
        }
    })
}

/// Passes the runtime's messages on; without a logger it would write them to standard error.
fn log(level: LogLevel, category: &str, _id: &str, location: &str, message: &str) {
    match level {
        LogLevel::Fatal | LogLevel::Error => tracing::error!(category, location, "{message}"),
        LogLevel::Warning => tracing::warn!(category, location, "{message}"),
        LogLevel::Info => tracing::info!(category, location, "{message}"),
        LogLevel::Verbose => tracing::debug!(category, location, "{message}"),
    }
}
