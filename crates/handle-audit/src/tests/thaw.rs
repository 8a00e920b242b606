//! A fold that begins with a snapshot holds that snapshot, and goes on as the first fold would have.

use proptest::collection::vec;
use proptest::prelude::*;

use super::differential::call;
use super::world::{Action, play};
use crate::Snapshot;
use crate::config::AuditConfig;
use crate::fold::Fold;
use crate::merge::Taken;
use crate::record::{Record, Unstamped};
use crate::recorder::steps::Call;

fn freeze(fold: &Fold, like: &Snapshot) -> Snapshot {
    let mut losses = like.losses.clone();
    losses.unmatched = fold.map.unmatched.get();
    for (ring, account) in losses.rings.iter_mut().enumerate() {
        account.folded = fold.map.account(ring).folded;
    }
    fold.map.freeze(losses, fold.focus.clone(), like.coverage, like.folded, || ())
}

fn fold_on(fold: &mut Fold, first: u64, calls: &[Call]) {
    for (position, call) in (first..).zip(calls) {
        let unstamped = Unstamped::new(call.operation, call.kind.label().id(), call.handle, &call.entry);
        let record = Record::new(&unstamped, call.entry.source.mark(), || 0);
        let stack = call.frames.clone().unwrap_or_default();
        fold.fold(&Taken::new(record, 0, position), &stack);
    }
}

/// Plays calls, and goes on with `more` from where they led to: at once, and with a second snapshot halfway.
pub(crate) fn goes_on_as_the_first(config: &AuditConfig, calls: Vec<Call>, more: &[Call]) {
    let script = calls.into_iter().map(|call| Action::Whole(0, call)).collect();
    let snapshot = play(config, script).snapshot;
    let mut once = Fold::resume(&snapshot);
    let thawed = freeze(&once, &snapshot);
    assert_eq!(thawed, snapshot);

    let (first, second) = more.split_at(more.len() / 2);
    let mut twice = Fold::resume(&thawed);
    fold_on(&mut twice, 1 << 20, first);
    let mut twice = Fold::resume(&freeze(&twice, &snapshot));
    fold_on(&mut twice, 1 << 21, second);
    fold_on(&mut once, 1 << 20, first);
    fold_on(&mut once, 1 << 21, second);
    assert_eq!(freeze(&twice, &snapshot), freeze(&once, &snapshot));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_thawed_fold_goes_on_as_the_first(calls in vec(call(), 0..600), more in vec(call(), 0..200)) {
        let config = AuditConfig::default().rings(1).ring_capacity(1 << 14);
        let mut handles: Vec<u32> = calls.iter().map(|call| call.handle).collect();
        handles.truncate(3);
        goes_on_as_the_first(&config.focus(handles.into_iter().collect()), calls, &more);
    }
}
