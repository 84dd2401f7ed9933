//! Rust objects as tables of the ABI: what a plugin shows to a host, and what a host shows to a method.
//!
//! Every function here is an `extern "C"` shim that converts its arguments, calls the trait inside a guard
//! that catches panics, and converts the result. Results are boxed; their `release` drops the box.

use std::ffi::{CStr, c_char, c_void};
use std::sync::OnceLock;

use crate::abi::{self, scorecam_descriptor, scorecam_plugin_table, scorecam_services};
use crate::backend::{self, ExportedLoader};
use crate::method::{self, ExportedMethod};
use crate::readiness;
use crate::wire::{Texts, ability, caught};
use crate::{BACKEND, BackendLoader, METHOD, READINESS};

/// The table over `items`, whose functions [`crate::plugin_table!`] supplies.
pub const fn table(
    items: &'static [Item],
    open: Option<unsafe extern "C" fn(*const scorecam_services)>,
    descriptor: unsafe extern "C" fn(u32) -> *const scorecam_descriptor,
    get_interface: unsafe extern "C" fn(u32, *const c_char) -> *const c_void,
) -> scorecam_plugin_table {
    scorecam_plugin_table {
        abi_version: abi::SCORECAM_ABI_VERSION,
        struct_size: size_of::<scorecam_plugin_table>() as u32,
        count: items.len() as u32,
        reserved: 0,
        open,
        descriptor: Some(descriptor),
        get_interface: Some(get_interface),
    }
}

/// A backend or a method of a plugin.
pub struct Item {
    describe: fn() -> OwnedDescriptor,
    described: OnceLock<OwnedDescriptor>,
    interfaces: [Option<Interface>; 2],
}

/// An interface's id and the address of its table, an immutable static.
struct Interface {
    id: &'static CStr,
    table: *const c_void,
}

// SAFETY: it points to an immutable static.
unsafe impl Send for Interface {}
// SAFETY: as above.
unsafe impl Sync for Interface {}

impl Interface {
    const fn new<T>(id: &'static CStr, table: &'static T) -> Self {
        Self { id, table: (&raw const *table).cast() }
    }
}

impl Item {
    /// A backend.
    pub const fn backend<L: ExportedLoader>() -> Self {
        Self {
            describe: || {
                let loader = L::loader();
                let texts = [loader.id(), loader.version(), ""];
                OwnedDescriptor::new(abi::SCORECAM_KIND_BACKEND, texts, Some(loader))
            },
            described: OnceLock::new(),
            interfaces: [
                Some(Interface::new(BACKEND, backend::export::table::<L>())),
                Some(Interface::new(READINESS, readiness::export::table::<L>())),
            ],
        }
    }

    /// A method.
    pub const fn method<M: ExportedMethod>() -> Self {
        Self {
            describe: || {
                let info = M::method().info();
                OwnedDescriptor::new(
                    abi::SCORECAM_KIND_METHOD,
                    [&info.id, &info.version, &info.summary],
                    None,
                )
            },
            described: OnceLock::new(),
            interfaces: [Some(Interface::new(METHOD, method::export::table::<M>())), None],
        }
    }
}

/// A descriptor with the strings that it points to.
struct OwnedDescriptor {
    descriptor: scorecam_descriptor,
    _texts: Texts,
}

// SAFETY: the pointers lead to strings that the same value owns and nobody changes.
unsafe impl Send for OwnedDescriptor {}
// SAFETY: as above.
unsafe impl Sync for OwnedDescriptor {}

impl OwnedDescriptor {
    fn new(kind: u32, [id, version, summary]: [&str; 3], loader: Option<&dyn BackendLoader>) -> Self {
        let mut texts = Texts::default();
        let descriptor = scorecam_descriptor {
            struct_size: size_of::<scorecam_descriptor>() as u32,
            kind,
            id: texts.keep(id),
            version: texts.keep(version),
            summary: texts.keep(summary),
            extensions: loader.map_or(std::ptr::null(), |l| texts.keep(&l.extensions().join(" "))),
            abilities: loader.map_or(0, |l| ability::number(l.abilities())),
            reserved: 0,
        };
        Self { descriptor, _texts: texts }
    }
}

/// The function behind `scorecam_plugin_table.descriptor`: NULL when there is no such item or it panicked.
pub fn descriptor(items: &'static [Item], index: u32) -> *const scorecam_descriptor {
    let describe = || {
        let item = items.get(index as usize)?;
        Some(&raw const item.described.get_or_init(item.describe).descriptor)
    };
    caught(describe).ok().flatten().unwrap_or(std::ptr::null())
}

/// The function behind `scorecam_plugin_table.get_interface`.
///
/// # Safety
/// `id` is NULL or points to a string that ends with NUL.
pub unsafe fn interface(items: &'static [Item], index: u32, id: *const c_char) -> *const c_void {
    let Some(item) = items.get(index as usize).filter(|_| !id.is_null()) else { return std::ptr::null() };
    // SAFETY: not NULL, and a string as the caller promises.
    let id = unsafe { CStr::from_ptr(id) };
    item.interfaces.iter().flatten().find(|i| i.id == id).map_or(std::ptr::null(), |i| i.table)
}
