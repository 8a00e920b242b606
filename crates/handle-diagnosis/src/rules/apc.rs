//! HT14: an APC is queued for a thread that cannot take it, or that could and did not get it.

use std::collections::VecDeque;

use handle_audit::aux::ApcAux;
use handle_audit::{Operation, TrailEntry};

use crate::rules::{Finding, Suspect};
use crate::verdict::{Confidence, VerdictId};
use crate::words;

pub(super) fn starved(suspect: &Suspect<'_, '_>) -> Option<Finding> {
    let tid = suspect.blocked.tid;
    let object = suspect.view.thread_object(tid)?;
    // The newest entries alone: a delivery that was dropped must not make an APC of the oldest ones look pending.
    let records = object.trail.others.iter().filter(|record| record.operation == Operation::Apc);
    let pending = pending(records.filter(|record| ApcAux::decode(record.entry.aux).target == tid))?;
    let apc = ApcAux::decode(pending.entry.aux);
    let deliverable = apc.kernel || suspect.blocked.alertable;
    let export = pending.entry.source;
    let mut finding = suspect.finding(VerdictId::ApcStarved, Confidence::Strong);
    finding.since = object.created().entry.cycle;
    finding.culprit = Some(if deliverable { export.to_string() } else { format!("thread {tid}") });
    let (why, next) = if deliverable {
        (
            "could take it and did not get it",
            format!(
                "Make {export} deliver to a thread that is parked already, and let the wait return 0xc0."
            ),
        )
    } else {
        let wait = suspect.blocked.lr().map_or_else(|| suspect.waiter(), |lr| suspect.place(lr));
        (
            "does not wait alertably",
            format!(
                "See whether the wait at {wait} is to be alertable; if it is, its flag is lost on the way."
            ),
        )
    };
    finding.summary = format!(
        "{} was queued an APC by {} and {why}; it waits for {}.",
        words::sentence(&suspect.waiter()),
        suspect.thread(pending.entry.tid),
        suspect.object_name()
    );
    finding.evidence.push(suspect.record(object.handle(), Some(pending), "queued, never delivered"));
    let wait = suspect.wait();
    let flag = if suspect.blocked.alertable { "alertable" } else { "not alertable" };
    finding.evidence.push(crate::verdict::Evidence { note: format!("{}, {flag}", wait.note), ..wait });
    finding.evidence.sort_by_key(|evidence| evidence.record.map(|record| record.entry.cycle));
    finding.next = next;
    Some(finding)
}

/// The oldest APC that was queued and not delivered. Those of one kind are delivered in order, and kernel APCs do not
/// wait for user APCs.
fn pending<'a>(records: impl Iterator<Item = &'a TrailEntry>) -> Option<TrailEntry> {
    let mut queued: [VecDeque<TrailEntry>; 2] = Default::default();
    for record in records {
        let apc = ApcAux::decode(record.entry.aux);
        let queue = &mut queued[usize::from(apc.kernel)];
        if apc.delivered {
            queue.pop_front();
        } else {
            queue.push_back(*record);
        }
    }
    queued.iter().filter_map(|queue| queue.front()).min_by_key(|record| record.seq).copied()
}
