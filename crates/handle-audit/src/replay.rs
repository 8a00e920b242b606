//! The fold once more, from what a capture holds: the same rules in the same order give the same trails.

use crate::capture::{CapturedSlot, Checkpoint};
use crate::config::MAX_RINGS;
use crate::entry::{Frame, HandleAuditEntry, HandleKind, MAX_STACK_FRAMES};
use crate::focus::Focus;
use crate::fold::Fold;
use crate::label::Label;
use crate::ledger::LedgerAccount;
use crate::losses::{Gap, Losses, add_gap};
use crate::map::TrailMap;
use crate::merge::{Limits, Taken};
use crate::operation::{Operation, OperationCounts};
use crate::record::{self, Record, Slot, Unstamped};
use crate::shim::{Arc, Ordering};
use crate::snapshot::{Coverage, Snapshot};

/// A record read from a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapturedRecord {
    /// The ring it came through, below [`MAX_RINGS`].
    pub ring: u8,
    /// Its position in that ring.
    pub position: u64,
    /// Its stamp: orders the records of one stripe.
    pub stamp: u64,
    /// What happened.
    pub operation: Operation,
    /// The handle it was about.
    pub handle: u32,
    /// The kind of the object, for a create.
    pub kind: HandleKind,
    /// What the call site supplied.
    pub entry: HandleAuditEntry,
    /// The creator's stack, for a create that has one.
    pub stack: Vec<Frame>,
}

/// What one or several slots of a capture mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Captured {
    /// A record.
    Record(CapturedRecord),
    /// A stretch of rejections.
    Gap(Gap),
}

impl Captured {
    /// Reads the record or the gap that begins with the first of `slots`, and says how many slots it takes: those
    /// that continue it stand behind it, of the same ring and in order of their positions. `label` translates the
    /// ids of the capture. `None` if the first slot begins nothing; it can be skipped.
    #[must_use]
    pub fn read(slots: &[CapturedSlot], label: impl Fn(u16) -> Label) -> Option<(Self, usize)> {
        let (first, rest) = slots.split_first()?;
        let head = Record::from_payload(first.payload);
        let follows = |(index, slot): &(u64, &CapturedSlot)| {
            slot.ring == first.ring && slot.position == first.position.wrapping_add(1 + index)
        };
        let rest = (0..).zip(rest).take_while(follows).map(|(_, slot)| Record::from_payload(slot.payload));
        match head.known_slot()? {
            Slot::Head(operation) => {
                let (stack, used) = read_stack(operation, rest);
                let (source, kind) = head.label_ids();
                let record = CapturedRecord {
                    ring: first.ring,
                    position: first.position,
                    stamp: head.stamp(),
                    operation,
                    handle: head.handle(),
                    kind: HandleKind::host(label(kind)),
                    entry: HandleAuditEntry { source: label(source), ..head.entry() },
                    stack,
                };
                Some((Self::Record(record), 1 + used))
            }
            Slot::Gap => {
                let mut gap = record::gap_from(first.ring, &head);
                let counts = rest.take_while(|slot| matches!(slot.known_slot(), Some(Slot::GapCounts)));
                let used = counts.inspect(|slot| record::add_gap_counts(&mut gap, slot)).count();
                Some((Self::Gap(gap), 1 + used))
            }
            Slot::Stack | Slot::GapCounts => None,
        }
    }
}

fn read_stack(operation: Operation, rest: impl Iterator<Item = Record>) -> (Vec<Frame>, usize) {
    if operation != Operation::Create {
        return (Vec::new(), 0);
    }
    let mut used = 0;
    let slots = rest.take_while(|slot| matches!(slot.known_slot(), Some(Slot::Stack))).inspect(|_| used += 1);
    let frames: Vec<_> = slots.flat_map(|slot| slot.frames().collect::<Vec<_>>()).collect();
    (frames.into_iter().take(MAX_STACK_FRAMES).collect(), used)
}

impl CapturedRecord {
    fn take(&self) -> Taken {
        let call = Unstamped::new(self.operation, self.kind.label().id(), self.handle, &self.entry);
        let record = Record::new(&call, self.entry.source.mark(), || self.stamp);
        Taken::new(record, self.ring, self.position)
    }
}

/// Puts records that were left in the rings in an order in which the drain could have folded them: by stripe, stamp
/// and ring. What might have to come after one of `newcomers`, which were published while the others were read, is
/// left out.
#[must_use]
pub fn settle(rest: &[CapturedRecord], newcomers: &[CapturedRecord]) -> Vec<CapturedRecord> {
    let mut limits = Limits::none();
    newcomers.iter().for_each(|newcomer| limits.newcomer(&newcomer.take().record));
    let mut order: Vec<_> = rest.iter().map(|record| (record.take(), record)).collect();
    order.retain(|(taken, _)| limits.allow(taken));
    // The drain's order of different stripes means nothing; that of a file is told to readers in other languages.
    order.sort_by_key(|(taken, _)| taken.key());
    order.into_iter().map(|(_, record)| record.clone()).collect()
}

/// Folds captured records, from the beginning or from a checkpoint.
#[derive(Debug)]
pub struct Replay {
    fold: Fold,
    coverage: Coverage,
    gaps: Vec<Gap>,
    folded: u64,
}

impl Replay {
    /// Begins with nothing. There are no rings beyond [`MAX_RINGS`].
    #[must_use]
    pub fn new(rings: usize) -> Self {
        Self {
            fold: Fold::new(Arc::new(TrailMap::new(rings.min(MAX_RINGS))), Focus::default()),
            coverage: Coverage::default(),
            gaps: Vec::new(),
            folded: 0,
        }
    }

    /// Begins with the state of a checkpoint.
    #[must_use]
    pub fn resume(checkpoint: &Checkpoint) -> Self {
        let state = &checkpoint.state;
        Self {
            fold: Fold::resume(state),
            coverage: state.coverage,
            gaps: state.losses.gaps.clone(),
            folded: state.folded,
        }
    }

    /// From here on, this focus decides which ghosts are kept.
    pub fn set_focus(&mut self, focus: Focus) {
        self.fold.focus = focus;
    }

    /// When the audit was on.
    pub fn set_coverage(&mut self, coverage: Coverage) {
        self.coverage = coverage;
    }

    /// How many records were folded.
    #[must_use]
    pub fn folded(&self) -> u64 {
        self.folded
    }

    /// Folds the next record of the order that counts. One of a ring that there is not is left out.
    pub fn fold(&mut self, record: &CapturedRecord) {
        if usize::from(record.ring) < self.fold.map.folded.rings() {
            self.folded += self.fold.fold(&record.take(), &record.stack);
        }
    }

    /// Adds a stretch of rejections.
    pub fn add_gap(&mut self, gap: Gap) {
        add_gap(&mut self.gaps, gap);
    }

    /// The state that all of it led to. `ledgers` are the last accounts of the recorders, by ring, where they could
    /// be read; `late` counts what was published after the end, by ring.
    #[must_use]
    pub fn snapshot(&self, ledgers: &[Option<LedgerAccount>], late: &[u64]) -> Snapshot {
        let (map, mut gaps) = (&self.fold.map, self.gaps.clone());
        let rings = (0..map.folded.rings()).map(|ring| {
            let mut account = self.fold.map.account(ring);
            let mut sent = OperationCounts::default();
            let of_ring = self.gaps.iter().filter(|gap| usize::from(gap.ring) == ring);
            of_ring.for_each(|gap| sent.merge(&gap.rejected));
            account.late = late.get(ring).copied().unwrap_or(0);
            account.rejected = sent;
            if let Some(ledger) = ledgers.get(ring).copied().flatten() {
                account.rejected = ledger.rejected;
                account.stacks_dropped = ledger.stacks_dropped;
                if let Some(gap) = ledger.open_gap(ring as u8, &sent) {
                    add_gap(&mut gaps, gap);
                }
            }
            account
        });
        let mut rings: Vec<_> = rings.collect();
        self.fold.account_for_refused(&mut rings, &mut gaps);
        let unmatched = self.fold.map.unmatched.get();
        let threads_not_kept = self.fold.map.threads_not_kept.load(Ordering::Relaxed);
        let losses = Losses { rings, gaps, unmatched, threads_not_kept };
        map.freeze(losses, self.fold.focus.clone(), self.coverage, self.folded, || ())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::label;
    use crate::stamp::stripe_of;

    #[test]
    fn what_was_left_in_rings_settles_by_stripe_stamp_and_ring_and_below_the_newcomers() {
        // The other stripe's stamps are smaller, and it comes later in each ring.
        let (first, second) = if stripe_of(4) < stripe_of(8) { (4, 8) } else { (8, 4) };
        let record = |ring, position, stamp, handle| CapturedRecord {
            ring,
            position,
            stamp,
            operation: Operation::Signal,
            handle,
            kind: HandleKind::EVENT_AUTO,
            entry: HandleAuditEntry::new(0, 1, 0, label!("test"), 0),
            stack: vec![Frame { frame: 1, lr: 2 }],
        };
        let one_ring = [record(0, 0, 5, second), record(0, 1, 7, first), record(0, 2, 8, first)];
        let [a, b, c] = one_ring.clone();
        assert_eq!(settle(&one_ring, &[]), [b.clone(), c.clone(), a.clone()]);
        let other = record(1, 0, 7, first);
        let both = [a.clone(), b.clone(), c.clone(), other.clone()];
        assert_eq!(settle(&both, &[]), [b.clone(), other.clone(), c.clone(), a.clone()]);
        let newcomers = [record(1, 1, 9, first), record(1, 2, 7, first)];
        assert_eq!(
            settle(&both, &newcomers),
            [b, other, a],
            "what has a higher stamp may come after a newcomer"
        );
    }
}
