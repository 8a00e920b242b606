//! HT04: the signal was gone before the waiter came, or a pulse passed it by.

use handle_audit::Operation;
use handle_audit::aux::signal_previous;

use crate::rules::{Finding, Known, Suspect};
use crate::verdict::{Confidence, VerdictId};
use crate::view::Mode;
use crate::words;

pub(super) fn lost(suspect: &Suspect<'_, '_>) -> Option<Finding> {
    let known = suspect.present()?;
    if !known.history.class.is_event()
        || known.after_wait(|step| step.operation() == Operation::Signal).is_some()
    {
        return None;
    }
    passed_by(suspect, known).or_else(|| too_early(suspect, known)).or_else(|| cleared(suspect, known))
}

/// A pulse came while the thread was parked, and let nobody go.
fn passed_by(suspect: &Suspect<'_, '_>, known: &Known<'_, '_>) -> Option<Finding> {
    let pulse = known.after_wait(|step| step.operation() == Operation::Pulse)?;
    let someone = known.history.taken_between(pulse, known.history.steps.len());
    if someone || suspect.blocked.mode == Mode::All {
        return None;
    }
    let source = known.history.steps[pulse].entry().source;
    let mut finding = gone(suspect, Confidence::Proven, source.to_string());
    finding.summary = format!("{}; {source} pulsed it while it waited and woke nobody.", suspect.opening());
    finding.evidence.push(suspect.wait());
    finding.evidence.extend(suspect.step(pulse, "a pulse that woke nobody"));
    finding.next =
        format!("Make {source} wake the threads that wait at that moment, under one lock with the clearing.");
    Some(finding)
}

/// The last thing before the wait was a pulse that met no waiter.
fn too_early(suspect: &Suspect<'_, '_>, known: &Known<'_, '_>) -> Option<Finding> {
    let pulse = known.last_before_wait(|step| {
        matches!(step.operation(), Operation::Pulse | Operation::Signal | Operation::Promise)
    })?;
    let step = &known.history.steps[pulse];
    let met = known.history.rounds.iter().any(|round| (round.wait..round.end).contains(&pulse));
    if step.operation() != Operation::Pulse || met || pulse < known.history.complete_from {
        return None;
    }
    let entry = *step.entry();
    let mut finding = gone(suspect, Confidence::Proven, entry.source.to_string());
    finding.summary = format!(
        "{}; {} pulsed it before, when nobody waited, and a pulse leaves nothing behind.",
        suspect.opening(),
        suspect.thread(entry.tid)
    );
    finding.evidence.extend(suspect.created());
    finding.evidence.extend(suspect.step(pulse, "a pulse that met no waiter"));
    finding.evidence.push(suspect.wait());
    finding.next =
        format!("See why {} is late for the pulse of {}.", suspect.waiter(), suspect.place(entry.lr));
    Some(finding)
}

/// Set and cleared before the wait, and not taken in between: by nobody, or not by this thread.
fn cleared(suspect: &Suspect<'_, '_>, known: &Known<'_, '_>) -> Option<Finding> {
    let reset = known.last_before_wait(|step| {
        matches!(
            step.operation(),
            Operation::Reset | Operation::Signal | Operation::Pulse | Operation::Promise
        )
    })?;
    let steps = &known.history.steps;
    if steps[reset].operation() != Operation::Reset || signal_previous(steps[reset].entry().aux) == 0 {
        return None;
    }
    let signal =
        known.history.last(reset, |step| matches!(step.operation(), Operation::Signal | Operation::Reset))?;
    if steps[signal].operation() != Operation::Signal || signal < known.history.complete_from {
        return None;
    }
    let between = known.history.rounds.iter().filter(|round| (signal..reset).contains(&round.end));
    let takers: Vec<u32> = between.map(|round| round.tid).collect();
    if takers.contains(&suspect.blocked.tid) {
        return None;
    }
    let confidence = if takers.is_empty() { Confidence::Proven } else { Confidence::Likely };
    let (set, clear) = (*steps[signal].entry(), *steps[reset].entry());
    let mut finding = gone(suspect, confidence, clear.source.to_string());
    finding.since = set.cycle;
    finding.summary = format!(
        "{}; {} set it and {} cleared it again before {} came.",
        suspect.opening(),
        suspect.thread(set.tid),
        suspect.thread(clear.tid),
        suspect.waiter()
    );
    finding.evidence.extend(suspect.step(signal, "set"));
    finding.evidence.extend(suspect.step(reset, "cleared before the waiter came"));
    finding.evidence.push(suspect.wait());
    finding.next = format!(
        "See why {} clears {} before its waiter has seen it.",
        suspect.place(clear.lr),
        words::hex(suspect.member.handle)
    );
    Some(finding)
}

fn gone(suspect: &Suspect<'_, '_>, confidence: Confidence, culprit: String) -> Finding {
    let mut finding = suspect.finding(VerdictId::LostPulse, confidence);
    finding.culprit = Some(culprit);
    finding
}
