//! Copies of trails, made while the fold goes on.

use std::ops::Range;

use super::block::Size;
use super::slab::{get, high, low};
use super::{
    FIRST_OTHER, Head, LISTS, OTHERS, SIGNALS, TrailId, TrailStore, WAITS, WAKES, born, lock, more, packed,
};
use crate::entry::{Frame, MAX_STACK_FRAMES};
use crate::operation::{Operation, OperationCounts};
use crate::trail::{
    AUDIT_RING_CAPACITY, Counts, EntryList, FIRST_ENTRIES, HandleAuditTrail, MAX_ALIASES, MAX_OPEN_WAITS,
    TrailEntry,
};

/// A trail changed while it was copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Changed;

/// What is in `more`.
struct More {
    totals: OperationCounts,
    stack: Vec<Frame>,
    names: Vec<u32>,
    not_kept: u64,
    past: u32,
    closer: u32,
}

impl TrailStore {
    /// Copies a trail.
    pub(crate) fn copy(&self, id: TrailId) -> Result<HandleAuditTrail, Changed> {
        let head = self.heads.read(id).ok_or(Changed)?;
        lock::read(&head.version, || self.read_trail(id, head)).ok_or(Changed)
    }

    /// Copies a trail that nobody can change any more, even if somebody died while changing it.
    pub(crate) fn copy_at_rest(&self, id: TrailId) -> Option<HandleAuditTrail> {
        self.read_trail(id, self.heads.read(id)?)
    }

    /// The lengths of the first three lists.
    pub(crate) fn counts(&self, id: TrailId) -> Result<Counts, Changed> {
        let head = self.heads.read(id).ok_or(Changed)?;
        lock::read(&head.version, || Some(self.read_counts(head))).ok_or(Changed)
    }

    pub(crate) fn counts_at_rest(&self, id: TrailId) -> Option<Counts> {
        Some(self.read_counts(self.heads.read(id)?))
    }

    fn read_counts(&self, head: &Head) -> Counts {
        let held = |list| head.total(list).min(AUDIT_RING_CAPACITY as u64) as usize;
        Counts { signals: held(SIGNALS), waits: held(WAITS), wakes: held(WAKES) }
    }

    fn read_trail(&self, id: TrailId, head: &Head) -> Option<HandleAuditTrail> {
        let born = self.born.read(id)?;
        let words = [0, 1, 2].map(|index| get(&born[born::CREATED + index]));
        let (created, kind) = packed::created(high(get(&born[born::HANDLE])), words);
        let more = self.read_more(head.more())?;
        let mut totals = more.totals;
        totals.add(Operation::Create, 1);
        for (list, operation) in
            [(SIGNALS, Operation::Signal), (WAITS, Operation::Wait), (WAKES, Operation::Wake)]
        {
            totals.add(operation, head.total(list));
        }
        let previous = if more.past == 0 { None } else { Some(Box::new(self.read_past(more.past)?)) };
        Some(HandleAuditTrail {
            handle: low(get(&born[born::HANDLE])),
            generation: get(&born[born::GENERATION]),
            kind,
            created,
            created_stack: (!more.stack.is_empty()).then_some(more.stack),
            signals: self.read_list(head, SIGNALS)?,
            waits: self.read_list(head, WAITS)?,
            wakes: self.read_list(head, WAKES)?,
            others: self.read_list(head, OTHERS)?,
            aliases: more.names,
            open_waits: self.read_waits(head.open_block(), head.open())?,
            open_waits_not_kept: more.not_kept,
            closed: self.read_cell(more.closer)?,
            totals,
            previous,
        })
    }

    fn read_list(&self, head: &Head, list: usize) -> Option<EntryList> {
        let (total, block) = (head.total(list), head.block(list));
        // Of the length that they keep from the start: a snapshot makes a million of these.
        let entries = |numbers: Range<u64>| {
            let mut entries = Vec::with_capacity((numbers.end - numbers.start) as usize);
            for number in numbers {
                entries.push(packed::read(self.cells.read_entry(block, total, number)?)?);
            }
            Some(entries)
        };
        let first = entries(0..total.min(FIRST_ENTRIES as u64))?;
        let last = if total <= FIRST_ENTRIES as u64 {
            first.clone()
        } else {
            entries(total.saturating_sub(AUDIT_RING_CAPACITY as u64)..total)?
        };
        EntryList::restore(total, first, last)
    }

    /// Open waits, in order of their numbers.
    pub(super) fn read_waits(&self, block: u32, open: usize) -> Option<Vec<TrailEntry>> {
        if open == 0 {
            return Some(Vec::new());
        }
        let cells = self.cells.read_run(block, open.min(MAX_OPEN_WAITS))?;
        let mut waits: Vec<_> = cells.iter().map(|cell| packed::read(&cell.0)).collect::<Option<_>>()?;
        waits.sort_by_key(|wait| wait.seq);
        Some(waits)
    }

    /// The entry in a cell, if there is one: `Some(None)` if not.
    pub(super) fn read_cell(&self, cell: u32) -> Option<Option<TrailEntry>> {
        if cell == 0 {
            return Some(None);
        }
        packed::read(&self.cells.read(cell)?.0).map(Some)
    }

    fn read_more(&self, id: u32) -> Option<More> {
        if id == 0 {
            let totals = OperationCounts::default();
            return Some(More {
                totals,
                stack: Vec::new(),
                names: Vec::new(),
                not_kept: 0,
                past: 0,
                closer: 0,
            });
        }
        let more = self.more.read(id)?;
        let others = Operation::ALL.into_iter().filter(|operation| *operation as usize >= FIRST_OTHER);
        let totals =
            others.zip(more::TOTALS..).map(|(operation, word)| (operation, get(&more[word]))).collect();
        let (chunks, past_and_closer) =
            (get(&more[more::STACK_AND_NAMES]), get(&more[more::PAST_AND_CLOSER]));
        let lengths = get(&more[more::LENGTHS]);
        let stack = self.read_chunk(low(chunks), (lengths as usize & 0xFF).min(MAX_STACK_FRAMES))?;
        let names = self.read_chunk(high(chunks), (lengths as usize >> 8 & 0xFF).min(MAX_ALIASES))?;
        Some(More {
            totals,
            stack: stack.into_iter().map(|word| Frame { frame: low(word), lr: high(word) }).collect(),
            names: names.into_iter().map(low).collect(),
            not_kept: lengths >> 16,
            past: low(past_and_closer),
            closer: high(past_and_closer),
        })
    }

    fn read_chunk(&self, chunk: u32, length: usize) -> Option<Vec<u64>> {
        if length == 0 {
            return Some(Vec::new());
        }
        Some(self.cells.read_words(chunk, Size::Chunk)?.take(length).map(get).collect())
    }
}

const _: () = assert!(LISTS == OTHERS + 1);
