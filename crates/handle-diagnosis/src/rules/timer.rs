//! HT13: the timer was never armed, was cancelled, or is overdue.

use handle_audit::Operation;
use handle_audit::aux::{TimerAux, TimerEvent};

use crate::rules::stub::stubs_near;
use crate::rules::{Finding, Known, Suspect};
use crate::verdict::{Confidence, VerdictId};
use crate::words;

pub(super) fn dead(suspect: &Suspect<'_, '_>) -> Option<Finding> {
    let known = suspect.present()?;
    // What a host without timer records does with its timers is not known.
    if !known.history.class.is_timer() || !suspect.view.grade.further_operations {
        return None;
    }
    if known.state.count.is_some_and(|count| count > 0) {
        return None;
    }
    let last = known.history.last(known.history.steps.len(), |step| step.operation() == Operation::Timer);
    match last {
        None => Some(never_armed(suspect, known)),
        Some(last) => stopped(suspect, known, last),
    }
}

fn never_armed(suspect: &Suspect<'_, '_>, known: &Known<'_, '_>) -> Finding {
    let stubs = stubs_near(suspect.view, known, suspect.blocked.tid);
    let creator = known.history.created.entry;
    let mut finding = suspect.finding(VerdictId::DeadTimer, Confidence::Strong);
    finding.culprit = Some(
        stubs.first().map_or_else(|| suspect.function(creator.lr), |stub| stub.entry().source.to_string()),
    );
    finding.summary = format!("{}, which was never armed.", suspect.opening());
    finding.evidence.extend(suspect.created());
    finding.evidence.extend(stubs.first().map(|stub| suspect.stub(stub)));
    finding.evidence.push(suspect.wait());
    finding.next = match stubs.first() {
        Some(stub) => format!("Implement {}.", stub.entry().source),
        None => format!(
            "See where {} is to arm {}.",
            suspect.function(creator.lr),
            words::hex(suspect.member.handle)
        ),
    };
    finding
}

fn stopped(suspect: &Suspect<'_, '_>, known: &Known<'_, '_>, last: usize) -> Option<Finding> {
    let timer_of = |index: usize| TimerAux::decode(known.history.steps[index].entry().aux);
    let armed = known.history.last(last + 1, |step| {
        step.operation() == Operation::Timer && TimerAux::decode(step.entry().aux).event == TimerEvent::Armed
    })?;
    let (arm, entry) = (timer_of(armed), *known.history.steps[armed].entry());
    let due = words::time(arm.due);
    let mut finding = suspect.finding(VerdictId::DeadTimer, Confidence::Strong);
    let arms = entry.source;
    finding.culprit = Some(arms.to_string());
    let mut next =
        format!("See that what {arms} arms reaches the host's clock, and fires again if it is periodic.");
    let (why, note) = match timer_of(last).event {
        TimerEvent::Cancelled => {
            let cancel = known.history.steps[last].entry();
            finding.culprit = Some(cancel.source.to_string());
            next = format!("See why {} is called while a thread still waits.", cancel.source);
            (format!("which {} cancelled", suspect.thread(cancel.tid)), "cancelled")
        }
        TimerEvent::Armed if overdue(suspect, arm.due) => {
            (format!("which was due at {due} and did not fire"), "armed")
        }
        TimerEvent::Fired if arm.periodic => {
            if !silent(suspect, known, last, arm.due.saturating_sub(entry.cycle)) {
                return None;
            }
            ("a periodic timer that has ceased to fire".to_owned(), "the last time that it fired")
        }
        // Its end is the last that was asked of it: whether it should have been armed anew is a guess.
        TimerEvent::Fired => {
            finding.confidence = Confidence::Likely;
            finding.culprit = Some(suspect.function(entry.lr));
            next = format!(
                "See whether {} is to arm it again, or as a periodic timer.",
                suspect.place(entry.lr)
            );
            ("which fired once and was not armed again".to_owned(), "fired")
        }
        TimerEvent::Armed => return None,
    };
    finding.since = entry.cycle;
    finding.summary = format!("{}, {why}.", suspect.opening());
    finding.evidence.extend(suspect.created());
    finding.evidence.extend(suspect.step(armed, format!("armed, due at {due}")));
    finding.evidence.extend((last != armed).then(|| suspect.step(last, note)).flatten());
    finding.evidence.push(suspect.wait());
    finding.evidence.sort_by_key(|evidence| evidence.record.map(|record| record.seq));
    finding.next = next;
    Some(finding)
}

/// Its time has come, or the run ended because no timer was armed any more.
fn overdue(suspect: &Suspect<'_, '_>, due: u64) -> bool {
    let nothing_armed = suspect.view.case.run.ended == crate::input::Ended::Deadlock;
    nothing_armed || due.saturating_add(GRACE) < suspect.view.now
}

/// A host may be late: 10 ms.
const GRACE: u64 = 10 * words::CYCLES_PER_MS;

fn silent(suspect: &Suspect<'_, '_>, known: &Known<'_, '_>, last: usize, period: u64) -> bool {
    let fired = known.history.steps[last].entry().cycle;
    overdue(suspect, fired.saturating_add(period.saturating_mul(2)))
}
