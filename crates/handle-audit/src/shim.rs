//! One place where std, loom and shuttle differ.

#[cfg(loom)]
pub(crate) use loom::sync::{
    Arc, Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU64, Ordering},
};
#[cfg(shuttle)]
pub(crate) use shuttle::{
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};
#[cfg(not(any(loom, shuttle)))]
pub(crate) use std::{
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

#[cfg(not(any(loom, shuttle)))]
pub(crate) use spsc_ring::{CELLS, Cells, is_set};

/// Whether a flag is set.
#[cfg(any(loom, shuttle))]
pub(crate) fn is_set(flag: &AtomicBool) -> bool {
    flag.load(Ordering::Relaxed)
}

/// Cells of a stripe.
#[cfg(any(loom, shuttle))]
pub(crate) const CELLS: usize = 3;

/// The cells of a stripe.
#[cfg(any(loom, shuttle))]
#[derive(Debug)]
pub(crate) struct Cells(pub(crate) [AtomicU64; CELLS]);

#[cfg(any(loom, shuttle))]
impl Cells {
    /// The largest of the numbers in them.
    pub(crate) fn largest(&self) -> u64 {
        self.0.iter().fold(0, |largest, cell| largest.max(cell.load(Ordering::Relaxed)))
    }

    /// No model has caches.
    pub(crate) fn fetch(&self) {}
}

/// Rests that long, or until somebody unparks the thread.
#[cfg(not(any(loom, shuttle)))]
pub(crate) fn nap(time: std::time::Duration) {
    thread::park_timeout(time);
}

/// The same in a model, which has no time: others go on.
#[cfg(shuttle)]
pub(crate) fn nap(_: std::time::Duration) {
    thread::yield_now();
}

/// A place where shuttle may let another thread go on, between accesses to atomics that are not its own.
#[inline(always)]
pub(crate) fn interleave() {
    #[cfg(shuttle)]
    AtomicBool::new(false).load(Ordering::SeqCst);
}
