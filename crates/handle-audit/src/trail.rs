//! What is known of a handle: bounded lists, exact totals.

use std::collections::VecDeque;

use crate::entry::{Frame, HandleAuditEntry, HandleKind};
use crate::operation::{Operation, OperationCounts};

/// Entries that a list keeps: the newest ones, oldest first out.
pub const AUDIT_RING_CAPACITY: usize = 32;

/// Entries that a list keeps from its beginning.
pub const FIRST_ENTRIES: usize = 8;

/// Records that the summary of an earlier generation keeps.
pub const PREVIOUS_RECORDS: usize = 8;

/// Open waits that a trail keeps. More threads than this parked on one handle are counted only.
pub const MAX_OPEN_WAITS: usize = 64;

/// Other names that a trail keeps.
pub const MAX_ALIASES: usize = 16;

/// One folded record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrailEntry {
    /// Its number within the generation, in the order of the fold; the create is 0. In a ghost trail numbers
    /// begin at 1.
    pub seq: u64,
    /// What happened.
    pub operation: Operation,
    /// The ring it came through.
    pub ring: u8,
    /// What the call site supplied.
    pub entry: HandleAuditEntry,
}

/// The newest [`AUDIT_RING_CAPACITY`] entries, the first [`FIRST_ENTRIES`], and how many there ever were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntryList {
    total: u64,
    first: Vec<TrailEntry>,
    last: VecDeque<TrailEntry>,
}

impl EntryList {
    /// Appends an entry; the oldest kept one makes room.
    pub fn push(&mut self, entry: TrailEntry) {
        self.total += 1;
        if self.first.len() < FIRST_ENTRIES {
            self.first.push(entry);
        }
        if self.last.len() == AUDIT_RING_CAPACITY {
            self.last.pop_front();
        }
        self.last.push_back(entry);
    }

    /// A list as it stood, if such a list can be: of `total` entries, the `first` ones and the `last`, each as many
    /// as a list of that length keeps.
    #[must_use]
    pub fn restore(total: u64, first: Vec<TrailEntry>, last: Vec<TrailEntry>) -> Option<Self> {
        let kept = |limit: usize| total.min(limit as u64) as usize;
        let sound = first.len() == kept(FIRST_ENTRIES) && last.len() == kept(AUDIT_RING_CAPACITY);
        sound.then(|| Self { total, first, last: last.into() })
    }

    /// How many were ever folded in this generation.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// How many are held among the newest.
    #[must_use]
    pub fn len(&self) -> usize {
        self.last.len()
    }

    /// Whether there was none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// The first ones, oldest first.
    #[must_use]
    pub fn first(&self) -> &[TrailEntry] {
        &self.first
    }

    /// The newest ones, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &TrailEntry> + ExactSizeIterator {
        self.last.iter()
    }

    /// The newest one.
    #[must_use]
    pub fn newest(&self) -> Option<&TrailEntry> {
        self.last.back()
    }

    /// All that is held, oldest first, without repeats: the first ones, then the newest ones that are not among
    /// them.
    pub fn held(&self) -> impl Iterator<Item = &TrailEntry> {
        let dropped = self.total as usize - self.last.len();
        let repeats = self.first.len().saturating_sub(dropped);
        self.first.iter().chain(self.last.iter().skip(repeats))
    }
}

/// Lengths of the three lists of a trail, as held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Signals held, at most [`AUDIT_RING_CAPACITY`].
    pub signals: usize,
    /// Waits held.
    pub waits: usize,
    /// Wakes held.
    pub wakes: usize,
}

/// What is known of one handle in its present generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandleAuditTrail {
    /// The handle or object address.
    pub handle: u32,
    /// How many times this handle value was created; the first is 1.
    pub generation: u64,
    /// What it names.
    pub kind: HandleKind,
    /// Its creation, entry 0.
    pub created: TrailEntry,
    /// The creator's stack, if the call site gave one.
    pub created_stack: Option<Vec<Frame>>,
    /// Signals.
    pub signals: EntryList,
    /// Waits.
    pub waits: EntryList,
    /// Wakes.
    pub wakes: EntryList,
    /// All operations beyond the first five.
    pub others: EntryList,
    /// Other names of the object, in the order they were learnt, the first [`MAX_ALIASES`].
    pub aliases: Vec<u32>,
    /// Waits that no wake or satisfied of the same thread has closed, oldest first.
    pub open_waits: Vec<TrailEntry>,
    /// Open waits that were not kept because there were [`MAX_OPEN_WAITS`] already.
    pub open_waits_not_kept: u64,
    /// Its last close, if one was recorded.
    pub closed: Option<TrailEntry>,
    /// How often each operation was folded in this generation.
    pub totals: OperationCounts,
    /// The generation before this one.
    pub previous: Option<Box<PreviousGeneration>>,
}

impl HandleAuditTrail {
    /// Lengths of the lists as held.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts { signals: self.signals.len(), waits: self.waits.len(), wakes: self.wakes.len() }
    }

    /// All held entries but the create, in the order of the fold.
    #[must_use]
    pub fn sequence(&self) -> Vec<TrailEntry> {
        let lists = [&self.signals, &self.waits, &self.wakes, &self.others];
        let mut all: Vec<_> = lists.into_iter().flat_map(EntryList::held).copied().collect();
        all.sort_by_key(|entry| entry.seq);
        all
    }
}

/// A summary of the generation before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviousGeneration {
    /// Its number.
    pub generation: u64,
    /// What the handle named then.
    pub kind: HandleKind,
    /// Its creation.
    pub created: TrailEntry,
    /// Its last close, if one was recorded.
    pub closed: Option<TrailEntry>,
    /// How often each operation was folded.
    pub totals: OperationCounts,
    /// Its last [`PREVIOUS_RECORDS`] records, in the order of the fold.
    pub last: Vec<TrailEntry>,
    /// Waits that were open when the next generation began.
    pub open_waits: Vec<TrailEntry>,
}

/// Signals to a handle that is in focus but was never seen created, or that a call site could not resolve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GhostTrail {
    /// The handle or object address.
    pub handle: u32,
    /// The signals.
    pub signals: EntryList,
}

/// What is known of a handle that was used, never seen created and is not in focus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lead {
    /// The handle or object address.
    pub handle: u32,
    /// The first record that was dropped.
    pub first: TrailEntry,
    /// How often each operation was dropped.
    pub totals: OperationCounts,
}

/// One of the last records of a guest thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadRecord {
    /// The handle it was about.
    pub handle: u32,
    /// What happened.
    pub operation: Operation,
    /// The ring it came through.
    pub ring: u8,
    /// Its position in that ring.
    pub position: u64,
    /// What the call site supplied.
    pub entry: HandleAuditEntry,
}

/// The last records of one guest thread, whatever their handles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadTrail {
    /// The guest thread; never 0.
    pub tid: u32,
    /// How many records it made.
    pub total: u64,
    /// The newest [`AUDIT_RING_CAPACITY`], ordered by (cycle, position in the ring, ring).
    pub last: VecDeque<ThreadRecord>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label;

    fn entry(seq: u64) -> TrailEntry {
        let entry = HandleAuditEntry::new(seq, 1, 0, label!("test"), 0);
        TrailEntry { seq, operation: Operation::Signal, ring: 0, entry }
    }

    fn entries(numbers: std::ops::Range<usize>) -> Vec<TrailEntry> {
        numbers.map(|seq| entry(seq as u64)).collect()
    }

    #[test]
    fn a_list_keeps_the_first_and_the_newest() {
        let mut list = EntryList::default();
        assert_eq!((list.newest(), list.is_empty()), (None, true));
        for (count, pushed) in (1..).zip(entries(0..AUDIT_RING_CAPACITY + 20)) {
            list.push(pushed);
            assert_eq!((list.total(), list.newest()), (count as u64, Some(&pushed)));
            assert_eq!(list.first(), entries(0..count.min(FIRST_ENTRIES)));
            assert!(list.iter().copied().eq(entries(count.saturating_sub(AUDIT_RING_CAPACITY)..count)));
        }
    }

    #[test]
    fn only_a_list_that_can_be_is_restored() {
        let restored = |total, first, last| EntryList::restore(total, entries(0..first), entries(0..last));
        let (first, last) = (FIRST_ENTRIES, AUDIT_RING_CAPACITY);
        assert!(
            restored(3, 3, 3).is_some()
                && restored(0, 0, 0).is_some()
                && restored(900, first, last).is_some()
        );
        for (total, first, last) in [(3, 2, 3), (3, 3, 2), (900, first, last - 1), (900, first - 1, last)] {
            assert_eq!(restored(total, first, last), None);
        }
    }
}
