//! The coverage self-check: every change of an object's state is counted where it is made, every record where it is
//! made, and the two are compared at the end. A change without its record is a blind spot of the audit.
//!
//! A record counts for a change only if it says that there was one: the set of an event that is set already, or a wait
//! that returns at once without having got anything, covers nothing, so no surplus of such records can hide a gap.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use handle_audit::aux::signal_previous;
use handle_audit::{HandleKind, Operation};

use crate::dispatch::kind;
use crate::status::Status;
use crate::sync::Lock;

/// What can happen to an object's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// It came into being.
    Made,
    /// It became signalled, or more so.
    Raised,
    /// It was cleared.
    Cleared,
    /// A pulse came and went.
    Pulsed,
    /// A wait that it was a member of was satisfied.
    Taken,
    /// A thread parked on it.
    Parked,
    /// A parked thread was let go.
    Unparked,
    /// A handle was closed.
    Closed,
    /// It got another name.
    Named,
    /// A thread started, ended, was suspended or resumed.
    Thread,
    /// A timer was armed, fired or cancelled.
    Timer,
    /// An APC was queued or delivered.
    Apc,
}

/// Every kind of change, and the operation that records it.
const RULES: [(Change, Operation); 12] = [
    (Change::Made, Operation::Create),
    (Change::Raised, Operation::Signal),
    (Change::Cleared, Operation::Reset),
    (Change::Pulsed, Operation::Pulse),
    (Change::Taken, Operation::Satisfied),
    (Change::Parked, Operation::Wait),
    (Change::Unparked, Operation::Wake),
    (Change::Closed, Operation::Close),
    (Change::Named, Operation::Alias),
    (Change::Thread, Operation::Thread),
    (Change::Timer, Operation::Timer),
    (Change::Apc, Operation::Apc),
];

/// The two counts of one object.
#[derive(Debug)]
pub(crate) struct Ledger {
    handle: u32,
    kind: HandleKind,
    changes: [AtomicU64; RULES.len()],
    records: [AtomicU64; Operation::COUNT],
    /// Ends of waits that got what they waited for: the records that cover [`Change::Taken`].
    satisfactions: AtomicU64,
    /// Signals and resets that met the state that they were to bring about.
    idle: [AtomicU64; Operation::COUNT],
}

impl Ledger {
    #[inline]
    pub(crate) fn changed(&self, change: Change) {
        self.changes[change as usize].fetch_add(1, Relaxed);
    }

    #[inline]
    pub(crate) fn recorded(&self, operation: Operation, aux: u64) {
        self.records[operation.index()].fetch_add(1, Relaxed);
        let ends_wait = matches!(operation, Operation::Satisfied | Operation::Wake);
        if ends_wait && Status(aux as u32).is_satisfied() {
            self.satisfactions.fetch_add(1, Relaxed);
        }
        if self.is_idle(operation, aux) {
            self.idle[operation.index()].fetch_add(1, Relaxed);
        }
    }

    /// Whether a record says itself that nothing changed.
    fn is_idle(&self, operation: Operation, aux: u64) -> bool {
        let is_flag = [
            HandleKind::EVENT_MANUAL,
            HandleKind::EVENT_AUTO,
            HandleKind::TIMER_MANUAL,
            HandleKind::TIMER_AUTO,
            kind::file(),
        ]
        .contains(&self.kind);
        match operation {
            Operation::Signal => is_flag && signal_previous(aux) != 0,
            Operation::Reset => signal_previous(aux) == 0,
            _ => false,
        }
    }

    /// Records that cover a change of this kind.
    fn covering(&self, change: Change, operation: Operation) -> u64 {
        let records = |operation: Operation| self.records[operation.index()].load(Relaxed);
        match change {
            Change::Taken => self.satisfactions.load(Relaxed),
            // A wait that did not park has its end at once.
            Change::Parked => records(Operation::Wait).saturating_sub(records(Operation::Satisfied)),
            _ => records(operation) - self.idle[operation.index()].load(Relaxed),
        }
    }

    fn unrecorded(&self) -> impl Iterator<Item = Unrecorded> {
        RULES.iter().filter_map(|&(change, operation)| {
            let changes = self.changes[change as usize].load(Relaxed);
            let records = self.covering(change, operation);
            let (handle, kind) = (self.handle, self.kind);
            (changes > records).then_some(Unrecorded { handle, kind, operation, changes, records })
        })
    }
}

/// Changes of one object that nobody recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unrecorded {
    /// The name that the object had first.
    pub handle: u32,
    /// What it is.
    pub kind: HandleKind,
    /// The operation that should have been recorded.
    pub operation: Operation,
    /// How often the state changed.
    pub changes: u64,
    /// How many records say so.
    pub records: u64,
}

impl fmt::Display for Unrecorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { handle, kind, operation, changes, records } = self;
        write!(f, "{kind} 0x{handle:08x}: {changes} changes that are a `{operation}`, {records} records")
    }
}

/// The ledgers of all objects that there were; empty when the self-check is off.
#[derive(Debug)]
pub(crate) struct Ledgers(Option<Mutex<Vec<Arc<Ledger>>>>);

impl Ledgers {
    pub(crate) fn new(self_check: bool) -> Self {
        Self(self_check.then(Mutex::default))
    }

    /// A ledger for an object that a call makes, if the self-check is on.
    pub(crate) fn open(&self, handle: u32, kind: HandleKind) -> Option<Arc<Ledger>> {
        let ledger = self.open_for_found(handle, kind)?;
        ledger.changed(Change::Made);
        Some(ledger)
    }

    /// A ledger for an object that the guest has made by hand.
    pub(crate) fn open_for_found(&self, handle: u32, kind: HandleKind) -> Option<Arc<Ledger>> {
        let all = self.0.as_ref()?;
        let ledger = Arc::new(Ledger {
            handle,
            kind,
            changes: Default::default(),
            records: Default::default(),
            satisfactions: AtomicU64::new(0),
            idle: Default::default(),
        });
        all.locked().push(ledger.clone());
        Some(ledger)
    }

    pub(crate) fn unrecorded(&self) -> Vec<Unrecorded> {
        let Some(all) = &self.0 else { return Vec::new() };
        all.locked().iter().flat_map(|ledger| ledger.unrecorded().collect::<Vec<_>>()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(ledgers: &Ledgers) -> Arc<Ledger> {
        ledgers.open(0x1004, HandleKind::EVENT_AUTO).expect("the check is on")
    }

    #[test]
    fn a_change_without_its_record_is_named() {
        let ledgers = Ledgers::new(true);
        let ledger = ledger(&ledgers);
        for change in [Change::Raised, Change::Raised, Change::Taken] {
            ledger.changed(change);
        }
        for operation in [Operation::Create, Operation::Signal, Operation::Wake] {
            ledger.recorded(operation, 0);
        }
        let unrecorded = ledgers.unrecorded();
        assert_eq!(unrecorded.len(), 1);
        assert_eq!(
            unrecorded[0].to_string(),
            "Event/Auto 0x00001004: 2 changes that are a `signal`, 1 records"
        );
        ledger.recorded(Operation::Signal, 0);
        assert_eq!(ledgers.unrecorded(), []);
    }

    #[test]
    fn records_that_say_that_nothing_changed_hide_no_gap() {
        let ledgers = Ledgers::new(true);
        let ledger = ledger(&ledgers);
        ledger.recorded(Operation::Create, 0);
        for change in [Change::Raised, Change::Cleared, Change::Parked, Change::Taken] {
            ledger.changed(change);
        }
        let timeout = u64::from(Status::TIMEOUT.0);
        let idle = [
            (Operation::Signal, 1),
            (Operation::Reset, 0),
            (Operation::Wait, 0),
            (Operation::Satisfied, timeout),
        ];
        for (operation, aux) in idle.repeat(5) {
            ledger.recorded(operation, aux);
        }
        let missing: Vec<_> = ledgers.unrecorded().iter().map(|unrecorded| unrecorded.operation).collect();
        assert_eq!(missing, [Operation::Signal, Operation::Reset, Operation::Satisfied, Operation::Wait]);
    }

    #[test]
    fn every_change_has_its_place_in_the_table() {
        for (index, (change, _)) in RULES.iter().enumerate() {
            assert_eq!(*change as usize, index);
        }
    }
}
