//! The plugin SDK: the only dependency of a plugin in Rust.
//!
//! A plugin implements [`BackendLoader`] and [`ModelBackend`], or [`CamMethod`], and lists them in [`export_plugin!`].
//! The macro exports the two entries of the library: the C table of [`abi`], which any host can read, and an abi_stable
//! root module, with which a host proves that both sides have the same layout.
//!
//! The adapters for both sides have a folder per object: `export` turns a Rust object into a table, `import` turns a
//! table into a Rust object. A host imports backends and exports studies; a plugin does the reverse. `wire` contains
//! their common parts. All of core is re-exported, so a plugin needs no other dependency.

pub mod abi;
pub mod backend;
mod bake;
mod file;
#[cfg(test)]
mod layout;
mod library;
pub mod method;
mod places;
pub mod plugin;
pub mod precision;
mod readiness;
mod remarks;
mod root;
pub mod services;
mod study;
mod weights;
mod wire;

pub use abi_stable;
pub use file::read_file;
pub use library::{check_library_file, open_library};
pub use places::{cache_folder, own_folder, python_package};
pub use root::{ENTRY_SYMBOL, PluginRoot, PluginRoot_Ref, ROOT_SYMBOL};
pub use scorecam_core::*;
pub use tracing;
pub use wire::ability::number as ability_number;
pub use wire::guard::caught;
pub use wire::status::{kind_of_status, status_of_kind};

/// The interface id of a backend.
pub const BACKEND: &std::ffi::CStr = c"scorecam.backend/1";
/// The interface id of a method.
pub const METHOD: &std::ffi::CStr = c"scorecam.method/1";
/// The interface id of the ability to make masked images.
pub const MASKED: &std::ffi::CStr = c"scorecam.masked/1";
/// The interface id of the ability to run a model from an inner layer.
pub const RUN_FROM: &std::ffi::CStr = c"scorecam.run-from/1";
/// The interface id of the ability to differentiate outputs.
pub const GRADIENTS: &std::ffi::CStr = c"scorecam.gradients/1";
/// The interface id of a backend's readiness on this machine.
pub const READINESS: &std::ffi::CStr = c"scorecam.readiness/1";
/// The interface id of a model's remarks on how it runs.
pub const REMARKS: &std::ffi::CStr = c"scorecam.remarks/1";
/// The interface id of a backend that writes models.
pub const BAKE: &std::ffi::CStr = c"scorecam.bake/1";
/// The interface id of a model whose weights can be replaced by random ones.
pub const WEIGHTS: &std::ffi::CStr = c"scorecam.weights/1";

/// The id that selects the best available backend; reserved, so no backend may use it.
pub const AUTO: &str = "auto";

/// Makes a library a plugin. Each `backend:` is an expression whose type implements [`BackendLoader`], each `method:`
/// one whose type implements [`CamMethod`]; it is evaluated once, on first use.
///
/// ```ignore
/// scorecam_plugin::export_plugin! {
///     backend: MyRuntime::new(),
///     method: MyCam::new(),
/// }
/// ```
#[macro_export]
macro_rules! export_plugin {
    ($($kind:ident : $make:expr),+ $(,)?) => {
        $crate::plugin_table! {
            /// The C table, which any host can read.
            #[allow(non_upper_case_globals)]
            #[unsafe(no_mangle)]
            pub static scorecam_plugin_entry = [$($kind: $make),+], logging to its host;
        }

        /// abi_stable's header, with which a host verifies the layout of every table.
        #[unsafe(export_name = "_1as_0lib_1header_0root_bmodule_bloader")]
        pub static SCORECAM_PLUGIN_ROOT: $crate::abi_stable::library::LibHeader = {
            extern "C" fn root() -> $crate::abi_stable::library::RootModuleResult {
                $crate::abi_stable::library::__call_root_module_loader(|| {
                    $crate::PluginRoot::over(&scorecam_plugin_entry)
                })
            }
            // SAFETY: `root` returns the erased form of exactly this module type.
            unsafe {
                $crate::abi_stable::library::LibHeader::from_constructor::<$crate::PluginRoot_Ref>(
                    root,
                    $crate::abi_stable::library::CheckTypeLayout::Yes,
                )
            }
        };
    };
}

/// The table behind [`export_plugin!`], for a program that registers its own items without a library.
#[macro_export]
macro_rules! plugin_table {
    ($(#[$attribute:meta])* $visibility:vis static $name:ident = [$($kind:ident : $make:expr),+ $(,)?];) => {
        $crate::plugin_table!(@ None, $(#[$attribute])* $visibility $name $($kind: $make),+);
    };
    // Of a library, whose log would reach nobody else.
    (
        $(#[$attribute:meta])* $visibility:vis static $name:ident = [$($kind:ident : $make:expr),+],
        logging to its host;
    ) => {
        $crate::plugin_table!(
            @ Some({
                unsafe extern "C" fn open(services: *const $crate::abi::scorecam_services) {
                    // SAFETY: the host passes services that live as long as the process, as the contract says.
                    unsafe { $crate::services::listen(services) }
                }
                open
            }),
            $(#[$attribute])* $visibility $name $($kind: $make),+
        );
    };
    (@ $open:expr, $(#[$attribute:meta])* $visibility:vis $name:ident $($kind:ident : $make:expr),+) => {
        $(#[$attribute])*
        $visibility static $name: $crate::abi::scorecam_plugin_table = {
            const COUNT: usize = <[&str]>::len(&[$(stringify!($kind)),+]);
            static ITEMS: [$crate::plugin::Item; COUNT] = [$($crate::plugin_item!($kind, $make)),+];
            unsafe extern "C" fn descriptor(index: u32) -> *const $crate::abi::scorecam_descriptor {
                $crate::plugin::descriptor(&ITEMS, index)
            }
            unsafe extern "C" fn get_interface(
                index: u32,
                id: *const ::core::ffi::c_char,
            ) -> *const ::core::ffi::c_void {
                // SAFETY: the host passes a string that ends with NUL, as the table's contract says.
                unsafe { $crate::plugin::interface(&ITEMS, index, id) }
            }
            $crate::plugin::table(&ITEMS, $open, descriptor, get_interface)
        };
    };
}

/// One item of [`plugin_table!`].
#[doc(hidden)]
#[macro_export]
macro_rules! plugin_item {
    (backend, $make:expr) => {{
        struct This;
        impl $crate::backend::ExportedLoader for This {
            fn loader() -> &'static dyn $crate::BackendLoader {
                static LOADER: ::std::sync::LazyLock<Box<dyn $crate::BackendLoader>> =
                    ::std::sync::LazyLock::new(|| Box::new($make));
                &**LOADER
            }
        }
        $crate::plugin::Item::backend::<This>()
    }};
    (method, $make:expr) => {{
        struct This;
        impl $crate::method::ExportedMethod for This {
            fn method() -> &'static dyn $crate::CamMethod {
                static METHOD: ::std::sync::LazyLock<Box<dyn $crate::CamMethod>> =
                    ::std::sync::LazyLock::new(|| Box::new($make));
                &**METHOD
            }
            fn description() -> &'static ::std::sync::OnceLock<$crate::method::Description> {
                static DESCRIPTION: ::std::sync::OnceLock<$crate::method::Description> =
                    ::std::sync::OnceLock::new();
                &DESCRIPTION
            }
        }
        $crate::plugin::Item::method::<This>()
    }};
}
