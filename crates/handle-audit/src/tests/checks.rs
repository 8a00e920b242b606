//! What must hold of every outcome, whatever the script was.

use std::collections::{BTreeMap, BTreeSet};

use super::agree::agree;
use super::causality::Clock;
use super::model::Told;
use super::world::{Attempt, Outcome, Said};
use crate::{Losses, MAX_STACK_FRAMES, Operation, OperationCounts, RingAccount};

/// All that must hold on every memory. `origin` is the position at which the rings began.
pub(crate) fn all_holds(outcome: &Outcome, origin: u64) {
    every_record_is_folded_once_as_it_was_made(outcome);
    the_fold_extends_happened_before(outcome);
    recorded_and_rejected_make_attempted(outcome);
    a_flush_folds_all_that_ended_before_it(outcome);
    agree(&outcome.snapshot, &outcome.model(), origin);
}

fn told(outcome: &Outcome) -> impl Iterator<Item = &Told> {
    outcome.said.iter().filter_map(|said| match said {
        Said::Record(told) => Some(told),
        Said::Focus(_) => None,
    })
}

fn attempt<'a>(outcome: &'a Outcome, told: &Told) -> &'a Attempt {
    &outcome.attempts[told.entry.lr as usize]
}

fn every_record_is_folded_once_as_it_was_made(outcome: &Outcome) {
    let (mut ids, mut positions) = (BTreeSet::new(), BTreeSet::new());
    let mut stacks_dropped = 0;
    for told in told(outcome) {
        assert!(ids.insert(told.entry.lr), "folded twice: {told:?}");
        assert!(positions.insert((told.ring, told.position)), "a position has two records: {told:?}");
        let made = attempt(outcome, told);
        assert_eq!(usize::from(told.ring), made.ring);
        let call = &made.call;
        assert_eq!((told.operation, told.handle, told.entry), (call.operation, call.handle, call.entry));
        if told.operation == Operation::Create {
            assert_eq!(told.kind, call.kind);
        }
        let mut frames = call.frames.clone().unwrap_or_default();
        frames.truncate(MAX_STACK_FRAMES);
        if told.frames.is_empty() && !frames.is_empty() {
            stacks_dropped += 1;
        } else {
            assert_eq!(told.frames, frames);
        }
    }
    assert_eq!(outcome.snapshot.losses.stacks_dropped(), stacks_dropped);
}

/// Nothing folds before what happened before it on the same handle.
fn the_fold_extends_happened_before(outcome: &Outcome) {
    // Per handle, the most that any record folded so far had heard of each lane when it began.
    let mut heard: BTreeMap<u32, Clock> = BTreeMap::new();
    for told in told(outcome) {
        let made = attempt(outcome, told);
        let heard = heard.entry(told.handle).or_insert_with(|| vec![0; made.heard.len()]);
        let number = made.number.expect("all producers rest");
        assert!(
            heard[made.ring] < number,
            "handle {:#x}: record {number} of lane {} folded after one that it happened before",
            told.handle,
            made.ring
        );
        for (most, this) in heard.iter_mut().zip(&made.heard) {
            *most = (*this).max(*most);
        }
    }
}

/// Where reads are never stale, what returned before something else began folds first, messages or not.
pub(crate) fn the_fold_follows_time(outcome: &Outcome) {
    let mut latest_start: BTreeMap<u32, u64> = BTreeMap::new();
    for told in told(outcome) {
        let made = attempt(outcome, told);
        let latest = latest_start.entry(told.handle).or_default();
        let finished = made.finished.expect("all producers rest");
        assert!(
            finished >= *latest,
            "handle {:#x}: a record that ended at {finished} folded after one that began at {latest}",
            told.handle
        );
        *latest = made.started.max(*latest);
    }
}

/// What ended before a flush began, and was not refused, is folded by the time it returns.
fn a_flush_folds_all_that_ended_before_it(outcome: &Outcome) {
    for flush in &outcome.flushes {
        for said in &outcome.said[flush.said..] {
            if let Said::Record(told) = said {
                let finished = attempt(outcome, told).finished.expect("all producers rest");
                assert!(
                    finished > flush.began,
                    "a record that ended at {finished} folded after a flush that began at {}",
                    flush.began
                );
            }
        }
    }
}

/// At the end, and at the end of every flush.
fn recorded_and_rejected_make_attempted(outcome: &Outcome) {
    let folded: BTreeSet<u32> = told(outcome).map(|told| told.entry.lr).collect();
    let at_the_end = (u64::MAX, &outcome.snapshot.losses);
    let flushes = outcome.flushes.iter().map(|flush| (flush.ended, &flush.losses));
    for (now, losses) in flushes.chain([at_the_end]) {
        for account in &losses.rings {
            let attempts = || {
                (outcome.attempts.iter()).filter(|attempt| {
                    attempt.ring == usize::from(account.ring) && attempt.finished.is_some_and(|at| at <= now)
                })
            };
            let rejected: Vec<_> =
                attempts().filter(|attempt| !folded.contains(&attempt.call.entry.lr)).collect();
            gaps_hold(losses, account, &rejected);
            if now == u64::MAX {
                assert_eq!((account.attempted(), account.late), (attempts().count() as u64, 0));
            }
        }
    }
}

/// Exactly these were rejected, and the gaps cover each of them.
fn gaps_hold(losses: &Losses, account: &RingAccount, rejected: &[&Attempt]) {
    let counts: OperationCounts = rejected.iter().map(|attempt| (attempt.call.operation, 1)).collect();
    assert_eq!(account.rejected, counts, "rejected by ring {}", account.ring);
    let gaps: Vec<_> = losses.gaps.iter().filter(|gap| gap.ring == account.ring).collect();
    let mut in_gaps = OperationCounts::default();
    gaps.iter().for_each(|gap| in_gaps.merge(&gap.rejected));
    assert_eq!(in_gaps, counts, "gaps of ring {}", account.ring);
    for attempt in rejected {
        let (cycle, operation) = (attempt.call.entry.cycle, attempt.call.operation);
        let covers = gaps.iter().any(|gap| gap.overlaps(cycle, cycle) && gap.rejected.get(operation) > 0);
        assert!(covers, "no gap of ring {} covers cycle {cycle}", account.ring);
    }
}
