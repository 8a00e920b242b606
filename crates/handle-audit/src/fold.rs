//! The fold: one record after another, each changing the trail of its handle. Pure in the sense that counts: no
//! clock, no thread, nothing but the map and the records.

use crate::entry::Frame;
use crate::focus::Focus;
use crate::losses::Gap;
use crate::map::TrailMap;
use crate::merge::Taken;
use crate::operation::{Operation, OperationCounts};
use crate::record::Slot;
use crate::shim::{Arc, Ordering};
use crate::snapshot::Snapshot;
use crate::store::{Appended, Packed, ThreadWriter, TrailId, TrailWriter};
use crate::trail::{EntryList, GhostTrail, Lead, ThreadRecord, TrailEntry};

#[cfg(test)]
pub(crate) use crate::store::MAX_THREADS;

/// Records whose trails are fetched together: more than a processor has loads under way.
const BATCH: usize = 64;

/// Unknown handles that keep their first record.
pub(crate) const MAX_LEADS: usize = 256;

/// The frames of a stack, shared by nobody: empty for records without one.
pub(crate) type Stack = Box<[Frame]>;

/// The only writer of a map, and what decides, besides the records themselves, how they fold.
#[derive(Debug)]
pub(crate) struct Fold {
    pub(crate) map: Arc<TrailMap>,
    pub(crate) focus: Focus,
    /// By ring, the records for which there was no memory: as if their ring had been full.
    refused: Box<[Option<Gap>]>,
    trails: TrailWriter,
    threads: ThreadWriter,
}

impl Fold {
    /// A fold into an empty map.
    pub(crate) fn new(map: Arc<TrailMap>, focus: Focus) -> Self {
        let refused = map.folded.iter().map(|_| None).collect();
        Self { map, focus, refused, trails: TrailWriter::default(), threads: ThreadWriter::default() }
    }

    /// A fold that goes on where a snapshot was taken.
    pub(crate) fn resume(snapshot: &Snapshot) -> Self {
        let map = Arc::new(TrailMap::new(snapshot.losses.rings.len()));
        let mut fold = Self::new(map.clone(), snapshot.focus.clone());
        snapshot.trails.iter().for_each(|trail| fold.trails.restore(&map.trails, trail));
        snapshot.threads.iter().for_each(|thread| fold.threads.restore(&map.threads, thread));
        map.restore(snapshot);
        fold
    }

    /// Folds one record.
    pub(crate) fn fold(&mut self, taken: &Taken, operation: Operation) {
        let known = self.trails.find(&self.map.trails, taken.record.handle());
        self.fold_known(taken, operation, known);
    }

    /// Folds records in this order, and returns how many. The trails of a whole batch are touched before the first of
    /// them is written, so that the memory fetches many at a time.
    ///
    /// Memory is asked for before a batch changes anything. If there is none, its records are refused.
    pub(crate) fn fold_all(&mut self, order: &[Taken]) -> u64 {
        let mut folded = 0;
        for batch in order.chunks(BATCH) {
            if !self.has_memory_for(batch) {
                batch.iter().for_each(|taken| self.refuse(taken));
                continue;
            }
            folded += batch.len() as u64;
            let mut known = [None; BATCH];
            let store = &self.map.trails;
            for (id, taken) in known.iter_mut().zip(batch) {
                *id = self.trails.find(store, taken.record.handle());
            }
            let mut touched = 0;
            for id in known.iter().flatten() {
                touched ^= store.touch_head(*id);
            }
            for (id, taken) in known.iter().zip(batch) {
                if let (Some(id), Slot::Head(operation)) = (id, taken.record.slot()) {
                    touched ^= store.touch_body(*id, operation);
                }
            }
            std::hint::black_box(touched);
            for (id, taken) in known.into_iter().zip(batch) {
                if let Slot::Head(operation) = taken.record.slot() {
                    // A trail may have been created earlier in the batch.
                    let id = id.or_else(|| self.trails.find(&self.map.trails, taken.record.handle()));
                    self.fold_known(taken, operation, id);
                }
            }
        }
        folded
    }

    fn has_memory_for(&mut self, batch: &[Taken]) -> bool {
        let Self { map, trails, .. } = self;
        let mut creates =
            batch.iter().filter(|taken| matches!(taken.record.slot(), Slot::Head(Operation::Create)));
        trails.ensure(&map.trails, batch.len())
            && creates.all(|taken| trails.ensure_name(&map.trails, taken.record.handle()))
    }

    #[cold]
    fn refuse(&mut self, taken: &Taken) {
        let Slot::Head(operation) = taken.record.slot() else { return };
        let (ring, cycle) = (taken.ring, taken.record.entry().cycle);
        let gap = self.refused[usize::from(ring)].get_or_insert_with(|| Gap {
            ring,
            first_cycle: cycle,
            last_cycle: cycle,
            rejected: OperationCounts::default(),
        });
        gap.first_cycle = gap.first_cycle.min(cycle);
        gap.last_cycle = gap.last_cycle.max(cycle);
        gap.rejected.add(operation, 1);
    }

    /// What was refused, one gap for each ring.
    pub(crate) fn refused(&self) -> impl Iterator<Item = &Gap> {
        self.refused.iter().flatten()
    }

    fn fold_known(&mut self, taken: &Taken, operation: Operation, known: Option<TrailId>) {
        let (handle, entry) = (taken.record.handle(), taken.record.entry());
        self.map.folded[usize::from(taken.ring)].add_one(operation);
        self.fold_thread(taken, operation);
        match (operation, known) {
            (Operation::Create, _) => {
                let created = TrailEntry { seq: 0, operation, ring: taken.ring, entry };
                let kind = taken.record.kind();
                self.trails.create(&self.map.trails, handle, kind, &created, &taken.stack);
            }
            (Operation::GhostSignal, _) | (Operation::Signal, None) => {
                self.ghost_signal(handle, TrailEntry { seq: 0, operation, ring: taken.ring, entry });
            }
            (_, None) => self.drop_by_rule(handle, TrailEntry { seq: 0, operation, ring: taken.ring, entry }),
            (_, Some(id)) => {
                let packed = Packed::new(operation, taken.ring, &entry);
                let appended = Appended { operation, handle, tid: entry.tid, aux: entry.aux, packed };
                self.trails.append(&self.map.trails, id, &appended);
            }
        }
    }

    /// A signal that is not one to a known handle, or that the call site could not resolve.
    fn ghost_signal(&self, handle: u32, mut entry: TrailEntry) {
        if !self.focus.contains(handle) {
            self.drop_by_rule(handle, entry);
            return;
        }
        let ghosts = &self.map.ghosts;
        let mut ghost =
            ghosts.entry(handle).or_insert_with(|| GhostTrail { handle, signals: EntryList::default() });
        entry.seq = ghost.signals.total() + 1;
        ghost.signals.push(entry);
    }

    fn drop_by_rule(&self, handle: u32, entry: TrailEntry) {
        let map = &self.map;
        map.unmatched.add_one(entry.operation);
        if self.trails.find(&map.trails, handle).is_some() {
            return;
        }
        if let Some(mut lead) = map.leads.get_mut(&handle) {
            lead.totals.add(entry.operation, 1);
            return;
        }
        if map.leads.len() < MAX_LEADS {
            let mut totals = OperationCounts::default();
            totals.add(entry.operation, 1);
            map.leads.insert(handle, Lead { handle, first: entry, totals });
        }
    }

    /// Stripes do not order different handles, so what is kept per thread is ordered by (cycle, position): along one
    /// guest thread the cycle never falls.
    fn fold_thread(&mut self, taken: &Taken, operation: Operation) {
        let entry = taken.record.entry();
        if entry.tid == 0 {
            return;
        }
        let (handle, ring, position) = (taken.record.handle(), taken.ring, taken.position);
        let record = ThreadRecord { handle, operation, ring, position, entry };
        if !self.threads.append(&self.map.threads, &record) {
            let not_kept = self.map.threads_not_kept.load(Ordering::Relaxed);
            self.map.threads_not_kept.store(not_kept + 1, Ordering::Relaxed);
        }
    }
}
