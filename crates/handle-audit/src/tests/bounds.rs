//! The bounds of what is kept, at their edges.

use super::agree::agree;
use super::world::{Action, Outcome, pipeline, play};
use crate::config::AuditConfig;
use crate::recorder::steps::Call;
use crate::{HandleAuditEntry, HandleKind, MAX_OPEN_WAITS, Operation, label};

fn call(operation: Operation, handle: u32, tid: u32) -> Action {
    let entry = HandleAuditEntry::new(7, tid, 0, label!("test"), 0);
    Action::Whole(0, Call { operation, kind: HandleKind::SEMAPHORE, handle, entry, frames: None })
}

/// Plays calls on one ring that is large enough, and compares with the model.
fn play_calls(calls: impl IntoIterator<Item = Action>) -> Outcome {
    let config = AuditConfig::default().rings(1);
    let outcome = play(&config, calls.into_iter().collect());
    assert_eq!(outcome.snapshot.losses.rejected(), 0);
    outcome
}

#[test]
fn open_waits_beyond_the_bound_are_counted_exactly_if_each_wait_has_one_end() {
    let threads = MAX_OPEN_WAITS as u32 + 10;
    let mut calls = vec![call(Operation::Create, 4, 0)];
    calls.extend((1..=threads).map(|tid| call(Operation::Wait, 4, tid)));
    let outcome = play_calls(calls.clone());
    let trail = &outcome.snapshot.trails[0];
    assert_eq!((trail.open_waits.len(), trail.open_waits_not_kept), (MAX_OPEN_WAITS, 10));

    calls.extend((1..=threads).rev().step_by(2).map(|tid| call(Operation::Wake, 4, tid)));
    let outcome = play_calls(calls);
    let trail = &outcome.snapshot.trails[0];
    let open = trail.open_waits.len() as u64 + trail.open_waits_not_kept;
    assert_eq!(open, u64::from(threads / 2));
}

#[test]
fn the_closer_is_kept_however_much_follows_it() {
    let mut calls = vec![call(Operation::Create, 4, 0)];
    calls.extend((0..20).map(|_| call(Operation::Reset, 4, 1)));
    calls.push(call(Operation::Close, 4, 2));
    calls.extend((0..100).map(|_| call(Operation::Pulse, 4, 3)));
    calls.push(call(Operation::Create, 4, 0));
    let outcome = play_calls(calls);
    agree(&outcome.snapshot, &outcome.model(), 0);
    let previous = outcome.snapshot.trails[0].previous.as_ref().unwrap();
    assert_eq!(previous.closed.unwrap().seq, 21);
}

#[test]
fn the_first_256_unknown_handles_are_leads_and_keep_counting() {
    let round = || (1..=300).map(|index| call(Operation::Wait, index * 4, 1));
    let outcome = play_calls(round().chain(round()).chain([call(Operation::Create, 4, 1)]).chain(round()));
    agree(&outcome.snapshot, &outcome.model(), 0);
    assert_eq!(outcome.snapshot.leads.len(), 256);
    assert_eq!(outcome.snapshot.leads[1].totals.get(Operation::Wait), 3);
}

#[test]
fn threads_beyond_the_bound_are_counted() {
    let tids = crate::fold::MAX_THREADS as u32 + 5;
    let outcome = play_calls((1..=tids).chain([1, tids]).map(|tid| call(Operation::Signal, 4, tid)));
    let (threads, losses) = (&outcome.snapshot.threads, &outcome.snapshot.losses);
    assert_eq!((threads.len(), losses.threads_not_kept), (crate::fold::MAX_THREADS, 6));
    assert_eq!(threads[0].total, 2);
}

#[test]
fn the_last_eighth_of_a_ring_is_kept_for_creates() {
    let calls = |operation, count| (0..count).map(move |_| call(operation, 4, 1));
    let config = AuditConfig::default().rings(1).ring_capacity(64);
    let script = calls(Operation::Signal, 100).chain(calls(Operation::Create, 20));
    let outcome = play(&config, script.collect());
    let account = &outcome.snapshot.losses.rings[0];
    let [signals, creates] = [Operation::Signal, Operation::Create]
        .map(|operation| (account.folded.get(operation), account.rejected.get(operation)));
    assert_eq!((signals, creates), ((56, 44), (8, 12)));
}

#[test]
fn a_gap_is_sent_once_it_fits_beside_one_more_record() {
    let config = AuditConfig::default().rings(1).ring_capacity(8);
    let pipeline = pipeline(&config, |pipeline| pipeline.make_rings(&config));
    let mut recorder = pipeline.claim(0).unwrap();
    let mut signal = || {
        recorder.record_signal(4, HandleAuditEntry::new(7, 1, 0, label!("test"), 0));
        let account = pipeline.shared.places[0].ledger.account();
        (account.gaps_sent, account.rejected.total())
    };
    // One slot is for creates, and the gap takes two.
    assert_eq!((0..9).map(|_| signal()).last(), Some((0, 2)));
    for (taken, sent) in [(2, 0), (3, 0), (5, 1)] {
        let mut drain = pipeline.drain().unwrap();
        let intake = &mut drain.sources[0].intake;
        intake.look();
        intake.take(taken);
        drop(drain);
        assert_eq!(signal(), (sent, 2), "{taken} slots are free again");
    }
}
