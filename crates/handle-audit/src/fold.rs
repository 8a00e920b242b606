//! The fold: one record after another, each changing the trail of its handle. Pure in the sense that counts: no
//! clock, no thread, nothing but the map and the records.

use crate::entry::Frame;
use crate::focus::Focus;
use crate::losses::{Gap, RingAccount, add_gap};
use crate::map::TrailMap;
use crate::merge::{Stacks, Taken};
use crate::operation::{Operation, OperationCounts};
use crate::shim::{Arc, Ordering};
use crate::snapshot::Snapshot;
use crate::store::{ThreadWriter, TrailWriter};
use crate::trail::{EntryList, GhostTrail, Lead, TrailEntry};
use spsc_ring::fetch;

#[cfg(all(test, not(loom)))]
pub(crate) use crate::store::MAX_THREADS;

/// Records that are looked up together, so that what they will write is fetched together.
const BATCH: usize = 32;

/// Trails so few that the cache holds what is written of them: fetching it ahead costs more than it gains. Tests take both
/// ways.
const CACHED: u32 = if cfg!(any(test, fuzzing)) { 4 } else { 1 << 9 };

/// Trails so few that the cache holds their index.
const INDEX_CACHED: u32 = if cfg!(any(test, fuzzing)) { 8 } else { 1 << 14 };

/// Unknown handles that keep their first record.
pub(crate) const MAX_LEADS: usize = 256;

/// The only writer of a map, and what decides, besides the records themselves, how they fold.
#[derive(Debug)]
pub(crate) struct Fold {
    pub(crate) map: Arc<TrailMap>,
    pub(crate) focus: Focus,
    /// By ring, the records for which there was no memory: as if their ring had been full.
    refused: Box<[Option<Gap>]>,
    /// There was no memory the last time that some was asked for: an unknown handle may be one whose create was
    /// refused.
    starved: bool,
    trails: TrailWriter,
    threads: ThreadWriter,
}

impl Fold {
    /// A fold into an empty map.
    pub(crate) fn new(map: Arc<TrailMap>, focus: Focus) -> Self {
        let refused = vec![None; map.folded.rings()].into();
        Self {
            map,
            focus,
            refused,
            starved: false,
            trails: TrailWriter::default(),
            threads: ThreadWriter::default(),
        }
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

    /// Folds one record with this stack; returns 1, or 0 if there is no memory for it.
    pub(crate) fn fold(&mut self, taken: &Taken, stack: &[Frame]) -> u64 {
        let mut stacks = Stacks::default();
        let alone = [Taken { stack: stacks.keep(stack.iter().copied()), ..*taken }];
        self.fold_threads(&alone);
        self.fold_trails(&alone, &stacks)
    }

    /// Folds records in this order into the trails of their handles, and returns how many.
    ///
    /// A record for which there is no memory is refused, and changes nothing.
    pub(crate) fn fold_trails(&mut self, order: &[Taken], stacks: &Stacks) -> u64 {
        let map = self.map.clone();
        let mut refused = 0;
        let mut batches = order.chunks(BATCH).peekable();
        while let Some(batch) = batches.next() {
            if map.trails.len() > INDEX_CACHED
                && let Some(next) = batches.peek()
            {
                next.iter().for_each(|taken| map.trails.fetch_place(taken.record.handle()));
            }
            refused += self.fold_batch(&map, batch, stacks);
        }
        (order.len() - refused) as u64
    }

    /// Folds records in three steps, each of which needs what the one before has fetched: the head of a trail is found by
    /// its handle, the place of an entry by the head. Returns how many were refused.
    fn fold_batch(&mut self, map: &TrailMap, batch: &[Taken], stacks: &Stacks) -> usize {
        let store = &map.trails;
        let mut heads = [None; BATCH];
        for (taken, head) in batch.iter().zip(&mut heads) {
            *head = self.trails.head(store, taken.record.handle());
            head.inspect(|head| fetch(*head));
        }
        let mut plans = [const { None }; BATCH];
        if store.len() > CACHED {
            for ((taken, head), plan) in batch.iter().zip(&heads).zip(&mut plans) {
                let Some(head) = head else { continue };
                *plan =
                    store.plan(head, taken.tag).inspect(|plan| store.fetch_planned(head, plan, taken.tag));
            }
        }
        let mut refused = 0;
        for ((taken, head), plan) in batch.iter().zip(&heads).zip(&plans) {
            let folded = match head {
                Some(head) if taken.tag.goes_to_a_list() => self.trails.append(store, head, *plan, taken),
                _ => self.fold_other(map, taken, stacks),
            };
            if folded {
                map.folded.add_one(taken.tag);
            } else {
                self.refuse(taken);
                refused += 1;
            }
        }
        refused
    }

    #[cold]
    fn refuse(&mut self, taken: &Taken) {
        self.starved = true;
        let (ring, operation, cycle) = (taken.ring(), taken.operation(), taken.record.cycle());
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

    /// Adds what was refused, one gap for each ring, to the accounts.
    pub(crate) fn account_for_refused(&self, rings: &mut [RingAccount], gaps: &mut Vec<Gap>) {
        for refused in self.refused.iter().flatten() {
            rings[usize::from(refused.ring)].rejected.merge(&refused.rejected);
            add_gap(gaps, *refused);
        }
    }

    /// Folds a record of another kind, or whose trail was not known when it was looked up, but may have been created
    /// meanwhile. Says if there is no memory for it.
    #[inline(never)]
    fn fold_other(&mut self, map: &TrailMap, taken: &Taken, stacks: &Stacks) -> bool {
        let (handle, operation) = (taken.record.handle(), taken.operation());
        match (operation, self.trails.head(&map.trails, handle)) {
            (Operation::Create, _) => return self.create(map, taken, stacks.get(taken.stack)),
            (_, None) if self.is_starved(map, handle) => return false,
            (Operation::GhostSignal, _) | (Operation::Signal, None) => {
                self.ghost_signal(handle, unnumbered(taken, operation));
            }
            (_, None) => self.drop_by_rule(handle, unnumbered(taken, operation)),
            (_, Some(head)) => return self.trails.append(&map.trails, head, None, taken),
        }
        true
    }

    /// Whether there is no memory to create this handle, as far as is known without asking for some that nobody needs.
    fn is_starved(&mut self, map: &TrailMap, handle: u32) -> bool {
        self.starved = self.starved && !self.trails.ensure_create(&map.trails, handle);
        self.starved
    }

    fn create(&mut self, map: &TrailMap, taken: &Taken, stack: &[Frame]) -> bool {
        let (kind, created) = (taken.record.kind(), unnumbered(taken, Operation::Create));
        self.trails.create(&map.trails, taken.record.handle(), kind, &created, stack)
    }

    /// Folds records into what is kept of their threads. Stripes do not order different handles, so that is ordered by
    /// (cycle, position, ring): along one guest thread the cycle never falls. Records may come in any order; in that of
    /// their rings, each is the newest of its thread.
    ///
    /// A record whose trail finds no memory afterwards stays: it is true that the thread made it, and what a thread did
    /// last is asked most when things go wrong. The accounts have it among the refused.
    pub(crate) fn fold_threads(&mut self, records: &[Taken]) {
        let not_kept = self.threads.append(&self.map.threads, records);
        let all = self.map.threads_not_kept.load(Ordering::Relaxed) + not_kept;
        self.map.threads_not_kept.store(all, Ordering::Relaxed);
    }

    /// A signal that is not one to a known handle, or that the call site could not resolve.
    #[cold]
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

    #[cold]
    fn drop_by_rule(&self, handle: u32, entry: TrailEntry) {
        let map = &self.map;
        map.unmatched.add_one(entry.operation);
        if self.trails.head(&map.trails, handle).is_some() {
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

/// The entry of a record, whose number within its generation is not known yet.
fn unnumbered(taken: &Taken, operation: Operation) -> TrailEntry {
    TrailEntry { seq: 0, operation, ring: taken.ring(), entry: taken.record.entry() }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::entry::{HandleAuditEntry, HandleKind};
    use crate::label;
    use crate::record::{Record, Unstamped};

    #[test]
    fn an_unknown_handle_is_refused_only_after_there_was_no_memory() {
        let mut fold = Fold::new(Arc::new(TrailMap::new(1)), Focus::default());
        let entry = HandleAuditEntry::new(7, 1, 0, label!("test"), 0);
        let folds = |fold: &mut Fold, operation| {
            let call = Unstamped::new(operation, HandleKind::MUTANT.label().id(), 4, &entry);
            let record = Record::new(&call, entry.source.mark(), || 0);
            fold.fold(&Taken::new(record, 0, 0), &[]) == 1
        };
        fold.trails.use_up();
        assert!(folds(&mut fold, Operation::Wait), "dropped by rule: nobody asks for memory");
        assert!(!folds(&mut fold, Operation::Create));
        assert!(!folds(&mut fold, Operation::Wait), "its create may be the one that was refused");
        // There is memory again, and no trail yet.
        fold.trails = TrailWriter::default();
        assert!(folds(&mut fold, Operation::Wait));
        assert_eq!(fold.map.unmatched.get().get(Operation::Wait), 2);
    }
}
