//! The trail map: what the fold writes and readers copy from, both at once.
//!
//! Trails and threads are in stores that a reader copies from without holding up the fold. Ghosts and leads are few
//! and seldom written; they are in sharded tables.

// These counters order nothing, so the model checker need not see them.
use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;
use rustc_hash::FxBuildHasher;

use crate::focus::Focus;
use crate::losses::{Losses, RingAccount};
use crate::operation::{Operation, OperationCounts};
use crate::snapshot::{Coverage, Snapshot};
use crate::store::{Changed, ThreadStore, TrailId, TrailStore};
use crate::tag::Tag;
use crate::trail::{Counts, GhostTrail, HandleAuditTrail, Lead};

pub(crate) type Table<V> = DashMap<u32, V, FxBuildHasher>;

/// Counts for each ring, one beside the other, so that the tag of a record says where it is counted. Only the fold writes
/// them (Relaxed) and anyone reads them (Relaxed): exact once the fold rests.
#[derive(Debug)]
pub(crate) struct Accounts(Box<[AtomicU64]>);

impl Accounts {
    fn new(rings: usize) -> Self {
        Self((0..rings * Tag::ACCOUNTS).map(|_| AtomicU64::new(0)).collect())
    }

    /// How many rings have an account.
    pub(crate) fn rings(&self) -> usize {
        self.0.len() / Tag::ACCOUNTS
    }

    #[inline(always)]
    pub(crate) fn add_one(&self, tag: Tag) {
        let cell = &self.0[tag.account()];
        cell.store(cell.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    fn cell(&self, ring: usize, operation: Operation) -> &AtomicU64 {
        &self.0[ring * Tag::ACCOUNTS + operation as usize]
    }

    fn set(&self, ring: usize, counts: &OperationCounts) {
        for operation in Operation::ALL {
            self.cell(ring, operation).store(counts.get(operation), Ordering::Relaxed);
        }
    }

    fn get(&self, ring: usize) -> OperationCounts {
        Operation::ALL.map(|op| (op, self.cell(ring, op).load(Ordering::Relaxed))).into_iter().collect()
    }
}

/// The same for all rings together.
#[derive(Debug)]
pub(crate) struct SharedCounts(Accounts);

impl SharedCounts {
    fn new() -> Self {
        Self(Accounts::new(1))
    }

    pub(crate) fn add_one(&self, operation: Operation) {
        self.0.add_one(Tag::new(operation, 0, 0));
    }

    fn set(&self, counts: &OperationCounts) {
        self.0.set(0, counts);
    }

    pub(crate) fn get(&self) -> OperationCounts {
        self.0.get(0)
    }
}

/// How often a reader copies a trail that changes meanwhile before it asks the fold to rest.
const ATTEMPTS: usize = 64;

/// All that was folded.
#[derive(Debug)]
pub(crate) struct TrailMap {
    pub(crate) trails: TrailStore,
    pub(crate) ghosts: Table<GhostTrail>,
    pub(crate) leads: Table<Lead>,
    pub(crate) threads: ThreadStore,
    /// Dropped by rule.
    pub(crate) unmatched: SharedCounts,
    /// Records whose thread is not kept.
    pub(crate) threads_not_kept: AtomicU64,
    /// Folded, per ring.
    pub(crate) folded: Accounts,
}

impl TrailMap {
    pub(crate) fn new(rings: usize) -> Self {
        Self {
            trails: TrailStore::default(),
            ghosts: Table::default(),
            leads: Table::default(),
            threads: ThreadStore::default(),
            unmatched: SharedCounts::new(),
            threads_not_kept: AtomicU64::new(0),
            folded: Accounts::new(rings),
        }
    }

    /// Copies the lengths of a trail's lists; `rest` as in [`patiently`].
    pub(crate) fn counts<G>(&self, handle: u32, rest: impl Fn() -> G) -> Option<Counts> {
        let id = self.trails.find(handle)?;
        patiently(rest, || self.trails.counts(id), || self.trails.counts_at_rest(id))
    }

    /// Copies a trail; `rest` as in [`patiently`].
    pub(crate) fn trail<G>(&self, handle: u32, rest: impl Fn() -> G) -> Option<HandleAuditTrail> {
        self.copy(self.trails.find(handle)?, &rest)
    }

    fn copy<G>(&self, id: TrailId, rest: impl Fn() -> G) -> Option<HandleAuditTrail> {
        patiently(rest, || self.trails.copy(id), || self.trails.copy_at_rest(id))
    }

    pub(crate) fn ghost(&self, handle: u32) -> Option<GhostTrail> {
        self.ghosts.get(&handle).map(|ghost| ghost.clone())
    }

    /// The account of one ring without what only its ledger knows.
    pub(crate) fn account(&self, ring: usize) -> RingAccount {
        RingAccount { ring: ring as u8, folded: self.folded.get(ring), ..RingAccount::default() }
    }

    /// A copy of everything, with what the map does not know; `rest` as in [`patiently`].
    pub(crate) fn freeze<G>(
        &self,
        losses: Losses,
        focus: Focus,
        coverage: Coverage,
        folded: u64,
        rest: impl Fn() -> G,
    ) -> Snapshot {
        let mut trails: Vec<_> = (1..=self.trails.len()).filter_map(|id| self.copy(id, &rest)).collect();
        trails.sort_unstable_by_key(|trail| trail.handle);
        let thread = |id| patiently(&rest, || self.threads.copy(id), || self.threads.copy_at_rest(id));
        let mut threads: Vec<_> = (1..=self.threads.len()).filter_map(thread).collect();
        threads.sort_unstable_by_key(|thread| thread.tid);
        Snapshot {
            trails,
            ghosts: sorted(&self.ghosts, |ghost| ghost.handle),
            leads: sorted(&self.leads, |lead| lead.handle),
            threads,
            losses,
            focus,
            coverage,
            folded,
        }
    }

    /// Takes over from a snapshot what is not in the stores.
    pub(crate) fn restore(&self, snapshot: &Snapshot) {
        fill(&self.ghosts, &snapshot.ghosts, |ghost| ghost.handle);
        fill(&self.leads, &snapshot.leads, |lead| lead.handle);
        self.unmatched.set(&snapshot.losses.unmatched);
        self.threads_not_kept.store(snapshot.losses.threads_not_kept, Ordering::Relaxed);
        for (ring, account) in snapshot.losses.rings.iter().enumerate() {
            self.folded.set(ring, &account.folded);
        }
    }
}

/// Copies what the fold may be changing. What changes faster than it can be copied, time after time, is copied while
/// the fold rests: `rest` keeps it so for as long as what it returns lives.
fn patiently<T, G>(
    rest: impl Fn() -> G,
    attempt: impl Fn() -> Result<T, Changed>,
    at_rest: impl Fn() -> Option<T>,
) -> Option<T> {
    for _ in 0..ATTEMPTS {
        if let Ok(copy) = attempt() {
            return Some(copy);
        }
        std::hint::spin_loop();
    }
    let _resting = rest();
    at_rest()
}

fn fill<V: Clone>(table: &Table<V>, values: &[V], key: impl Fn(&V) -> u32) {
    for value in values {
        table.insert(key(value), value.clone());
    }
}

/// Copies the values of a table in order of their keys, one shard at a time.
fn sorted<V: Clone>(table: &Table<V>, key: impl Fn(&V) -> u32) -> Vec<V> {
    let mut all: Vec<V> = table.iter().map(|item| item.value().clone()).collect();
    all.sort_unstable_by_key(key);
    all
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn each_ring_has_an_account_for_each_operation() {
        let accounts = Accounts::new(3);
        assert_eq!(accounts.rings(), 3);
        let number = |ring: u8, operation: Operation| u64::from(ring) * 20 + operation as u64;
        for ring in 0..3 {
            for operation in Operation::ALL {
                (0..number(ring, operation)).for_each(|_| accounts.add_one(Tag::new(operation, ring, 0xABC)));
            }
        }
        let expected: Vec<OperationCounts> = (0..3)
            .map(|ring| {
                Operation::ALL.into_iter().map(|operation| (operation, number(ring, operation))).collect()
            })
            .collect();
        let all = |accounts: &Accounts| (0..3).map(|ring| accounts.get(ring)).collect::<Vec<_>>();
        assert_eq!(all(&accounts), expected);
        let others = Accounts::new(3);
        expected.iter().enumerate().for_each(|(ring, counts)| others.set(ring, counts));
        assert_eq!(all(&others), expected);
    }
}
