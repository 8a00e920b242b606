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

/// A word of memory that is lent to a ring. Only loom has its own: no schedule of shuttle's runs such a ring.
#[cfg(loom)]
pub(crate) use loom::sync::atomic::AtomicU64 as LentWord;
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::AtomicU64 as LentWord;

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

/// The two sides of each line, for loom alone.
///
/// The words of a line are atomics, so it is no race if a line changes sides without happened-before, and loom lets no
/// load see a store that it runs later, as a weak memory may. So each line has a cell, used when the line is: loom finds
/// the race there.
#[derive(Clone, Debug)]
pub(crate) struct Sides(#[cfg(loom)] std::sync::Arc<[Side]>);

#[cfg(loom)]
#[derive(Debug)]
struct Side(UnsafeCell<()>);

// SAFETY: there is nothing in the cell. That two threads use it at once is what loom looks for.
#[cfg(loom)]
unsafe impl Sync for Side {}

impl Sides {
    pub(crate) fn new(_lines: u64) -> Self {
        Self(
            #[cfg(loom)]
            (0.._lines).map(|_| Side(UnsafeCell::new(()))).collect(),
        )
    }

    /// The producer writes the line of this number.
    #[inline(always)]
    pub(crate) fn write(&self, _line: usize) {
        #[cfg(loom)]
        self.0[_line].0.with_mut(|_| ());
    }

    /// The consumer reads it.
    #[inline(always)]
    pub(crate) fn read(&self, _line: usize) {
        #[cfg(loom)]
        self.0[_line].0.with(|_| ());
    }
}
