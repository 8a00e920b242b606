//! What the drain tells a capture: the order that counts, so that a replay can follow it after the process is gone.
//!
//! The drain appends what it is about to fold, folds it, and only then gives the slots back to their recorders. So
//! at every moment each published record stands in its ring, in what was appended, or in both; (ring, position)
//! tells when it is both.

use std::fmt;
use std::sync::Arc;

use spsc_ring::{Payload, Seal, SharedWords};

use crate::drain::Drain;
use crate::focus::Focus;
use crate::ledger::LedgerAccount;
use crate::merge::{Stacks, Taken};
use crate::record::{self, MAX_CREATE_SLOTS};
use crate::snapshot::{Coverage, Snapshot};

/// One slot of a ring, as it stands in a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CapturedSlot {
    /// The ring.
    pub ring: u8,
    /// Its position in that ring.
    pub position: u64,
    /// Its words.
    pub payload: Payload,
}

/// Slots that the drain appends at once, at most.
pub const MAX_APPENDED_SLOTS: usize = 1024;

/// Where the drain writes what it folds. Its methods are called by whoever runs a pass, one at a time.
///
/// None of them can fail as far as the drain is concerned: a sink that cannot write any more says so to its owner,
/// and the audit goes on in memory.
pub trait CaptureSink: Send + fmt::Debug {
    /// These slots are folded next, in this order; a record of several slots is never divided. At most
    /// [`MAX_APPENDED_SLOTS`]. When it returns, they must be as safe as they will ever be.
    fn append(&mut self, slots: &[CapturedSlot]);

    /// From here on, this focus decides which ghosts are kept.
    fn focus(&mut self, focus: &Focus);

    /// When the audit was on, as known from here on.
    fn coverage(&mut self, coverage: Coverage);

    /// Whether a checkpoint is due before the next append.
    fn wants_checkpoint(&self) -> bool;

    /// The state that everything appended so far has led to.
    fn checkpoint(&mut self, checkpoint: &Checkpoint);

    /// The audit is over: whatever stands in a ring at or beyond its position here came late. The rings' accounts are
    /// those of this moment.
    fn stopped(&mut self, ends: &[u64], ledgers: &[LedgerAccount]);
}

/// What a capture consists of, as the audit sees it.
#[derive(Debug)]
pub struct Capture {
    /// Memory and seal of each ring. Its size is that of the memory, not that of the configuration.
    pub rings: Vec<(Arc<dyn SharedWords>, Seal)>,
    /// Where the drain writes.
    pub sink: Box<dyn CaptureSink>,
}

/// The audit's state, and which records it holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// Everything that was folded. Its accounts of rejections are those of the moment.
    pub state: Snapshot,
    /// Per ring, the position below which every record was taken.
    pub taken: Vec<u64>,
    /// (ring, position) of records that were taken and are not folded yet, ascending.
    pub pending: Vec<(u8, u64)>,
}

impl Checkpoint {
    /// Whether the state already holds the record, or the gap, whose first slot is at this place.
    #[must_use]
    pub fn holds(&self, ring: u8, position: u64) -> bool {
        let Some(taken) = self.taken.get(usize::from(ring)) else { return false };
        (position.wrapping_sub(*taken) as i64) < 0 && self.pending.binary_search(&(ring, position)).is_err()
    }
}

/// The slots of a record that was taken, its stack included.
fn slots_of(taken: &Taken, stacks: &Stacks, slots: &mut Vec<CapturedSlot>) {
    let create = record::create_slots(taken.record, stacks.get(taken.stack));
    let positions = (0..).map(|offset| taken.position.wrapping_add(offset));
    slots.extend(positions.zip(create.as_slice()).map(|(position, record)| CapturedSlot {
        ring: taken.ring(),
        position,
        payload: record.payload(),
    }));
}

impl Drain {
    /// Appends the slots of the gaps taken in this pass. They changed the state when they were taken, and a
    /// checkpoint holds them from then on.
    pub(crate) fn append_gaps(&mut self, order: &[Taken]) {
        let slots = std::mem::take(&mut self.gap_slots);
        for slots in slots.chunks(MAX_APPENDED_SLOTS) {
            self.append_slots(slots, order);
        }
    }

    /// Appends the beginning of `order`, as much as fits one append, and returns how many records that is. Without
    /// a capture it is all of them.
    pub(crate) fn append(&mut self, order: &[Taken]) -> usize {
        if self.sink.is_none() {
            return order.len();
        }
        let mut slots = Vec::with_capacity(MAX_APPENDED_SLOTS);
        let mut records = order.iter();
        while slots.len() + MAX_CREATE_SLOTS <= MAX_APPENDED_SLOTS {
            let Some(taken) = records.next() else { break };
            slots_of(taken, &self.stacks, &mut slots);
        }
        self.append_slots(&slots, order);
        order.len() - records.len()
    }

    /// Appends slots, after a checkpoint of the state before `order` is folded if one is due.
    fn append_slots(&mut self, slots: &[CapturedSlot], order: &[Taken]) {
        let Some(mut sink) = self.sink.take() else { return };
        if sink.wants_checkpoint() {
            sink.checkpoint(&self.checkpoint(order));
        }
        sink.append(slots);
        self.sink = Some(sink);
    }

    fn checkpoint(&self, order: &[Taken]) -> Checkpoint {
        let losses = self.losses(self.gaps.clone());
        let mut pending: Vec<_> =
            order.iter().chain(&self.aside).map(|taken| (taken.ring(), taken.position)).collect();
        pending.sort_unstable();
        Checkpoint {
            state: self.fold.map.freeze(losses, self.focus().clone(), self.coverage, self.folded, || ()),
            taken: self.sources.iter().map(|source| source.intake.taken()).collect(),
            pending,
        }
    }
}
