//! Tables of the ABI as Rust objects: what a host makes of a plugin, and a method plugin of its study.
//!
//! Everything that comes through a table is checked before use: NULL, sizes of structs, lengths of strings,
//! ranks, products of dimensions, numbers of tensors. A pointer that lies about what it points to cannot be
//! found out; a plugin is code in the same process.

use std::ffi::CStr;

use scorecam_core::{Abilities, Error, MethodInfo, Result, bail, ensure};

use crate::abi;
use crate::backend::ImportedLoader;
use crate::method::ImportedMethod;
use crate::readiness::import::ImportedReadiness;
use crate::services::export::services;
use crate::wire::{ability, check_size, checked_struct, checked_table, read, read_line};

/// What a plugin says of one of its items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// [`abi::SCORECAM_KIND_BACKEND`], [`abi::SCORECAM_KIND_METHOD`], or a kind of a later version.
    pub kind: u32,
    /// The id by which users choose it.
    pub id: String,
    /// The plugin's own version.
    pub version: String,
    /// One line on what it is.
    pub summary: String,
    /// File extensions of a backend's models.
    pub extensions: Vec<String>,
    /// What can be done with a backend's models; a model may lack some of it. None for a method.
    pub abilities: Abilities,
}

impl Descriptor {
    /// That of a method of this program.
    pub fn of_method(info: &MethodInfo) -> Self {
        Self {
            kind: abi::SCORECAM_KIND_METHOD,
            id: info.id.clone(),
            version: info.version.clone(),
            summary: info.summary.clone(),
            extensions: Vec::new(),
            abilities: Abilities::NONE,
        }
    }
}

/// The most backends and methods that a plugin may hold.
const MOST_ITEMS: u32 = 1024;

/// A plugin's table after the first look: version, size and functions are right.
#[derive(Clone, Copy)]
pub struct ImportedPlugin {
    table: &'static abi::scorecam_plugin_table,
}

impl ImportedPlugin {
    /// Checks a table's version and size.
    ///
    /// # Safety
    /// `table` points to at least 8 readable bytes, and to a whole table of the size that it gives; it and
    /// all that it leads to keep valid for the life of the process.
    pub unsafe fn new(table: *const abi::scorecam_plugin_table) -> Result<Self> {
        ensure!(!table.is_null() && table.is_aligned(), plugin, "its entry table is NULL or not aligned");
        // SAFETY: the first two fields are readable, whatever the version; no reference to the whole is made yet.
        let (version, size) = unsafe { ((*table).abi_version, (*table).struct_size as usize) };
        if version != abi::SCORECAM_ABI_VERSION {
            return Err(Error::plugin(format!(
                "it was built for plugin ABI version {version}, but this program has version {}: rebuild it with the \
                 headers, or the crate scorecam-plugin, of this version",
                abi::SCORECAM_ABI_VERSION
            )));
        }
        check_size(size as u32, size_of::<abi::scorecam_plugin_table>(), "scorecam_plugin_table")?;
        // SAFETY: the size was checked, and the table is static as the caller promises.
        let table = unsafe { &*table };
        if table.count > MOST_ITEMS {
            return Err(Error::plugin(format!(
                "its entry table lists {} items; at most {MOST_ITEMS} are allowed",
                table.count
            )));
        }
        if table.descriptor.is_none() || table.get_interface.is_none() {
            return Err(Error::plugin("its entry table lacks the function descriptor or get_interface"));
        }
        if let Some(open) = table.open {
            // SAFETY: services that live as long as the process, by the contract of `open`.
            unsafe { open(services()) };
        }
        Ok(Self { table })
    }

    /// How many backends and methods the plugin holds.
    pub fn count(&self) -> u32 {
        self.table.count
    }

    /// What item `index` is.
    pub fn descriptor(&self, index: u32) -> Result<Descriptor> {
        // SAFETY: the function takes any index, by contract; the result is static or NULL.
        let descriptor = self.table.descriptor.map_or(std::ptr::null(), |f| unsafe { f(index) });
        // SAFETY: static, as far as its size says.
        let d: &abi::scorecam_descriptor =
            unsafe { checked_struct(descriptor, &format!("descriptor {index}")) }?;
        // SAFETY: strings of a static descriptor.
        unsafe {
            let optional = |text: *const std::ffi::c_char, what: &str| {
                if text.is_null() { Ok("") } else { read_line(text, what) }
            };
            let extensions = optional(d.extensions, "its list of extensions")?;
            Ok(Descriptor {
                kind: d.kind,
                id: check_id(read(d.id, "its id")?)?,
                version: read_line(d.version, "its version")?.to_owned(),
                summary: optional(d.summary, "its summary")?.to_owned(),
                extensions: extensions.split_whitespace().map(str::to_owned).collect(),
                // Those that are not known here cannot be asked for either.
                abilities: ability::abilities(d.abilities).0,
            })
        }
    }

    /// Item `index` as a backend.
    pub fn backend(&self, index: u32) -> Result<ImportedLoader> {
        let table = self.interface::<abi::scorecam_backend>(index, crate::BACKEND)?;
        let readiness = self.readiness(index, table)?;
        let descriptor = self.descriptor(index)?;
        match descriptor.id == crate::AUTO {
            true => bail!(plugin, "its id \"auto\" is reserved; choose another"),
            false => ImportedLoader::new(table, readiness, descriptor),
        }
    }

    /// Item `index` as a method.
    pub fn method(&self, index: u32) -> Result<ImportedMethod> {
        let table = self.interface::<abi::scorecam_method>(index, crate::METHOD)?;
        ImportedMethod::new(table, &self.descriptor(index)?)
    }

    /// The readiness of item `index`, where the plugin says anything of it.
    fn readiness(&self, index: u32, backend: &abi::scorecam_backend) -> Result<Option<ImportedReadiness>> {
        let table = self.address(index, crate::READINESS);
        // A plugin that has one table may answer by it whatever it is asked for, and was right until now.
        if table.is_null() || std::ptr::addr_eq(table, backend) {
            return Ok(None);
        }
        // SAFETY: static, as far as its size says.
        ImportedReadiness::new(unsafe { checked_table(table, crate::READINESS) }?).map(Some)
    }

    fn interface<T>(&self, index: u32, id: &CStr) -> Result<&'static T> {
        // SAFETY: the result is static or NULL.
        unsafe { checked_table(self.address(index, id), id) }
    }

    /// What the plugin has behind an interface id, or NULL.
    fn address(&self, index: u32, id: &CStr) -> *const std::ffi::c_void {
        // SAFETY: the function takes any index and a string that ends with NUL.
        self.table.get_interface.map_or(std::ptr::null(), |f| unsafe { f(index, id.as_ptr()) })
    }
}

fn check_id(id: &str) -> Result<String> {
    let fine = !id.is_empty()
        && id.len() <= 64
        && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    ensure!(fine, plugin, "its id {id:?} must have 1 to 64 characters of a-z, 0-9 and hyphens");
    Ok(id.to_owned())
}
