//! Entries as four words: cycle; tid and lr; `aux`; number, source, ring and operation.

use super::slab::{Entry, get, high, low, pair, set};
use crate::entry::{HandleAuditEntry, HandleKind};
use crate::label::Label;
use crate::merge::Taken;
use crate::operation::Operation;
use crate::tag::Tag;
use crate::trail::TrailEntry;

/// Numbers within a generation stop here: at 100 million records a second on one handle, after six hours. Open waits
/// beyond it are in no order.
const MAX_SEQ: u64 = (1 << (64 - Tag::BITS)) - 1;

/// An entry on its way into the store.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packed([u64; 4]);

impl Packed {
    /// The entry of a record on its way through the fold.
    #[inline(always)]
    pub(super) fn of(taken: &Taken, seq: u64) -> Self {
        let head = &taken.record;
        Self::new(head.cycle(), pair(head.tid(), head.lr()), head.aux(), taken.tag, seq)
    }

    #[inline(always)]
    fn new(cycle: u64, thread: u64, aux: u64, tag: Tag, seq: u64) -> Self {
        Self([cycle, thread, aux, tag.word() | seq.min(MAX_SEQ) << Tag::BITS])
    }

    #[inline(always)]
    pub(super) fn write(&self, words: &Entry) {
        words.iter().zip(self.0).for_each(|(word, value)| set(word, value));
    }
}

/// Writes an entry as it is.
pub(super) fn write(told: &TrailEntry, words: &Entry) {
    let entry = &told.entry;
    let tag = Tag::new(told.operation, told.ring, entry.source.id());
    Packed::new(entry.cycle, pair(entry.tid, entry.lr), entry.aux, tag, told.seq).write(words);
}

/// Copies an entry word by word.
pub(super) fn copy(from: &Entry, to: &Entry) {
    for (from, to) in from.iter().zip(to) {
        set(to, get(from));
    }
}

/// Reads an entry; nothing if the words cannot be one.
pub(super) fn read(words: &Entry) -> Option<TrailEntry> {
    let [cycle, thread, aux, rest] = [0, 1, 2, 3].map(|index: usize| get(&words[index]));
    let tag = Tag::from_word(rest);
    Some(TrailEntry {
        seq: rest >> Tag::BITS,
        operation: tag.operation()?,
        ring: tag.ring(),
        entry: HandleAuditEntry {
            cycle,
            tid: low(thread),
            lr: high(thread),
            source: Label::from_id(tag.source()),
            aux,
        },
    })
}

/// Number and thread of an entry, without the rest.
#[inline(always)]
pub(super) fn seq(words: &Entry) -> u64 {
    get(&words[3]) >> Tag::BITS
}

#[inline(always)]
pub(super) fn tid(words: &Entry) -> u32 {
    low(get(&words[1]))
}

/// Source, kind and ring of a create, in 31 bits.
pub(super) fn origin(created: &TrailEntry, kind: HandleKind) -> u32 {
    u32::from(created.entry.source.id()) | u32::from(kind.label().id()) << 12 | u32::from(created.ring) << 24
}

/// The create with this origin, and cycle, thread and `aux` as stored.
pub(super) fn created(origin: u32, [cycle, thread, aux]: [u64; 3]) -> (TrailEntry, HandleKind) {
    let label = |shift: u32| Label::from_id((origin >> shift) as u16 & 0xFFF);
    let entry = HandleAuditEntry { cycle, tid: low(thread), lr: high(thread), source: label(0), aux };
    let created =
        TrailEntry { seq: 0, operation: Operation::Create, ring: (origin >> 24 & 0x7F) as u8, entry };
    (created, HandleKind::host(label(12)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;

    #[test]
    fn an_entry_reads_back() {
        let words: Entry = std::array::from_fn(|_| AtomicU64::new(0));
        for (operation, ring) in Operation::ALL.into_iter().zip([0, 1, 127].into_iter().cycle()) {
            let entry = HandleAuditEntry::new(u64::MAX, 7, u32::MAX, "NtSetEvent", 1 << 63);
            let entry = TrailEntry { seq: 1 << 40, operation, ring, entry };
            write(&entry, &words);
            assert_eq!(read(&words), Some(entry));
            assert_eq!((seq(&words), tid(&words)), (1 << 40, 7));
        }
    }

    #[test]
    fn numbers_stop_where_no_more_fit() {
        let words: Entry = std::array::from_fn(|_| AtomicU64::new(0));
        let entry = HandleAuditEntry::new(1, 2, 3, "NtSetEvent", 4);
        let last = (1 << 41) - 1;
        for (seq, kept) in [(last - 1, last - 1), (last, last), (last + 1, last), (u64::MAX, last)] {
            let entry = TrailEntry { seq, operation: Operation::Stub, ring: 5, entry };
            write(&entry, &words);
            assert_eq!(read(&words), Some(TrailEntry { seq: kept, ..entry }));
        }
    }

    #[test]
    fn a_create_reads_back() {
        let entry = HandleAuditEntry::new(5, u32::MAX, 6, "NtCreateMutant", 7);
        let create = TrailEntry { seq: 0, operation: Operation::Create, ring: 127, entry };
        let origin = origin(&create, HandleKind::MUTANT);
        let words = [5, pair(u32::MAX, 6), 7];
        assert_eq!(created(origin, words), (create, HandleKind::MUTANT));
    }
}
