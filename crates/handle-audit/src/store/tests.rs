//! What a record asks of the memory, what a copy asks of the version, and what a thawed trail takes.

use super::block::Blocks;
use super::slab::{Supply, Word};
use super::{Changed, TrailId, TrailStore, TrailWriter, lock};
use crate::entry::{HandleAuditEntry, HandleKind};
use crate::merge::Taken;
use crate::operation::Operation;
use crate::record::{Record, Unstamped};
use crate::trail::{HandleAuditTrail, MAX_OPEN_WAITS, TrailEntry};

const HANDLE: u32 = 0x1004;

/// Numbers of entries at which a list needs another block for the next one.
const OUTGROWN: [u64; 3] = [0, 1, 8];

fn no_numbers() -> Supply {
    Supply { used: u32::MAX, ..Supply::default() }
}

fn no_cells() -> Blocks {
    Blocks { used: u32::MAX, ..Blocks::default() }
}

impl TrailWriter {
    /// As if there were no memory for anything that is asked for from here on.
    pub(crate) fn use_up(&mut self) {
        self.trails = no_numbers();
        self.more = no_numbers();
        self.past = no_numbers();
        self.blocks = no_cells();
    }
}

fn entry(tid: u32) -> HandleAuditEntry {
    HandleAuditEntry::new(7, tid, 0, "test", 0)
}

#[derive(Default)]
struct Trails {
    store: TrailStore,
    writer: TrailWriter,
}

impl Trails {
    fn with_one() -> Self {
        let mut trails = Self::default();
        assert!(trails.create(HANDLE));
        trails
    }

    fn create(&mut self, handle: u32) -> bool {
        let created = TrailEntry { seq: 0, operation: Operation::Create, ring: 0, entry: entry(1) };
        self.writer.create(&self.store, handle, HandleKind::MUTANT, &created, &[])
    }

    fn id(&self) -> TrailId {
        self.store.find(HANDLE).expect("it was created")
    }

    fn append(&mut self, operation: Operation, tid: u32) -> bool {
        let entry = entry(tid);
        let call = Unstamped::new(operation, HandleKind::MUTANT.label().id(), HANDLE, &entry);
        let record = Record::new(&call, entry.source.mark(), || 0);
        let taken = Taken::new(record, 0, 0);
        self.writer.append(&self.store, self.store.heads.at(self.id()), None, &taken)
    }

    /// The same if there are no numbers left for the block that every record asks for which needs anything.
    fn append_without_memory(&mut self, operation: Operation, tid: u32) -> bool {
        let more = std::mem::replace(&mut self.writer.more, no_numbers());
        let before = self.trail();
        let appended = self.append(operation, tid);
        assert!(appended || self.trail() == before, "what is refused changes nothing");
        self.writer.more = more;
        appended
    }

    fn trail(&self) -> HandleAuditTrail {
        self.store.copy(self.id()).expect("nobody changes it")
    }

    /// Cells of blocks that are in use.
    fn lent(&self) -> u32 {
        let blocks = &self.writer.blocks;
        let free = blocks.free.iter().zip([1, 8, 33, 64]);
        blocks.used - free.map(|(free, cells)| free.len() as u32 * cells).sum::<u32>()
    }
}

#[test]
fn an_entry_is_refused_if_it_needs_memory_and_only_then() {
    for operation in [Operation::Signal, Operation::Wait, Operation::Wake, Operation::Reset] {
        let mut trails = Trails::with_one();
        for number in 0..50 {
            let needs = operation == Operation::Reset || OUTGROWN.contains(&number);
            let appended = trails.append_without_memory(operation, 1);
            assert_eq!(appended, !needs, "{operation:?} {number}");
            assert!(appended || trails.append(operation, 1));
            // Each wait ends, so that the next one finds the slot of the first.
            assert!(operation != Operation::Wait || trails.append(Operation::Wake, 1));
        }
    }
}

#[test]
fn a_wait_needs_memory_if_no_slot_is_free() {
    let mut trails = Trails::with_one();
    // The lists have room for more.
    for operation in [Operation::Wake, Operation::Wait] {
        (0..20).for_each(|_| assert!(trails.append(operation, 1)));
    }
    assert!(!trails.append_without_memory(Operation::Wait, 2));
    assert!(trails.append(Operation::Wait, 2));
    assert!(trails.append_without_memory(Operation::Wake, 1));
    assert!(trails.append_without_memory(Operation::Wait, 3));
    let open: Vec<u32> = trails.trail().open_waits.iter().map(|wait| wait.entry.tid).collect();
    assert_eq!(open, [2, 3]);
}

#[test]
fn a_create_is_refused_whatever_it_finds_no_memory_for() {
    let lacking: [fn(&mut TrailWriter); 4] = [
        |writer| writer.trails = no_numbers(),
        |writer| writer.past = no_numbers(),
        |writer| writer.more = no_numbers(),
        |writer| writer.blocks = no_cells(),
    ];
    for lack in lacking {
        let mut trails = Trails::with_one();
        let before = trails.trail();
        lack(&mut trails.writer);
        for handle in [HANDLE, HANDLE + 4] {
            assert!(!trails.create(handle));
        }
        assert_eq!((trails.trail(), trails.store.len()), (before, 1));
        assert_eq!(trails.store.find(HANDLE + 4), None);
    }
}

#[test]
fn words_that_change_are_not_copied() {
    for rest in [0, 2, 4, u64::MAX - 1] {
        let version = Word::new(rest);
        let copy = || lock::read(&version, || Some(1));
        assert_eq!(copy(), Some(1));
        let change = lock::begin(&version);
        assert_eq!(copy(), None, "they change");
        change.end();
        assert_eq!(copy(), Some(1), "they rest again");
        let changed = lock::read(&version, || {
            lock::change(&version, || ());
            Some(1)
        });
        assert_eq!((changed, copy()), (None, Some(1)), "they changed meanwhile");
    }
}

#[test]
fn a_trail_left_in_the_middle_of_a_change_is_read_at_rest_only() {
    let mut trails = Trails::with_one();
    (0..3).for_each(|_| assert!(trails.append(Operation::Signal, 1)));
    let (id, trail) = (trails.id(), trails.trail());
    assert_eq!(trails.store.counts(id), Ok(trail.counts()));
    // The one who changes it dies.
    drop(lock::begin(&trails.store.heads.at(id).version));
    assert_eq!((trails.store.copy(id), trails.store.counts(id)), (Err(Changed), Err(Changed)));
    assert_eq!(trails.store.counts_at_rest(id), Some(trail.counts()));
    assert_eq!(trails.store.copy_at_rest(id), Some(trail));
}

#[test]
fn a_thread_that_waits_again_while_all_slots_are_open_takes_its_own() {
    let mut trails = Trails::with_one();
    let all = MAX_OPEN_WAITS as u32;
    (1..=all).for_each(|tid| assert!(trails.append(Operation::Wait, tid)));
    assert!(trails.append(Operation::Wait, 10));
    let tids =
        |trail: &HandleAuditTrail| trail.open_waits.iter().map(|wait| wait.entry.tid).collect::<Vec<_>>();
    let expected: Vec<u32> = (1..=all).filter(|tid| *tid != 10).chain([10]).collect();
    assert_eq!((tids(&trails.trail()), trails.trail().open_waits_not_kept), (expected.clone(), 0));
    assert!(trails.append(Operation::Wait, all + 1));
    assert_eq!((tids(&trails.trail()), trails.trail().open_waits_not_kept), (expected, 1));
}

#[test]
fn a_wake_that_ends_no_wait_takes_no_memory() {
    let mut trails = Trails::with_one();
    (0..3).for_each(|_| assert!(trails.append(Operation::Wake, 1)));
    assert_eq!(trails.writer.more.used, 0);
}

#[test]
fn a_trail_without_rare_records_is_thawed_without_a_place_for_them() {
    let mut trails = Trails::with_one();
    for operation in [Operation::Signal, Operation::Wait, Operation::Wake] {
        assert!(trails.append(operation, 1));
    }
    let mut thawed = Trails::default();
    thawed.writer.restore(&thawed.store, &trails.trail());
    assert_eq!((thawed.trail(), thawed.writer.more.used), (trails.trail(), 0));
}

#[test]
fn a_thawed_summary_gives_back_its_open_waits() {
    let mut trails = Trails::with_one();
    (1..=5).for_each(|tid| assert!(trails.append(Operation::Wait, tid)));
    assert!(trails.create(HANDLE));
    let mut thawed = Trails::default();
    thawed.writer.restore(&thawed.store, &trails.trail());
    for trails in [&mut trails, &mut thawed] {
        assert!(trails.create(HANDLE));
        assert_eq!(trails.lent(), 8, "the last records of the generation before are all that is kept");
    }
}
