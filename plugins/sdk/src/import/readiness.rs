//! `scorecam.readiness/1` as [`Readiness`].

use std::ffi::c_char;

use scorecam_core::{Error, Readiness, Result};

use crate::abi;
use crate::text::{Texts, check, empty_message, read_line};

/// What a plugin says of a backend's readiness.
pub(super) struct ImportedReadiness {
    assess: unsafe extern "C" fn(*const c_char, *mut u32, *mut abi::scorecam_message) -> i32,
}

impl ImportedReadiness {
    pub(super) fn new(table: &abi::scorecam_readiness) -> Result<Self> {
        match table.assess {
            Some(assess) => Ok(Self { assess }),
            None => Err(Error::plugin("its readiness table lacks the function assess")),
        }
    }

    /// Asks the plugin; what it answers is one line and a rank within bounds, or an error. `who` names the backend.
    pub(super) fn ask(&self, device: Option<&str>, who: &str) -> Result<Readiness> {
        let mut texts = Texts::default();
        let device = device.map_or(std::ptr::null(), |device| texts.keep(device));
        let (mut rank, mut text) = (abi::SCORECAM_READY_CPU, empty_message());
        // SAFETY: a string that ends with NUL or NULL, and places that are writable for the call.
        let status = unsafe { (self.assess)(device, &raw mut rank, &raw mut text) };
        check(status, &text, who)?;
        let named = |e: Error| e.context(who);
        if rank > abi::SCORECAM_READY_HIGHEST {
            let most = abi::SCORECAM_READY_HIGHEST;
            return Err(named(Error::plugin(format!("its rank is {rank}; {most} is the most"))));
        }
        if !text.text.contains(&0) {
            let room = text.text.len();
            return Err(named(Error::plugin(format!("what it runs on does not end within {room} bytes"))));
        }
        // SAFETY: it ends with NUL within the message.
        let device = unsafe { read_line(text.text.as_ptr(), "what it runs on") }.map_err(named)?;
        Ok(Readiness { rank, device: device.to_owned() })
    }
}

#[cfg(test)]
mod tests {
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
        check(answers!(1001, b"a card", 0), "its rank is 1001; 1000 is the most");
        check(answers!(u32::MAX, b"a card", 0), "its rank is 4294967295");
        check(answers!(100, &[b'x'; 1024], 0), "does not end within 1024 bytes");
        check(answers!(100, b"a\xffcard", 0), "is not UTF-8");
        check(answers!(100, b"a\ncard", 0), "has the control character '\\n' in it");
    }
}
