//! What producers do while a flush takes its steps.

use super::checks;
use super::world::{Action, Outcome, Said, pipeline, play};
use crate::config::AuditConfig;
use crate::drain::Control;
use crate::recorder::steps::{Call, Step};
use crate::{Gap, HandleAuditEntry, HandleKind, Operation, OperationCounts, label};

fn signal(handle: u32, cycle: u64) -> Call {
    let entry = HandleAuditEntry::new(cycle, 1, 0, label!("test"), 0);
    Call { operation: Operation::Signal, kind: HandleKind::SEMAPHORE, handle, entry, frames: None }
}

/// Plays a script on rings of eight slots, of which one is for creates only.
fn play_on(rings: usize, script: Vec<Action>) -> Outcome {
    let outcome = play(&AuditConfig::default().rings(rings).ring_capacity(8), script);
    checks::all_holds(&outcome, 0);
    outcome
}

/// Cycles of the records folded by the end of each flush.
fn folded_by_flush(outcome: &Outcome) -> Vec<Vec<u64>> {
    let cycles = |said: &[Said]| {
        said.iter()
            .filter_map(|said| match said {
                Said::Record(told) => Some(told.entry.cycle),
                Said::Focus(_) => None,
            })
            .collect()
    };
    outcome.flushes.iter().map(|flush| cycles(&outcome.said[..flush.said])).collect()
}

#[test]
fn a_flush_goes_on_until_what_was_held_back_is_folded() {
    let step = || Action::Step(0, signal(4, 1));
    // A record that has shown its stamp, and a later one that is published before it.
    let mut script = vec![step(), step(), Action::Whole(1, signal(4, 2)), Action::Flush];
    // The first is published between the two looks: the second must wait for it.
    script.extend([Action::Drain, Action::Drain, step()]);
    let outcome = play_on(2, script);
    assert_eq!(folded_by_flush(&outcome), [[1, 2]]);
}

#[test]
fn a_flush_waits_for_nothing_that_was_published_after_it_began() {
    let step = |cycle| Action::Step(0, signal(4, cycle));
    let later = |cycle| Action::Whole(1, signal(4, cycle));
    let mut script = vec![step(1), step(1), later(2), Action::Flush, Action::Drain, Action::Drain];
    // In the first pass record 1 is published between the looks, and holds 2 back. Record 3 has shown its stamp, and
    // 4 is published.
    script.extend([step(1), step(3), step(3), later(4)]);
    script.extend(std::iter::repeat_n(Action::Drain, 6));
    // In the second pass record 3 holds 4 back, which came too late to matter.
    script.push(step(3));
    let outcome = play_on(2, script);
    assert_eq!(folded_by_flush(&outcome), [[1, 2]]);
    assert_eq!(outcome.snapshot.folded, 4);
}

#[test]
fn a_flush_leaves_what_was_published_after_it_began() {
    let mut script = vec![Action::Whole(0, signal(4, 1)), Action::Flush];
    // After the first look, and after the only ring was emptied.
    script.extend([Action::Whole(0, signal(4, 2)), Action::Drain, Action::Whole(0, signal(4, 3))]);
    let outcome = play_on(1, script);
    assert_eq!(folded_by_flush(&outcome), [[1]]);
    assert_eq!(outcome.snapshot.folded, 3);
}

#[test]
fn the_accounts_of_a_flush_know_gaps_that_wait_in_a_ring_and_the_one_still_open() {
    let many = |cycles: std::ops::Range<u64>| cycles.map(|cycle| Action::Whole(0, signal(4, cycle)));
    // Seven fit, three are rejected.
    let mut script: Vec<_> = many(0..10).chain([Action::Flush, Action::Drain]).collect();
    // The ring is empty: the gap is sent in two slots, five more fit, and two are rejected.
    script.extend(many(10..17));
    let outcome = play_on(1, script);
    let rejected = |count| -> OperationCounts { [(Operation::Signal, count)].into_iter().collect() };
    let gap =
        |first_cycle, last_cycle, count| Gap { ring: 0, first_cycle, last_cycle, rejected: rejected(count) };
    assert_eq!(outcome.flushes[0].losses.gaps, [gap(7, 9, 3), gap(15, 16, 2)]);
    assert_eq!(outcome.snapshot.losses.gaps, outcome.flushes[0].losses.gaps);
}

#[test]
fn what_is_published_after_the_end_is_late() {
    let config = AuditConfig::default().rings(2).ring_capacity(8);
    let pipeline = pipeline(&config, |pipeline| pipeline.make_rings(&config));
    let mut recorders = [0, 1].map(|ring| pipeline.claim(ring).unwrap());
    recorders[1].call(&signal(4, 1));
    // A record sees the audit on, and comes to its end after that of the audit.
    for (late, cycle) in (1..).zip(2..5) {
        let shown = match recorders[1].begin(signal(4, cycle)) {
            chosen @ Step::Chosen(..) => recorders[1].go_on(chosen),
            step => step,
        };
        pipeline.switch(false);
        pipeline.tell(Control::Stop);
        pipeline.flush().unwrap();
        assert!(matches!(recorders[1].go_on(shown), Step::Done));
        pipeline.switch(true);
        let losses = pipeline.losses().unwrap();
        let accounts: Vec<_> = losses.rings.iter().map(|ring| (ring.folded.total(), ring.late)).collect();
        assert_eq!(accounts, [(0, 0), (1, late)]);
    }
}
