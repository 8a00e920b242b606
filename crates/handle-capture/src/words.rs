//! Entries, counts and lists as words, and back.

use handle_audit::{
    AUDIT_RING_CAPACITY, EntryList, FIRST_ENTRIES, HandleAuditEntry, Label, Operation, OperationCounts,
    TrailEntry,
};

/// Counts that no run can reach are refused, so that sums of them stay in bounds.
pub(crate) const MAX_COUNT: u64 = 1 << 56;

/// Writes values one after another.
#[derive(Debug, Default)]
pub(crate) struct Pen {
    pub(crate) words: Vec<u64>,
}

impl Pen {
    pub(crate) fn word(&mut self, word: u64) {
        self.words.push(word);
    }

    /// A length, then each item.
    pub(crate) fn list<T>(&mut self, items: impl ExactSizeIterator<Item = T>, each: impl Fn(&mut Self, T)) {
        self.word(items.len() as u64);
        items.for_each(|item| each(self, item));
    }

    pub(crate) fn option<T>(&mut self, item: Option<T>, each: impl Fn(&mut Self, T)) {
        self.list(item.into_iter(), each);
    }

    pub(crate) fn counts(&mut self, counts: &OperationCounts) {
        Operation::ALL.into_iter().for_each(|operation| self.word(counts.get(operation)));
    }

    pub(crate) fn entry(&mut self, entry: &HandleAuditEntry, operation: Operation, ring: u8) {
        let source = u64::from(entry.source.id());
        self.word(operation as u64 | u64::from(ring) << 8 | source << 16);
        self.word(entry.cycle);
        self.word(u64::from(entry.tid) | u64::from(entry.lr) << 32);
        self.word(entry.aux);
    }

    pub(crate) fn trail_entry(&mut self, entry: &TrailEntry) {
        self.word(entry.seq);
        self.entry(&entry.entry, entry.operation, entry.ring);
    }

    /// The total, then what is held: at most the first 8 and the newest 32.
    pub(crate) fn entries(&mut self, entries: &EntryList) {
        self.word(entries.total());
        let held: Vec<_> = entries.held().collect();
        self.list(held.into_iter(), Self::trail_entry);
    }

    /// The length in bytes, then the bytes, zeros up to a whole word.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.word(bytes.len() as u64);
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.word(u64::from_le_bytes(word));
        }
    }
}

/// Reads values one after another. Everything is `None` from the first value on that cannot be.
#[derive(Clone, Debug)]
pub(crate) struct Glass<'a> {
    pub(crate) words: &'a [u64],
    pub(crate) labels: &'a dyn LabelOf,
}

/// Translates the label ids of a capture.
pub(crate) trait LabelOf: std::fmt::Debug {
    fn label(&self, id: u16) -> Label;
}

impl<'a> Glass<'a> {
    pub(crate) fn word(&mut self) -> Option<u64> {
        let (first, rest) = self.words.split_first()?;
        self.words = rest;
        Some(*first)
    }

    pub(crate) fn count(&mut self) -> Option<u64> {
        self.word().filter(|count| *count < MAX_COUNT)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.word()?.try_into().ok()
    }

    /// A list of at most `limit` items.
    pub(crate) fn list<T>(
        &mut self,
        limit: usize,
        mut each: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let length = usize::try_from(self.word()?).ok()?;
        // Each item takes at least a word.
        let sound = length <= limit && length <= self.words.len();
        sound.then_some(())?;
        (0..length).map(|_| each(self)).collect()
    }

    pub(crate) fn option<T>(&mut self, each: impl FnMut(&mut Self) -> Option<T>) -> Option<Option<T>> {
        Some(self.list(1, each)?.pop())
    }

    pub(crate) fn counts(&mut self) -> Option<OperationCounts> {
        let mut counts = OperationCounts::default();
        for operation in Operation::ALL {
            counts.add(operation, self.count()?);
        }
        Some(counts)
    }

    pub(crate) fn label(&self, id: u64) -> Label {
        self.labels.label(id as u16)
    }

    pub(crate) fn entry(&mut self) -> Option<(HandleAuditEntry, Operation, u8)> {
        let (first, cycle, thread, aux) = (self.word()?, self.word()?, self.word()?, self.word()?);
        let entry = HandleAuditEntry {
            cycle,
            tid: thread as u32,
            lr: (thread >> 32) as u32,
            source: self.label(first >> 16),
            aux,
        };
        Some((entry, Operation::from_code(first as u8)?, (first >> 8) as u8))
    }

    pub(crate) fn trail_entry(&mut self) -> Option<TrailEntry> {
        let seq = self.word()?;
        let (entry, operation, ring) = self.entry()?;
        Some(TrailEntry { seq, operation, ring, entry })
    }

    pub(crate) fn entries(&mut self) -> Option<EntryList> {
        let total = self.count()?;
        let held = self.list(FIRST_ENTRIES + AUDIT_RING_CAPACITY, Self::trail_entry)?;
        let kept = |limit: usize| held.len().min(limit);
        let first = held[..kept(FIRST_ENTRIES)].to_vec();
        let last = held[held.len() - kept(AUDIT_RING_CAPACITY)..].to_vec();
        let sound = held.len() as u64 == total.min((FIRST_ENTRIES + AUDIT_RING_CAPACITY) as u64);
        EntryList::restore(total, first, last).filter(|_| sound)
    }

    pub(crate) fn bytes(&mut self) -> Option<Vec<u8>> {
        let length = usize::try_from(self.word()?).ok()?;
        let count = length.div_ceil(8);
        let (words, rest) = self.words.split_at_checked(count)?;
        self.words = rest;
        let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        bytes.truncate(length);
        Some(bytes)
    }
}
