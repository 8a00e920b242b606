//! HT06: a sibling object has the signals, this one has the waiter.

use handle_audit::Operation;

use crate::graph::MAX_SIBLINGS;
use crate::object::Object;
use crate::rules::never::is_untouched;
use crate::rules::{Finding, Suspect};
use crate::verdict::{Confidence, VerdictId};
use crate::words;

/// Exactly one sibling was signalled and never waited for. Several would be late waiters rather than a mistake.
pub(super) fn wrong(suspect: &Suspect<'_, '_>) -> Option<Finding> {
    let known = suspect.present()?;
    if !is_untouched(suspect, known) {
        return None;
    }
    let orphaned =
        |sibling: &&Object<'_>| sibling.total(Operation::Signal) > 0 && sibling.total(Operation::Wait) == 0;
    let mut twins = suspect.view.siblings(known.index).take(MAX_SIBLINGS).filter(orphaned);
    let (twin, None) = (twins.next()?, twins.next()) else { return None };
    let signal = *twin.trail.signals.newest()?;
    let mut finding = suspect.finding(VerdictId::WrongTwin, Confidence::Likely);
    finding.culprit = Some(suspect.function(signal.entry.lr));
    finding.summary = format!(
        "{}, which nobody signals; {}, made at the same place, has {} and no waiter.",
        suspect.opening(),
        words::hex(twin.handle()),
        words::count(twin.total(Operation::Signal), "signal")
    );
    finding.evidence.extend(suspect.created());
    finding.evidence.push(suspect.record(twin.handle(), Some(*twin.created()), "the sibling"));
    finding.evidence.push(suspect.record(twin.handle(), Some(signal), "signals the sibling"));
    finding.evidence.push(suspect.wait());
    finding.evidence.sort_by_key(|evidence| evidence.record.map(|record| record.entry.cycle));
    finding.next = format!("See which of the two handles {} is to signal.", suspect.place(signal.entry.lr));
    Some(finding)
}
