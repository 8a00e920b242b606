//! HT01: an export took the handle as its completion object and never signalled it.

use handle_audit::Operation;

use crate::graph::open_promise;
use crate::history::Step;
use crate::rules::stub::{failed, is_silent_stub, stub_of};
use crate::rules::{Finding, Suspect};
use crate::verdict::{Confidence, VerdictId};
use crate::words;

/// The newest promise stands unkept. That no signal came since is certain: a list keeps its newest entries.
pub(super) fn broken(suspect: &Suspect<'_, '_>) -> Option<Finding> {
    let known = suspect.present()?;
    let Some(promise) = open_promise(known.history) else {
        return one_of_several(suspect).or_else(|| swallowed(suspect));
    };
    let call = &known.history.steps[promise];
    let stub = stub_of(suspect.view, known.history, call);
    if stub.is_some_and(|stub| failed(stub.record.entry.aux)) {
        return None;
    }
    let export = call.entry().source;
    let mut finding = suspect.finding(VerdictId::PromiseBroken, Confidence::Strong);
    finding.since = call.entry().cycle;
    finding.culprit = Some(export.to_string());
    let how = match stub {
        Some(stub) => {
            let status = words::status(stub.record.entry.aux);
            format!("was to signal: it is not implemented and returned {status}")
        }
        None => "took as its completion object and has not signalled since".to_owned(),
    };
    finding.summary = format!("{}, which {export} {how}.", suspect.opening());
    finding.evidence.extend(suspect.created());
    finding.evidence.extend(
        suspect.step(promise, format!("took it as its completion object, call {}", call.entry().aux)),
    );
    finding.evidence.extend(stub.map(|stub| suspect.stub(&stub)));
    finding.evidence.push(suspect.wait());
    finding.next = match stub {
        Some(_) => format!("Implement {export}, or let it fail: a caller that gets an error does not wait."),
        None => format!(
            "Follow the request of {export} to its end: the path that completes it must signal {}.",
            words::hex(suspect.member.handle)
        ),
    };
    Some(finding)
}

/// Several calls were given the object at the same time, and it was signalled less often: one of them is still open, but
/// the records do not say which.
fn one_of_several(suspect: &Suspect<'_, '_>) -> Option<Finding> {
    let known = suspect.present()?;
    let steps = &known.history.steps;
    let promises: Vec<usize> =
        (0..steps.len()).filter(|index| steps[*index].operation() == Operation::Promise).collect();
    let signals = steps.iter().filter(|step| step.is_signal()).count();
    let newest = steps.get(*promises.last()?)?.entry();
    let alike = promises.iter().all(|index| {
        let call = &steps[*index];
        let refused =
            stub_of(suspect.view, known.history, call).is_some_and(|stub| failed(stub.record.entry.aux));
        call.entry().source == newest.source && !refused
    });
    if !known.history.is_complete() || !alike || signals >= promises.len() {
        return None;
    }
    let mut finding = suspect.finding(VerdictId::PromiseBroken, Confidence::Likely);
    finding.since = steps[promises[0]].entry().cycle;
    finding.culprit = Some(newest.source.to_string());
    finding.summary = format!(
        "{}, which {} calls of {} were to signal; {} came.",
        suspect.opening(),
        words::digits(promises.len() as u64),
        newest.source,
        words::count(signals as u64, "signal")
    );
    finding.evidence.extend(suspect.created());
    let shown = &promises[promises.len().saturating_sub(MAX_PROMISES)..];
    finding.evidence.extend(shown.iter().filter_map(|index| {
        suspect.step(*index, format!("took it as its completion object, call {}", steps[*index].entry().aux))
    }));
    let last = known.history.last(steps.len(), Step::is_signal);
    finding.evidence.extend(last.and_then(|last| suspect.step(last, "the last signal")));
    finding.evidence.push(suspect.wait());
    finding.evidence.sort_by_key(|evidence| evidence.record.map(|record| record.seq));
    finding.next = format!(
        "See which call of {} is not completed; an event that several calls share cannot tell.",
        newest.source
    );
    Some(finding)
}

/// Calls that are shown of several.
const MAX_PROMISES: usize = 4;

/// The handle was signalled before, and the newest call that named it was an export that does nothing.
fn swallowed(suspect: &Suspect<'_, '_>) -> Option<Finding> {
    let known = suspect.present()?;
    let steps = &known.history.steps;
    let stub =
        known.history.last(steps.len(), |step| step.operation() == Operation::Stub || step.is_signal())?;
    if !is_silent_stub(&steps[stub]) {
        return None;
    }
    let signal = known.history.last(stub, Step::is_signal)?;
    let export = steps[stub].entry().source;
    let mut finding = suspect.finding(VerdictId::PromiseBroken, Confidence::Likely);
    finding.since = steps[signal].entry().cycle;
    finding.culprit = Some(export.to_string());
    finding.summary = format!(
        "{}; the newest call that named it was {export}, which is not implemented and did nothing.",
        suspect.opening()
    );
    finding.evidence.extend(suspect.created());
    finding.evidence.extend(suspect.step(signal, "the last signal"));
    finding.evidence.extend(suspect.step(stub, "a stub: did nothing with the handle"));
    finding.evidence.push(suspect.wait());
    finding.evidence.sort_by_key(|evidence| evidence.record.map(|record| record.entry.cycle));
    finding.next = format!("Implement {export}.");
    Some(finding)
}
