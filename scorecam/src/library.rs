//! Plugin files: checked, opened, verified, and kept for the life of the process.

use std::path::{Path, PathBuf};
use std::sync::RwLock;

use abi_stable::library::{AbiHeader, AbiHeaderRef};
use libloading::Library;
use scorecam_core::{Error, Result, bail};
use scorecam_plugin::abi::scorecam_plugin_table;
use scorecam_plugin::plugin::ImportedPlugin;
use scorecam_plugin::{ENTRY_SYMBOL, PluginRoot_Ref, ROOT_SYMBOL, open_library};

use crate::lock::Lock;

/// How a host verified the layout of a plugin's tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The item is part of the program.
    BuiltIn,
    /// abi_stable compared every table field by field.
    LayoutVerified,
    /// The ABI version and the sizes of structs agree.
    VersionChecked,
}

impl std::fmt::Display for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::BuiltIn => "built in",
            Self::LayoutVerified => "layout verified",
            Self::VersionChecked => "version checked",
        })
    }
}

/// An opened library: its table and the proof of its layout.
#[derive(Clone, Copy)]
pub(crate) struct Opened {
    pub(crate) plugin: ImportedPlugin,
    pub(crate) proof: Proof,
}

/// Opens the plugin at a canonical path, or returns it if it is already open. The caller adds the file's name to
/// errors.
pub(crate) fn open(path: &Path) -> Result<Opened> {
    OPENED.open(path, open_new)
}

/// All libraries opened by this process. Libraries are never closed: tables, threads and destructors of a plugin may be
/// in use until the process ends.
static OPENED: Libraries<RwLock<OpenedFiles>> = Libraries { opened: RwLock::new(Vec::new()) };

/// Opened libraries by canonical path.
pub(crate) type OpenedFiles = Vec<(PathBuf, Opened)>;

#[derive(Default)]
pub(crate) struct Libraries<L> {
    opened: L,
}

impl<L: Lock<OpenedFiles>> Libraries<L> {
    /// The lock is not held while a library opens: its constructors may be slow, or open another plugin. Two threads
    /// that open the same file get the same library from the system, and the first thread's result is kept.
    pub(crate) fn open(&self, file: &Path, open_new: impl FnOnce(&Path) -> Result<Opened>) -> Result<Opened> {
        if let Some(found) = self.opened.look(|opened| find(opened, file)) {
            return Ok(found);
        }
        let new = open_new(file)?;
        Ok(self.opened.change(|opened| {
            find(opened, file).unwrap_or_else(|| {
                opened.push((file.to_path_buf(), new));
                new
            })
        }))
    }
}

fn find(opened: &OpenedFiles, file: &Path) -> Option<Opened> {
    opened.iter().find(|(path, _)| path == file).map(|(_, found)| *found)
}

fn open_new(path: &Path) -> Result<Opened> {
    // SAFETY: loading runs the library's initializers; a plugin is trusted code, as the documentation says.
    let library = unsafe { open_library(path) }?;
    if let Some(table) = verified_table(&library)? {
        // SAFETY: a static table of a library that is never closed, its layout proven.
        return Ok(Opened { plugin: unsafe { ImportedPlugin::new(table) }?, proof: Proof::LayoutVerified });
    }
    // SAFETY: the symbol is a variable of this type by the ABI; only its address is taken here.
    let symbol = unsafe { library.get::<*const scorecam_plugin_table>(ENTRY_SYMBOL.as_bytes()) };
    let symbol = symbol.map_err(|_| {
        Error::plugin(format!("it is not a scorecam plugin: it exports no symbol {ENTRY_SYMBOL}"))
    })?;
    // SAFETY: the address of a static table of a library that is never closed; its version is read first.
    Ok(Opened { plugin: unsafe { ImportedPlugin::new(*symbol) }?, proof: Proof::VersionChecked })
}

/// The table of the library's abi_stable root module, after its layout is verified; `None` if the library has no such
/// module.
fn verified_table(library: &Library) -> Result<Option<*const scorecam_plugin_table>> {
    // SAFETY: the symbol is abi_stable's header by its name; only its address is taken here.
    let Ok(symbol) = (unsafe { library.get::<*const AbiHeader>(ROOT_SYMBOL.as_bytes()) }) else {
        return Ok(None);
    };
    // A symbol's address is whatever its library says, 0 included.
    let header: *const AbiHeader = *symbol;
    if header.is_null() || !header.is_aligned() {
        bail!(plugin, "its symbol {ROOT_SYMBOL} does not point to a table: it is at {header:p}");
    }
    // SAFETY: a transparent reference, made of an address that is neither NULL nor misaligned, into a library that
    // is never closed; abi_stable checks the header before use.
    let header = unsafe { std::mem::transmute::<*const AbiHeader, AbiHeaderRef>(header) };
    let differs = |e: &dyn std::fmt::Display| {
        let text = e.to_string();
        tracing::debug!("layout check: {text}");
        let line = text.lines().map(str::trim).find(|l| !l.is_empty()).unwrap_or("no message").to_owned();
        Error::plugin(format!(
            "the layout of its tables differs from this program's ({line}); build it against this version of \
             scorecam-plugin"
        ))
    };
    let header = header.upgrade().map_err(|e| differs(&e))?;
    let root = header.init_root_module::<PluginRoot_Ref>().map_err(|e| differs(&e))?;
    Ok(Some(root.entry().get()))
}
