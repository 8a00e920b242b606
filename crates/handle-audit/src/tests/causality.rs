//! What happened before what, by vector clocks, and what a weak memory may still show.
//!
//! Each lane is a thread. A message makes all that its sender has done happen before whatever its receiver does next;
//! nothing else does. A read of a cell may return any value that no later store has replaced in the reader's sight:
//! none older than what the reader has stored or seen there, or has heard of through messages. That is all that
//! coherence grants to relaxed loads, so a stamp here may be as stale as a stamp can be.

use std::collections::BTreeMap;

use crate::stamp::CELLS;

/// How much of each lane's doing is known, in finished records.
pub(crate) type Clock = Vec<u64>;

/// A cell: its stripe and its number there.
type Cell = (usize, usize);

#[derive(Clone, Debug, Default)]
struct Knowledge {
    clock: Clock,
    /// Per cell, how many of its stores are older than what this lane may still read.
    floors: BTreeMap<Cell, usize>,
    /// How far behind it reads, if it may.
    stale: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct Causality {
    lanes: Vec<Knowledge>,
    /// All values that each cell has had, after the one they all began with.
    stores: BTreeMap<Cell, Vec<u64>>,
    first: u64,
}

impl Causality {
    /// Lanes that know nothing, and cells that hold `first`.
    pub(crate) fn new(lanes: usize, first: u64) -> Self {
        let lane = Knowledge { clock: vec![0; lanes], ..Knowledge::default() };
        Self { lanes: vec![lane; lanes], stores: BTreeMap::new(), first }
    }

    /// What a lane knows of all lanes now.
    pub(crate) fn clock(&self, lane: usize) -> Clock {
        self.lanes[lane].clock.clone()
    }

    /// From now on a lane reads cells as they were up to this many stores ago.
    pub(crate) fn lag(&mut self, lane: usize, stale: usize) {
        self.lanes[lane].stale = stale;
    }

    /// A lane has finished a record; returns which one of its records that was, from 1.
    pub(crate) fn finished(&mut self, lane: usize) -> u64 {
        let count = &mut self.lanes[lane].clock[lane];
        *count += 1;
        *count
    }

    /// What one lane has done and seen happens before what another does from now on.
    pub(crate) fn message(&mut self, from: usize, to: usize) {
        let sent = self.lanes[from].clone();
        let receiver = &mut self.lanes[to];
        for (known, told) in receiver.clock.iter_mut().zip(sent.clock) {
            *known = told.max(*known);
        }
        for (cell, told) in sent.floors {
            let floor = receiver.floors.entry(cell).or_default();
            *floor = told.max(*floor);
        }
    }

    /// The stamp that a lane takes on a stripe: one more than the largest value it happens to read.
    pub(crate) fn choose(&mut self, lane: usize, stripe: usize) -> u64 {
        1 + (0..CELLS).map(|cell| self.read(lane, (stripe, cell))).max().unwrap_or(self.first)
    }

    fn read(&mut self, lane: usize, cell: Cell) -> u64 {
        let Some(stores) = self.stores.get(&cell) else { return self.first };
        let reader = &mut self.lanes[lane];
        let floor = reader.floors.entry(cell).or_default();
        *floor = stores.len().saturating_sub(reader.stale).max(*floor);
        floor.checked_sub(1).map_or(self.first, |newest| stores[newest])
    }

    /// A lane has read all cells of a stripe as they are, and then stored a stamp in its own.
    pub(crate) fn store_after_all(&mut self, lane: usize, stripe: usize, stamp: u64) {
        for cell in (0..CELLS).map(|cell| (stripe, cell)) {
            let stores = self.stores.get(&cell).map_or(0, Vec::len);
            self.lanes[lane].floors.insert(cell, stores);
        }
        self.store(lane, stripe, stamp);
    }

    /// A lane has stored a stamp in its own cell.
    pub(crate) fn store(&mut self, lane: usize, stripe: usize, stamp: u64) {
        let cell = (stripe, lane % CELLS);
        let stores = self.stores.entry(cell).or_default();
        assert!(stores.last().is_none_or(|last| *last < stamp), "the values of a cell rise");
        stores.push(stamp);
        self.lanes[lane].floors.insert(cell, stores.len());
    }
}
