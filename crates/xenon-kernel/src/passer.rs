//! Setting an event that is set, in passing: without its lock, and exactly in its place among the event's records.
//!
//! Such a set changes nothing, so all that it needs is that whoever clears the event puts that on record afterwards. The
//! setter announces the event and looks at it once more; who clears it bars the way first, and then lets those pass who are
//! on it. One of the two always sees the other: each stores, then loads, in the one order of all sequentially consistent
//! operations.

use std::sync::atomic::{AtomicU64, Ordering};

/// Nobody is on the way.
const NOTHING: u64 = 0;

/// One host thread's announcement: the id of the event that it is about to record a set of.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Passer(
    /// Written by its host thread (SeqCst, back to nothing with Release), read by whoever bars the way (SeqCst).
    AtomicU64,
);

impl Passer {
    /// Runs `pass` if `is_open` still says so once the event with this id is announced. Says whether it ran.
    pub(crate) fn pass(&self, id: u64, is_open: impl FnOnce() -> bool, pass: impl FnOnce()) -> bool {
        self.0.store(id, Ordering::SeqCst);
        let open = is_open();
        if open {
            pass();
        }
        self.0.store(NOTHING, Ordering::Release);
        open
    }

    /// Waits until its thread is past the event with this id: for no longer than one record takes.
    pub(crate) fn let_pass(&self, id: u64) {
        while self.0.load(Ordering::SeqCst) == id {
            std::thread::yield_now();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    /// What a setter writes in passing is there for whoever has barred the way: none comes later.
    #[test]
    fn nobody_passes_once_the_way_is_barred() {
        for _ in 0..2_000 {
            let (passer, open) = (Passer::default(), AtomicBool::new(true));
            let passed = AtomicU64::new(0);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let is_open = || open.load(Ordering::SeqCst);
                    while passer.pass(7, is_open, || {
                        passed.fetch_add(1, Ordering::Relaxed);
                    }) {}
                });
                open.store(false, Ordering::SeqCst);
                passer.let_pass(7);
                let seen = passed.load(Ordering::Relaxed);
                std::thread::yield_now();
                assert_eq!(passed.load(Ordering::Relaxed), seen);
            });
        }
    }
}
