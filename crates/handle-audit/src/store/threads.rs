//! The last records of each guest thread, ordered by (cycle, position in the ring, ring).
//!
//! A block for each thread: version, tid, total, how many were ever kept or passed over, and a ring of 32 records of
//! five words.
//!
//! Of many records of one thread only the last 32 stay, so records are looked at from the newest to the oldest: what 32
//! of them would push out again is counted and not written. Nearly always what is left is newer than all that is kept,
//! and goes to the end. A reader beside the fold may see the newer records of a thread before older ones of the same pass;
//! after a flush it sees all.

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

/// Records that are looked at together.
const BATCH: usize = if cfg!(any(test, fuzzing)) { 40 } else { 1 << 11 };

/// Threads whose records are gathered at the same time. Each has its place by its tid; those of one place take turns.
const PLACES: usize = if cfg!(any(test, fuzzing)) { 2 } else { 64 };

const LAST: usize = AUDIT_RING_CAPACITY;

/// What only the fold needs.
#[derive(Debug, Default)]
pub(crate) struct ThreadWriter {
    blocks: ThreadBlocks,
    places: Places,
}

/// The blocks of threads, by tid.
#[derive(Debug, Default)]
struct ThreadBlocks {
    supply: Supply,
    index: Sparse,
}

/// Scratch space of a batch.
#[derive(Debug)]
struct Places(Box<[Gathered; PLACES]>);

impl Default for Places {
    fn default() -> Self {
        Self(Box::new([Gathered::NONE; PLACES]))
    }
}

/// Records of one thread in a batch, gathered from its newest to its oldest.
#[derive(Clone, Copy, Debug)]
struct Gathered {
    tid: u32,
    count: usize,
    /// The oldest so far, and its cycle.
    oldest: u32,
    cycle: u64,
    /// Those that stay, the newest first.
    newest: [u32; LAST],
}

impl Gathered {
    const NONE: Self = Self { tid: 0, count: 0, oldest: 0, cycle: u64::MAX, newest: [0; LAST] };

    /// Whether a record is of the same thread and comes before all of these.
    #[inline(always)]
    fn goes_on_with(&self, taken: &Taken, batch: &[Taken]) -> bool {
        let cycle = taken.record.cycle();
        let comes_before = cycle < self.cycle || cycle == self.cycle && self.comes_after(taken, batch);
        self.tid == taken.record.tid() && comes_before
    }

    /// The same for a record of the oldest one's cycle: positions tell, which may pass the wrap-around.
    fn comes_after(&self, taken: &Taken, batch: &[Taken]) -> bool {
        let oldest = &batch[self.oldest as usize];
        oldest.position.wrapping_sub(taken.position) as i64 > 0
    }

    #[inline(always)]
    fn add(&mut self, index: u32, cycle: u64) {
        if let Some(place) = self.newest.get_mut(self.count) {
            *place = index;
        }
        self.count += 1;
        self.oldest = index;
        self.cycle = cycle;
    }

    /// Gathers for a thread from now on.
    fn begin(&mut self, tid: u32) {
        (self.tid, self.count, self.oldest, self.cycle) = (tid, 0, 0, u64::MAX);
    }
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
    /// Adds records, and returns how many could not be kept: there are too many threads, or too little memory. They may
    /// come in any order; in that of their rings, each is newer than those of its thread before it.
    pub(crate) fn append(&mut self, store: &ThreadStore, records: &[Taken]) -> u64 {
        records.chunks(BATCH).map(|batch| self.append_batch(store, batch)).sum()
    }

    fn append_batch(&mut self, store: &ThreadStore, batch: &[Taken]) -> u64 {
        let Self { blocks, places: Places(places) } = self;
        if store.len() as usize + batch.len() > MAX_THREADS {
            blocks.add_all(store, batch);
        }
        let mut not_kept = 0;
        let mut used = 0_u64;
        for (index, taken) in batch.iter().enumerate().rev() {
            let tid = taken.record.tid();
            let place = tid as usize % PLACES;
            used |= 1 << place;
            let gathered = &mut places[place];
            if !gathered.goes_on_with(taken, batch) {
                not_kept += blocks.keep(store, gathered, batch);
                gathered.begin(tid);
            }
            gathered.add(index as u32, taken.record.cycle());
        }
        while used != 0 {
            let gathered = &mut places[used.trailing_zeros() as usize];
            not_kept += blocks.keep(store, gathered, batch);
            gathered.begin(0);
            used &= used - 1;
        }
        not_kept
    }

    /// Writes what is kept of a thread that is not there yet.
    pub(crate) fn restore(&mut self, store: &ThreadStore, thread: &ThreadTrail) {
        self.blocks.restore(store, thread);
    }
}

const _: () = assert!(PLACES <= u64::BITS as usize && BATCH <= u32::MAX as usize);

impl ThreadBlocks {
    /// Keeps what was gathered of a thread, if there is one, and returns how many of the records could not be kept.
    fn keep(&mut self, store: &ThreadStore, gathered: &Gathered, batch: &[Taken]) -> u64 {
        let Gathered { tid, count, .. } = *gathered;
        if tid == 0 || count == 0 {
            return 0;
        }
        let Some(id) = self.find_or_add(store, tid) else { return count as u64 };
        let block = store.blocks.at(id);
        let newest = &gathered.newest[..count.min(LAST)];
        let records = newest.iter().rev().map(|index| pack_taken(&batch[*index as usize]));
        lock::change(&block[VERSION], || {
            let mut kept = get(&block[KEPT]);
            let oldest = pack_taken(&batch[newest[newest.len() - 1] as usize]);
            if kept == 0 || !comes_before(&oldest, block, kept - 1) {
                kept += (count - newest.len()) as u64;
                for record in records {
                    write(block, kept, &record);
                    kept += 1;
                }
            } else {
                records.for_each(|record| kept += u64::from(insert(block, kept, &record)));
            }
            set(&block[TOTAL], get(&block[TOTAL]) + count as u64);
            set(&block[KEPT], kept);
        });
        0
    }

    fn find_or_add(&mut self, store: &ThreadStore, tid: u32) -> Option<u32> {
        self.index.find(tid).map(NonZero::get).or_else(|| self.add(store, tid))
    }

    /// Adds the threads of these records: if there is no room for all of them, those that come first are kept.
    #[cold]
    fn add_all(&mut self, store: &ThreadStore, batch: &[Taken]) {
        for tid in batch.iter().map(|taken| taken.record.tid()).filter(|tid| *tid != 0) {
            self.find_or_add(store, tid);
        }
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

    fn restore(&mut self, store: &ThreadStore, thread: &ThreadTrail) {
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
    use crate::record::Unstamped;

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

    /// A record of a thread that came through a ring.
    fn taken(tid: u32, ring: u8, cycle: u64, position: u64) -> Taken {
        let entry = HandleAuditEntry::new(cycle, tid, 0, label!("test"), 0);
        let call = Unstamped::new(Operation::Signal, 0, 4, &entry);
        Taken::new(crate::record::Record::new(&call, entry.source.mark(), || 0), ring, position)
    }

    /// What is kept of these records, of which there are few enough that positions do not come near their half: the same
    /// in other words.
    fn expected(records: &[Taken], tid: u32) -> ThreadTrail {
        let mut of_this: Vec<&Taken> = records.iter().filter(|taken| taken.record.tid() == tid).collect();
        of_this
            .sort_by_key(|taken| (taken.record.cycle(), taken.position.wrapping_add(1 << 32), taken.ring()));
        let last = &of_this[of_this.len().saturating_sub(LAST)..];
        let told = |taken: &&Taken| unpack(pack_taken(taken), tid).expect("it is whole");
        ThreadTrail { tid, total: of_this.len() as u64, last: last.iter().map(told).collect() }
    }

    fn check(records: &[Taken], at_once: usize) {
        let (store, mut writer) = (ThreadStore::default(), ThreadWriter::default());
        for records in records.chunks(at_once) {
            assert_eq!(writer.append(&store, records), 0);
        }
        let tids: std::collections::BTreeSet<u32> = records.iter().map(|taken| taken.record.tid()).collect();
        let tids = tids.into_iter().filter(|tid| *tid != 0);
        let mut kept: Vec<_> = (1..=store.len()).map(|id| store.copy(id).expect("it rests")).collect();
        kept.sort_by_key(|thread| thread.tid);
        assert_eq!(kept, tids.map(|tid| expected(records, tid)).collect::<Vec<_>>());
    }

    #[test]
    fn of_many_records_the_last_stay() {
        for count in [1, 2, BATCH - 1, BATCH, BATCH + 1, LAST, LAST + 1, 3 * LAST] {
            let begin = u64::MAX - (count as u64 - 1) / 4;
            let records: Vec<_> =
                (0..count as u64).map(|n| taken(9, 0, begin + n / 4, n.wrapping_sub(5))).collect();
            (1..=count).for_each(|at_once| check(&records, at_once));
        }
    }

    #[test]
    fn a_thread_that_came_from_another_ring_is_put_in_order() {
        // The ring that it left is taken after the one that it went to.
        let records: Vec<_> =
            (20..60).map(|n| taken(9, 1, n, n)).chain((0..20).map(|n| taken(9, 2, n, n))).collect();
        (1..=60).for_each(|at_once| check(&records, at_once));
    }

    #[test]
    fn records_of_one_cycle_go_by_position_and_then_by_ring() {
        let places = [(0, u64::MAX), (0, 0), (0, 1), (1, u64::MAX), (1, 0)];
        for rotation in 0..places.len() {
            for stride in 1..places.len() {
                let order = (0..places.len()).map(|n| places[(rotation + n * stride) % places.len()]);
                let records: Vec<_> = order.map(|(ring, position)| taken(9, ring, 7, position)).collect();
                (1..=records.len()).for_each(|at_once| check(&records, at_once));
            }
        }
    }

    #[test]
    fn of_too_many_threads_the_first_are_kept() {
        let threads = MAX_THREADS as u32 + 1;
        let records: Vec<_> =
            (1..=threads).map(|tid| taken(tid, 0, u64::from(tid), u64::from(tid))).collect();
        let (store, mut writer) = (ThreadStore::default(), ThreadWriter::default());
        assert_eq!(writer.append(&store, &records), 1);
        let kept = |total: u64| {
            let threads = (1..=store.len()).map(|id| store.copy(id).expect("it rests"));
            let mut tids: Vec<_> =
                threads.inspect(|thread| assert_eq!(thread.total, total)).map(|thread| thread.tid).collect();
            tids.sort_unstable();
            tids
        };
        assert!(kept(1).into_iter().eq(1..=MAX_THREADS as u32));
        assert_eq!(writer.append(&store, &records), 1);
        assert!(kept(2).into_iter().eq(1..=MAX_THREADS as u32), "those that are kept go on");
        assert_eq!(writer.append(&store, &records[MAX_THREADS..]), 1);
    }

    /// Found by review: the place of a thread in a batch that is over pointed beyond the next one.
    #[test]
    fn the_last_cycle_there_is_begins_a_batch() {
        let records = [taken(3, 0, 3, 0), taken(2, 0, 5, 1), taken(2, 0, u64::MAX, 2)];
        for at_once in 1..=3 {
            check(&records, at_once);
        }
    }

    proptest::proptest! {
        #[test]
        fn records_in_any_order_give_the_same_history(
            // Threads of one place and of others; 0 is none.
            calls in proptest::collection::vec((0_u32..5, 0_u8..3, 0_u64..20), 1..300),
            order: u64,
            at_once in 1_usize..60,
        ) {
            let mut next = [u64::MAX - 20; 3];
            let mut records: Vec<_> = calls
                .into_iter()
                .map(|(tid, ring, cycle)| {
                    let position = &mut next[usize::from(ring)];
                    *position = position.wrapping_add(1);
                    taken(tid, ring, cycle, *position)
                })
                .collect();
            // As they came, by ring, or mixed up.
            match order % 3 {
                0 => {}
                1 => records.sort_by_key(|taken| (taken.ring(), taken.record.cycle())),
                _ => records.sort_by_key(|taken| taken.position.wrapping_mul(order | 1)),
            }
            check(&records, at_once);
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
