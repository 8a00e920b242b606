//! What the records of one object say: which of them are held, what signals it, who took what, what is left.

use handle_audit::aux::{ThreadEvent, TimerEvent, semaphore, signal};
use handle_audit::{Operation, PreviousGeneration};

use super::*;
use crate::history::{Outcome, took};
use crate::object::Earlier;

const TIMEOUT: u64 = 0x102;
const ABANDONED: u64 = 0x80;
const USER_APC: u64 = 0xC0;

#[test]
fn a_signal_a_timer_that_fires_and_an_end_let_waiters_go() {
    for (record, is_signal) in [
        (set(2, 0), true),
        (timer(TimerEvent::Fired), true),
        (timer(TimerEvent::Armed), false),
        (timer(TimerEvent::Cancelled), false),
        (thread(ThreadEvent::Exited), true),
        (thread(ThreadEvent::Started), false),
        ((Operation::Pulse, 2, 0), false),
        (wait(2), false),
    ] {
        let history = history("Thread", 2, &[record]);
        assert_eq!(history.steps[0].is_signal(), is_signal, "{record:?}");
    }
}

#[test]
fn a_wait_takes_by_success_and_by_abandonment() {
    let statuses = [0, 0x3F, 0x40, 0x7F, ABANDONED, 0xBF, USER_APC, 0x101, TIMEOUT, 0xC000_0008];
    assert_eq!(
        statuses.map(took),
        [true, true, false, false, true, true, false, false, false, false],
        "WAIT_0 to WAIT_63 and ABANDONED_WAIT_0 to ABANDONED_WAIT_63"
    );
}

#[test]
fn a_round_is_a_wait_and_the_end_of_it() {
    let outcome = |wait, status| {
        let history = history("Event/Auto", 0, &[wait, set(2, 0), satisfied(1, status)]);
        let round = history.rounds[0];
        assert_eq!((round.wait, round.end, round.tid, round.cycles), (0, 2, 1, 2 * STEP));
        round.outcome
    };
    assert_eq!(outcome(wait(1), 0), Outcome::Took);
    assert_eq!(outcome(wait_any(1), 0), Outcome::MayHaveTook);
    assert_eq!(outcome(wait(1), TIMEOUT), Outcome::TimedOut);
    assert_eq!(outcome(wait_any(1), TIMEOUT), Outcome::TimedOut);
    assert_eq!(outcome(wait(1), USER_APC), Outcome::Other);
}

#[test]
fn what_is_taken_between_two_places_is_taken_within_them() {
    // The wait is the first record and its end the third.
    let between = |wait, status, from, to| {
        history("Event/Auto", 0, &[wait, set(2, 0), satisfied(1, status), set(2, 0)]).taken_between(from, to)
    };
    for (from, to, taken) in [(1, 3, true), (0, 4, true), (2, 4, false), (0, 2, false), (3, 4, false)] {
        assert_eq!(between(wait(1), 0, from, to), taken, "{from} to {to}");
    }
    assert!(between(wait_any(1), 0, 1, 3), "it may have been");
    assert!(!between(wait(1), TIMEOUT, 1, 3));
}

#[test]
fn a_history_is_whole_until_a_list_drops() {
    let whole = |signals: usize| {
        // One wait in front, then signals: the first 8 and the newest 32 are held.
        let mut records = vec![wait(1)];
        records.extend((0..signals).map(|_| set(2, 0)));
        let history = history("Event/Auto", 0, &records);
        (history.steps.len(), history.complete_from, history.is_complete())
    };
    assert_eq!(whole(40), (41, 0, true));
    assert_eq!(whole(41), (41, 9, false), "from the oldest of the newest on");
}

/// How much is known of an object whose first handle was reissued, with these records of which the last are kept.
fn renamed(records: &[Record], kept: usize) -> (Vec<u32>, usize) {
    let before = trail(4, "Event/Auto", 0, records);
    let mut totals = counts(records);
    totals.add(Operation::Create, 1);
    let mut last = before.sequence();
    last.insert(0, before.created);
    let summary = PreviousGeneration {
        generation: 1,
        kind: before.kind,
        created: before.created,
        closed: None,
        totals,
        last: last.split_off(last.len() - kept),
        open_waits: Vec::new(),
    };
    let now = trail(8, "Event/Auto", 0, &[set(2, 0)]);
    let object = Object { earlier: Some(Earlier { handle: 4, summary: &summary }), ..object(&now) };
    let history = History::of(&object);
    (history.steps.iter().map(|step| step.handle).collect(), history.complete_from)
}

#[test]
fn a_history_goes_on_from_what_is_left_of_the_first_handle() {
    let records = [set(2, 0), wait(1), satisfied(1, 0)];
    assert_eq!(renamed(&records, 4), (vec![4, 4, 4, 8], 0), "with the create all are there");
    assert_eq!(renamed(&records, 3), (vec![4, 4, 4, 8], 0), "the create is no step");
    assert_eq!(renamed(&records, 2), (vec![4, 4, 8], 2), "what is there does not begin at the beginning");
    assert_eq!(renamed(&records, 1), (vec![4, 8], 1));
}

#[test]
fn a_semaphore_of_no_known_limit_has_none() {
    assert_eq!(history("Semaphore", semaphore(1, 7), &[]).limit(), 7);
    assert_eq!(history("Semaphore", semaphore(1, 0), &[]).limit(), u64::MAX);
}

#[test]
fn the_ledger_counts_what_there_was_and_who_took_it() {
    let release = |amount| (Operation::Signal, 3, signal(0, amount));
    let round = |tid| [wait(tid), satisfied(tid, 0)];
    let mut records = vec![release(4), release(0)];
    records.extend([round(1), round(2), round(1)].concat());
    records.extend([wait(2), satisfied(2, TIMEOUT)]);
    let ledger = history("Semaphore", semaphore(2, 9), &records).ledger();
    assert_eq!(ledger.credits, 2 + 4 + 1, "the initial count, and what each release adds, at least one");
    assert_eq!(ledger.taken.iter().collect::<Vec<_>>(), [(&1, &2), (&2, &1)]);
    assert_eq!((ledger.taken_in_all(), ledger.exact), (3, true));
    records.extend([wait_any(1), satisfied(1, 0)]);
    assert!(!history("Semaphore", semaphore(2, 9), &records).ledger().exact, "whose it was is not known");
    let auto = history("Event/Auto", 0, &[(Operation::Signal, 3, signal(0, 4))]).ledger();
    assert_eq!(auto.credits, 1, "an event does not count");
}

/// What is left to be taken at the end, and how often a call met something else than the records lead to.
fn left(kind: &str, aux: u64, records: &[Record]) -> (Option<u64>, usize) {
    let state = history(kind, aux, records).state();
    assert_eq!(state.owner, None);
    (state.count, state.surprises.len())
}

#[test]
fn signals_add_and_waits_that_use_them_up_take() {
    let round = [wait(1), satisfied(1, 0)];
    let any = [wait_any(1), satisfied(1, 0)];
    let timed_out = [wait(1), satisfied(1, TIMEOUT)];
    let release = |previous, amount| (Operation::Signal, 2, signal(previous, amount));
    let with = |first: Record, rest: &[Record]| [&[first], rest].concat();
    for (kind, aux, records, count) in [
        ("Event/Auto", 1, vec![], Some(1)),
        ("Event/Auto", 0, with(set(2, 0), &[]), Some(1)),
        ("Event/Auto", 0, with(set(2, 0), &round), Some(0)),
        ("Event/Auto", 0, with(set(2, 0), &timed_out), Some(1)),
        ("Event/Auto", 0, with(set(2, 0), &any), None),
        ("Event/Manual", 0, with(set(2, 0), &round), Some(1)),
        ("Event/Manual", 0, with(set(2, 0), &any), Some(1)),
        ("Event/Manual", 1, with((Operation::Reset, 2, 1), &[]), Some(0)),
        ("Event/Manual", 1, with((Operation::Pulse, 2, 1), &[]), Some(0)),
        ("Semaphore", semaphore(0, 9), with(release(0, 3), &round), Some(2)),
        ("Semaphore", semaphore(1, 2), with(release(1, 5), &[]), Some(2)),
        ("Timer/Auto", 0, with(timer(TimerEvent::Fired), &[]), Some(1)),
        ("Timer/Auto", 0, with(timer(TimerEvent::Fired), &round), Some(0)),
        ("Timer/Manual", 0, with(timer(TimerEvent::Fired), &round), Some(1)),
        ("Timer/Manual", 0, with(timer(TimerEvent::Fired), &[timer(TimerEvent::Armed)]), Some(0)),
        ("Timer/Manual", 0, with(timer(TimerEvent::Fired), &[timer(TimerEvent::Cancelled)]), Some(1)),
        ("Thread", 2, vec![], Some(0)),
        ("Thread", 2, with(thread(ThreadEvent::Exited), &[]), Some(1)),
        ("File", 1, vec![], None),
        ("File", 1, with(set(2, 0), &[]), None),
    ] {
        assert_eq!(left(kind, aux, &records), (count, 0), "{kind} {aux:#x} {records:?}");
    }
}

#[test]
fn the_end_of_a_wait_that_is_not_held_may_have_taken_something() {
    // Its wait is older than what is held.
    for (kind, status, count) in
        [("Event/Auto", 0, None), ("Event/Auto", TIMEOUT, Some(1)), ("Event/Manual", 0, Some(1))]
    {
        assert_eq!(left(kind, 1, &[satisfied(1, status)]), (count, 0), "{kind} {status:#x}");
    }
}

#[test]
fn a_call_that_meets_another_state_is_a_surprise() {
    let reset = |previous| (Operation::Reset, 2, previous);
    for (kind, aux, record, surprises) in [
        ("Semaphore", semaphore(2, 9), set(2, 2), 0),
        ("Semaphore", semaphore(2, 9), set(2, 1), 1),
        ("Event/Auto", 0, set(2, 0), 0),
        ("Event/Auto", 0, set(2, 1), 1),
        ("Event/Auto", 0, set(2, 7), 1),
        ("Event/Manual", 1, reset(1), 0),
        ("Event/Manual", 1, reset(7), 0),
        ("Event/Manual", 1, reset(0), 1),
        ("Event/Manual", 1, (Operation::Pulse, 2, 0), 1),
        // What they report is no state that could be compared.
        ("Timer/Auto", 0, set(2, 1), 0),
        ("Event/Auto", 0, (Operation::Close, 2, 1), 0),
    ] {
        assert_eq!(left(kind, aux, &[record]).1, surprises, "{kind} {aux:#x} {record:?}");
    }
    let unknown = [wait_any(1), satisfied(1, 0), set(2, 1)];
    assert_eq!(left("Event/Auto", 1, &unknown).1, 0, "where nothing is known nothing can surprise");
}
