//! [`Host`]: the registry of backends and methods.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use scorecam_core::{CamMethod, Error, Result};
use scorecam_plugin::abi::{SCORECAM_KIND_BACKEND, SCORECAM_KIND_METHOD};
use scorecam_plugin::import::{Descriptor, ImportedLoader, ImportedPlugin};

use crate::library::{self, Opened, Proof};
use crate::{builtin, search};

/// Backends and methods by id. All calls may come from several threads at once.
pub struct Host {
    /// The folder of the library that this host is part of, when it is not the program itself.
    beside: Option<PathBuf>,
    registered: RwLock<Registered>,
}

#[derive(Default)]
struct Registered {
    plugins: Vec<PluginRecord>,
    backends: Vec<Arc<ImportedLoader>>,
    methods: Vec<Arc<dyn CamMethod>>,
    searched: bool,
    failures: Vec<Error>,
}

/// A plugin that a host has registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginRecord {
    /// Its file; `None` for what is built in.
    pub path: Option<PathBuf>,
    /// How its layout is known.
    pub proof: Proof,
    /// What it holds.
    pub items: Vec<Descriptor>,
}

impl Host {
    /// A host that knows the built-in methods. `beside` is a folder to search for plugins next to those of
    /// the program, for a host inside a library.
    pub fn new(beside: Option<PathBuf>) -> Result<Self> {
        let host = Self { beside, registered: RwLock::default() };
        // SAFETY: a static table of this very program.
        let plugin = unsafe { ImportedPlugin::new(builtin::table()) }?;
        host.register(None, Opened { plugin, proof: Proof::BuiltIn })?;
        Ok(host)
    }

    /// Loads the plugin in a file; nothing happens when it is loaded already.
    pub fn load_plugin(&self, path: &Path) -> Result<()> {
        let canonical = path.canonicalize();
        let known = |p: &PluginRecord| p.path.is_some() && p.path.as_ref() == canonical.as_ref().ok();
        if self.read().plugins.iter().any(known) {
            return Ok(());
        }
        let opened = library::open(path)?;
        let canonical = canonical.map_err(|e| Error::io(format!("plugin {}: {e}", path.display())))?;
        self.register(Some(canonical), opened).map_err(|e| e.context(format!("plugin {}", path.display())))
    }

    /// Loads every plugin in the folders of [`Host::search_path`]; returns what could not be loaded. Later
    /// calls search again.
    pub fn discover(&self) -> Vec<Error> {
        let mut failures = Vec::new();
        for folder in self.search_path() {
            for path in search::plugins_in(&folder) {
                failures.extend(self.load_plugin(&path).err());
            }
        }
        let mut registered = self.write();
        registered.searched = true;
        registered.failures.clone_from(&failures);
        failures
    }

    /// The folders that are searched for plugins: those of `SCORECAM_PLUGIN_PATH`, then those beside the
    /// program or library.
    pub fn search_path(&self) -> Vec<PathBuf> {
        search::folders(self.beside.as_deref())
    }

    /// What is registered, in the order of loading.
    pub fn plugins(&self) -> Vec<PluginRecord> {
        self.read().plugins.clone()
    }

    /// Every method.
    pub fn methods(&self) -> Vec<Arc<dyn CamMethod>> {
        self.read().methods.clone()
    }

    /// The method of an id; searches for plugins when it is not known yet.
    pub fn method(&self, id: &str) -> Result<Arc<dyn CamMethod>> {
        let find = || self.methods().into_iter().find(|m| m.info().id == id);
        self.find_or_search(find).ok_or_else(|| {
            let known: Vec<String> = self.methods().iter().map(|m| m.info().id.clone()).collect();
            Error::not_found(format!("method {id:?} is not known; there are {}", known.join(", ")))
        })
    }

    /// The backend of an id, or the first one that loads files like `path`; searches for plugins when none
    /// is known yet.
    pub(crate) fn backend(&self, id: Option<&str>, path: &Path) -> Result<Arc<ImportedLoader>> {
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
        let fits = |b: &Arc<ImportedLoader>| match id {
            Some(id) => b.id() == id,
            None => b.extensions().contains(&extension),
        };
        let find = || self.backends().into_iter().find(&fits);
        self.find_or_search(find).ok_or_else(|| self.no_backend(id, path))
    }

    /// Every backend.
    pub(crate) fn backends(&self) -> Vec<Arc<ImportedLoader>> {
        self.read().backends.clone()
    }

    fn no_backend(&self, id: Option<&str>, path: &Path) -> Error {
        let registered = self.read();
        let known: Vec<&str> = registered.backends.iter().map(|b| b.id()).collect();
        let known = if known.is_empty() {
            "none is loaded".into()
        } else {
            format!("there are {}", known.join(", "))
        };
        let folders = self.search_path();
        let looked: Vec<String> = folders.iter().map(|f| f.display().to_string()).collect();
        let failed: String = registered.failures.iter().map(|e| format!("; {e}")).collect();
        let what = match id {
            Some(id) => format!("backend {id:?} is not known"),
            None => format!("no backend loads files like {}", path.display()),
        };
        Error::not_found(format!(
            "{what}; {known}; plugins were looked for in {} (set {} or give the plugin's file){failed}",
            looked.join(", "),
            search::PATH_VARIABLE,
        ))
    }

    pub(crate) fn find_or_search<T>(&self, find: impl Fn() -> Option<T>) -> Option<T> {
        find().or_else(|| {
            if !self.read().searched {
                self.discover();
            }
            find()
        })
    }

    /// Registers every item of a plugin, or none.
    fn register(&self, path: Option<PathBuf>, opened: Opened) -> Result<()> {
        let mut record = PluginRecord { path, proof: opened.proof, items: Vec::new() };
        let (mut backends, mut methods) = (Vec::new(), Vec::<Arc<dyn CamMethod>>::new());
        for index in 0..opened.plugin.count() {
            let item = opened.plugin.descriptor(index)?;
            match item.kind {
                SCORECAM_KIND_BACKEND => backends.push(Arc::new(opened.plugin.backend(index)?)),
                SCORECAM_KIND_METHOD => methods.push(Arc::new(opened.plugin.method(index)?)),
                kind => {
                    tracing::debug!(kind, id = item.id, "an item of a kind that is not known is passed over");
                    continue;
                }
            }
            record.items.push(item);
        }
        let mut registered = self.write();
        if record.path.is_some() && registered.plugins.iter().any(|p| p.path == record.path) {
            return Ok(());
        }
        registered.check_free(&record.items)?;
        registered.plugins.push(record);
        registered.backends.extend(backends);
        registered.methods.extend(methods);
        Ok(())
    }

    // A panic while the lock is held leaves the lists whole: they are only ever appended to.
    fn read(&self) -> RwLockReadGuard<'_, Registered> {
        self.registered.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Registered> {
        self.registered.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registered {
    fn check_free(&self, items: &[Descriptor]) -> Result<()> {
        for item in items {
            let same = |other: &Descriptor| other.kind == item.kind && other.id == item.id;
            if let Some(owner) = self.plugins.iter().find(|p| p.items.iter().any(same)) {
                let owner =
                    owner.path.as_ref().map_or("the program itself".into(), |p| p.display().to_string());
                return Err(Error::plugin(format!("its id {:?} is already taken by {owner}", item.id)));
            }
        }
        Ok(())
    }
}
