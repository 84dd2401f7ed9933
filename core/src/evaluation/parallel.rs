//! [`on_all_cores`]: independent pieces of arithmetic, one thread for each core.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// The results of `f` for 0 to n - 1, in order. The calling thread takes part, and does all the work if no other
/// threads can be started. A panic of `f` propagates to the caller.
pub(super) fn on_all_cores<T: Send>(n: usize, f: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let (next, found) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(n)));
    let work = || {
        while let Some(i) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|&i| i < n) {
            let one = f(i);
            found.lock().unwrap_or_else(PoisonError::into_inner).push((i, one));
        }
    };
    let cores = thread::available_parallelism().map_or(1, usize::from).min(n);
    thread::scope(|scope| {
        let spawned = (1..cores).map_while(|_| {
            thread::Builder::new().name("scorecam-evaluate".into()).spawn_scoped(scope, work).ok()
        });
        // All run before the first one is awaited.
        let _threads: Vec<_> = spawned.collect();
        work();
    });
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.sort_by_key(|&(i, _)| i);
    found.into_iter().map(|(_, one)| one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_and_from_every_piece() {
        for n in [0, 1, 2, 1000] {
            assert_eq!(on_all_cores(n, |i| i * i), (0..n).map(|i| i * i).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_panic_reaches_the_caller() {
        let f = |i: usize| if i == 7 { panic!("seven") } else { i };
        assert!(std::panic::catch_unwind(|| on_all_cores(20, f)).is_err());
    }
}
