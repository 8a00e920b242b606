//! Memory that grows and never moves: segments of blocks of words, found by number.
//!
//! A segment comes zeroed from the allocator, which has such pages ready: making one does not touch it, so what is not
//! used of it takes no memory of the machine.

use std::ops::Deref;

use once_cell::race::OnceBox;
use zerocopy::FromZeros;

use std::sync::atomic::Ordering;
pub(super) use std::sync::atomic::{AtomicU32 as Number, AtomicU64 as Word, fence};

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

/// Numbers that are all 0, or none if there is no memory for them.
pub(super) fn numbers<const N: usize>() -> Option<Box<[Number; N]>> {
    <[Number; N]>::new_box_zeroed().ok()
}

/// The four words of an entry.
pub(super) type Entry = [Word; 4];

/// One entry, or four words of anything.
#[derive(Debug, FromZeros)]
#[repr(C, align(32))]
pub(crate) struct Cell(pub(super) Entry);

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

/// Segments of a slab. A model makes many slabs and fills none.
const SEGMENTS: usize = if cfg!(any(loom, shuttle)) { 1 << 4 } else { 1 << 13 };

/// Blocks in a segment, unless a slab says otherwise.
const SEGMENT: usize = 1 << 12;

type Segment<B, const N: usize> = OnceBox<[B; N]>;

/// Blocks by number, in segments of `N`, so that a look-up takes a shift, two masks and a load, and no bound needs a
/// check.
#[derive(Debug)]
pub(super) struct Slab<B, const N: usize = SEGMENT> {
    /// Set by the writer (Release), read by all (Acquire).
    segments: Box<[Segment<B, N>; SEGMENTS]>,
}

impl<B, const N: usize> Default for Slab<B, N> {
    fn default() -> Self {
        const { assert!(N.is_power_of_two()) };
        let segments: Box<[_]> = (0..SEGMENTS).map(|_| OnceBox::new()).collect();
        Self { segments: segments.try_into().expect("there are as many as there are to be") }
    }
}

/// Segment, and block in it. Numbers from `N * SEGMENTS` on are never given out; a reader that sees one by mistake
/// finds something else, and the version tells it.
#[inline(always)]
const fn place<const N: usize>(id: u32) -> (usize, usize) {
    (id as usize / N % SEGMENTS, id as usize % N)
}

impl<B: FromZeros, const N: usize> Slab<B, N> {
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
        let (segment, block) = place::<N>(id);
        Some(&self.segments[segment].get()?[block])
    }

    /// Neighbouring blocks that the writer was supplied with, all of one segment.
    ///
    /// # Panics
    ///
    /// If they are not.
    #[inline(always)]
    pub(super) fn run(&self, id: u32, length: usize) -> &[B] {
        self.read_run(id, length).expect("the supply made the blocks")
    }

    /// The same for readers.
    #[inline(always)]
    pub(super) fn read_run(&self, id: u32, length: usize) -> Option<&[B]> {
        let (segment, block) = place::<N>(id);
        self.segments[segment].get()?[block..].get(..length)
    }

    /// Makes the segment of a block if it is not there, and returns the number of its last block. `None`: there is no
    /// memory for it, or no number.
    pub(super) fn make(&self, id: u32) -> Option<u32> {
        let segment = self.segments.get(id as usize / N)?;
        segment.get_or_try_init(|| <[B; N]>::new_box_zeroed().map_err(drop)).ok()?;
        Some(id | (N - 1) as u32)
    }
}

/// The numbers of a slab that are free: 0 is never given out and means none.
#[derive(Debug, Default)]
pub(super) struct Supply {
    pub(super) used: u32,
    /// Up to here, blocks have memory.
    pub(super) made: u32,
    pub(super) free: Vec<u32>,
}

impl Supply {
    /// Sees to it that the next `count` blocks can be taken, or says that there is no memory, or no number, for them.
    pub(super) fn ensure<B: FromZeros, const N: usize>(&mut self, slab: &Slab<B, N>, count: u32) -> bool {
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
    pub(super) fn take<B: FromZeros, const N: usize>(&mut self, slab: &Slab<B, N>) -> u32 {
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
        if self.free.try_reserve(1).is_ok() {
            self.free.push(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_do_not_share_a_place() {
        let end = (SEGMENT * SEGMENTS) as u32;
        let mut expected = 0;
        for id in (0..100_000).chain(end - 5000..end) {
            let (segment, block) = place::<SEGMENT>(id);
            let number = segment * SEGMENT + block;
            assert!(number >= expected && number == id as usize, "block {id}");
            expected = number + 1;
        }
        assert!(Slab::<Cell>::default().make(end).is_none(), "no number is given out twice");
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
