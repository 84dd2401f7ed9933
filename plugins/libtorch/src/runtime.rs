//! libtorch and the engine: where they are looked for, and how they are opened.
//!
//! libtorch is looked for in this order: the setting `runtime`, the environment variable `LIBTORCH`, beside
//! the plugin, the cache that `cargo xtask fetch` fills, and the package `torch` of an active Python environment. The
//! first two are a user's own word, so a wrong folder there is an error and not a reason to look further. The engine lies
//! beside the plugin.
//!
//! `libtorch_cpu.so` is opened by its path; the engine, opened after it, then finds what it needs already
//! there, so nobody has to set a search path. A process has one libtorch, for the rest of its life.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use scorecam_plugin::abi::scorecam_plugin_table;
use scorecam_plugin::{
    ENTRY_SYMBOL, Error, Readiness, Result, cache_folder, open_library, own_folder, python_package,
};
use scorecam_plugin::{backend::ImportedLoader, plugin::ImportedPlugin};

/// The version that the engine is built for: C++ libraries of other versions do not fit.
const VERSION: &str = "2.13.0";
/// The command that installs libtorch of that version, into an active Python environment.
const COMMAND: &str = "pip install torch==2.13.0";

/// What is open in this process.
struct Opened {
    /// Canonical.
    folder: PathBuf,
    engine: &'static ImportedLoader,
    /// Whether libtorch's CUDA part is there and open, or why not.
    cuda: Result<()>,
}

static OPENED: Mutex<Option<Opened>> = Mutex::new(None);

/// Opens libtorch and the engine, or hands out the engine that is open. `setting` is the user's own choice of
/// a folder. With `on_gpu`, an error where libtorch has a CUDA part that does not open.
pub(crate) fn open(setting: Option<&Path>, on_gpu: bool) -> Result<&'static ImportedLoader> {
    let mut place = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
    let opened = match &mut *place {
        Some(opened) => {
            refuse_another(&opened.folder, setting)?;
            opened
        }
        empty => empty.insert(open_new(find(setting)?)?),
    };
    if on_gpu {
        opened.cuda.clone()?;
    }
    Ok(opened.engine)
}

/// Whether all files are there that [`open`] needs; none is opened. Whether a GPU is there is known when libtorch runs.
pub(crate) fn look(on_gpu: bool) -> Result<Readiness> {
    // Who holds the lock opens libtorch just now, which may take seconds; the files tell enough.
    let opened = OPENED.try_lock().ok().and_then(|place| Some(place.as_ref()?.folder.clone()));
    let folder = opened.map_or_else(|| find(None), Ok)?;
    engine_file()?;
    match on_gpu {
        false => Ok(Readiness::on_cpu()),
        true if folder.join(file_name("torch_cuda")).is_file() => {
            Ok(Readiness::on_accelerator(format!("a GPU, by the libtorch in {}", folder.display())))
        }
        true => Err(Error::unsupported(format!(
            "the libtorch in {} was built only for the CPU; name one with CUDA in setting \"runtime\" or LIBTORCH",
            folder.display()
        ))),
    }
}

fn open_new(folder: PathBuf) -> Result<Opened> {
    let libtorch = folder.join(file_name("torch_cpu"));
    // SAFETY: libtorch's initializers register operators; the user chose or fetched this library.
    unsafe { open_library(&libtorch) }.map_err(|e| {
        Error::io(format!(
            "libtorch {} cannot be opened: {e}; reinstall it: \"{COMMAND}\"",
            libtorch.display()
        ))
    })?;
    // Before anything runs: libtorch looks for its CUDA part once, and a process that ran without it stays so.
    let cuda = open_cuda(&folder);
    let engine = engine_file()?;
    let of_engine = |e: Error| {
        Error::plugin(format!(
            "the engine {} does not open beside libtorch {}: {e}; it is built for libtorch {VERSION}: name one by setting \
             \"runtime\" or LIBTORCH, or build the engine again (docs/torchscript.md)",
            engine.display(),
            folder.display()
        ))
    };
    // SAFETY: the engine is the other half of this plugin.
    let library = unsafe { open_library(&engine) }.map_err(of_engine)?;
    // SAFETY: the symbol is a variable of this type by the ABI; only its address is taken here.
    let table = unsafe { library.get::<*const scorecam_plugin_table>(ENTRY_SYMBOL.as_bytes()) }
        .map_err(|_| of_engine(Error::plugin(format!("it exports no symbol {ENTRY_SYMBOL}"))))?;
    // SAFETY: a static table of a library that is never closed; its version is read first.
    let plugin = unsafe { ImportedPlugin::new(*table) }.map_err(of_engine)?;
    let engine = Box::leak(Box::new(plugin.backend(0).map_err(of_engine)?));
    Ok(Opened { folder, engine, cuda })
}

/// Opens the part of libtorch that serves GPUs, where this libtorch has it; the engine says so where not. A
/// failure is kept for those who ask for a GPU: its own libraries may be missing where nobody needs them.
fn open_cuda(folder: &Path) -> Result<()> {
    let library = folder.join(file_name("torch_cuda"));
    if !library.exists() {
        return Ok(());
    }
    // SAFETY: as for the part that is open already.
    unsafe { open_library(&library) }
        .map(|_| ())
        .map_err(|e| {
            Error::io(format!(
                "libtorch's CUDA part {} cannot be opened: {e}; install what it misses (for PyTorch's Python package \
                 the packages nvidia-*), or use device \"cpu\"",
                library.display()
            ))
        })
}

/// The folder that holds libtorch's libraries; where there is none, an error that lists the places and the command.
fn find(setting: Option<&Path>) -> Result<PathBuf> {
    let named = setting.map(|path| ("setting \"runtime\"", path.to_path_buf())).or_else(|| {
        env::var_os("LIBTORCH").filter(|v| !v.is_empty()).map(|v| ("the variable LIBTORCH", v.into()))
    });
    if let Some((origin, path)) = named {
        let folder = libraries_in(&path).ok_or_else(|| {
            Error::io(format!(
                "{origin} names {}, which holds no {}; give libtorch's folder",
                path.display(),
                file_name("torch_cpu")
            ))
        })?;
        return check_version(folder);
    }
    let beside = own_folder();
    let cached = cache_folder().map(|cache| cache.join(format!("libtorch-{VERSION}")));
    let places: Vec<PathBuf> = beside.into_iter().chain(cached).chain(python_package("torch")).collect();
    match places.iter().find_map(|place| libraries_in(place)) {
        Some(folder) => check_version(folder),
        None => {
            let looked: Vec<String> = places.iter().map(|p| p.display().to_string()).collect();
            Err(Error::io(format!(
                "libtorch ({}) was not found: setting \"runtime\" and LIBTORCH are not set, and it is not in {}; run \
                 \"{COMMAND}\" in an active Python environment (VIRTUAL_ENV or CONDA_PREFIX is set), or name libtorch's \
                 folder by the setting or LIBTORCH",
                file_name("torch_cpu"),
                looked.join(" or ")
            )))
        }
    }
}

/// The folder with libraries in or below `folder`: a distribution has them in `lib`.
fn libraries_in(folder: &Path) -> Option<PathBuf> {
    let candidates = [folder.to_path_buf(), folder.join("lib"), folder.join("libtorch").join("lib")];
    let found = candidates.into_iter().find(|place| place.join(file_name("torch_cpu")).is_file())?;
    fs::canonicalize(found).ok()
}

/// Refuses a libtorch that says it is of another version; one that does not say is found out when it opens.
fn check_version(folder: PathBuf) -> Result<PathBuf> {
    match stated_version(&folder) {
        Some(version) if version != VERSION => Err(Error::plugin(format!(
            "libtorch {} is of version {version}; the engine is built for {VERSION}: name one of that version by setting \
             \"runtime\" or LIBTORCH, or leave both out and run \"{COMMAND}\" in an active Python environment",
            folder.display()
        ))),
        _ => Ok(folder),
    }
}

/// The version in a distribution's `build-version`, or in the `version.py` of PyTorch's Python package. Behind
/// it the build may be named: "2.13.0+cpu".
fn stated_version(folder: &Path) -> Option<String> {
    let read = |name| fs::read_to_string(folder.parent()?.join(name)).ok();
    let stated = read("build-version").or_else(|| {
        let script = read("version.py")?;
        let line = script.lines().find_map(|line| line.strip_prefix("__version__ = "))?;
        Some(line.trim_matches(['\'', '"']).to_owned())
    })?;
    stated.trim().split('+').next().map(str::to_owned)
}

/// The engine, beside the plugin.
fn engine_file() -> Result<PathBuf> {
    let name = file_name("scorecamtorch");
    let folder = own_folder()
        .ok_or_else(|| Error::io(format!("the system does not tell where the plugin lies, beside {name}")))?;
    let engine = folder.join(&name);
    match engine.is_file() {
        true => Ok(engine),
        false => Err(Error::io(format!(
            "libtorch is here, but the plugin's engine {name} is not in {}: install a package of scorecam that contains \
             it, or build it (docs/torchscript.md)",
            folder.display()
        ))),
    }
}

fn refuse_another(opened: &Path, setting: Option<&Path>) -> Result<()> {
    match setting {
        Some(path) if libraries_in(path).as_deref() != Some(opened) => Err(Error::invalid(format!(
            "setting \"runtime\" names {}, but this process already runs the libtorch in {}; a process has one: \
             leave the setting out, or start another process",
            path.display(),
            opened.display()
        ))),
        _ => Ok(()),
    }
}

fn file_name(library: &str) -> String {
    format!("{}{library}{}", env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX)
}
