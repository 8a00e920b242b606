//! HT08: the handle was closed under its user.

use handle_audit::Operation;

use crate::history::Step;
use crate::rules::ghost::{FIRST_ADDRESS, unresolved_signal, went_astray};
use crate::rules::never::is_untouched;
use crate::rules::{Finding, Suspect};
use crate::verdict::{Confidence, VerdictId};
use crate::view::as_entry;
use crate::words;

/// A thread is parked on a handle that was closed, perhaps reissued, after it parked.
pub(super) fn under_a_waiter(suspect: &Suspect<'_, '_>) -> Option<Finding> {
    if suspect.member.stale { reissued(suspect) } else { last_name_closed(suspect) }
}

fn reissued(suspect: &Suspect<'_, '_>) -> Option<Finding> {
    let known = suspect.known?;
    let previous = known.object.trail.previous.as_deref()?;
    let now = known.object.trail.created;
    let handle = suspect.member.handle;
    let mut finding = suspect.finding(VerdictId::UseAfterClose, Confidence::Proven);
    finding.generation = Some(previous.generation);
    finding.since = previous.created.entry.cycle;
    let closer = previous.closed.map(|closed| closed.entry);
    finding.culprit = Some(suspect.function(closer.map_or(now.entry.lr, |closed| closed.lr)));
    finding.summary = format!(
        "{} waits for {} {} of generation {}; the handle was closed and now names another {}.",
        words::sentence(&suspect.waiter()),
        previous.kind,
        words::hex(handle),
        previous.generation,
        known.object.trail.kind
    );
    finding.evidence.push(suspect.record(handle, Some(previous.created), ""));
    finding.evidence.push(suspect.wait());
    finding.evidence.extend(
        previous.closed.map(|closed| suspect.record(handle, Some(closed), "closed under the waiter")),
    );
    finding.evidence.push(suspect.record(handle, Some(now), "the same handle, another object"));
    finding.next =
        "Keep a handle from being reissued while a thread is parked on it; then see why the guest closes it."
            .to_owned();
    Some(finding)
}

/// All handles of the object are closed, so nobody can name it any more. An address may still reach it.
fn last_name_closed(suspect: &Suspect<'_, '_>) -> Option<Finding> {
    let known = suspect.present()?;
    let names = known.object.names();
    if names.iter().any(|name| *name >= FIRST_ADDRESS) {
        return None;
    }
    let closed = known.after_wait(|step| step.operation() == Operation::Close)?;
    let signalled_later = known.history.steps[closed..].iter().any(Step::is_signal);
    if known.object.total(Operation::Close) < names.len() as u64 || signalled_later {
        return None;
    }
    let closer = known.history.steps[closed].entry();
    let mut finding = suspect.finding(VerdictId::UseAfterClose, Confidence::Proven);
    finding.culprit = Some(suspect.function(closer.lr));
    finding.summary = format!(
        "{}, whose last handle {} closed while it waited: nobody can signal it any more.",
        suspect.opening(),
        suspect.thread(closer.tid)
    );
    finding.evidence.extend(suspect.created());
    finding.evidence.push(suspect.wait());
    finding
        .evidence
        .extend(suspect.step(closed, format!("closed, {} parked", words::count(closer.aux, "waiter"))));
    finding.next = format!(
        "See why {} closes {} before its waiter is done.",
        suspect.place(closer.lr),
        words::hex(suspect.member.handle)
    );
    Some(finding)
}

/// The object waited for was never signalled, and meanwhile somebody signalled a handle that was closed before.
pub(super) fn signal_went_astray(suspect: &Suspect<'_, '_>) -> Option<Finding> {
    let known = suspect.present()?;
    if !is_untouched(suspect, known) {
        return None;
    }
    let view = suspect.view;
    let closed = |handle: u32| {
        let trail = view.case.snapshot.trail(handle)?;
        trail.others.held().filter(|record| record.operation == Operation::Close).last().copied()
    };
    let astray = unresolved_signal(suspect, |handle| closed(handle).is_some())?;
    let close = closed(astray.handle)?;
    let mut finding = suspect.finding(VerdictId::UseAfterClose, Confidence::Likely);
    finding.culprit = Some(suspect.function(close.entry.lr));
    finding.summary = went_astray(suspect, &astray, "which was closed by then");
    finding.evidence.extend(suspect.created());
    finding.evidence.push(suspect.wait());
    finding.evidence.push(suspect.record(astray.handle, Some(close), "closed"));
    finding.evidence.push(suspect.record(astray.handle, Some(as_entry(&astray)), "a signal after the close"));
    finding.next = format!(
        "See why {} closes {} while it is still in use.",
        suspect.place(close.entry.lr),
        words::hex(astray.handle)
    );
    Some(finding)
}
