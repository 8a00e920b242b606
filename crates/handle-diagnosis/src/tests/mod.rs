//! Trails made by hand, for the tests of what is read from their records.

mod history;
mod objects;
mod owners;

use handle_audit::aux::{ThreadAux, ThreadEvent, TimerAux, TimerEvent, WaitAux, signal};
use handle_audit::{
    EntryList, HandleAuditEntry, HandleAuditTrail, HandleKind, Label, Operation, OperationCounts, TrailEntry,
};

use crate::habit::Habit;
use crate::history::History;
use crate::object::Object;
use crate::rank::Draft;
use crate::rules::Finding;
use crate::verdict::{Confidence, VerdictId};

/// What happened, the thread, and `aux`.
type Record = (Operation, u32, u64);

/// Cycles between two records of a trail.
const STEP: u64 = 10;

/// Everything happens at one place.
const PLACE: u32 = 0x8200_0040;

fn entry(seq: u64, born: u64, (operation, tid, aux): Record, source: &str) -> TrailEntry {
    let entry = HandleAuditEntry::new(born + STEP * seq, tid, PLACE, Label::from_data(source), aux);
    TrailEntry { seq, operation, ring: 0, entry }
}

/// A trail that `NtCreate` began at cycle 0 with this `aux`, and that has had these records since.
fn trail(handle: u32, kind: &str, aux: u64, records: &[Record]) -> HandleAuditTrail {
    let created = entry(0, 0, (Operation::Create, 1, aux), "NtCreate");
    let mut trail = HandleAuditTrail {
        handle,
        generation: 1,
        kind: HandleKind::host(Label::from_data(kind)),
        created,
        created_stack: None,
        signals: EntryList::default(),
        waits: EntryList::default(),
        wakes: EntryList::default(),
        others: EntryList::default(),
        aliases: Vec::new(),
        open_waits: Vec::new(),
        open_waits_not_kept: 0,
        closed: None,
        totals: [(Operation::Create, 1)].into_iter().collect(),
        previous: None,
    };
    for record in records {
        push(&mut trail, *record);
    }
    trail
}

/// One more record.
fn push(trail: &mut HandleAuditTrail, record: Record) {
    let seq = trail.totals.total();
    let entry = entry(seq, trail.created.entry.cycle, record, "call");
    trail.totals.add(entry.operation, 1);
    match entry.operation {
        Operation::Signal => trail.signals.push(entry),
        Operation::Wait => trail.waits.push(entry),
        Operation::Wake => trail.wakes.push(entry),
        _ => trail.others.push(entry),
    }
    match entry.operation {
        Operation::Wait => trail.open_waits.push(entry),
        Operation::Wake | Operation::Satisfied => {
            trail.open_waits.retain(|wait| wait.entry.tid != entry.entry.tid);
        }
        Operation::Alias => trail.aliases.push(entry.entry.aux as u32),
        _ => {}
    }
}

fn object(trail: &HandleAuditTrail) -> Object<'_> {
    Object { trail, joined: Vec::new(), earlier: None, stale_waits: Vec::new() }
}

fn history(kind: &str, aux: u64, records: &[Record]) -> History {
    History::of(&object(&trail(4, kind, aux, records)))
}

fn counts(records: &[Record]) -> OperationCounts {
    records.iter().map(|(operation, _, _)| (*operation, 1)).collect()
}

/// A signal that finds this state.
fn set(tid: u32, previous: u32) -> Record {
    (Operation::Signal, tid, signal(previous, 1))
}

fn wait(tid: u32) -> Record {
    (Operation::Wait, tid, WaitAux { alertable: false, all: false, any: false, timeout: None }.encode())
}

fn wait_any(tid: u32) -> Record {
    (Operation::Wait, tid, WaitAux { alertable: false, all: false, any: true, timeout: None }.encode())
}

fn satisfied(tid: u32, status: u64) -> Record {
    (Operation::Satisfied, tid, status)
}

fn timer(event: TimerEvent) -> Record {
    (Operation::Timer, 1, TimerAux { event, periodic: false, due: 0 }.encode())
}

fn thread(event: ThreadEvent) -> Record {
    (Operation::Thread, 2, ThreadAux { event, count: 0 }.encode())
}

/// A draft about thread 2 and a handle.
pub(crate) fn draft(id: VerdictId, confidence: Confidence, handle: u32) -> Draft {
    let finding = Finding {
        id,
        confidence,
        handle,
        generation: Some(3),
        culprit: None,
        threads: vec![2],
        since: 100,
        summary: String::new(),
        evidence: Vec::new(),
        next: String::new(),
    };
    Draft::new(finding, None, vec![2], Habit::default())
}
