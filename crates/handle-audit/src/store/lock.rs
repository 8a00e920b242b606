//! The sequence lock of a trail: one writer that never waits, readers that try again.
//!
//! The version is even while the words rest and odd while they change. Why a copy that passes is whole: if one of
//! its words came from a change, the Release fence of that change comes before the word's store, so after the copy's
//! Acquire fence the odd version, or a later one, is seen. If all came from before, nothing is torn.

use std::sync::atomic::Ordering;

// The model checker puts its own in their place.
use super::slab::{Word, fence};

/// Changes the words that a version guards. Only the one writer calls this.
#[inline(always)]
pub(super) fn change<R>(version: &Word, write: impl FnOnce() -> R) -> R {
    let change = begin(version);
    let result = write();
    change.end();
    result
}

/// A change that has begun. Dropped without an end, it leaves the words marked as changing.
#[must_use]
pub(super) struct Change<'a> {
    version: &'a Word,
    before: u64,
}

/// Begins a change.
#[inline(always)]
pub(super) fn begin(version: &Word) -> Change<'_> {
    let before = version.load(Ordering::Relaxed);
    version.store(before.wrapping_add(1), Ordering::Relaxed);
    if !spsc_ring::planted!("missing_write_fence") {
        fence(Ordering::Release);
    }
    Change { version, before }
}

impl Change<'_> {
    /// The words rest again.
    #[inline(always)]
    pub(super) fn end(self) {
        self.version.store(self.before.wrapping_add(2), Ordering::Release);
    }
}

/// Copies the words that a version guards; nothing if they changed meanwhile. `copy` may see words that do not
/// belong together, and must bear it.
#[inline]
pub(super) fn read<R>(version: &Word, copy: impl FnOnce() -> Option<R>) -> Option<R> {
    let before = version.load(Ordering::Acquire);
    if before % 2 == 1 {
        return None;
    }
    let result = copy()?;
    if !spsc_ring::planted!("missing_read_fence") {
        fence(Ordering::Acquire);
    }
    (version.load(Ordering::Relaxed) == before || spsc_ring::planted!("torn_copy")).then_some(result)
}
