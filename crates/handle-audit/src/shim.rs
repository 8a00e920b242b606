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
pub(crate) use spsc_ring::{is_set, largest};

/// Whether a flag is set.
#[cfg(any(loom, shuttle))]
pub(crate) fn is_set(flag: &AtomicBool) -> bool {
    flag.load(Ordering::Relaxed)
}

/// The largest of the numbers in a stripe's cells.
#[cfg(any(loom, shuttle))]
pub(crate) fn largest(cells: &[AtomicU64]) -> u64 {
    cells.iter().fold(0, |largest, cell| largest.max(cell.load(Ordering::Relaxed)))
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
