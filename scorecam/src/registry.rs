//! [`Host`]: the registry of backends and methods.

use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use scorecam_core::{CamMethod, Error, Result, bail};
use scorecam_plugin::abi::scorecam_plugin_table;
use scorecam_plugin::backend::ImportedLoader;
use scorecam_plugin::plugin::{Descriptor, ImportedPlugin};

use crate::library::{self, Opened, Proof};
use crate::register::{Register, Registered};
use crate::{builtin, search};

/// Backends and methods by id. Several threads may use it concurrently.
///
/// ```
/// let host = scorecam::Host::new()?;
/// let method = host.method("score-cam")?;
/// assert!(method.info().presets.iter().any(|preset| preset.name == "paper"));
/// assert!(host.method("no-such-method").is_err());
/// # Ok::<(), scorecam::Error>(())
/// ```
pub struct Host {
    /// The folder of the library that contains this host, if it is not the program itself.
    beside: Option<PathBuf>,
    register: Register<RwLock<Registered>>,
}

/// A registered plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginRecord {
    /// Its file; `None` for built-in items.
    pub path: Option<PathBuf>,
    /// Its origin.
    pub origin: Origin,
    /// How its layout was verified.
    pub proof: Proof,
    /// Its items.
    pub items: Vec<Descriptor>,
}

/// The origin of a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It is part of the program.
    BuiltIn,
    /// The caller named its file.
    Named,
    /// It was found in a search folder.
    Found,
}

impl Host {
    /// A host with the built-in methods.
    pub fn new() -> Result<Self> {
        Self::beside(None)
    }

    /// Like [`Self::new`], for a host inside a library: the library's `folder` is searched for plugins in addition to
    /// the program's.
    pub fn beside(folder: Option<PathBuf>) -> Result<Self> {
        let host = Self { beside: folder, register: Register::default() };
        host.register.add_methods(builtin::methods())?;
        Ok(host)
    }

    /// Loads a plugin file, or every plugin in a folder. A file that is already loaded is not opened again. If no
    /// backend is chosen by id, these backends take precedence over those found by a search.
    pub fn load_plugin(&self, path: &Path) -> Result<()> {
        if !path.is_dir() {
            return self.register.load(path, Origin::Named, library::open);
        }
        let files = search::plugins_in(path);
        if files.is_empty() {
            let example = search::file_name("NAME");
            bail!(
                io,
                "plugin {}: the folder has no plugins; their files have names such as {example}",
                path.display()
            );
        }
        files.iter().try_for_each(|file| self.register.load(file, Origin::Named, library::open))
    }

    /// Adds a plugin whose table is in the program itself.
    ///
    /// # Safety
    /// `table` points to at least 8 readable bytes, and to a complete table of the size that it states; it and
    /// everything it points to stay valid for the life of the process.
    pub unsafe fn add_plugin(&self, table: *const scorecam_plugin_table) -> Result<()> {
        // SAFETY: as the caller promises.
        let plugin = unsafe { ImportedPlugin::new(table) }?;
        self.register.add(None, Origin::Named, Opened { plugin, proof: Proof::VersionChecked })
    }

    /// Loads every plugin in the folders of [`Host::search_path`]; returns the failures. Later calls search again.
    pub fn discover(&self) -> Vec<Error> {
        let mut failures = Vec::new();
        for folder in self.search_path() {
            for path in search::plugins_in(&folder) {
                failures.extend(self.register.load(&path, Origin::Found, library::open).err());
            }
        }
        self.register.keep_search(&failures);
        failures
    }

    /// The folders that are searched for plugins: those in `SCORECAM_PLUGIN_PATH`, then those of the library and the
    /// program, the folder `scorecam` in each of these, and `../lib/scorecam` for a folder with the name `bin`.
    pub fn search_path(&self) -> Vec<PathBuf> {
        search::folders(self.beside.as_deref())
    }

    /// The registered plugins, in loading order.
    pub fn plugins(&self) -> Vec<PluginRecord> {
        self.register.look(|r| r.plugins.clone())
    }

    /// Every method.
    pub fn methods(&self) -> Vec<Arc<dyn CamMethod>> {
        self.register.look(|r| r.methods.clone())
    }

    /// The method with an id; searches for plugins if it is unknown.
    pub fn method(&self, id: &str) -> Result<Arc<dyn CamMethod>> {
        let find = || self.methods().into_iter().find(|m| m.info().id == id);
        self.find_or_search(find).ok_or_else(|| {
            let known: Vec<String> = self.methods().iter().map(|m| m.info().id.clone()).collect();
            Error::not_found(format!("method {id:?} is unknown; methods: {}", known.join(", ")))
        })
    }

    /// The backend with an id; searches for plugins if it is unknown. `path` is the model's file.
    pub(crate) fn backend(&self, id: &str, path: &Path) -> Result<Arc<ImportedLoader>> {
        let find = || self.backends().into_iter().find(|b| b.id() == id);
        self.find_or_search(find).ok_or_else(|| self.no_backend(Some(id), path))
    }

    /// Every backend.
    pub(crate) fn backends(&self) -> Vec<Arc<ImportedLoader>> {
        self.register.look(|r| r.backends.clone())
    }

    /// The backends of plugins that were loaded by path.
    pub(crate) fn named_backends(&self) -> Vec<Arc<ImportedLoader>> {
        self.register.look(Registered::named_backends)
    }

    /// The error for a model file without a backend of this id, or without any backend for its type.
    pub(crate) fn no_backend(&self, id: Option<&str>, path: &Path) -> Error {
        let (backends, failures) = self.register.look(|r| (r.backends.clone(), r.failures.clone()));
        let known: Vec<&str> = backends.iter().map(|b| b.id()).collect();
        let known =
            if known.is_empty() { "none is loaded".into() } else { format!("loaded: {}", known.join(", ")) };
        let folders = self.search_path();
        let looked: Vec<String> = folders.iter().map(|f| f.display().to_string()).collect();
        let failed: String = failures.iter().map(|e| format!("; {e}")).collect();
        let what = match id {
            Some(id) => format!("backend {id:?} is unknown"),
            None => format!("no backend loads files like {}", path.display()),
        };
        Error::not_found(format!(
            "{what}; {known}; plugins were searched for in {} (set {} or give the plugin's file){failed}",
            looked.join(", "),
            search::PATH_VARIABLE,
        ))
    }

    pub(crate) fn find_or_search<T>(&self, find: impl Fn() -> Option<T>) -> Option<T> {
        find().or_else(|| {
            self.search_once();
            find()
        })
    }

    /// Searches for plugins, unless this was done before.
    pub(crate) fn search_once(&self) {
        if !self.register.look(|r| r.searched) {
            self.discover();
        }
    }
}
