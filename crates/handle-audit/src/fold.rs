//! The fold: one record after another, each changing the trail of its handle. Pure in the sense that counts: no
//! clock, no thread, nothing but the map and the records.

use crate::entry::Frame;
use crate::focus::Focus;
use crate::losses::Gap;
use crate::map::TrailMap;
use crate::merge::Taken;
use crate::operation::{Operation, OperationCounts};
use crate::shim::{Arc, Ordering};
use crate::snapshot::Snapshot;
use crate::store::{
    Appended, Head, Packed, Seen, ThreadWriter, TrailStore, TrailWriter, touch_entry, touch_head,
};
use crate::trail::{EntryList, GhostTrail, Lead, TrailEntry};

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
    pub(crate) fn fold(&mut self, taken: &Taken) {
        let alone = std::slice::from_ref(taken);
        self.fold_threads(alone, |_| true);
        self.fold_trails(alone);
    }

    /// Folds records in this order into the trails of their handles, and returns how many. The trails of a whole batch
    /// are touched before the first of them is written, so that the memory fetches many at a time.
    ///
    /// Memory is asked for before a batch changes anything. If there is none, its records are refused.
    pub(crate) fn fold_trails(&mut self, order: &[Taken]) -> u64 {
        let map = self.map.clone();
        let store = &map.trails;
        let mut folded = 0;
        for batch in order.chunks(BATCH) {
            if !self.has_memory_for(batch) {
                batch.iter().for_each(|taken| self.refuse(taken));
                continue;
            }
            folded += batch.len() as u64;
            let mut known = [None; BATCH];
            for (head, taken) in known.iter_mut().zip(batch) {
                *head = self.trails.find(store, taken.record.handle()).map(|id| store.head(id));
            }
            let seen = touch(store, &known, batch);
            for ((head, seen), taken) in known.into_iter().zip(seen).zip(batch) {
                // A trail may have been created earlier in the batch.
                let head =
                    head.or_else(|| self.trails.find(store, taken.record.handle()).map(|id| store.head(id)));
                self.fold_trail(&map, taken, head, &seen);
            }
        }
        folded
    }

    fn has_memory_for(&mut self, batch: &[Taken]) -> bool {
        let Self { map, trails, .. } = self;
        let mut creates = batch.iter().filter(|taken| taken.record.operation() == Operation::Create);
        trails.ensure(&map.trails, batch.len())
            && creates.all(|taken| trails.ensure_name(&map.trails, taken.record.handle()))
    }

    #[cold]
    fn refuse(&mut self, taken: &Taken) {
        let (ring, operation, cycle) = (taken.ring, taken.record.operation(), taken.record.cycle());
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

    #[inline(always)]
    fn fold_trail(&mut self, map: &TrailMap, taken: &Taken, known: Option<&Head>, seen: &Seen<'_>) {
        let (handle, operation) = (taken.record.handle(), taken.record.operation());
        map.folded[usize::from(taken.ring)].add_one(operation);
        match (operation, known) {
            (Operation::Create, _) => {
                let (kind, created) = (taken.record.kind(), unnumbered(taken, operation));
                self.trails.create(&map.trails, handle, kind, &created, &taken.stack);
            }
            (Operation::GhostSignal, _) | (Operation::Signal, None) => {
                self.ghost_signal(handle, unnumbered(taken, operation));
            }
            (_, None) => self.drop_by_rule(handle, unnumbered(taken, operation)),
            (_, Some(head)) => {
                let (tid, aux) = (taken.record.tid(), taken.record.aux());
                let packed = Packed::of(taken, operation);
                self.trails.append(
                    &map.trails,
                    head,
                    &Appended { operation, handle, tid, aux, packed },
                    seen,
                );
            }
        }
    }

    /// Folds records into what is kept of their threads. Stripes do not order different handles, so that is ordered by
    /// (cycle, position, ring): along one guest thread the cycle never falls. Records may come in any order; in that of
    /// their rings, each is the newest of its thread. A ring carries long runs of one thread, which are added together.
    ///
    /// A record whose trail finds no memory afterwards stays: it is true that the thread made it, and what a thread did
    /// last is asked most when things go wrong. The accounts have it among the refused.
    pub(crate) fn fold_threads(&mut self, records: &[Taken], allow: impl Fn(&Taken) -> bool) {
        let same = |one: &Taken, next: &Taken| one.ring == next.ring && one.record.tid() == next.record.tid();
        let mut not_kept = 0;
        for run in records.chunk_by(same).filter(|run| run[0].record.tid() != 0) {
            let allowed = run.iter().filter(|taken| allow(taken));
            not_kept += self.threads.append(&self.map.threads, run[0].record.tid(), allowed);
        }
        let all = self.map.threads_not_kept.load(Ordering::Relaxed) + not_kept;
        self.map.threads_not_kept.store(all, Ordering::Relaxed);
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
}

/// Touches what the fold of a batch will write, one level of memory after the other: heads, tables of chunks, entries.
/// Each level is a loop of little else than loads that do not wait for each other. Returns where the entries are.
#[inline(always)]
fn touch<'a>(store: &'a TrailStore, known: &[Option<&Head>; BATCH], batch: &[Taken]) -> [Seen<'a>; BATCH] {
    let mut touched = known.iter().flatten().fold(0, |touched, head| touched ^ touch_head(head));
    let mut seen = [Seen::NOTHING; BATCH];
    for ((seen, head), taken) in seen.iter_mut().zip(known).zip(batch) {
        if let Some(head) = head {
            *seen = store.look(head, taken.record.operation());
        }
    }
    for entry in seen.iter().flat_map(|seen| [seen.next, seen.open]).flatten() {
        touched ^= touch_entry(entry);
    }
    std::hint::black_box(touched);
    seen
}

/// The entry of a record, whose number within its generation is not known yet.
fn unnumbered(taken: &Taken, operation: Operation) -> TrailEntry {
    TrailEntry { seq: 0, operation, ring: taken.ring, entry: taken.record.entry() }
}
