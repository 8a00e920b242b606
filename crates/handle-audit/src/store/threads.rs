//! The last records of each guest thread, ordered by (cycle, position in the ring, ring).
//!
//! A block for each thread: version, tid, total, how many were ever kept or passed over, and a ring of 32 records of
//! five words. Nearly every record is the newest of its thread and goes to the end.

use std::num::NonZero;

use super::index::{Sparse, publish, published};
use super::slab::{Number, Plain, Slab, Supply, Word, get, high, low, pair, set};
use super::{lock, read::Changed};
use crate::entry::HandleAuditEntry;
use crate::label::Label;
use crate::merge::Taken;
use crate::tag::Tag;
use crate::trail::{AUDIT_RING_CAPACITY, ThreadRecord, ThreadTrail};

const VERSION: usize = 0;
const TID: usize = 1;
const TOTAL: usize = 2;
const KEPT: usize = 3;
const RECORDS: usize = 4;
const RECORD_WORDS: usize = 5;
const WORDS: usize = RECORDS + AUDIT_RING_CAPACITY * RECORD_WORDS;

/// Guest threads whose last records are kept.
pub(crate) const MAX_THREADS: usize = 4096;

type Block = Plain<WORDS>;

type Store = Slab<Block, 64>;

/// What readers copy from.
#[derive(Debug, Default)]
pub(crate) struct ThreadStore {
    blocks: Store,
    /// How many threads there are. Written by the fold (Release), read by readers (Acquire).
    len: Number,
}

/// What only the fold needs.
#[derive(Debug, Default)]
pub(crate) struct ThreadWriter {
    supply: Supply,
    index: Sparse,
}

/// A record as five words: cycle; position; handle and lr; `aux`; its tag.
type Record = [u64; RECORD_WORDS];

fn pack(record: &ThreadRecord) -> Record {
    let entry = &record.entry;
    let tag = Tag::new(record.operation, record.ring, entry.source.id());
    [entry.cycle, record.position, pair(record.handle, entry.lr), entry.aux, tag.word()]
}

/// The same from a record on its way through the fold.
#[inline(always)]
fn pack_taken(taken: &Taken) -> Record {
    let head = &taken.record;
    [head.cycle(), taken.position, pair(head.handle(), head.lr()), head.aux(), taken.tag.word()]
}

fn unpack([cycle, position, handle_and_lr, aux, tag]: Record, tid: u32) -> Option<ThreadRecord> {
    let tag = Tag::from_word(tag);
    Some(ThreadRecord {
        handle: low(handle_and_lr),
        operation: tag.operation()?,
        ring: tag.ring(),
        position,
        entry: HandleAuditEntry {
            cycle,
            tid,
            lr: high(handle_and_lr),
            source: Label::from_id(tag.source()),
            aux,
        },
    })
}

#[inline(always)]
fn words(block: &Block, number: u64) -> &[Word] {
    let begin = RECORDS + (number as usize % AUDIT_RING_CAPACITY) * RECORD_WORDS;
    &block[begin..begin + RECORD_WORDS]
}

#[inline(always)]
fn write(block: &Block, number: u64, record: &Record) {
    words(block, number).iter().zip(record).for_each(|(word, value)| set(word, *value));
}

fn read(block: &Block, number: u64) -> Record {
    let words = words(block, number);
    std::array::from_fn(|index| get(&words[index]))
}

/// Positions may pass the wrap-around, so they compare by their distance.
#[inline(always)]
fn comes_before(record: &Record, block: &Block, number: u64) -> bool {
    let cycle = get(&words(block, number)[0]);
    record[0] < cycle || record[0] == cycle && comes_before_at_once(record, &read(block, number))
}

/// The same for records of one cycle.
fn comes_before_at_once(one: &Record, other: &Record) -> bool {
    let ring = |record: &Record| Tag::from_word(record[4]).ring();
    let distance = one[1].wrapping_sub(other[1]) as i64;
    distance < 0 || distance == 0 && ring(one) < ring(other)
}

/// Puts a record where it belongs; says `false` if it is older than all that are kept.
#[cold]
fn insert(block: &Block, kept: u64, record: &Record) -> bool {
    let held = kept.min(AUDIT_RING_CAPACITY as u64);
    // A thread that came from another ring brings many that are older than all of them.
    if held == AUDIT_RING_CAPACITY as u64 && comes_before(record, block, kept - held) {
        return false;
    }
    let later = (0..held).take_while(|back| comes_before(record, block, kept - 1 - back)).count() as u64;
    for number in (kept - later..kept).rev() {
        write(block, number + 1, &read(block, number));
    }
    write(block, kept - later, record);
    true
}

impl ThreadWriter {
    /// Adds records of one thread and one ring, each later than the one before, of which there is at least one, and
    /// returns how many could not be kept: there are too many threads, or too little memory.
    pub(crate) fn append(&mut self, store: &ThreadStore, records: &[Taken]) -> u64 {
        let tid = records[0].record.tid();
        let Some(id) = self.index.find(tid).map(NonZero::get).or_else(|| self.add(store, tid)) else {
            return records.len() as u64;
        };
        let block = store.blocks.at(id);
        lock::change(&block[VERSION], || {
            let mut kept = get(&block[KEPT]);
            let newest = kept == 0 || !comes_before(&pack_taken(&records[0]), block, kept - 1);
            if newest {
                // Those that others of them would push out again are counted only.
                let first = records.len().saturating_sub(AUDIT_RING_CAPACITY);
                kept += first as u64;
                for taken in &records[first..] {
                    write(block, kept, &pack_taken(taken));
                    kept += 1;
                }
            } else {
                records.iter().for_each(|taken| kept += u64::from(insert(block, kept, &pack_taken(taken))));
            }
            set(&block[TOTAL], get(&block[TOTAL]) + records.len() as u64);
            set(&block[KEPT], kept);
        });
        0
    }

    fn add(&mut self, store: &ThreadStore, tid: u32) -> Option<u32> {
        let room = (store.len() as usize) < MAX_THREADS;
        if !(room && self.supply.ensure(&store.blocks, 1) && self.index.ensure()) {
            return None;
        }
        let id = self.supply.take(&store.blocks);
        set(&store.blocks.at(id)[TID], u64::from(tid));
        self.index.insert(tid, id);
        publish(&store.len, id);
        Some(id)
    }

    /// Writes what is kept of a thread that is not there yet.
    pub(crate) fn restore(&mut self, store: &ThreadStore, thread: &ThreadTrail) {
        if self.index.find(thread.tid).is_some() {
            return;
        }
        let Some(id) = self.add(store, thread.tid) else { return };
        let block = store.blocks.at(id);
        let skipped = thread.last.len().saturating_sub(AUDIT_RING_CAPACITY);
        for (number, record) in (0..).zip(thread.last.iter().skip(skipped)) {
            write(block, number, &pack(record));
        }
        set(&block[TOTAL], thread.total);
        set(&block[KEPT], (thread.last.len() - skipped) as u64);
    }
}

impl ThreadStore {
    /// How many threads are kept; they are numbered from 1.
    pub(crate) fn len(&self) -> u32 {
        published(&self.len)
    }

    /// Copies what is kept of a thread.
    pub(crate) fn copy(&self, id: u32) -> Result<ThreadTrail, Changed> {
        let block = self.blocks.read(id).ok_or(Changed)?;
        lock::read(&block[VERSION], || read_thread(block)).ok_or(Changed)
    }

    /// The same when nobody can change it any more, even if somebody died while changing it.
    pub(crate) fn copy_at_rest(&self, id: u32) -> Option<ThreadTrail> {
        read_thread(self.blocks.read(id)?)
    }
}

fn read_thread(block: &Block) -> Option<ThreadTrail> {
    let (tid, kept) = (get(&block[TID]) as u32, get(&block[KEPT]));
    let held = kept.min(AUDIT_RING_CAPACITY as u64);
    let last = (kept - held..kept).map(|number| unpack(read(block, number), tid)).collect::<Option<_>>()?;
    Some(ThreadTrail { tid, total: get(&block[TOTAL]), last })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label;
    use crate::operation::Operation;

    const LAST: usize = AUDIT_RING_CAPACITY;

    /// A thread of which so many records are held.
    fn thread(held: usize) -> ThreadTrail {
        let record = |cycle| ThreadRecord {
            handle: 4,
            operation: Operation::Signal,
            ring: 1,
            position: cycle + 7,
            entry: HandleAuditEntry::new(cycle, 9, 0, label!("test"), 0),
        };
        ThreadTrail { tid: 9, total: 100, last: (0..held as u64).map(record).collect() }
    }

    #[test]
    fn the_newest_records_of_a_thread_are_thawed() {
        for held in [0, 1, LAST, LAST + 1, LAST + 8] {
            let (store, mut writer) = (ThreadStore::default(), ThreadWriter::default());
            let mut thread = thread(held);
            writer.restore(&store, &thread);
            thread.last.drain(..held.saturating_sub(LAST));
            assert_eq!(store.copy(1), Ok(thread));
        }
    }

    #[test]
    fn a_thread_left_in_the_middle_of_a_change_is_read_at_rest_only() {
        let (store, mut writer) = (ThreadStore::default(), ThreadWriter::default());
        writer.restore(&store, &thread(3));
        drop(lock::begin(&store.blocks.at(1)[VERSION]));
        assert_eq!(store.copy(1), Err(Changed));
        assert_eq!(store.copy_at_rest(1), Some(thread(3)));
    }
}
