//! `scorecam_host`: a registry of plugins.

use std::collections::BTreeMap;
use std::ffi::{CString, c_char};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use ::scorecam::abi::{self, scorecam_method_description, scorecam_plugin_table, scorecam_status};
use ::scorecam::{Description, Descriptor, Host, PluginRecord, ability_number, own_folder};

use crate::export::{Result, c_text, export};
use crate::handles::{self, Handle};
use crate::read;

/// A registry of backends and methods. It starts with the built-in methods, and plugins add more. A host may be freed
/// before its models.
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
    /// Its id.
    pub id: *const c_char,
    /// The plugin's own version.
    pub version: *const c_char,
    /// A description in one line.
    pub summary: *const c_char,
    /// The plugin's file; NULL for built-in items.
    pub path: *const c_char,
    /// How its layout was verified: "built in", "layout verified" or "version checked".
    pub proof: *const c_char,
    /// A sum of `SCORECAM_ABILITY_*`: the abilities that a backend's models may have, or that a method needs.
    pub abilities: u32,
    /// 0.
    pub reserved: u32,
}
read::versioned!(scorecam_plugin_info = "SCORECAM_PLUGIN_INFO_INIT");

/// Creates a host. It searches for plugins if a backend or method is unknown, or if no backend of a plugin loaded by
/// path is ready for a model's file. It searches the folders in `SCORECAM_PLUGIN_PATH`, the folders of this library and
/// of the program, the folder `scorecam` in each of these, and `../lib/scorecam` if such a folder has the name `bin`.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scorecam_host_create(out: *mut *mut scorecam_host) -> scorecam_status {
    export!({
        read::check_pointer(out, "out")?;
        let host = HostObject {
            host: Host::beside(own_folder())?,
            items: Mutex::default(),
            methods: Mutex::default(),
        };
        let handle = handles::insert(host)?;
        // SAFETY: as the caller promises.
        unsafe { read::write(out, handle, "out") }
    })
}

/// Frees a host; NULL is allowed. Its models and explanations stay valid.
#[unsafe(no_mangle)]
pub extern "C" fn scorecam_host_free(host: *mut scorecam_host) -> scorecam_status {
    export!({ handles::remove(host) })
}

/// Loads a plugin file, or every plugin in a folder. A file that is already loaded is not opened again. If no backend
/// is chosen by id, these backends take precedence over those found by a search. Libraries stay loaded until the
/// process ends. `SCORECAM_ERR_IO`: no such file, or a folder without plugins. `SCORECAM_ERR_PLUGIN`: the file is not a
/// plugin or has another version, or the program is linked statically (`-static`) and cannot open plugins.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scorecam_host_load_plugin(
    host: *const scorecam_host,
    path: *const c_char,
) -> scorecam_status {
    export!({
        let host = handles::get(host)?;
        // SAFETY: as the caller promises.
        let path = unsafe { read::text(path, "path") }?;
        Ok(host.host.load_plugin(Path::new(path))?)
    })
}

/// Adds a plugin whose table is in the program itself: backends and methods of an application. The table and everything
/// it points to must stay valid until the process ends. `SCORECAM_ERR_PLUGIN`: the plugin has another version, or an id
/// is already taken.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scorecam_host_add_plugin(
    host: *const scorecam_host,
    plugin: *const scorecam_plugin_table,
) -> scorecam_status {
    export!({
        let host = handles::get(host)?;
        read::check_pointer(plugin, "plugin")?;
        // SAFETY: as the caller promises.
        Ok(unsafe { host.host.add_plugin(plugin) }?)
    })
}

/// Describes a method: its options with their ranges and defaults, and its presets. Searches for plugins if the method
/// is unknown. The description is valid until the host is freed. `SCORECAM_ERR_NOT_FOUND`: no method has this id.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scorecam_host_method(
    out: *mut *const scorecam_method_description,
    host: *const scorecam_host,
    id: *const c_char,
) -> scorecam_status {
    export!({
        let host = handles::get(host)?;
        // SAFETY: as the caller promises.
        let description = host.method(unsafe { read::text(id, "id") }?)?;
        // SAFETY: as the caller promises.
        unsafe { read::write(out, description, "out") }
    })
}

/// The number of backends and methods of the host, including built-in ones.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scorecam_host_plugin_count(
    out: *mut u64,
    host: *const scorecam_host,
) -> scorecam_status {
    export!(out from host: |h| { Ok(h.with_items(|items| items.len() as u64)) })
}

/// Describes backend or method `index`, in loading order; indices never change. Set `out` to
/// `SCORECAM_PLUGIN_INFO_INIT` first.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scorecam_host_plugin(
    out: *mut scorecam_plugin_info,
    host: *const scorecam_host,
    index: u64,
) -> scorecam_status {
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
    /// The methods asked about so far, by their ids; only ever added to.
    methods: Mutex<BTreeMap<String, Box<Description>>>,
}

impl HostObject {
    /// The description of a method, which lives as long as the host.
    fn method(&self, id: &str) -> Result<*const scorecam_method_description> {
        let method = self.host.method(id)?;
        let mut methods = self.methods.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = methods.entry(id.to_owned()).or_insert_with(|| Box::new(Description::of(method.info())));
        Ok(kept.table())
    }

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
