//! [`scorecam_core::BackendLoader::readiness`] as `scorecam.readiness/1`.

use std::ffi::c_char;

use scorecam_core::Error;

use crate::abi::{self, scorecam_message};
use crate::backend::ExportedLoader;
use crate::wire::{guard, one_line, read_optional, write_message};

/// The table of a loader.
pub(crate) const fn table<L: ExportedLoader>() -> &'static abi::scorecam_readiness {
    const {
        &abi::scorecam_readiness {
            struct_size: size_of::<abi::scorecam_readiness>() as u32,
            reserved: 0,
            assess: Some(assess::<L>),
        }
    }
}

unsafe extern "C" fn assess<L: ExportedLoader>(
    device: *const c_char,
    rank: *mut u32,
    text: *mut scorecam_message,
) -> i32 {
    let body = || {
        // SAFETY: NULL or a string that ends with NUL, by the contract of `assess`.
        let ready = L::loader().readiness(unsafe { read_optional(device, "device") }?)?;
        // SAFETY: NULL, which is refused, or places of the caller's, by the contract of `assess`.
        match unsafe { (rank.as_mut(), text.as_mut()) } {
            (Some(rank), Some(text)) => {
                *rank = ready.rank;
                write_message(text, &one_line(&ready.device));
                Ok(())
            }
            _ => Err(Error::invalid("rank or text is NULL; both must point to the results")),
        }
    };
    // SAFETY: `text` is NULL or a message of the caller's.
    unsafe { guard(text, body) }
}

#[cfg(test)]
mod tests {
    use scorecam_core::{BackendLoader, ModelBackend, ModelConfig, Readiness, Result};

    use crate::plugin::ImportedPlugin;

    /// A backend that is as ready as its function says.
    struct Asked(fn(Option<&str>) -> Result<Readiness>);

    impl BackendLoader for Asked {
        fn id(&self) -> &str {
            "asked"
        }

        fn version(&self) -> &str {
            "1"
        }

        fn extensions(&self) -> &[&str] {
            &[]
        }

        fn readiness(&self, device: Option<&str>) -> Result<Readiness> {
            self.0(device)
        }

        fn load(&self, _: &ModelConfig) -> Result<Box<dyn ModelBackend>> {
            panic!("no model is loaded here")
        }
    }

    crate::plugin_table! {
        static PLUGIN = [
            backend: Asked(|device| Ok(Readiness::on_accelerator(device.unwrap_or("any\ncard")))),
            backend: Asked(|_| Err(scorecam_core::Error::io("no driver"))),
            backend: Asked(|_| panic!("boom")),
        ];
    }

    #[test]
    fn what_a_loader_says_of_itself_reaches_the_host() {
        // SAFETY: a static table of this very program.
        let plugin = unsafe { ImportedPlugin::new(&PLUGIN) }.expect("a sound table");
        let check = |index: u32, device: Option<&str>, expected: Result<Readiness, &str>| {
            let said = plugin.backend(index).expect("a backend").readiness(device);
            assert_eq!(said.map_err(|e| e.to_string()), expected.map_err(str::to_owned));
        };
        check(0, Some("cuda:1"), Ok(Readiness::on_accelerator("cuda:1")));
        check(0, None, Ok(Readiness::on_accelerator("any card")));
        check(1, None, Err("no driver"));
        check(2, None, Err("a panic was caught: boom"));
    }
}
