//! HT07: the handle was used and never created.

use handle_audit::{Operation, ThreadRecord};

use crate::rules::never::is_untouched;
use crate::rules::{Finding, Suspect};
use crate::verdict::{Confidence, Evidence, VerdictId};
use crate::view::as_entry;
use crate::words;

/// Names from here on are addresses of objects, not handles.
pub(super) const FIRST_ADDRESS: u32 = 0x4000_0000;

/// A thread waits for something that no call made.
pub(super) fn waited_for(suspect: &Suspect<'_, '_>) -> Option<Finding> {
    if suspect.known.is_some() {
        return None;
    }
    let handle = suspect.member.handle;
    let signals = suspect.view.ghost(handle).map_or(0, |ghost| ghost.signals.total())
        + suspect
            .view
            .lead(handle)
            .map_or(0, |lead| lead.totals.get(Operation::Signal) + lead.totals.get(Operation::GhostSignal));
    let mut finding = suspect.finding(VerdictId::Ghost, Confidence::Strong);
    let (what, next) = if handle >= FIRST_ADDRESS {
        (
            "which the guest itself initialised",
            "Let the kernel adopt such an object at its first use, and record a create there",
        )
    } else {
        (
            "a handle that no call returned",
            "Find where the guest took this value from: a call that failed, or one that forgot to store its handle",
        )
    };
    finding.summary = format!("{}, {what}; {} it.", suspect.opening(), signalled(signals));
    finding.evidence = uses(suspect, handle);
    finding.evidence.push(suspect.wait());
    finding.culprit =
        finding.evidence.iter().find_map(|use_| use_.record).map(|first| suspect.function(first.entry.lr));
    finding.next = format!("{next}; look at {}.", finding.culprit.as_deref().unwrap_or("the caller"));
    Some(finding)
}

fn signalled(signals: u64) -> String {
    match signals {
        0 => "nobody ever signalled".to_owned(),
        signals => format!("{} reached", words::count(signals, "signal")),
    }
}

/// The first known use, and the last signal.
fn uses(suspect: &Suspect<'_, '_>, handle: u32) -> Vec<Evidence> {
    let lead =
        suspect.view.lead(handle).map(|lead| lead.first).filter(|first| Some(*first) != suspect.member.wait);
    let first = lead.map(|first| suspect.record(handle, Some(first), "the first use"));
    let ghost = suspect.view.ghost(handle).and_then(|ghost| ghost.signals.newest().copied());
    let last = ghost.map(|signal| suspect.record(handle, Some(signal), "the last signal, to no object"));
    first.into_iter().chain(last).collect()
}

/// The object waited for was never signalled, and meanwhile somebody signalled a handle that nobody created.
pub(super) fn signal_went_astray(suspect: &Suspect<'_, '_>) -> Option<Finding> {
    let known = suspect.present()?;
    if !is_untouched(suspect, known) {
        return None;
    }
    let astray = unresolved_signal(suspect, |handle| suspect.view.object_index(handle).is_none())?;
    let mut finding = suspect.finding(VerdictId::Ghost, Confidence::Likely);
    finding.culprit = Some(suspect.function(astray.entry.lr));
    finding.summary = went_astray(suspect, &astray, "a handle that nobody made");
    finding.evidence.extend(suspect.created());
    finding.evidence.push(suspect.record(
        astray.handle,
        Some(as_entry(&astray)),
        "a signal that reached nothing",
    ));
    finding.evidence.push(suspect.wait());
    finding.next =
        format!("Find where {} took {} from.", suspect.function(astray.entry.lr), words::hex(astray.handle));
    Some(finding)
}

/// The sentence on a signal that reached nothing.
pub(super) fn went_astray(suspect: &Suspect<'_, '_>, astray: &ThreadRecord, what: &str) -> String {
    format!(
        "{}, which nobody signalled, while {} called {} on {}, {what}.",
        suspect.opening(),
        suspect.thread(astray.entry.tid),
        astray.entry.source,
        words::hex(astray.handle)
    )
}

/// The newest signal since the object was made, among the last records of all threads, that reached nothing.
pub(super) fn unresolved_signal(
    suspect: &Suspect<'_, '_>,
    meets: impl Fn(u32) -> bool,
) -> Option<ThreadRecord> {
    let made = suspect.known?.history.created.entry.cycle;
    let astray = suspect.view.astray.iter().filter(|record| {
        record.entry.cycle >= made && record.handle != suspect.member.handle && meets(record.handle)
    });
    astray.max_by_key(|record| record.entry.cycle).copied()
}
