//! [`Register`]: the plugins of a host, safe for concurrent loading.
//!
//! A plugin is registered completely or not at all, each file and each id at most once, and entries keep their place.
//! No plugin's code runs while this lock or that of the list of libraries is held, neither its initializers nor its
//! descriptors. So both may load further plugins.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use scorecam_core::{CamMethod, Error, Result};
use scorecam_plugin::abi::{SCORECAM_KIND_BACKEND, SCORECAM_KIND_METHOD};
use scorecam_plugin::{backend::ImportedLoader, plugin::Descriptor};

use crate::library::{Opened, Proof};
use crate::lock::Lock;
use crate::{Origin, PluginRecord};

/// The contents of a host, behind a lock.
#[derive(Default)]
pub(crate) struct Register<L> {
    registered: L,
}

/// The loaded plugins, in loading order, and the result of the search.
#[derive(Default)]
pub(crate) struct Registered {
    pub(crate) plugins: Vec<PluginRecord>,
    pub(crate) backends: Vec<Arc<ImportedLoader>>,
    pub(crate) methods: Vec<Arc<dyn CamMethod>>,
    pub(crate) searched: bool,
    pub(crate) failures: Vec<Error>,
}

impl<L: Lock<Registered>> Register<L> {
    /// Registers the plugin in a file, which `open` opens by its canonical path: the file that is recorded is the
    /// one that was opened. One that is registered already is not opened again; that it was named is kept.
    pub(crate) fn load(
        &self,
        path: &Path,
        origin: Origin,
        open: impl FnOnce(&Path) -> Result<Opened>,
    ) -> Result<()> {
        let named = |e: Error| e.context(format!("plugin {}", path.display()));
        let file = path.canonicalize().map_err(|e| named(Error::io(e.to_string())))?;
        if !self.knows(&file, origin) {
            let opened = open(&file).map_err(named)?;
            self.add(Some(file), origin, opened).map_err(named)?;
        }
        Ok(())
    }

    /// Whether a file is registered; then it is named from now on, if it is named now.
    fn knows(&self, file: &Path, origin: Origin) -> bool {
        match origin {
            Origin::Named => self.registered.change(|r| r.name(file)),
            _ => self.look(|r| r.has(file)),
        }
    }

    /// Registers every item of a plugin, or none.
    pub(crate) fn add(&self, path: Option<PathBuf>, origin: Origin, opened: Opened) -> Result<()> {
        let mut record = PluginRecord { path, origin, proof: opened.proof, items: Vec::new() };
        let (mut backends, mut methods) = (Vec::new(), Vec::<Arc<dyn CamMethod>>::new());
        for index in 0..opened.plugin.count() {
            let item = opened.plugin.descriptor(index)?;
            match item.kind {
                SCORECAM_KIND_BACKEND => backends.push(Arc::new(opened.plugin.backend(index)?)),
                SCORECAM_KIND_METHOD => methods.push(Arc::new(opened.plugin.method(index)?)),
                kind => {
                    tracing::debug!(kind, id = item.id, "an item of an unknown kind is skipped");
                    continue;
                }
            }
            record.items.push(item);
        }
        self.keep(record, backends, methods)
    }

    /// Registers methods of the program itself.
    pub(crate) fn add_methods(&self, methods: Vec<Arc<dyn CamMethod>>) -> Result<()> {
        let items = methods.iter().map(|method| Descriptor::of_method(method.info())).collect();
        let record = PluginRecord { path: None, origin: Origin::BuiltIn, proof: Proof::BuiltIn, items };
        self.keep(record, Vec::new(), methods)
    }

    fn keep(
        &self,
        record: PluginRecord,
        backends: Vec<Arc<ImportedLoader>>,
        methods: Vec<Arc<dyn CamMethod>>,
    ) -> Result<()> {
        self.registered.change(|registered| {
            // Another thread may have registered the same file since the caller looked.
            if let Some(file) = record.path.as_ref().filter(|file| registered.has(file)) {
                if record.origin == Origin::Named {
                    registered.name(file);
                }
                return Ok(());
            }
            registered.check_free(&record.items)?;
            registered.plugins.push(record);
            registered.backends.extend(backends);
            registered.methods.extend(methods);
            Ok(())
        })
    }

    /// Keeps what a search could not load, and that there was one.
    pub(crate) fn keep_search(&self, failures: &[Error]) {
        self.registered.change(|registered| {
            registered.searched = true;
            registered.failures = failures.to_vec();
        });
    }

    /// Looks at all of it at one moment.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&Registered) -> R) -> R {
        self.registered.look(look)
    }
}

impl Registered {
    fn has(&self, file: &Path) -> bool {
        self.plugins.iter().any(|p| p.path.as_deref() == Some(file))
    }

    /// Keeps that a plugin was named; whether it is registered at all.
    fn name(&mut self, file: &Path) -> bool {
        let plugin = self.plugins.iter_mut().find(|p| p.path.as_deref() == Some(file));
        plugin.map(|p| p.origin = Origin::Named).is_some()
    }

    /// The backends of plugins that were named.
    pub(crate) fn named_backends(&self) -> Vec<Arc<ImportedLoader>> {
        let named = self.plugins.iter().filter(|p| p.origin == Origin::Named).flat_map(|p| &p.items);
        let is_named = |b: &&Arc<ImportedLoader>| {
            named.clone().any(|item| item.kind == SCORECAM_KIND_BACKEND && item.id == b.id())
        };
        self.backends.iter().filter(is_named).cloned().collect()
    }

    fn check_free(&self, items: &[Descriptor]) -> Result<()> {
        for (i, item) in items.iter().enumerate() {
            let same = |other: &Descriptor| other.kind == item.kind && other.id == item.id;
            if items[..i].iter().any(same) {
                return Err(Error::plugin(format!("it has two items with the id {:?}", item.id)));
            }
            if let Some(owner) = self.plugins.iter().find(|p| p.items.iter().any(same)) {
                let owner =
                    owner.path.as_ref().map_or("the program itself".into(), |p| p.display().to_string());
                return Err(Error::plugin(format!("its id {:?} is already taken by {owner}", item.id)));
            }
        }
        Ok(())
    }
}

/// Every order in which threads can meet in the register and in the list of libraries, tried by loom.
#[cfg(test)]
mod interleavings {
    use loom::thread;
    use scorecam_core::ErrorKind;
    use scorecam_core::methods::{GradientCam, ScoreCam};
    use scorecam_plugin::abi::scorecam_plugin_table;
    use scorecam_plugin::plugin::ImportedPlugin;

    use super::*;
    use crate::library::{Libraries, OpenedFiles};
    use crate::lock::models::LoomLock;

    scorecam_plugin::plugin_table! { static BOTH = [method: ScoreCam, method: GradientCam::GradCam]; }
    scorecam_plugin::plugin_table! { static ONE = [method: GradientCam::GradCam]; }

    fn opened(table: &'static scorecam_plugin_table) -> Opened {
        // SAFETY: a static table of this very program.
        let plugin = unsafe { ImportedPlugin::new(table) }.expect("a sound table");
        Opened { plugin, proof: Proof::BuiltIn }
    }

    /// Two files that are there; what stands in them does not matter.
    const FILES: [&str; 2] = [
        concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
        concat!(env!("CARGO_MANIFEST_DIR"), "/src/lib.rs"),
    ];

    type Registry = Register<LoomLock<Registered>>;

    /// Loads a file that holds a table; whoever looks at the same time sees whole plugins only.
    fn load(register: &Registry, file: &str, table: &'static scorecam_plugin_table) -> Result<()> {
        let result = register.load(Path::new(file), Origin::Found, |_| Ok(opened(table)));
        register.look(|r| {
            let items: Vec<&str> = r.plugins.iter().flat_map(|p| &p.items).map(|i| i.id.as_str()).collect();
            let methods: Vec<&str> = r.methods.iter().map(|m| m.info().id.as_str()).collect();
            assert_eq!(items, methods, "items and methods have the same places");
            let mut once = items.clone();
            once.sort_unstable();
            once.dedup();
            assert_eq!(once.len(), items.len(), "an id is there once: {items:?}");
        });
        result
    }

    /// Loads two tables, each from a file of its own or both from one, on two threads.
    fn load_both(files: [&'static str; 2]) -> (loom::sync::Arc<Registry>, [Result<()>; 2]) {
        let register = loom::sync::Arc::new(Registry::default());
        let other = register.clone();
        let thread = thread::spawn(move || load(&other, files[1], &ONE));
        let first = load(&register, files[0], if files[0] == files[1] { &ONE } else { &BOTH });
        (register, [first, thread.join().expect("no panic")])
    }

    #[test]
    fn a_file_that_two_threads_load_is_registered_once() {
        loom::model(|| {
            let (register, results) = load_both([FILES[0]; 2]);
            assert!(results.iter().all(Result::is_ok), "{results:?}");
            register.look(|r| assert_eq!((r.plugins.len(), r.methods.len()), (1, 1)));
        });
    }

    #[test]
    fn of_two_plugins_with_one_id_the_second_is_refused_whole() {
        loom::model(|| {
            let (register, results) = load_both(FILES);
            let refused: Vec<_> = results.into_iter().filter_map(Result::err).collect();
            assert_eq!(refused.len(), 1);
            assert_eq!(refused[0].kind(), ErrorKind::Plugin);
            register.look(|r| assert_eq!(r.plugins.len(), 1));
        });
    }

    #[test]
    fn a_file_that_is_named_while_a_search_finds_it_is_named() {
        loom::model(|| {
            let register = loom::sync::Arc::new(Registry::default());
            let other = register.clone();
            let load = |register: &Registry, origin| {
                register.load(Path::new(FILES[0]), origin, |_| Ok(opened(&ONE))).expect("it is registered")
            };
            let search = thread::spawn(move || load(&other, Origin::Found));
            load(&register, Origin::Named);
            search.join().expect("no panic");
            register.look(|r| assert_eq!((r.plugins.len(), r.plugins[0].origin), (1, Origin::Named)));
        });
    }

    #[test]
    fn a_search_is_seen_with_what_it_found() {
        loom::model(|| {
            let register = loom::sync::Arc::new(Registry::default());
            let other = register.clone();
            let search = thread::spawn(move || {
                let failures: Vec<Error> = load(&other, FILES[0], &ONE).err().into_iter().collect();
                other.keep_search(&failures);
            });
            register.look(|r| assert!(!r.searched || r.methods.len() == 1));
            search.join().expect("no panic");
            register.look(|r| assert!(r.searched && r.failures.is_empty()));
        });
    }

    type OpenedLibraries = Libraries<LoomLock<OpenedFiles>>;

    #[test]
    fn a_library_that_two_threads_want_is_the_same_for_both() {
        loom::model(|| {
            let libraries = loom::sync::Arc::new(OpenedLibraries::default());
            let open = |libraries: &OpenedLibraries, table| {
                libraries.open(Path::new(FILES[0]), |_| Ok(opened(table))).expect("opens").plugin.count()
            };
            let others = libraries.clone();
            let thread = thread::spawn(move || open(&others, &ONE));
            let items = open(&libraries, &BOTH);
            assert_eq!(thread.join().expect("no panic"), items);
            let again = libraries.open(Path::new(FILES[0]), |_| panic!("it is open already"));
            assert_eq!(again.expect("opens").plugin.count(), items);
        });
    }

    #[test]
    fn a_library_may_open_others_while_it_opens() {
        loom::model(|| {
            let libraries = loom::sync::Arc::new(OpenedLibraries::default());
            // Each of the two opens the other: whatever order they take, neither waits for ever.
            let open = |libraries: &OpenedLibraries, first: usize| {
                let inner = |_: &Path| libraries.open(Path::new(FILES[1 - first]), |_| Ok(opened(&ONE)));
                libraries.open(Path::new(FILES[first]), inner).expect("opens");
            };
            let others = libraries.clone();
            let thread = thread::spawn(move || open(&others, 1));
            open(&libraries, 0);
            thread.join().expect("no panic");
        });
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::sync::RwLock;

    use super::*;

    #[test]
    fn what_is_opened_is_the_file_that_is_recorded() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        std::fs::write(&file, "").expect("written");
        std::os::unix::fs::symlink(&file, &link).expect("made");
        let opened = |path: &Path| Err(Error::plugin(format!("opened {}", path.display())));
        let error = Register::<RwLock<Registered>>::default().load(&link, Origin::Named, opened).unwrap_err();
        let file = file.canonicalize().expect("it is there");
        assert_eq!(error.to_string(), format!("plugin {}: opened {}", link.display(), file.display()));
    }
}
