//! Memory for decoders, whose failed allocations abort the process.
//!
//! A decoder allocates its own buffers. So its maximum need is claimed before it starts: the claim fails if the system
//! would refuse that much memory, or has less available. The claims of concurrent photos are added up. A claim that
//! fails while others are held waits for them; only one that fails alone is an error.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use scorecam_core::{Error, Result};

/// The memory budget for all claims of a run.
#[derive(Default)]
pub(super) struct Memory {
    claimed: Mutex<u64>,
    returned: Condvar,
}

/// A claim; dropping it returns the memory.
pub struct Held<'a> {
    memory: &'a Memory,
    bytes: u64,
}

/// The reserve for the rest of the program.
const MARGIN: u64 = 32 << 20;

impl Memory {
    /// Claims `bytes`; see [`super::Reader::hold`].
    pub(super) fn hold(&self, bytes: u64) -> Result<Held<'_>> {
        let mut claimed = self.lock();
        loop {
            let needed = claimed.saturating_add(bytes).saturating_add(MARGIN);
            if has_room(needed) {
                *claimed += bytes;
                return Ok(Held { memory: self, bytes });
            }
            if *claimed == 0 {
                return Err(Error::io(format!(
                    "not enough memory: up to {} MiB may be needed; scale the photo down first",
                    bytes.div_ceil(1 << 20)
                )));
            }
            claimed = self.returned.wait(claimed).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        *self.memory.lock() -= self.bytes;
        self.memory.returned.notify_all();
    }
}

/// Whether this many bytes can be reserved (limits of the process) and are available (the system overcommits).
fn has_room(bytes: u64) -> bool {
    let Ok(length) = usize::try_from(bytes) else { return false };
    Vec::<u8>::new().try_reserve_exact(length).is_ok() && available().is_none_or(|there| bytes <= there)
}

/// The available memory in bytes, if the system reports it.
fn available() -> Option<u64> {
    available_of(&std::fs::read_to_string("/proc/meminfo").ok()?)
}

/// The available memory and swap of a `/proc/meminfo`.
fn available_of(text: &str) -> Option<u64> {
    let field = |name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().strip_suffix("kB")?.trim_end().parse::<u64>().ok()?.checked_mul(1 << 10)
    };
    Some(field("MemAvailable")? + field("SwapFree").unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_beyond_all_memory_fails_and_one_beside_another_waits() {
        let memory = Memory::default();
        let error = memory.hold(1 << 46).err().expect("too much").to_string();
        assert!(error.starts_with("not enough memory: up to 67108864 MiB"), "{error}");
        let all = available().unwrap_or(1 << 33);
        let first = memory.hold(all * 6 / 10).expect("room");
        std::thread::scope(|scope| {
            let second = scope.spawn(|| memory.hold(all * 6 / 10).map(drop));
            std::thread::sleep(std::time::Duration::from_millis(20));
            assert!(!second.is_finished(), "it waits");
            drop(first);
            second.join().expect("no panic").expect("room after the first");
        });
        assert_eq!(*memory.lock(), 0);
    }

    #[test]
    fn what_is_available_is_read_from_the_system() {
        let text = "MemTotal:  9 kB\nMemAvailable:    5 kB\nSwapFree: 2 kB\n";
        assert_eq!(available_of(text), Some(7 << 10));
        assert_eq!(available_of("MemAvailable: 5 kB\n"), Some(5 << 10));
        assert_eq!(available_of("MemFree: 5 kB\n"), None);
    }
}
