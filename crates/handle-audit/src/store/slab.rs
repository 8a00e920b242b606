//! Memory that grows and never moves: segments of blocks of words, found by number.
//!
//! A segment has 1024 blocks, so that growth wastes little and copies nothing. It comes zeroed from the allocator,
//! which has such pages ready: making one does not touch it.

use std::ops::Deref;

use once_cell::race::OnceBox;
use zerocopy::FromZeros;

use std::sync::atomic::Ordering;
pub(super) use std::sync::atomic::{AtomicU64 as Word, fence};

use crate::shim::interleave;

/// Reads a word. What orders it with its neighbours is the version of the trail.
#[inline(always)]
pub(super) fn get(word: &Word) -> u64 {
    interleave();
    word.load(Ordering::Relaxed)
}

/// Writes a word.
#[inline(always)]
pub(super) fn set(word: &Word, value: u64) {
    interleave();
    word.store(value, Ordering::Relaxed);
}

#[inline(always)]
pub(super) const fn low(word: u64) -> u32 {
    word as u32
}

#[inline(always)]
pub(super) const fn high(word: u64) -> u32 {
    (word >> 32) as u32
}

#[inline(always)]
pub(super) const fn pair(low: u32, high: u32) -> u64 {
    low as u64 | (high as u64) << 32
}

#[inline(always)]
pub(super) fn set_low(word: &Word, value: u32) {
    set(word, pair(value, high(get(word))));
}

#[inline(always)]
pub(super) fn set_high(word: &Word, value: u32) {
    set(word, pair(low(get(word)), value));
}

/// The four words of an entry.
pub(super) type Entry = [Word; 4];

/// One cache line.
#[derive(Debug, FromZeros)]
#[repr(C, align(64))]
pub(crate) struct Line(pub(super) [Word; 8]);

/// One entry, or a table of up to eight chunks.
#[derive(Debug, FromZeros)]
#[repr(C, align(32))]
pub(crate) struct Cell(pub(super) Entry);

/// Eight entries, or 32 words of anything.
#[derive(Debug, FromZeros)]
#[repr(C, align(64))]
pub(crate) struct Chunk(pub(super) [Entry; CHUNK]);

/// Entries in a chunk.
pub(super) const CHUNK: usize = 8;

impl Chunk {
    /// All words, for what is not entries.
    pub(super) fn words(&self) -> impl Iterator<Item = &Word> {
        self.0.iter().flatten()
    }
}

/// Words without an alignment of their own.
#[derive(Debug, FromZeros)]
#[repr(C)]
pub(crate) struct Plain<const N: usize>([Word; N]);

impl<const N: usize> Deref for Plain<N> {
    type Target = [Word; N];

    fn deref(&self) -> &[Word; N] {
        &self.0
    }
}

const SEGMENT_BITS: u32 = 10;
const DIRECTORY_BITS: u32 = 11;

/// Blocks in a segment.
const SEGMENT: usize = 1 << SEGMENT_BITS;

/// Segments in a directory, and directories in a slab: together they number all blocks that a `u32` can.
const DIRECTORY: usize = 1 << DIRECTORY_BITS;

const _: () = assert!(SEGMENT_BITS + 2 * DIRECTORY_BITS == u32::BITS);

type Segment<B> = OnceBox<[B; SEGMENT]>;

type Directory<B> = OnceBox<[Segment<B>; DIRECTORY]>;

/// Blocks by number: directories of segments, so that a look-up takes shifts, masks and loads, and no bound needs a
/// check.
#[derive(Debug)]
pub(super) struct Slab<B> {
    /// Set by the writer (Release), read by all (Acquire), as the segments are.
    directories: Box<[Directory<B>; DIRECTORY]>,
}

impl<B> Default for Slab<B> {
    fn default() -> Self {
        Self { directories: Box::new([const { OnceBox::new() }; DIRECTORY]) }
    }
}

/// A directory without segments, if there is memory for it.
fn new_directory<B>() -> Option<Box<[Segment<B>; DIRECTORY]>> {
    let mut segments = Vec::new();
    segments.try_reserve_exact(DIRECTORY).ok()?;
    segments.extend((0..DIRECTORY).map(|_| OnceBox::new()));
    segments.into_boxed_slice().try_into().ok()
}

/// Directory, segment in it, block in that.
#[inline(always)]
const fn place(id: u32) -> (usize, usize, usize) {
    (
        (id >> (SEGMENT_BITS + DIRECTORY_BITS)) as usize,
        (id >> SEGMENT_BITS) as usize % DIRECTORY,
        id as usize % SEGMENT,
    )
}

impl<B: FromZeros> Slab<B> {
    /// A block that the writer was supplied with.
    ///
    /// # Panics
    ///
    /// If it was not.
    #[inline(always)]
    pub(super) fn at(&self, id: u32) -> &B {
        self.read(id).expect("the supply made the block")
    }

    /// A block, for readers: they may hold a number older or newer than what they see of the slab.
    #[inline(always)]
    pub(super) fn read(&self, id: u32) -> Option<&B> {
        let (directory, segment, block) = place(id);
        Some(&self.directories[directory].get()?[segment].get()?[block])
    }

    /// Makes the segment of a block if it is not there, and returns the number of its last block. `None`: there is no
    /// memory for it.
    pub(super) fn make(&self, id: u32) -> Option<u32> {
        let (directory, segment, block) = place(id);
        let directory = self.directories[directory].get_or_try_init(|| new_directory().ok_or(())).ok()?;
        directory[segment].get_or_try_init(|| <[B; SEGMENT]>::new_box_zeroed().map_err(drop)).ok()?;
        Some(id + (SEGMENT - 1 - block) as u32)
    }
}

/// The numbers of a slab that are free: 0 is never given out and means none.
#[derive(Debug, Default)]
pub(super) struct Supply {
    used: u32,
    /// Up to here, blocks have memory.
    made: u32,
    free: Vec<u32>,
}

impl Supply {
    /// Sees to it that the next `count` blocks can be taken, or says that there is no memory, or no number, for them.
    pub(super) fn ensure<B: FromZeros>(&mut self, slab: &Slab<B>, count: u32) -> bool {
        let new = count.saturating_sub(self.free.len() as u32);
        self.ensure_with(new, |id| slab.make(id))
    }

    /// The same where nothing is given back. `make` is told the number of a block and returns the last one of its
    /// segment.
    pub(super) fn ensure_with(&mut self, count: u32, make: impl Fn(u32) -> Option<u32>) -> bool {
        let Some(last) = self.used.checked_add(count) else { return false };
        while self.made < last {
            let Some(made) = make(self.made + 1) else { return false };
            self.made = made;
        }
        true
    }

    /// A block that nobody uses. What it holds is left from its last use.
    ///
    /// # Panics
    ///
    /// If all numbers, or all memory, are used; never after [`ensure`](Self::ensure).
    pub(super) fn take<B: FromZeros>(&mut self, slab: &Slab<B>) -> u32 {
        if let Some(id) = self.free.pop() {
            return id;
        }
        assert!(self.ensure(slab, 1), "there is memory for a block");
        self.used += 1;
        self.used
    }

    /// Takes a block back. Readers may still look at it; the version of its trail tells them.
    pub(super) fn give(&mut self, id: u32) {
        // What cannot be noted for lack of memory is not used again.
        if id != 0 && self.free.try_reserve(1).is_ok() {
            self.free.push(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_do_not_share_a_place() {
        let mut expected = 0;
        for id in (0..100_000).chain(u32::MAX - 5000..u32::MAX) {
            let (directory, segment, block) = place(id);
            let number = (directory * DIRECTORY + segment) * SEGMENT + block;
            assert!(number >= expected && number == id as usize, "block {id}");
            expected = number + 1;
        }
    }

    #[test]
    fn a_block_given_back_is_supplied_again() {
        let (slab, mut supply) = (Slab::<Cell>::default(), Supply::default());
        assert_eq!((supply.take(&slab), supply.take(&slab)), (1, 2));
        supply.give(1);
        assert_eq!((supply.take(&slab), supply.take(&slab)), (1, 3));
        set(&slab.at(3).0[2], 7);
        assert_eq!(get(&slab.read(3).unwrap().0[2]), 7);
        assert!(slab.read(1_000_000).is_none());
    }

    #[test]
    fn what_was_ensured_needs_no_memory_any_more() {
        let (slab, mut supply) = (Slab::<Cell>::default(), Supply::default());
        for count in [0, 1, 7, 8, 9, 300] {
            assert!(supply.ensure(&slab, count));
            for _ in 0..count {
                let next = supply.used + 1;
                assert!(slab.read(next).is_some(), "block {next} of {count}");
                supply.take(&slab);
            }
        }
        // Blocks that were given back count.
        (1..=8).for_each(|id| supply.give(id));
        let made = supply.made;
        assert!(supply.ensure(&slab, 8 + made - supply.used) && supply.made == made);
        assert!(!supply.ensure(&slab, u32::MAX), "there are no such numbers");
    }
}
