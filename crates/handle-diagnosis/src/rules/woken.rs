//! HT03: the object can be had, or could be had after the wait began, and the waiter was not woken.

use handle_audit::Operation;
use handle_audit::aux::signal_previous;

use crate::rules::{Finding, Known, Suspect};
use crate::verdict::{Confidence, VerdictId};
use crate::view::Mode;
use crate::words;

pub(super) fn not(suspect: &Suspect<'_, '_>) -> Option<Finding> {
    let known = suspect.present()?;
    // One member of a wait for all proves nothing: the others may be unmet.
    if suspect.blocked.mode == Mode::All || suspect.member.wait.is_none() {
        return None;
    }
    // A signal before the wait may have been taken by a wait that returned at once, or cleared: basic records do not say.
    let readable =
        suspect.view.grade.further_operations || known.after_wait(|step| step.is_signal()).is_some();
    let can_be_had = readable && known.state.count.is_some_and(|count| count > 0);
    let after = if can_be_had { known.after_wait(|step| step.is_signal()) } else { unanswered(known) };
    if !can_be_had && after.is_none() {
        return None;
    }
    let (signal, confidence, note) = match after {
        Some(_) => (after, Confidence::Proven, "signalled after the wait began, nobody took it"),
        None => {
            let before = known.last_before_wait(|step| step.is_signal());
            (before, Confidence::Strong, "signalled before, nobody took it")
        }
    };
    let mut finding = suspect.finding(VerdictId::SignalledNotWoken, confidence);
    let source = signal
        .map_or(known.history.created.entry.source, |signal| known.history.steps[signal].entry().source);
    finding.culprit = Some(source.to_string());
    finding.summary = format!(
        "{}, which {source} signalled and nobody took: the kernel did not wake the waiter.",
        suspect.opening()
    );
    finding.evidence.extend(suspect.created());
    finding.evidence.push(suspect.wait());
    finding.evidence.extend(signal.and_then(|signal| suspect.step(signal, note)));
    finding.evidence.sort_by_key(|evidence| evidence.record.map(|record| record.seq));
    finding.next = format!(
        "Make {source} walk the waiters of {} under the lock under which they park.",
        words::hex(suspect.member.handle)
    );
    Some(finding)
}

/// A signal after the wait that took an event from clear to set, and that nobody took, though the event was cleared
/// again since. Setting a set event again has no effect and proves nothing.
fn unanswered(known: &Known<'_, '_>) -> Option<usize> {
    if !known.history.class.is_event() {
        return None;
    }
    let signal = known
        .after_wait(|step| step.operation() == Operation::Signal && signal_previous(step.entry().aux) == 0)?;
    let cleared = known.history.steps[signal..]
        .iter()
        .any(|step| matches!(step.operation(), Operation::Reset | Operation::Pulse));
    let taken = known.history.taken_between(signal, known.history.steps.len());
    (cleared && !taken && known.at >= known.history.complete_from).then_some(signal)
}
