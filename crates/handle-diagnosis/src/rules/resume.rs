//! HT12: a thread was created suspended and never ran, and somebody waits for it.

use handle_audit::Operation;
use handle_audit::aux::ThreadEvent;

use crate::object::Class;
use crate::rules::never::is_untouched;
use crate::rules::{Finding, Suspect};
use crate::verdict::{Confidence, Evidence, VerdictId};
use crate::view::Activity;
use crate::words;

/// The thread itself is waited for.
pub(super) fn joined(suspect: &Suspect<'_, '_>) -> Option<Finding> {
    let known = suspect.present()?;
    let target = known.history.created.entry.aux as u32;
    let never_ran =
        known.history.class == Class::Thread && suspect.view.activity(target) == Activity::NeverRan;
    never_ran.then(|| lost(suspect, target, Confidence::Proven))
}

/// Something that nobody signalled is waited for, and a thread that never ran may be the one that should have.
pub(super) fn never_ran(suspect: &Suspect<'_, '_>) -> Option<Finding> {
    let known = suspect.present()?;
    if !is_untouched(suspect, known) {
        return None;
    }
    let asleep = |tid: &u32| suspect.view.activity(*tid) == Activity::NeverRan;
    let target = suspect.view.tids().into_iter().find(asleep)?;
    Some(lost(suspect, target, Confidence::Likely))
}

fn lost(suspect: &Suspect<'_, '_>, target: u32, confidence: Confidence) -> Finding {
    let view = suspect.view;
    let handle = view.thread_object(target).map_or(suspect.member.handle, |object| object.handle());
    let created = view.thread_object(target).map(|object| *object.created());
    let resumed = view.thread_event(target, ThreadEvent::Resumed).copied();
    let stub = view.thread_object(target).and_then(|object| {
        object.trail.others.held().filter(|record| record.operation == Operation::Stub).last().copied()
    });
    let mut finding = suspect.finding(VerdictId::LostResume, confidence);
    finding.handle = handle;
    finding.generation = view.thread_object(target).map(|object| object.trail.generation);
    finding.since = finding.since.min(created.map_or(u64::MAX, |created| created.entry.cycle));
    let failed_call = resumed.or(stub).map(|record| record.entry.source.to_string());
    let creator = created.map(|created| suspect.function(created.entry.lr));
    finding.culprit =
        failed_call.clone().or_else(|| creator.clone()).or_else(|| Some(format!("thread {target}")));
    let why = match &failed_call {
        Some(export) => format!("{export} did not start it"),
        None => "nobody resumed it".to_owned(),
    };
    finding.summary = format!("{}, but thread {target} never ran: {why}.", suspect.opening());
    let suspended = view.case.thread(target).map(|thread| thread.suspend_count);
    let note = suspended.map_or_else(String::new, |count| format!("its suspend count is {count}"));
    let mut evidence: Vec<Evidence> =
        created.map(|record| suspect.record(handle, Some(record), note)).into_iter().collect();
    evidence.extend(resumed.map(|record| suspect.record(handle, Some(record), "resumed, and did not run")));
    evidence.extend(
        stub.map(|record| suspect.record(handle, Some(record), "a stub: did nothing with the thread")),
    );
    evidence.push(suspect.wait());
    finding.evidence = evidence;
    finding.next = match (failed_call, creator) {
        (Some(export), _) => format!("Make {export} lower the suspend count and start the thread at zero."),
        (None, Some(creator)) => format!("See why {creator} does not resume {}.", words::hex(handle)),
        (None, None) => format!("Find who is to resume thread {target}."),
    };
    finding
}
