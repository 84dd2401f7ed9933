//! `scorecam.readiness/1` as [`Readiness`].

use std::ffi::c_char;

use scorecam_core::{Error, Readiness, Result};

use crate::abi;
use crate::wire::{Texts, check, empty_message, read_message};

/// What a plugin says of a backend's readiness.
pub(crate) struct ImportedReadiness {
    assess: unsafe extern "C" fn(*const c_char, *mut u32, *mut abi::scorecam_message) -> i32,
}

impl ImportedReadiness {
    pub(crate) fn new(table: &abi::scorecam_readiness) -> Result<Self> {
        match table.assess {
            Some(assess) => Ok(Self { assess }),
            None => Err(Error::plugin("its readiness table lacks the function assess")),
        }
    }

    /// Asks the plugin; what it answers is one line and a rank within bounds, or an error. `who` names the backend.
    pub(crate) fn ask(&self, device: Option<&str>, who: &str) -> Result<Readiness> {
        let mut texts = Texts::default();
        let device = device.map_or(std::ptr::null(), |device| texts.keep(device));
        let (mut rank, mut text) = (abi::SCORECAM_READY_CPU, empty_message());
        // SAFETY: a string that ends with NUL or NULL, and places that are writable for the call.
        let status = unsafe { (self.assess)(device, &raw mut rank, &raw mut text) };
        check(status, &text, who)?;
        let named = |e: Error| e.context(who);
        if rank > abi::SCORECAM_READY_HIGHEST {
            let most = abi::SCORECAM_READY_HIGHEST;
            return Err(named(Error::plugin(format!("its rank must be at most {most}, got {rank}"))));
        }
        let device = read_message(&text, "what it runs on").map_err(named)?;
        Ok(Readiness { rank, device: device.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::{CStr, c_void};

    use super::*;

    type Assess = unsafe extern "C" fn(*const c_char, *mut u32, *mut abi::scorecam_message) -> i32;

    fn ask(assess: Assess) -> Result<Readiness> {
        ImportedReadiness { assess }.ask(Some("cuda:0"), "backend \"b\"")
    }

    /// Answers a rank and the bytes of a text.
    fn answer(
        (rank, text): (*mut u32, *mut abi::scorecam_message),
        (number, bytes): (u32, &[u8]),
        status: i32,
    ) -> i32 {
        // SAFETY: places of `ask`.
        let (rank, text) = unsafe { (&mut *rank, &mut *text) };
        *rank = number;
        text.text.iter_mut().zip(bytes).for_each(|(to, &from)| *to = from as c_char);
        status
    }

    /// A function that answers always the same.
    macro_rules! answers {
        ($rank:expr, $bytes:expr, $status:expr) => {{
            unsafe extern "C" fn assess(
                _: *const c_char,
                rank: *mut u32,
                text: *mut abi::scorecam_message,
            ) -> i32 {
                answer((rank, text), ($rank, $bytes), $status)
            }
            ask(assess).map_err(|e| e.to_string())
        }};
    }

    #[test]
    fn a_rank_and_a_line_are_taken() {
        let card = Readiness { rank: 200, device: "a card".into() };
        assert_eq!(answers!(200, b"a card", abi::SCORECAM_OK), Ok(card));
        assert_eq!(answers!(1000, b"", 0).map(|r| r.rank), Ok(1000));
        assert_eq!(answers!(0, b"", 0).map(|r| r.rank), Ok(0));
    }

    #[test]
    fn what_is_not_set_is_a_processor_that_is_not_named() {
        unsafe extern "C" fn silent(_: *const c_char, _: *mut u32, _: *mut abi::scorecam_message) -> i32 {
            abi::SCORECAM_OK
        }
        assert_eq!(ask(silent), Ok(Readiness::unsaid()));
    }

    #[test]
    fn a_refusal_is_one_line_whatever_is_in_it() {
        let no = |text: &str| Err(text.to_owned());
        assert_eq!(answers!(0, b"no driver", abi::SCORECAM_ERR_IO), no("no driver"));
        assert_eq!(answers!(0, b"no\ndriver\x1b[2J", abi::SCORECAM_ERR_IO), no("no driver [2J"));
        assert_eq!(answers!(0, b"", 7777), no("backend \"b\" failed with status 7777 and no message"));
        assert_eq!(answers!(0, b"\xff", -1), no("\u{fffd}"));
        assert_eq!(answers!(0, &[b'x'; 1024], 1).map_err(|e| e.len()), Err(1024));
    }

    #[test]
    fn an_answer_that_cannot_be_is_refused() {
        fn check(answer: Result<Readiness, String>, expected: &str) {
            let error = answer.expect_err(expected);
            assert!(error.starts_with("backend \"b\": ") && error.contains(expected), "{error}");
        }
        check(answers!(1001, b"a card", 0), "its rank must be at most 1000, got 1001");
        check(answers!(u32::MAX, b"a card", 0), "its rank must be at most 1000, got 4294967295");
        check(answers!(100, &[b'x'; 1024], 0), "does not end within 1024 bytes");
        check(answers!(100, b"a\xffcard", 0), "is not UTF-8");
        check(answers!(100, b"a\ncard", 0), "has the control character '\\n' in it");
    }

    /// A plugin of one backend that answers readiness in one way.
    fn plugin<const WAY: u32>() -> Result<Readiness> {
        static BACKEND: abi::scorecam_backend = abi::scorecam_backend {
            struct_size: size_of::<abi::scorecam_backend>() as u32,
            reserved: 0,
            load: Some(load),
            release: None,
            describe: Some(describe),
            forward: Some(forward),
            get_interface: None,
        };
        static EMPTY: abi::scorecam_readiness = abi::scorecam_readiness {
            struct_size: size_of::<abi::scorecam_readiness>() as u32,
            reserved: 0,
            assess: None,
        };
        static SMALL: abi::scorecam_readiness =
            abi::scorecam_readiness { struct_size: 8, reserved: 0, assess: None };
        unsafe extern "C" fn interface<const WAY: u32>(_: u32, id: *const c_char) -> *const c_void {
            // SAFETY: the host asks by strings that end with NUL.
            let of_readiness = unsafe { CStr::from_ptr(id) } == crate::READINESS;
            match (of_readiness, WAY) {
                (true, 0) => std::ptr::null(),
                (true, 1) => (&raw const EMPTY).cast(),
                (true, 2) => (&raw const SMALL).cast(),
                _ => (&raw const BACKEND).cast(),
            }
        }
        let table = abi::scorecam_plugin_table {
            abi_version: abi::SCORECAM_ABI_VERSION,
            struct_size: size_of::<abi::scorecam_plugin_table>() as u32,
            count: 1,
            reserved: 0,
            open: None,
            descriptor: Some(descriptor),
            get_interface: Some(interface::<WAY>),
        };
        // SAFETY: a sound table, which lives as long as anybody may ask.
        let plugin = unsafe { crate::plugin::ImportedPlugin::new(Box::leak(Box::new(table))) }?;
        plugin.backend(0)?.readiness(None)
    }

    unsafe extern "C" fn descriptor(_: u32) -> *const abi::scorecam_descriptor {
        let text = c"b".as_ptr();
        Box::leak(Box::new(abi::scorecam_descriptor {
            struct_size: size_of::<abi::scorecam_descriptor>() as u32,
            kind: abi::SCORECAM_KIND_BACKEND,
            id: text,
            version: text,
            summary: text,
            extensions: text,
            abilities: 0,
            reserved: 0,
        }))
    }

    unsafe extern "C" fn load(
        _: *const abi::scorecam_model_config,
        _: *mut *mut c_void,
        _: *mut abi::scorecam_message,
    ) -> i32 {
        abi::SCORECAM_ERR_UNSUPPORTED
    }

    unsafe extern "C" fn describe(
        _: *mut c_void,
        _: *mut *const abi::scorecam_model_description,
        _: *mut abi::scorecam_message,
    ) -> i32 {
        abi::SCORECAM_ERR_UNSUPPORTED
    }

    unsafe extern "C" fn forward(
        _: *mut c_void,
        _: *const abi::scorecam_inputs,
        _: *const *const c_char,
        _: u64,
        _: *mut abi::scorecam_outputs,
        _: *mut abi::scorecam_message,
    ) -> i32 {
        abi::SCORECAM_ERR_UNSUPPORTED
    }

    #[test]
    fn a_table_is_checked_and_none_is_needed() {
        let reported = |said: Result<Readiness>| said.map_err(|e| e.to_string());
        let refused = |text: &str| Err(text.to_owned());
        assert_eq!(reported(plugin::<0>()), Ok(Readiness::unsaid()));
        assert_eq!(reported(plugin::<1>()), refused("its readiness table lacks the function assess"));
        let small = "its interface scorecam.readiness/1 has struct_size 8; it must be at least 16";
        assert_eq!(reported(plugin::<2>()), refused(small));
        // One table for every id, as a plugin of before might have it.
        assert_eq!(reported(plugin::<3>()), Ok(Readiness::unsaid()));
    }
}
