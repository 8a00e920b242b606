//! The two ends of a ring as recorders and the drain see them, wherever the ring lives: in the heap, or in memory
//! that outlives the process.
//!
//! A recorder's path of fewest instructions knows the heap ring only. In capture mode that ring is a stand-in
//! without slots, so every record takes the slow path, which knows both.

use spsc_ring::{Consumer, Damaged, LineConsumer, LineProducer, Producer};

use crate::ledger::{ACCOUNT_WORDS, Ledger};
use crate::record::Record;

const _: () = assert!(2 * ACCOUNT_WORDS <= spsc_ring::NOTE_WORDS);

/// The recorder's end.
#[derive(Debug)]
pub(crate) struct Lane {
    heap: Producer<Record>,
    lines: Option<LineProducer>,
}

impl Lane {
    /// Always full: stands in for a ring that is still to come.
    pub(crate) fn detached() -> Self {
        Self::heap(Producer::detached())
    }

    pub(crate) fn heap(heap: Producer<Record>) -> Self {
        Self { heap, lines: None }
    }

    pub(crate) fn captured(lines: LineProducer) -> Self {
        Self { heap: Producer::detached(), lines: Some(lines) }
    }

    pub(crate) fn capacity(&self) -> u64 {
        self.lines.as_ref().map_or_else(|| self.heap.capacity(), LineProducer::capacity)
    }

    /// Pushes what `make` returns if the heap ring has room beyond its reserve as last seen. Once a round it says `false`
    /// though there is room: the slow path looks again.
    #[inline(always)]
    pub(crate) fn push_with(&mut self, make: impl FnOnce() -> Record) -> bool {
        self.heap.push_with(make)
    }

    /// A record is likely to be pushed soon.
    #[inline(always)]
    pub(crate) fn fetch(&self) {
        self.heap.fetch();
    }

    /// For a create, which may use the reserve: says `false` only if no room is known.
    #[inline(always)]
    pub(crate) fn push_create_with(&mut self, make: impl FnOnce() -> Record) -> bool {
        self.heap.push_reserved_with(make)
    }

    /// Keeps the last `slots` free slots of a heap ring for creates.
    pub(crate) fn set_reserve(&mut self, slots: u64) {
        self.heap.set_reserve(slots);
    }

    /// Free slots as last seen.
    pub(crate) fn room(&self) -> u64 {
        self.lines.as_ref().map_or_else(|| self.heap.room(), LineProducer::room)
    }

    /// Looks at the drain's progress and returns the free slots.
    pub(crate) fn refresh(&mut self) -> u64 {
        match &mut self.lines {
            Some(lines) => lines.refresh(),
            None => self.heap.refresh(),
        }
    }

    /// Makes the next record take the slow path.
    pub(crate) fn forget_room(&mut self) {
        self.heap.forget_room();
    }

    /// Publishes all of `records` with one store, or none if they do not fit as last seen.
    pub(crate) fn push_all(&mut self, records: &[Record]) -> bool {
        match &mut self.lines {
            Some(lines) => lines.push_all(records.iter().map(Record::payload)),
            None => self.heap.push_all(records),
        }
    }

    /// Position of the next record in the heap ring.
    #[cfg(all(test, any(loom, shuttle)))]
    pub(crate) fn position(&self) -> u64 {
        self.heap.position()
    }

    /// Shows the ledger to readers that come after the process. Two copies are written in turn, so that one of them
    /// is whole whenever the process dies.
    pub(crate) fn note(&self, ledger: &Ledger) {
        if let Some(lines) = &self.lines {
            let account = ledger.account();
            let copy = (account.version() % 2) as usize * ACCOUNT_WORDS;
            lines.note(copy, account.words(lines.seal()));
        }
    }
}

/// The drain's end. What it takes leaves a heap ring at once; in a capture it stays until it was folded and stands
/// in the capture.
#[derive(Debug)]
pub(crate) enum Intake {
    Heap(Consumer<Record>),
    Captured {
        lines: LineConsumer,
        /// Everything below was taken.
        taken: u64,
    },
}

impl Intake {
    pub(crate) fn captured(lines: LineConsumer) -> Self {
        Self::Captured { taken: lines.head(), lines }
    }

    /// Looks how far the recorder has published.
    pub(crate) fn look(&mut self) -> u64 {
        match self {
            Self::Heap(ring) => ring.look(),
            Self::Captured { lines, .. } => lines.look(),
        }
    }

    /// Position after the newest record that the last look saw.
    pub(crate) fn seen(&self) -> u64 {
        match self {
            Self::Heap(ring) => ring.seen(),
            Self::Captured { lines, .. } => lines.seen(),
        }
    }

    /// Position of the oldest record that was not taken.
    pub(crate) fn taken(&self) -> u64 {
        match self {
            Self::Heap(ring) => ring.head(),
            Self::Captured { taken, .. } => *taken,
        }
    }

    /// How full the ring is, in 1/256 of its capacity.
    pub(crate) fn fill(&self) -> u64 {
        let (published, capacity) = match self {
            Self::Heap(ring) => (ring.seen().wrapping_sub(ring.head()), ring.capacity()),
            Self::Captured { lines, .. } => (lines.seen().wrapping_sub(lines.head()), lines.capacity()),
        };
        published * 256 / capacity
    }

    /// The record at a position that was seen, unless the memory of a capture was damaged there.
    #[inline(always)]
    pub(crate) fn get(&self, position: u64) -> Result<Record, Damaged> {
        match self {
            Self::Heap(ring) => Ok(ring.get(position)),
            Self::Captured { lines, .. } => {
                let record = Record::from_payload(lines.get(position)?);
                record.known_slot().map(|_| record).ok_or(Damaged { position })
            }
        }
    }

    /// Notes that everything below `end` was taken.
    pub(crate) fn take(&mut self, end: u64) {
        match self {
            Self::Heap(ring) => ring.release(end),
            Self::Captured { taken, .. } => *taken = end,
        }
    }

    /// Gives back what was taken, up to the oldest of it that is still needed.
    pub(crate) fn give_back(&mut self, needed: Option<u64>) {
        if let Self::Captured { lines, taken } = self {
            lines.release(needed.unwrap_or(*taken));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_fewest_instructions_leaves_the_reserve_to_creates() {
        let (producer, mut consumer) = spsc_ring::ring(8);
        let mut lane = Lane::heap(producer);
        let make = |number: u64| move || Record::from_payload([number; 5]);
        lane.forget_room();
        assert!(!lane.push_with(make(0)) && !lane.push_create_with(make(0)), "no room is known");
        lane.set_reserve(2);
        lane.refresh();
        let plain = (0..20).take_while(|number| lane.push_with(make(*number))).count();
        let creates = (20..40).take_while(|number| lane.push_create_with(make(*number))).count();
        assert_eq!((plain, creates), (6, 2));
        assert_eq!(consumer.look(), 8);
        let stamps: Vec<u64> = (0..8).map(|position| consumer.get(position).stamp()).collect();
        assert_eq!(stamps, [0, 1, 2, 3, 4, 5, 20, 21]);
    }

    #[test]
    fn a_ring_is_as_full_as_the_last_look_saw_it() {
        let (producer, consumer) = spsc_ring::ring(8);
        let (mut lane, mut intake) = (Lane::heap(producer), Intake::Heap(consumer));
        lane.refresh();
        assert!(lane.push_all(&[Record::from_payload([0; 5]); 2]));
        assert_eq!(intake.fill(), 0, "nobody has looked");
        assert_eq!((intake.look(), intake.fill()), (2, 64));
        intake.take(1);
        assert_eq!(intake.fill(), 32);
        assert!(lane.push_all(&[Record::from_payload([0; 5]); 6]));
        intake.take(2);
        assert_eq!((intake.look(), intake.fill()), (8, 192));
    }
}
