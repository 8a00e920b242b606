//! The form in which an entry travels through a ring: five words.
//!
//! | word | head record | stack slot | gap slot |
//! | --- | --- | --- | --- |
//! | 0 | stamp | frame, lr << 32 | count, operation << 56 |
//! | 1 | operation, source << 8, kind << 20, handle << 32 | code, frames << 8 | code, counts << 8 |
//! | 2 | cycle | frame, lr << 32 | count, operation << 56 |
//! | 3 | tid, lr << 32 | frame, lr << 32 | count, operation << 56 |
//! | 4 | aux | frame, lr << 32 | count, operation << 56 |
//!
//! A create is followed by as many stack slots as its stack needs, a gap record by as many gap slots as it has
//! operations to count. They are published by one store, so a reader sees all of them or none.

use spsc_ring::Payload;

use crate::entry::{Frame, HandleAuditEntry, HandleKind, MAX_STACK_FRAMES};
use crate::label::{Label, MAX_LABELS, Mark, NO_SOURCE, SOURCE_SHIFT};
use crate::losses::Gap;
use crate::operation::{Operation, OperationCounts};

/// What travels through a ring: 40 bytes, `Copy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Record {
    stamp: u64,
    meta: u64,
    cycle: u64,
    thread: u64,
    aux: u64,
}

const _: () = assert!(size_of::<Record>() == 40, "a record is 32 to 40 bytes");

/// Id of the label of a kind; 0 for what is not a create.
pub(crate) type Kind = u16;

const KIND_SHIFT: u32 = 20;

/// A record before its source is known by number and before it has a stamp: four words, so that they travel to the
/// slow path in registers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unstamped {
    /// Operation, kind and handle, as in the second word of a record.
    what: u64,
    cycle: u64,
    thread: u64,
    aux: u64,
}

impl Unstamped {
    #[inline(always)]
    pub(crate) fn new(operation: Operation, kind: Kind, handle: u32, entry: &HandleAuditEntry) -> Self {
        Self {
            what: operation as u64 | u64::from(kind) << KIND_SHIFT | u64::from(handle) << 32,
            cycle: entry.cycle,
            thread: u64::from(entry.tid) | u64::from(entry.lr) << 32,
            aux: entry.aux,
        }
    }

    /// Its words.
    #[inline(always)]
    pub(crate) fn words(&self) -> [u64; 4] {
        [self.what, self.cycle, self.thread, self.aux]
    }

    /// The reverse.
    pub(crate) fn from_words([what, cycle, thread, aux]: [u64; 4]) -> Self {
        Self { what, cycle, thread, aux }
    }

    pub(crate) fn operation(&self) -> Operation {
        Operation::from_code(self.what as u8).expect("a call has an operation")
    }

    pub(crate) fn handle(&self) -> u32 {
        (self.what >> 32) as u32
    }

    pub(crate) fn cycle(&self) -> u64 {
        self.cycle
    }
}

/// Codes beyond the operations.
const GAP: u8 = 0x40;
const GAP_COUNTS: u8 = 0x41;
const STACK: u8 = 0x42;

const PER_SLOT: usize = 4;
/// Bits of a count in a gap slot.
pub(crate) const COUNT_BITS: u32 = 56;

/// Slots that a create with the longest stack takes.
pub(crate) const MAX_CREATE_SLOTS: usize = 1 + MAX_STACK_FRAMES.div_ceil(PER_SLOT);

/// Slots that a gap with every operation in it takes.
pub(crate) const MAX_GAP_SLOTS: usize = 1 + Operation::COUNT.div_ceil(PER_SLOT);

/// What a slot of a ring turned out to be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Slot {
    /// An entry.
    Head(Operation),
    /// Up to four frames of the create before it.
    Stack,
    /// The head of a gap record.
    Gap,
    /// Up to four counts of the gap before it.
    GapCounts,
}

impl Record {
    /// A record, its stamp taken when all else is in place.
    #[inline(always)]
    pub(crate) fn new(call: &Unstamped, source: Mark, stamp: impl FnOnce() -> u64) -> Self {
        let Unstamped { what, cycle, thread, aux } = *call;
        // What is constant at a call site adds up to one constant.
        let meta = what.wrapping_add(source).wrapping_sub(NO_SOURCE);
        Self { stamp: stamp(), meta, cycle, thread, aux }
    }

    /// The five words, for memory that outlives the process.
    pub(crate) fn payload(&self) -> Payload {
        [self.stamp, self.meta, self.cycle, self.thread, self.aux]
    }

    /// The reverse of [`payload`](Self::payload), of words that this process wrote.
    pub(crate) fn from_payload([stamp, meta, cycle, thread, aux]: Payload) -> Self {
        Self { stamp, meta, cycle, thread, aux }
    }

    /// What this slot is. Only records made by this crate are in a ring, so every code is known.
    #[inline]
    pub(crate) fn slot(&self) -> Slot {
        self.known_slot().expect("a ring holds only records of known codes")
    }

    /// The code of what this slot is.
    #[inline(always)]
    pub(crate) fn code(&self) -> u8 {
        self.meta as u8
    }

    /// Whether this slot is a head, in a ring that holds only slots of known codes.
    #[inline(always)]
    pub(crate) fn is_head(&self) -> bool {
        self.code() <= Operation::Apc as u8
    }

    /// What this slot is, if it is anything: for slots that come from a file.
    pub(crate) fn known_slot(&self) -> Option<Slot> {
        match self.code() {
            STACK => Some(Slot::Stack),
            GAP => Some(Slot::Gap),
            GAP_COUNTS => Some(Slot::GapCounts),
            code => Operation::from_code(code).map(Slot::Head),
        }
    }

    #[inline(always)]
    pub(crate) fn stamp(&self) -> u64 {
        self.stamp
    }

    /// The guest thread of a head; 0 for none.
    #[inline(always)]
    pub(crate) fn tid(&self) -> u32 {
        self.thread as u32
    }

    #[inline(always)]
    pub(crate) fn lr(&self) -> u32 {
        (self.thread >> 32) as u32
    }

    #[inline(always)]
    pub(crate) fn cycle(&self) -> u64 {
        self.cycle
    }

    #[inline(always)]
    pub(crate) fn aux(&self) -> u64 {
        self.aux
    }

    /// Id of the source's label.
    #[inline(always)]
    pub(crate) fn source_id(&self) -> u16 {
        self.label_ids().0
    }

    #[inline(always)]
    pub(crate) fn handle(&self) -> u32 {
        (self.meta >> 32) as u32
    }

    /// Ids of the source and of the kind.
    pub(crate) fn label_ids(&self) -> (u16, u16) {
        let id = |shift: u32| (self.meta >> shift) as u16 & (MAX_LABELS as u16 - 1);
        (id(SOURCE_SHIFT), id(KIND_SHIFT))
    }

    pub(crate) fn kind(&self) -> HandleKind {
        HandleKind::host(Label::from_id(self.label_ids().1))
    }

    pub(crate) fn entry(&self) -> HandleAuditEntry {
        HandleAuditEntry {
            cycle: self.cycle,
            tid: self.thread as u32,
            lr: (self.thread >> 32) as u32,
            source: Label::from_id(self.label_ids().0),
            aux: self.aux,
        }
    }

    fn words(code: u8, words: &[u64]) -> Self {
        let word = |index: usize| words.get(index).copied().unwrap_or(0);
        Self {
            stamp: word(0),
            meta: u64::from(code) | (words.len() as u64) << 8,
            cycle: word(1),
            thread: word(2),
            aux: word(3),
        }
    }

    fn read_words(&self) -> impl Iterator<Item = u64> {
        [self.stamp, self.cycle, self.thread, self.aux].into_iter().take((self.meta >> 8) as u8 as usize)
    }

    /// The frames in a stack slot.
    pub(crate) fn frames(&self) -> impl Iterator<Item = Frame> {
        self.read_words().map(|word| Frame { frame: word as u32, lr: (word >> 32) as u32 })
    }
}

/// Slots made on the stack of the caller, to be published together.
#[derive(Debug)]
pub(crate) struct Slots<const N: usize> {
    records: [Record; N],
    len: usize,
}

impl<const N: usize> Slots<N> {
    fn new(head: Record) -> Self {
        Self { records: [head; N], len: 1 }
    }

    fn push(&mut self, record: Record) {
        self.records[self.len] = record;
        self.len += 1;
    }

    pub(crate) fn as_slice(&self) -> &[Record] {
        &self.records[..self.len]
    }
}

/// Slots that a stack of this many frames takes beyond the create's own.
pub(crate) fn stack_slots(frames: usize) -> u64 {
    frames.min(MAX_STACK_FRAMES).div_ceil(PER_SLOT) as u64
}

/// A create and its stack, cut to [`MAX_STACK_FRAMES`].
pub(crate) fn create_slots(head: Record, frames: &[Frame]) -> Slots<MAX_CREATE_SLOTS> {
    let mut slots = Slots::new(head);
    for chunk in frames[..frames.len().min(MAX_STACK_FRAMES)].chunks(PER_SLOT) {
        let mut words = [0; PER_SLOT];
        for (word, frame) in words.iter_mut().zip(chunk) {
            *word = u64::from(frame.frame) | u64::from(frame.lr) << 32;
        }
        slots.push(Record::words(STACK, &words[..chunk.len()]));
    }
    slots
}

/// A gap record. Counts beyond 2^56 - 1 would not fit; no run is that long.
pub(crate) fn gap_slots(
    first_cycle: u64,
    last_cycle: u64,
    rejected: &OperationCounts,
) -> Slots<MAX_GAP_SLOTS> {
    let head = Record { stamp: 0, meta: u64::from(GAP), cycle: first_cycle, thread: 0, aux: last_cycle };
    let mut slots = Slots::new(head);
    let mut words = [0; PER_SLOT];
    let mut used = 0;
    for (operation, count) in rejected.iter() {
        words[used] = count | (operation as u64) << COUNT_BITS;
        used += 1;
        if used == PER_SLOT {
            slots.push(Record::words(GAP_COUNTS, &words));
            used = 0;
        }
    }
    if used > 0 {
        slots.push(Record::words(GAP_COUNTS, &words[..used]));
    }
    slots
}

/// The gap whose head is `head`, without its counts.
pub(crate) fn gap_from(ring: u8, head: &Record) -> Gap {
    Gap { ring, first_cycle: head.cycle, last_cycle: head.aux, rejected: OperationCounts::default() }
}

/// Adds the counts of a gap slot.
pub(crate) fn add_gap_counts(gap: &mut Gap, slot: &Record) {
    for word in slot.read_words() {
        if let Some(operation) = Operation::from_code((word >> COUNT_BITS) as u8) {
            gap.rejected.add(operation, word & ((1 << COUNT_BITS) - 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_reads_back() {
        let entry = HandleAuditEntry::new(u64::MAX, u32::MAX, 0x8200_0123, "NtSetEvent", u64::MAX - 1);
        let call = Unstamped::new(Operation::Create, HandleKind::MUTANT.label().id(), 0xF800_0004, &entry);
        let record = Record::new(&call, entry.source.mark(), || 77);
        assert_eq!(
            (record.entry(), record.handle(), record.kind()),
            (entry, 0xF800_0004, HandleKind::MUTANT)
        );
        assert_eq!(record.stamp(), 77);
        assert!(matches!(record.slot(), Slot::Head(Operation::Create)));
    }

    #[test]
    fn a_stack_reads_back_and_is_cut() {
        let entry = HandleAuditEntry::new(0, 0, 0, "host", 0);
        let head = Record::new(&Unstamped::new(Operation::Create, 0, 0, &entry), entry.source.mark(), || 0);
        for length in [0, 1, 4, 5, 31, 32, 40] {
            let frames: Vec<_> = (0..length).map(|n| Frame { frame: n, lr: !n }).collect();
            let slots = create_slots(head, &frames);
            assert_eq!(slots.as_slice().len() as u64, 1 + stack_slots(frames.len()));
            let read: Vec<_> = slots.as_slice()[1..].iter().flat_map(Record::frames).collect();
            assert_eq!(read, frames[..frames.len().min(MAX_STACK_FRAMES)]);
        }
    }

    #[test]
    fn a_gap_reads_back() {
        for operations in 0..=Operation::COUNT {
            let counts =
                Operation::ALL[..operations].iter().map(|op| (*op, 1 + *op as u64 * 1_000_003)).collect();
            let slots = gap_slots(5, 9, &counts);
            assert_eq!(slots.as_slice().len(), 1 + operations.div_ceil(PER_SLOT));
            let mut gap = gap_from(3, &slots.as_slice()[0]);
            slots.as_slice()[1..].iter().for_each(|slot| add_gap_counts(&mut gap, slot));
            assert_eq!(gap, Gap { ring: 3, first_cycle: 5, last_cycle: 9, rejected: counts });
        }
    }
}
