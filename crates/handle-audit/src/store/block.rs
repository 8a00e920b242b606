//! Blocks: neighbouring cells of one slab, where the entries of a list, open waits, stacks and names stand.
//!
//! | entries of a list | where they stand |
//! | --- | --- |
//! | 1 | a block of one cell |
//! | 2 to 8 | a block of eight |
//! | 9 and more | the first ones in that block of eight, the others in a block of 33, round and round; its last cell names the other block |
//!
//! So the place of the next entry follows from the number of the list's block and its total, without a look at
//! anything else. Blocks that a list has outgrown serve other lists.

use super::packed;
use super::slab::{Cell, Entry, Slab, Word, get, low, set};
use crate::trail::{AUDIT_RING_CAPACITY, FIRST_ENTRIES, MAX_OPEN_WAITS};

/// Cells in a segment of their slab.
const SEGMENT: usize = 1 << 15;

/// All cells.
pub(super) type Cells = Slab<Cell, SEGMENT>;

/// The sizes of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    /// One entry.
    Cell,
    /// The first entries of a list; a stack; names.
    Chunk,
    /// The newest entries of a list, and the number of its chunk.
    Round,
    /// As many open waits as are kept.
    Waits,
}

/// Entries in a chunk.
pub(super) const CHUNK: usize = FIRST_ENTRIES;

const SIZES: [u32; 4] = [1, CHUNK as u32, AUDIT_RING_CAPACITY as u32 + 1, MAX_OPEN_WAITS as u32];
const LARGEST: u32 = MAX_OPEN_WAITS as u32;

const _: () = assert!(LARGEST as usize <= SEGMENT);

impl Size {
    /// Its cells.
    const fn cells(self) -> u32 {
        SIZES[self as usize]
    }

    /// Of the block of so many open waits.
    pub(super) const fn of_waits(slots: usize) -> Self {
        match slots {
            0 | 1 => Self::Cell,
            2..=CHUNK => Self::Chunk,
            _ => Self::Waits,
        }
    }
}

/// Whether a list with this many entries needs another block for the next one.
#[inline(always)]
pub(super) const fn is_outgrown(total: u64) -> bool {
    total <= CHUNK as u64 && (total < 2 || total == CHUNK as u64)
}

/// Within its block, the place of the entry with this number, counted from 0, of a list that has outgrown nothing by
/// it: the first ones have the places of their numbers in either block.
#[inline(always)]
pub(super) const fn place(number: u64) -> u32 {
    number as u32 % AUDIT_RING_CAPACITY as u32
}

const _: () = assert!(AUDIT_RING_CAPACITY.is_power_of_two() && CHUNK <= AUDIT_RING_CAPACITY);

/// The cell of a list's block of newest entries that names the block of the first ones.
const fn link(block: u32) -> u32 {
    block + AUDIT_RING_CAPACITY as u32
}

/// Where the entry with this number stands, of a list with this block and total.
fn cell_of(block: u32, total: u64, number: u64, follow: impl FnOnce(u32) -> Option<u32>) -> Option<u32> {
    let first = number < CHUNK as u64 && total > CHUNK as u64;
    let block = if first { follow(link(block))? } else { block };
    block.checked_add(place(number))
}

impl Cells {
    /// All words of a block, for what is not entries.
    ///
    /// # Panics
    ///
    /// If there is no such block.
    pub(super) fn words(&self, block: u32, size: Size) -> impl Iterator<Item = &Word> {
        self.run(block, size.cells() as usize).iter().flat_map(|cell| &cell.0)
    }

    /// The same for readers.
    pub(super) fn read_words(&self, block: u32, size: Size) -> Option<impl Iterator<Item = &Word>> {
        Some(self.read_run(block, size.cells() as usize)?.iter().flat_map(|cell| &cell.0))
    }

    /// Where an entry of a list stands, for the fold.
    pub(super) fn entry(&self, block: u32, total: u64, number: u64) -> &Entry {
        let follow = |cell| Some(low(get(&self.at(cell).0[0])));
        &self.at(cell_of(block, total, number, follow).expect("the fold knows its blocks")).0
    }

    /// The same for readers, who may see numbers that do not belong together.
    pub(super) fn read_entry(&self, block: u32, total: u64, number: u64) -> Option<&Entry> {
        let follow = |cell| Some(low(get(&self.read(cell)?.0[0])));
        Some(&self.read(cell_of(block, total, number, follow)?)?.0)
    }
}

/// Blocks that nobody uses.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    /// The last cell that was ever part of a block.
    pub(super) used: u32,
    /// Up to here, cells have memory.
    pub(super) made: u32,
    /// Blocks that were given back, by size.
    pub(super) free: [Vec<u32>; SIZES.len()],
}

impl Blocks {
    /// Sees to it that so many blocks of any size can be taken, or says that there is no memory, or no number, for
    /// them.
    pub(super) fn ensure(&mut self, cells: &Cells, count: u32) -> bool {
        if self.free.iter().all(|free| free.len() >= count as usize) {
            return true;
        }
        // Memory comes by segments: a block that does not fit its own goes to the next one, which has room for all.
        let Some(last) = self.used.checked_add(count * LARGEST) else { return false };
        while self.made < last {
            let Some(made) = cells.make(self.made + 1) else { return false };
            self.made = made;
        }
        true
    }

    /// The number of the first cell of a block. What it holds is left from its last use.
    ///
    /// # Panics
    ///
    /// If all numbers, or all memory, are used; never after [`ensure`](Self::ensure).
    pub(super) fn take(&mut self, cells: &Cells, size: Size) -> u32 {
        if let Some(block) = self.free[size as usize].pop() {
            return block;
        }
        assert!(self.ensure(cells, 1), "there is memory for a block");
        let segment = |cell: u32| cell as usize / SEGMENT;
        while segment(self.used + 1) != segment(self.used + size.cells()) {
            // What is left of the segment serves as single cells.
            self.used += 1;
            self.give(self.used, Size::Cell);
        }
        let block = self.used + 1;
        self.used += size.cells();
        block
    }

    /// Takes a block back, if it is one: 0 is none. Readers may still look at it; the version of its trail tells them.
    pub(super) fn give(&mut self, block: u32, size: Size) {
        let free = &mut self.free[size as usize];
        // What cannot be noted for lack of memory is not used again.
        if block != 0 && free.try_reserve(1).is_ok() {
            free.push(block);
        }
    }

    /// A block for a list that has outgrown its own, which is given back or named by the new one.
    pub(super) fn grow(&mut self, cells: &Cells, block: u32, total: u64) -> u32 {
        match total {
            0 => self.take(cells, Size::Cell),
            1 => self.enlarge(cells, block, 1, Size::Chunk),
            _ => {
                let round = self.take(cells, Size::Round);
                set(&cells.at(link(round)).0[0], u64::from(block));
                round
            }
        }
    }

    /// A larger block for the same open waits, or entries.
    pub(super) fn enlarge(&mut self, cells: &Cells, block: u32, length: usize, size: Size) -> u32 {
        let larger = self.take(cells, size);
        let (from, to) = (cells.run(block, length), cells.run(larger, length));
        from.iter().zip(to).for_each(|(from, to)| packed::copy(&from.0, &to.0));
        self.give(block, Size::of_waits(length));
        larger
    }

    /// Takes all blocks of a list back.
    pub(super) fn give_list(&mut self, cells: &Cells, block: u32, total: u64) {
        match total {
            1 => self.give(block, Size::Cell),
            // Or none.
            _ if total <= CHUNK as u64 => self.give(block, Size::Chunk),
            _ => {
                self.give(low(get(&cells.at(link(block)).0[0])), Size::Chunk);
                self.give(block, Size::Round);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_keeps_its_first_entries_and_its_newest() {
        let (cells, mut blocks) = (Cells::default(), Blocks::default());
        for length in 1..=200_u64 {
            let mut block = 0;
            for total in 0..length {
                if is_outgrown(total) {
                    block = blocks.grow(&cells, block, total);
                }
                set(&cells.at(block + place(total)).0[0], total + 100);
            }
            let kept = (0..length.min(CHUNK as u64)).chain(length.saturating_sub(32)..length);
            for number in kept {
                assert_eq!(get(&cells.entry(block, length, number)[0]), number + 100);
                assert_eq!(get(&cells.read_entry(block, length, number).unwrap()[0]), number + 100);
            }
            blocks.give_list(&cells, block, length);
        }
        // Every list reuses what the ones before gave back.
        assert!(blocks.used <= 1 + CHUNK as u32 + 33, "{blocks:?}");
    }

    #[test]
    fn no_block_crosses_a_segment_and_none_shares_a_cell() {
        let (cells, mut blocks) = (Cells::default(), Blocks::default());
        let mut taken = std::collections::BTreeSet::new();
        for size in
            [Size::Round, Size::Waits, Size::Chunk, Size::Cell, Size::Round].into_iter().cycle().take(500)
        {
            let block = blocks.take(&cells, size);
            assert_eq!(cells.run(block, size.cells() as usize).len(), size.cells() as usize);
            assert!((block..block + size.cells()).all(|cell| taken.insert(cell)), "{block} of {size:?}");
        }
    }

    #[test]
    fn open_waits_move_to_larger_blocks() {
        let (cells, mut blocks) = (Cells::default(), Blocks::default());
        let mut block = 0;
        for length in 0..MAX_OPEN_WAITS {
            if length == 0 || Size::of_waits(length) != Size::of_waits(length + 1) {
                block = blocks.enlarge(&cells, block, length, Size::of_waits(length + 1));
            }
            set(&cells.run(block, length + 1)[length].0[1], length as u64);
        }
        for (number, cell) in (0..).zip(cells.run(block, MAX_OPEN_WAITS)) {
            assert_eq!(get(&cell.0[1]), number);
        }
        let sizes = [1, 2, CHUNK, CHUNK + 1, MAX_OPEN_WAITS].map(Size::of_waits);
        assert_eq!(sizes, [Size::Cell, Size::Chunk, Size::Chunk, Size::Waits, Size::Waits]);
    }

    /// The last cell of the first segment.
    const END: u32 = SEGMENT as u32 - 1;

    /// All cells of the first segment but these are in use.
    fn with_left(left: u32) -> Blocks {
        Blocks { used: END - left, ..Blocks::default() }
    }

    #[test]
    fn memory_is_made_when_it_is_needed_and_not_before() {
        for count in 1..=3 {
            let enough = count * LARGEST;
            for (left, made) in [(enough, END), (enough - 1, END + SEGMENT as u32)] {
                let (cells, mut blocks) = (Cells::default(), with_left(left));
                assert!(blocks.ensure(&cells, count));
                assert_eq!(blocks.made, made, "{left} cells are left for {count}");
                (0..count).for_each(|_| _ = blocks.take(&cells, Size::Waits));
                assert_eq!(blocks.made, made, "what was ensured needs no memory any more");
            }
        }
    }

    #[test]
    fn a_segment_is_used_to_its_end() {
        let chunk = CHUNK as u32;
        for (left, block, single) in [(chunk, END + 1 - chunk, vec![]), (0, END + 1, vec![])]
            .into_iter()
            .chain([(2, END + 1, vec![END - 1, END])])
        {
            let (cells, mut blocks) = (Cells::default(), with_left(left));
            assert_eq!(blocks.take(&cells, Size::Chunk), block, "{left} cells are left");
            assert_eq!(blocks.free[Size::Cell as usize], single);
        }
    }
}
