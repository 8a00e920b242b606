//! One place where std, loom and shuttle differ.

#[cfg(loom)]
pub(crate) use loom::{
    cell::UnsafeCell,
    sync::Arc,
    sync::atomic::{AtomicU64, Ordering},
};
#[cfg(shuttle)]
pub(crate) use shuttle::{
    sync::Arc,
    sync::atomic::{AtomicU64, Ordering},
};
#[cfg(not(any(loom, shuttle)))]
pub(crate) use std::{
    sync::Arc,
    sync::atomic::{AtomicU64, Ordering},
};

/// A number that one end writes and the other reads.
///
/// Loom keeps one last access to each atomic to find out which could have come in another order, and the writer's own
/// load before its store would hide the reader's load from it. So for loom what was written last is kept beside.
pub(crate) struct Written {
    shared: AtomicU64,
    #[cfg(loom)]
    last: std::sync::atomic::AtomicU64,
}

impl Written {
    pub(crate) fn new(value: u64) -> Self {
        Self {
            shared: AtomicU64::new(value),
            #[cfg(loom)]
            last: std::sync::atomic::AtomicU64::new(value),
        }
    }

    /// For the reader.
    #[inline(always)]
    pub(crate) fn load(&self, order: Ordering) -> u64 {
        self.shared.load(order)
    }

    /// For the writer: what it wrote last.
    #[inline(always)]
    pub(crate) fn own(&self) -> u64 {
        #[cfg(loom)]
        return self.last.load(Ordering::Relaxed);
        #[cfg(not(loom))]
        self.shared.load(Ordering::Relaxed)
    }

    /// For the writer.
    #[inline(always)]
    pub(crate) fn store(&self, value: u64, order: Ordering) {
        self.shared.store(value, order);
        #[cfg(loom)]
        self.last.store(value, Ordering::Relaxed);
    }
}

/// `std::cell::UnsafeCell` with loom's closure interface, which lets loom see when an access begins and ends.
#[cfg(not(loom))]
pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

#[cfg(not(loom))]
impl<T> UnsafeCell<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    #[inline(always)]
    pub(crate) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        f(self.0.get())
    }

    #[inline(always)]
    pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }
}
