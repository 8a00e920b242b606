//! The store of trails: small heads, lists that grow block by block, one writer, readers that never stop it.
//!
//! ```text
//! handle ─▶ index ─▶ head (64 B) ─┬▶ block of each list, which may name another
//!                                 ├▶ block of the open waits
//!                                 └▶ more: totals of rare operations, stack, names, closer, generation before
//!           born (40 B): who created it
//! ```
//!
//! All of it is words in slabs that only grow: atomic 64-bit integers, written and read without ordering of their
//! own. Each trail has a version in its head ([`lock`]). The fold is the only writer; a reader copies a trail, and
//! copies again if the version has changed meanwhile. Blocks that a generation leaves behind serve the next one that
//! needs some.
//!
//! Bytes of a handle: 64 + 40 + 4 in the index (16 to 32 if the handle does not look like one), 32 for the first
//! entry of a list, 256 for up to eight, 1 312 for more. All four lists full, with the totals of rare operations:
//! 5 460. What few handles have comes on top: more than one open wait (256 for up to eight, 2 048 for up to 64), a
//! stack, other names (256 each), the closer (32), the generation before (448, and its open waits).
//!
//! There can be 33 million trails, eight million with rare operations or a generation before, and 8 GiB of blocks.
//! Beyond that, records are refused as if there were no memory.

mod append;
mod block;
mod create;
mod head;
mod index;
mod lock;
mod packed;
mod past;
mod read;
mod slab;
#[cfg(test)]
mod tests;
mod thaw;
mod threads;

pub(crate) use head::Head;
pub(crate) use read::Changed;
#[cfg(all(test, not(loom)))]
pub(crate) use threads::MAX_THREADS;
pub(crate) use threads::{ThreadStore, ThreadWriter};

use std::num::NonZero;

use block::{Blocks, Cells};
use index::{Index, Sparse};
use slab::{Number, Plain, Slab, Supply};
use spsc_ring::fetch;

use crate::tag::{LISTS, OTHERS, SIGNALS, WAITS, WAKES};

/// A trail, by its number: 1 and up, in order of first creation.
pub(crate) type TrailId = u32;

/// Words of `born`.
mod born {
    /// The handle, and source, kind and ring of its creation.
    pub(super) const HANDLE: usize = 0;
    pub(super) const GENERATION: usize = 1;
    /// Cycle, thread and `aux` of its creation.
    pub(super) const CREATED: usize = 2;
    pub(super) const WORDS: usize = 5;
}

/// Words of `more`.
mod more {
    /// Totals of the operations that share the list of others.
    pub(super) const TOTALS: usize = 0;
    /// Chunks of the stack and of the other names.
    pub(super) const STACK_AND_NAMES: usize = 10;
    /// The generation before, and the entry that closed this one.
    pub(super) const PAST_AND_CLOSER: usize = 11;
    /// Lengths of stack and names, a byte each; open waits that are not kept.
    pub(super) const LENGTHS: usize = 12;
    pub(super) const WORDS: usize = 13;
}

/// The first operation that goes to the list of others.
const FIRST_OTHER: usize = crate::operation::Operation::Satisfied as usize;
const OTHER_OPERATIONS: usize = crate::operation::Operation::COUNT + 1 - FIRST_OTHER;

/// Blocks in a segment of what not every trail has: there can be eight million of them.
const FEW: usize = 1 << 10;

type Born = Plain<{ born::WORDS }>;
type More = Plain<{ more::WORDS }>;
type Past = Plain<{ past::WORDS }>;

/// What the fold writes and readers copy from.
#[derive(Debug, Default)]
pub(crate) struct TrailStore {
    index: Index,
    heads: Slab<Head>,
    born: Slab<Born>,
    more: Slab<More, FEW>,
    past: Slab<Past, FEW>,
    cells: Cells,
    /// How many trails there are. Written by the fold (Release), read by readers (Acquire).
    len: Number,
}

/// What only the fold needs to write a [`TrailStore`].
#[derive(Debug, Default)]
pub(crate) struct TrailWriter {
    sparse: Sparse,
    trails: Supply,
    more: Supply,
    past: Supply,
    blocks: Blocks,
}

impl TrailStore {
    /// How many handles have a trail.
    pub(crate) fn len(&self) -> u32 {
        index::published(&self.len)
    }

    /// The trail of a handle, for readers.
    pub(crate) fn find(&self, handle: u32) -> Option<TrailId> {
        self.index.find(handle)
    }

    /// Fetches where the index names the trail of a handle.
    #[inline(always)]
    pub(crate) fn fetch_place(&self, handle: u32) {
        if let Some(Some(cell)) = self.index.direct(handle) {
            fetch(cell);
        }
    }
}

impl TrailWriter {
    /// Sees to it that a create can be written and found, or says that there is no memory for it.
    pub(crate) fn ensure_create(&mut self, store: &TrailStore, handle: u32) -> bool {
        // It takes a trail, or a summary of the one before, and two blocks: for its stack and for the last records of
        // the summary.
        self.ensure_trails(store, 1)
            && self.past.ensure(&store.past, 1)
            && self.ensure_entry(store)
            && store.index.ensure(&mut self.sparse, handle)
    }

    /// The same for any other record of a handle that has a trail.
    fn ensure_entry(&mut self, store: &TrailStore) -> bool {
        // Two blocks at most: for its list, and for an open wait, a name or the closer.
        self.more.ensure(&store.more, 1) && self.blocks.ensure(&store.cells, 2)
    }

    fn ensure_trails(&mut self, store: &TrailStore, count: u32) -> bool {
        self.trails.ensure_with(count, |id| store.born.make(id).and(store.heads.make(id)))
    }

    /// The trail of a handle, for the fold.
    #[inline(always)]
    fn find(&self, store: &TrailStore, handle: u32) -> Option<TrailId> {
        let named = match store.index.direct(handle) {
            Some(cell) => index::in_cell(cell),
            None => self.sparse.find(handle),
        };
        named.map(NonZero::get)
    }

    /// The head of the trail of a handle, for the fold.
    #[inline(always)]
    pub(crate) fn head<'a>(&self, store: &'a TrailStore, handle: u32) -> Option<&'a Head> {
        self.find(store, handle).map(|id| store.heads.at(id))
    }
}
