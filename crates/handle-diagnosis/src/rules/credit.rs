//! HT05 and HT18: there were signals, but not for this waiter.

use handle_audit::Operation;
use handle_audit::aux::{signal_amount, signal_previous};

use crate::graph::open_promise;
use crate::history::{History, Outcome, Step};
use crate::object::Class;
use crate::rules::{Finding, Known, Suspect};
use crate::verdict::{Confidence, VerdictId};
use crate::words;

/// HT05: other threads consumed the initial count and every signal.
pub(super) fn stolen(suspect: &Suspect<'_, '_>) -> Option<Finding> {
    let known = consumable(suspect)?;
    let ledger = known.history.ledger();
    let own = ledger.taken.get(&suspect.blocked.tid).copied().unwrap_or(0);
    let (thief, most) = ledger
        .taken
        .iter()
        .filter(|(tid, _)| **tid != suspect.blocked.tid)
        .max_by_key(|(_, taken)| **taken)?;
    if ledger.credits == 0 || ledger.taken_in_all() < ledger.credits {
        return None;
    }
    if own > 0 && !jumped_the_queue(known) {
        return None;
    }
    let mut finding = suspect
        .finding(VerdictId::CreditStolen, if ledger.exact { Confidence::Strong } else { Confidence::Likely });
    finding.culprit = Some(format!("thread {thief}"));
    finding.summary = format!(
        "{}; it had {}, and {} took {} of them.",
        suspect.opening(),
        words::count(ledger.credits, "signal"),
        suspect.thread(*thief),
        words::digits(*most)
    );
    finding.evidence.extend(suspect.created());
    for (tid, taken) in &ledger.taken {
        let last = known
            .history
            .rounds
            .iter()
            .rev()
            .find(|round| round.tid == *tid && round.outcome == Outcome::Took)?;
        let note = format!("thread {tid} took {}, this the last", words::digits(*taken));
        finding.evidence.extend(suspect.step(last.end, note));
    }
    finding.evidence.push(suspect.wait());
    finding.evidence.sort_by_key(|evidence| evidence.record.map(|record| record.seq));
    let lr = known.history.rounds.iter().rev().find(|round| round.tid == *thief).map(|round| round.lr)?;
    finding.next = format!(
        "See whether {} is to take from {} that often.",
        suspect.place(lr),
        words::hex(suspect.member.handle)
    );
    Some(finding)
}

/// Somebody who came later than the waiter was served before it.
fn jumped_the_queue(known: &Known<'_, '_>) -> bool {
    known.history.rounds.iter().any(|round| round.wait > known.at && round.outcome == Outcome::Took)
}

/// HT18: a signal overwrote one that nobody had taken, so two became one.
pub(super) fn coalesced(suspect: &Suspect<'_, '_>) -> Option<Finding> {
    let known = consumable(suspect)?;
    if known.after_wait(|step| step.is_signal()).is_some() {
        return None;
    }
    let second = known.last_before_wait(|step| overwrites(known.history, step))?;
    let entry = *known.history.steps[second].entry();
    let previous = signal_previous(entry.aux);
    let first = known.history.last(second, |step| step.is_signal());
    // Where others came through after it, the loss may be one that nobody misses.
    let newest = known.last_before_wait(|step| step.is_signal()) == Some(second);
    let confidence = if newest { Confidence::Likely } else { Confidence::Hint };
    let mut finding = suspect.finding(VerdictId::Coalesced, confidence);
    finding.since = first.map_or(entry.cycle, |first| known.history.steps[first].entry().cycle);
    // The host signals on behalf of a call that was promised the event: that one is to blame, not the host.
    let promise = known.history.last(second, |step| step.operation() == Operation::Promise);
    let asked = promise.filter(|_| entry.tid == 0).map(|promise| known.history.steps[promise].entry());
    finding.culprit = Some(match (known.history.class, asked) {
        (Class::Semaphore, _) => entry.source.to_string(),
        (_, Some(asked)) => asked.source.to_string(),
        (_, None) => format!("thread {}", entry.tid),
    });
    finding.summary = format!(
        "{}; {} signalled it again before anybody had taken the signal before, so one was lost.",
        suspect.opening(),
        suspect.thread(entry.tid)
    );
    finding.evidence.extend(first.and_then(|first| suspect.step(first, "not taken yet")));
    finding.evidence.extend(suspect.step(second, format!("lost: the state was already {previous}")));
    finding.evidence.push(suspect.wait());
    finding.next = match known.history.class {
        Class::Semaphore => {
            format!("Make {} refuse a release beyond the limit of {}.", entry.source, known.history.limit())
        }
        _ => format!(
            "See whether {} counts on each signal being seen: an event cannot count.",
            suspect.place(asked.unwrap_or(&entry).lr)
        ),
    };
    Some(finding)
}

/// Whether a signal found the object as full as it can be.
fn overwrites(history: &History, step: &Step) -> bool {
    let previous = u64::from(signal_previous(step.entry().aux));
    step.operation() == Operation::Signal
        && match history.class {
            Class::AutoEvent => previous != 0,
            Class::Semaphore => previous + u64::from(signal_amount(step.entry().aux)) > history.limit(),
            _ => false,
        }
}

/// An object whose signals are used up by being taken, with none left and no promise of more.
fn consumable<'s, 'v, 'a>(suspect: &'s Suspect<'v, 'a>) -> Option<&'s Known<'v, 'a>> {
    let known = suspect.present()?;
    (known.history.class.is_consumable() && suspect.blocked.for_ever && open_promise(known.history).is_none())
        .then_some(known)
}
