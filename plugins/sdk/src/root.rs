//! The abi_stable root module, whose only purpose is the proof of layout.
//!
//! Its fields point to the same tables as the C entry. abi_stable compares them field by field and function by
//! function, and rejects a library with other layouts before any call.
// abi_stable's own naming rule for references to prefix types.
#![allow(non_camel_case_types)]

use abi_stable::StableAbi;
use abi_stable::library::RootModule;
use abi_stable::package_version_strings;
use abi_stable::prefix_type::PrefixTypeTrait;
use abi_stable::sabi_types::VersionStrings;

use crate::abi;

/// The data symbol of the C entry.
pub const ENTRY_SYMBOL: &str = "scorecam_plugin_entry";
/// The data symbol of the root module, named by abi_stable.
pub const ROOT_SYMBOL: &str = abi_stable::library::ROOT_MODULE_LOADER_NAME;

/// The address of an immutable static table, or NULL.
#[repr(transparent)]
#[derive(StableAbi)]
pub struct TableAddress<T>(*const T);

// SAFETY: the address of an immutable static, or NULL.
unsafe impl<T> Send for TableAddress<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for TableAddress<T> {}

impl<T> Clone for TableAddress<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for TableAddress<T> {}

impl<T> TableAddress<T> {
    const NULL: Self = Self(std::ptr::null());

    /// The address.
    pub fn get(&self) -> *const T {
        self.0
    }
}

/// The root module. Only `entry` is set; the other fields are NULL and represent the tables behind `get_interface`,
/// whose types would otherwise not be compared.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = PluginRoot_Ref)))]
#[sabi(missing_field(panic))]
pub struct PluginRoot {
    /// The C table.
    pub entry: TableAddress<abi::scorecam_plugin_table>,
    /// NULL; represents `scorecam.backend/1`.
    pub backend: TableAddress<abi::scorecam_backend>,
    /// NULL; represents `scorecam.method/1`.
    pub method: TableAddress<abi::scorecam_method>,
    /// NULL; represents `scorecam.masked/1`.
    pub masked: TableAddress<abi::scorecam_masked>,
    /// NULL; represents `scorecam.run-from/1`.
    pub run_from: TableAddress<abi::scorecam_run_from>,
    /// NULL; represents `scorecam.gradients/1`.
    pub gradients: TableAddress<abi::scorecam_gradients>,
    /// NULL; represents `scorecam.readiness/1`.
    pub readiness: TableAddress<abi::scorecam_readiness>,
    /// NULL; represents `scorecam.remarks/1`.
    pub remarks: TableAddress<abi::scorecam_remarks>,
    /// NULL; represents `scorecam.bake/1`.
    #[sabi(last_prefix_field)]
    pub bake: TableAddress<abi::scorecam_bake>,
}

impl PluginRoot {
    /// The root module over a library's table.
    pub fn over(entry: &'static abi::scorecam_plugin_table) -> PluginRoot_Ref {
        Self {
            entry: TableAddress(entry),
            backend: TableAddress::NULL,
            method: TableAddress::NULL,
            masked: TableAddress::NULL,
            run_from: TableAddress::NULL,
            gradients: TableAddress::NULL,
            readiness: TableAddress::NULL,
            remarks: TableAddress::NULL,
            bake: TableAddress::NULL,
        }
        .leak_into_prefix()
    }
}

impl RootModule for PluginRoot_Ref {
    abi_stable::declare_root_module_statics! {PluginRoot_Ref}
    const BASE_NAME: &'static str = "scorecam_plugin";
    const NAME: &'static str = "scorecam plugin";
    const VERSION_STRINGS: VersionStrings = package_version_strings!();
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_macro_exports_the_symbol_that_abi_stable_looks_for() {
        assert_eq!(super::ROOT_SYMBOL, "_1as_0lib_1header_0root_bmodule_bloader");
    }
}
