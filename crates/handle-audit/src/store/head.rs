//! The head of a trail: what the fold writes first, and where everything else of it is found.

use std::sync::atomic::Ordering;

use zerocopy::FromZeros;

use super::slab::{Number, Word, get, set};
use super::{LISTS, WAITS, WAKES};
use crate::shim::interleave;

/// A total leaves the highest byte of its word to others. No run is long enough to need it.
pub(super) const TOTAL: u64 = (1 << 56) - 1;

/// What an open wait adds to the word that counts them.
const ONE_OPEN: u64 = TOTAL + 1;

/// One cache line.
#[derive(Debug, FromZeros)]
#[repr(C, align(64))]
pub(crate) struct Head {
    /// The version of everything that belongs to the trail.
    pub(super) version: Word,
    /// Totals of the lists, 56 bits each. The highest byte of that of waits is the number of open waits, that of wakes
    /// the slots ever used for open waits.
    totals: [Word; LISTS],
    /// By list, the block of its newest entries.
    blocks: [Number; LISTS],
    /// Block of the open waits.
    open_block: Number,
    /// What few trails have.
    more: Number,
}

const _: () = assert!(size_of::<Head>() == 64);

#[inline(always)]
fn read(number: &Number) -> u32 {
    interleave();
    number.load(Ordering::Relaxed)
}

#[inline(always)]
fn write(number: &Number, value: u32) {
    interleave();
    number.store(value, Ordering::Relaxed);
}

impl Head {
    /// How many entries a list ever had.
    #[inline(always)]
    pub(super) fn total(&self, list: usize) -> u64 {
        get(&self.totals[list]) & TOTAL
    }

    /// The list has one entry more.
    #[inline(always)]
    pub(super) fn count(&self, list: usize) {
        let total = &self.totals[list];
        set(total, get(total) + 1);
    }

    /// Sets the total of a list, of a trail that never had an open wait.
    pub(super) fn set_total(&self, list: usize, total: u64) {
        set(&self.totals[list], total);
    }

    /// How many entries there ever were.
    #[inline(always)]
    pub(super) fn entries(&self) -> u64 {
        self.totals.iter().fold(0_u64, |sum, total| sum.wrapping_add(get(total))) & TOTAL
    }

    /// The block of a list: that of its newest entries.
    #[inline(always)]
    pub(super) fn block(&self, list: usize) -> u32 {
        read(&self.blocks[list])
    }

    pub(super) fn set_block(&self, list: usize, block: u32) {
        write(&self.blocks[list], block);
    }

    /// How many waits are open.
    #[inline(always)]
    pub(super) fn open(&self) -> usize {
        (get(&self.totals[WAITS]) >> 56) as usize
    }

    /// One wait more is open.
    #[inline(always)]
    pub(super) fn open_one(&self) {
        set(&self.totals[WAITS], get(&self.totals[WAITS]) + ONE_OPEN);
    }

    /// One wait less is open.
    #[inline(always)]
    pub(super) fn close_one(&self) {
        set(&self.totals[WAITS], get(&self.totals[WAITS]) - ONE_OPEN);
    }

    /// How many of the slots for open waits were ever used.
    #[inline(always)]
    pub(super) fn open_slots(&self) -> usize {
        (get(&self.totals[WAKES]) >> 56) as usize
    }

    pub(super) fn set_open_slots(&self, slots: usize) {
        set(&self.totals[WAKES], get(&self.totals[WAKES]) & TOTAL | (slots as u64) << 56);
    }

    /// The block of the open waits.
    #[inline(always)]
    pub(super) fn open_block(&self) -> u32 {
        read(&self.open_block)
    }

    pub(super) fn set_open_block(&self, block: u32) {
        write(&self.open_block, block);
    }

    /// The block for what few trails have, 0 for none.
    #[inline(always)]
    pub(super) fn more(&self) -> u32 {
        read(&self.more)
    }

    pub(super) fn set_more(&self, more: u32) {
        write(&self.more, more);
    }

    /// Forgets everything but the version.
    pub(super) fn clear(&self) {
        self.totals.iter().for_each(|total| set(total, 0));
        self.blocks.iter().chain([&self.open_block, &self.more]).for_each(|number| write(number, 0));
    }
}
