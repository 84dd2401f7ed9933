//! `scorecam_host`: a registry of plugins.

use std::ffi::{CString, c_char};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use ::scorecam::{Descriptor, Host, PluginRecord, abi, ability_number, own_folder};

use crate::export::{c_text, export};
use crate::handles::{self, Handle};
use crate::read;

/// A registry of backends and methods. It begins with the built-in methods; plugins are added to it. Models
/// keep what they need of their host, so a host may be freed before them.
pub struct scorecam_host {
    _opaque: [u8; 0],
}

/// One backend or method of a host. The strings are valid until the host is freed.
#[repr(C)]
pub struct scorecam_plugin_info {
    /// `sizeof(scorecam_plugin_info)`.
    pub struct_size: u32,
    /// `SCORECAM_KIND_BACKEND` or `SCORECAM_KIND_METHOD`.
    pub kind: u32,
    /// The id by which it is chosen.
    pub id: *const c_char,
    /// The plugin's own version.
    pub version: *const c_char,
    /// One line on what it is.
    pub summary: *const c_char,
    /// The plugin's file; NULL for what is built in.
    pub path: *const c_char,
    /// How its layout is known: "built in", "layout verified" or "version checked".
    pub proof: *const c_char,
    /// A sum of `SCORECAM_ABILITY_*`: what a backend's models can have at most, what a method needs of a model.
    pub abilities: u32,
    /// 0.
    pub reserved: u32,
}
read::versioned!(scorecam_plugin_info = "SCORECAM_PLUGIN_INFO_INIT");

/// Makes a host. Plugins that are not loaded by path are looked for, when a backend or method is not known or
/// no backend of a plugin loaded by path is ready for a model's file, in the folders of `SCORECAM_PLUGIN_PATH`,
/// in those of this library and the program, in `scorecam/` below them, and in `../lib/scorecam` where such a
/// folder is called `bin`. Any thread.
///
/// # Safety
/// `out` leads to a writable handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scorecam_host_create(out: *mut *mut scorecam_host) -> i32 {
    export!({
        read::check_pointer(out, "out")?;
        let host = HostObject { host: Host::beside(own_folder())?, items: Mutex::default() };
        let handle = handles::insert(host)?;
        // SAFETY: as the caller promises.
        unsafe { read::write(out, handle, "out") }
    })
}

/// Frees a host; NULL is right. Models and explanations made with it live on. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn scorecam_host_free(host: *mut scorecam_host) -> i32 {
    export!({ handles::remove(host) })
}

/// Loads the plugin in a file, which is not opened again when it is loaded already. Where no backend is chosen by
/// id, its backends go before those that a search finds. Libraries stay loaded until the process ends.
/// `SCORECAM_ERR_IO`: no such file. `SCORECAM_ERR_PLUGIN`: it is no plugin, or of another version. Any thread.
///
/// # Safety
/// `path` is a string that ends with NUL; the file is one whose code may run in this process.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scorecam_load_plugin(host: *const scorecam_host, path: *const c_char) -> i32 {
    export!({
        let host = handles::get(host)?;
        // SAFETY: as the caller promises.
        let path = unsafe { read::text(path, "path") }?;
        Ok(host.host.load_plugin(Path::new(path))?)
    })
}

/// How many backends and methods the host has, built-in ones included. Any thread.
///
/// # Safety
/// `out` leads to a writable number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scorecam_plugin_count(out: *mut u64, host: *const scorecam_host) -> i32 {
    export!(out from host: |h| { Ok(h.with_items(|items| items.len() as u64)) })
}

/// Describes backend or method `index`, in the order of loading; an index keeps its meaning. Set `out` to
/// `SCORECAM_PLUGIN_INFO_INIT` first. Any thread.
///
/// # Safety
/// `out` leads to as many writable bytes as its `struct_size` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scorecam_plugin_get(
    out: *mut scorecam_plugin_info,
    host: *const scorecam_host,
    index: u64,
) -> i32 {
    export!({
        let info = handles::get(host)?.with_items(|items| {
            read::place(index, items.len(), "plugin item", "the host has").map(|i| items[i].info())
        })?;
        // SAFETY: as the caller promises.
        unsafe { read::write_struct(out, info) }
    })
}

impl Handle for scorecam_host {
    type Object = HostObject;
    const KIND: u8 = 1;
    const NAME: &'static str = "scorecam_host";
}

/// What a `scorecam_host` leads to.
pub(crate) struct HostObject {
    pub(crate) host: Host,
    /// The items asked about so far, as C strings; only ever appended to.
    items: Mutex<Vec<Item>>,
}

impl HostObject {
    fn with_items<R>(&self, ask: impl FnOnce(&[Item]) -> R) -> R {
        let plugins = self.host.plugins();
        // A panic while the lock is held leaves the list whole: it is only ever appended to.
        let mut items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        let known = items.len();
        // Plugins are appended, too, so the first ones are those that were asked about before.
        let all = plugins.iter().flat_map(|p| p.items.iter().map(move |item| (p, item)));
        items.extend(all.skip(known).map(|(plugin, item)| Item::new(plugin, item, self.abilities(item))));
        ask(&items)
    }

    /// A backend's offers stand in its descriptor, a method's needs in its description.
    fn abilities(&self, item: &Descriptor) -> u32 {
        let needs =
            || self.host.methods().into_iter().find(|m| m.info().id == item.id).map(|m| m.info().needs);
        let method = (item.kind == abi::SCORECAM_KIND_METHOD).then(needs).flatten();
        ability_number(method.unwrap_or(item.abilities))
    }
}

struct Item {
    kind: u32,
    id: CString,
    version: CString,
    summary: CString,
    path: Option<CString>,
    proof: CString,
    abilities: u32,
}

impl Item {
    fn new(plugin: &PluginRecord, item: &Descriptor, abilities: u32) -> Self {
        Self {
            abilities,
            kind: item.kind,
            id: c_text(&item.id),
            version: c_text(&item.version),
            summary: c_text(&item.summary),
            path: plugin.path.as_ref().map(|p| c_text(&p.to_string_lossy())),
            proof: c_text(&plugin.proof.to_string()),
        }
    }

    fn info(&self) -> scorecam_plugin_info {
        scorecam_plugin_info {
            struct_size: size_of::<scorecam_plugin_info>() as u32,
            kind: self.kind,
            id: self.id.as_ptr(),
            version: self.version.as_ptr(),
            summary: self.summary.as_ptr(),
            path: optional(self.path.as_ref()),
            proof: self.proof.as_ptr(),
            abilities: self.abilities,
            reserved: 0,
        }
    }
}

/// The pointer to a text, NULL for none.
pub(crate) fn optional(text: Option<&CString>) -> *const c_char {
    text.map_or(std::ptr::null(), |t| t.as_ptr())
}
