//! HT12: a thread was created suspended and never ran, and somebody waits for it.

use handle_audit::aux::ThreadEvent;
use handle_audit::{Operation, TrailEntry};

use crate::object::Class;
use crate::rules::never::is_untouched;
use crate::rules::stub::stubs_near;
use crate::rules::{Finding, Suspect};
use crate::verdict::{Confidence, Evidence, VerdictId};
use crate::view::{Activity, View};
use crate::words;

/// The thread itself is waited for.
pub(super) fn joined(suspect: &Suspect<'_, '_>) -> Option<Finding> {
    let known = suspect.present()?;
    let target = known.history.created.entry.aux as u32;
    let never_ran =
        known.history.class == Class::Thread && suspect.view.activity(target) == Activity::NeverRan;
    never_ran.then(|| lost(suspect, target, Confidence::Proven))
}

/// Something that nobody signalled is waited for, and a thread that never ran may be the one that should have: one that
/// somebody tried to start, or one that belongs to the waiter or to the maker of the object. A stub that they called in
/// between is the better guess.
pub(super) fn never_ran(suspect: &Suspect<'_, '_>) -> Option<Finding> {
    let known = suspect.present()?;
    if !is_untouched(suspect, known) {
        return None;
    }
    let view = suspect.view;
    let asleep: Vec<u32> =
        view.tids().into_iter().filter(|tid| view.activity(*tid) == Activity::NeverRan).collect();
    let tried = |tid: &&u32| {
        view.thread_event(**tid, ThreadEvent::Resumed).is_some() || stub_on(view, **tid).is_some()
    };
    let family = [suspect.blocked.tid, known.history.created.entry.tid];
    let related = |tid: &&u32| {
        view.thread_object(**tid).is_some_and(|object| family.contains(&object.created().entry.tid))
    };
    let target = asleep.iter().find(tried).or_else(|| {
        let stubbed = !stubs_near(view, known, suspect.blocked.tid).is_empty();
        asleep.iter().find(related).filter(|_| !stubbed)
    })?;
    Some(lost(suspect, *target, Confidence::Likely))
}

/// The newest call to a stub that named a thread.
fn stub_on(view: &View<'_>, tid: u32) -> Option<TrailEntry> {
    let others = &view.thread_object(tid)?.trail.others;
    others.held().filter(|record| record.operation == Operation::Stub).last().copied()
}

fn lost(suspect: &Suspect<'_, '_>, target: u32, confidence: Confidence) -> Finding {
    let view = suspect.view;
    let handle = view.thread_object(target).map_or(suspect.member.handle, |object| object.handle());
    let created = view.thread_object(target).map(|object| *object.created());
    let resumed = view.thread_event(target, ThreadEvent::Resumed).copied();
    let stub = stub_on(view, target);
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
