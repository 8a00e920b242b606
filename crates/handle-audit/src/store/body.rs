//! Bodies: where the entries of a list stand. A body grows with its list and never moves an entry but the first.
//!
//! | entries | body |
//! | --- | --- |
//! | 1 | a cell |
//! | 2 to 8 | a chunk |
//! | 9 to 64 | a cell that is a table of chunks, two to a word |
//!
//! The table of the third form takes the cell that the second one gave back, so a full list has no block to spare.

use super::packed;
use super::slab::{CHUNK, Cell, Chunk, Entry, Slab, Supply, get, high, low, set_high, set_low};

/// Entries that a body can have.
pub(super) const MAX_BODY: usize = 8 * CHUNK;

/// The blocks of all bodies.
#[derive(Debug, Default)]
pub(super) struct Bodies {
    pub(super) cells: Slab<Cell>,
    pub(super) chunks: Slab<Chunk>,
}

/// Their free numbers.
#[derive(Debug, Default)]
pub(super) struct BodySupply {
    pub(super) cells: Supply,
    pub(super) chunks: Supply,
}

fn chunk_in(table: &Entry, number: usize) -> u32 {
    let word = get(&table[number / 2]);
    if number.is_multiple_of(2) { low(word) } else { high(word) }
}

impl Bodies {
    /// The entry at `index` of a body that has grown to `grown` entries.
    #[inline(always)]
    pub(super) fn entry(&self, body: u32, grown: usize, index: usize) -> &Entry {
        if grown <= 1 {
            return &self.cells.at(body).0;
        }
        let chunk =
            if grown <= CHUNK { body } else { chunk_in(&self.cells.at(body).0, index / CHUNK % CHUNK) };
        &self.chunks.at(chunk).0[index % CHUNK]
    }

    /// The same for readers, who may see numbers that do not belong together.
    pub(super) fn read(&self, body: u32, grown: usize, index: usize) -> Option<&Entry> {
        if grown <= 1 {
            return Some(&self.cells.read(body)?.0);
        }
        let chunk =
            if grown <= CHUNK { body } else { chunk_in(&self.cells.read(body)?.0, index / CHUNK % CHUNK) };
        Some(&self.chunks.read(chunk)?.0[index % CHUNK])
    }
}

impl BodySupply {
    /// Makes room for one more entry in a body of `grown`, and returns the body.
    #[inline]
    pub(super) fn grow(&mut self, bodies: &Bodies, body: u32, grown: usize) -> u32 {
        match grown {
            0 => self.cells.take(&bodies.cells),
            1 => {
                let chunk = self.chunks.take(&bodies.chunks);
                packed::copy(&bodies.cells.at(body).0, &bodies.chunks.at(chunk).0[0]);
                self.cells.give(body);
                chunk
            }
            _ if !grown.is_multiple_of(CHUNK) => body,
            CHUNK => {
                let table = self.cells.take(&bodies.cells);
                self.add_chunk(bodies, table, 0, body);
                let chunk = self.chunks.take(&bodies.chunks);
                self.add_chunk(bodies, table, 1, chunk);
                table
            }
            _ => {
                let chunk = self.chunks.take(&bodies.chunks);
                self.add_chunk(bodies, body, grown / CHUNK, chunk);
                body
            }
        }
    }

    fn add_chunk(&self, bodies: &Bodies, table: u32, number: usize, chunk: u32) {
        let word = &bodies.cells.at(table).0[number / 2];
        if number.is_multiple_of(2) { set_low(word, chunk) } else { set_high(word, chunk) }
    }

    /// Takes a body back.
    pub(super) fn free(&mut self, bodies: &Bodies, body: u32, grown: usize) {
        match grown {
            0 => {}
            1 => self.cells.give(body),
            2..=CHUNK => self.chunks.give(body),
            _ => {
                let table = &bodies.cells.at(body).0;
                (0..grown.div_ceil(CHUNK)).for_each(|number| self.chunks.give(chunk_in(table, number)));
                self.cells.give(body);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::slab::set;

    #[test]
    fn a_body_keeps_its_entries_while_it_grows() {
        let (bodies, mut supply) = (Bodies::default(), BodySupply::default());
        for length in 1..=MAX_BODY {
            let mut body = 0;
            for grown in 0..length {
                body = supply.grow(&bodies, body, grown);
                set(&bodies.entry(body, grown + 1, grown)[0], grown as u64 + 100);
            }
            for index in 0..length {
                assert_eq!(get(&bodies.entry(body, length, index)[0]), index as u64 + 100);
                assert_eq!(get(&bodies.read(body, length, index).unwrap()[0]), index as u64 + 100);
            }
            supply.free(&bodies, body, length);
        }
        // Every body reuses what the ones before gave back.
        assert!(supply.cells.take(&bodies.cells) <= 2);
        assert!(supply.chunks.take(&bodies.chunks) <= 8);
    }
}
