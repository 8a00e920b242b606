//! The summary of the generation before.

use super::block::Size;
use super::packed;
use super::slab::{Entry, get, high, low, pair, set};
use super::{
    Born, FIRST_OTHER, Head, LISTS, OTHER_OPERATIONS, OTHERS, Past, SIGNALS, TrailId, TrailStore,
    TrailWriter, WAITS, WAKES, born, more,
};
use crate::operation::{Operation, OperationCounts};
use crate::trail::{PREVIOUS_RECORDS, PreviousGeneration};

/// Words of a summary.
const GENERATION: usize = 0;
/// Source, kind and ring of the create; cycle, thread and `aux` of it.
const ORIGIN: usize = 1;
const CREATED: usize = 2;
/// The closer's cell and the block of the waits that were open.
const CLOSER_AND_OPEN: usize = 5;
/// The chunk of the last records; their number, open waits and slots for these, a byte each.
const LAST_AND_LENGTHS: usize = 6;
const TOTALS: usize = 7;
pub(super) const WORDS: usize = TOTALS + LISTS - 1 + OTHER_OPERATIONS;

/// The newest entries of all lists of a trail, newest first.
fn newest<'a>(store: &'a TrailStore, head: &'a Head) -> impl Iterator<Item = &'a Entry> {
    let mut left: [u64; LISTS] = std::array::from_fn(|list| head.total(list));
    let totals = left;
    std::iter::from_fn(move || {
        let last = |list: usize| store.cells.entry(head.block(list), totals[list], left[list] - 1);
        let newest = (0..LISTS).filter(|list| left[*list] > 0).max_by_key(|list| packed::seq(last(*list)))?;
        let entry = last(newest);
        left[newest] -= 1;
        Some(entry)
    })
}

impl TrailWriter {
    /// Makes the summary of a generation that ends, in the block of the one before it if there is one. It takes the
    /// closer and the open waits with it; everything else stays with the trail.
    pub(super) fn summarise(&mut self, store: &TrailStore, head: &Head, born: &Born) -> TrailId {
        let more = (head.more() != 0).then(|| store.more.at(head.more()));
        let (older, closer) = more.map_or((0, 0), |more| {
            let word = get(&more[more::PAST_AND_CLOSER]);
            (low(word), high(word))
        });
        let id = if older == 0 { self.past.take(&store.past) } else { older };
        let past = store.past.at(id);
        let last = if older == 0 { self.blocks.take(&store.cells, Size::Chunk) } else { self.clear(past) };
        let mut length = 0;
        for (entry, cell) in newest(store, head).zip(store.cells.run(last, PREVIOUS_RECORDS)) {
            packed::copy(entry, &cell.0);
            length += 1;
        }
        set(&past[GENERATION], get(&born[born::GENERATION]));
        set(&past[ORIGIN], u64::from(high(get(&born[born::HANDLE]))));
        for index in 0..3 {
            set(&past[CREATED + index], get(&born[born::CREATED + index]));
        }
        let lengths = lengths(length, head.open(), head.open_slots());
        set(&past[CLOSER_AND_OPEN], pair(closer, head.open_block()));
        set(&past[LAST_AND_LENGTHS], pair(last, lengths));
        for list in [SIGNALS, WAITS, WAKES] {
            set(&past[TOTALS + list], head.total(list));
        }
        for other in 0..OTHER_OPERATIONS {
            set(&past[TOTALS + OTHERS + other], more.map_or(0, |more| get(&more[more::TOTALS + other])));
        }
        id
    }

    /// Frees what a summary refers to but the chunk of its last records, which it returns.
    fn clear(&mut self, past: &Past) -> u32 {
        let (closer_and_open, last_and_lengths) = (get(&past[CLOSER_AND_OPEN]), get(&past[LAST_AND_LENGTHS]));
        self.blocks.give(low(closer_and_open), Size::Cell);
        let [.., slots, _] = high(last_and_lengths).to_le_bytes();
        self.blocks.give(high(closer_and_open), Size::of_waits(slots.into()));
        low(last_and_lengths)
    }

    /// Writes a summary as it is.
    pub(super) fn restore_past(&mut self, store: &TrailStore, before: &PreviousGeneration) -> TrailId {
        let id = self.past.take(&store.past);
        let past = store.past.at(id);
        let last = self.blocks.take(&store.cells, Size::Chunk);
        let skipped = before.last.len().saturating_sub(PREVIOUS_RECORDS);
        let newest_first = before.last[skipped..].iter().rev();
        newest_first
            .clone()
            .zip(store.cells.run(last, PREVIOUS_RECORDS))
            .for_each(|(entry, cell)| packed::write(entry, &cell.0));
        let closer = before.closed.map_or(0, |entry| {
            let cell = self.blocks.take(&store.cells, Size::Cell);
            packed::write(&entry, &store.cells.at(cell).0);
            cell
        });
        let (waits, open) = self.restore_waits(store, &before.open_waits);
        set(&past[GENERATION], before.generation);
        set(&past[ORIGIN], u64::from(packed::origin(&before.created, before.kind)));
        let created = &before.created.entry;
        for (index, word) in
            [created.cycle, pair(created.tid, created.lr), created.aux].into_iter().enumerate()
        {
            set(&past[CREATED + index], word);
        }
        set(&past[CLOSER_AND_OPEN], pair(closer, waits));
        set(&past[LAST_AND_LENGTHS], pair(last, lengths(newest_first.len(), open, open)));
        for (word, operation) in (TOTALS..WORDS).zip(counted()) {
            set(&past[word], before.totals.get(operation));
        }
        id
    }
}

/// The number of last records, of open waits and of slots for these, as they stand in a summary.
fn lengths(last: usize, open: usize, slots: usize) -> u32 {
    u32::from_le_bytes([last as u8, open as u8, slots as u8, 0])
}

/// The operations of the totals of a summary, in their order.
fn counted() -> impl Iterator<Item = Operation> {
    let lists = [Operation::Signal, Operation::Wait, Operation::Wake];
    lists.into_iter().chain(Operation::ALL.into_iter().filter(|operation| *operation as usize >= FIRST_OTHER))
}

impl TrailStore {
    /// Reads a summary; nothing if its words do not belong together.
    pub(super) fn read_past(&self, id: u32) -> Option<PreviousGeneration> {
        let past = self.past.read(id)?;
        let words = [0, 1, 2].map(|index| get(&past[CREATED + index]));
        let (created, kind) = packed::created(low(get(&past[ORIGIN])), words);
        let (closer, open_block) = (low(get(&past[CLOSER_AND_OPEN])), high(get(&past[CLOSER_AND_OPEN])));
        let last_and_lengths = get(&past[LAST_AND_LENGTHS]);
        let [length, open, ..] = high(last_and_lengths).to_le_bytes();
        let last = self.cells.read_run(low(last_and_lengths), usize::from(length).min(PREVIOUS_RECORDS))?;
        let mut totals: OperationCounts =
            counted().zip(TOTALS..WORDS).map(|(op, word)| (op, get(&past[word]))).collect();
        totals.add(Operation::Create, 1);
        Some(PreviousGeneration {
            generation: get(&past[GENERATION]),
            kind,
            created,
            closed: self.read_cell(closer)?,
            totals,
            last: last.iter().rev().map(|cell| packed::read(&cell.0)).collect::<Option<_>>()?,
            open_waits: self.read_waits(open_block, open.into())?,
        })
    }
}
