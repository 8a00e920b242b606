//! Arbitrary records through 1 to 12 rings, in arbitrary interleavings with the drain, against the model.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use proptest::collection::vec;
use proptest::prelude::*;

use super::agree::agree;
use super::model::Told;
use super::world::{Action, Attempt, Outcome, Said, play};
use crate::config::AuditConfig;
use crate::recorder::steps::Call;
use crate::stamp::stripe_of;
use crate::{
    Frame, HandleAuditEntry, HandleKind, Label, MAX_STACK_FRAMES, Operation, OperationCounts, label,
};

/// Six handles on three stripes, two to a stripe.
static FEW_HANDLES: LazyLock<Vec<u32>> = LazyLock::new(|| {
    let neighbour = |handle: u32| {
        let mut others = (handle + 4..).step_by(4);
        others.find(|other| stripe_of(*other) == stripe_of(handle)).unwrap()
    };
    [0x1004, 0x1008, 0xF800_0000].into_iter().flat_map(|handle| [handle, neighbour(handle)]).collect()
});

/// More than there can be leads.
static MANY_HANDLES: LazyLock<Vec<u32>> = LazyLock::new(|| (0..300).map(|n| 0x1000 + 4 * n).collect());

fn handle() -> impl Strategy<Value = u32> {
    prop_oneof![
        6 => prop::sample::select(&FEW_HANDLES[..]),
        1 => prop::sample::select(&MANY_HANDLES[..]),
    ]
}

fn entry() -> impl Strategy<Value = HandleAuditEntry> {
    let source =
        prop::sample::select(vec![label!("NtSetEvent"), label!("KeSetEvent"), Label::new("NtClose")]);
    let aux = prop_oneof![3 => handle().prop_map(u64::from), 1 => any::<u64>()];
    // Few cycles and few threads, so that they collide.
    (0..40_u64, 0..5_u32, source, aux)
        .prop_map(|(cycle, tid, source, aux)| HandleAuditEntry::new(cycle, tid, 0, source, aux))
}

fn frames() -> impl Strategy<Value = Option<Vec<Frame>>> {
    let frame = (any::<u32>(), any::<u32>()).prop_map(|(frame, lr)| Frame { frame, lr });
    prop::option::of(vec(frame, 0..40))
}

pub(crate) fn call() -> impl Strategy<Value = Call> {
    let kind = prop::sample::select(vec![
        HandleKind::EVENT_MANUAL,
        HandleKind::SEMAPHORE,
        HandleKind::host(label!("Socket")),
    ]);
    let operation = prop_oneof![
        2 => Just(Operation::Create),
        6 => prop::sample::select(&Operation::ALL[1..6]),
        3 => prop::sample::select(&Operation::ALL[6..]),
    ];
    (operation, kind, handle(), entry(), frames()).prop_map(|(operation, kind, handle, entry, frames)| {
        let frames = frames.filter(|_| operation == Operation::Create);
        Call { operation, kind, handle, entry, frames }
    })
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        16 => (0..12_usize, call()).prop_map(|(lane, call)| Action::Step(lane, call)),
        6 => (0..12_usize, call()).prop_map(|(lane, call)| Action::Whole(lane, call)),
        8 => Just(Action::Drain),
        1 => (0..12_usize).prop_map(Action::HandOver),
        1 => vec(handle(), 0..4).prop_map(Action::Focus),
        1 => prop::bool::weighted(0.8).prop_map(Action::Switch),
        1 => Just(Action::Flush),
    ]
}

fn config() -> impl Strategy<Value = AuditConfig> {
    let rings = prop_oneof![8 => 1..=8_usize, 1 => 9..=12_usize];
    let capacity = prop::sample::select(vec![8, 16, 64]);
    let position = prop_oneof![Just(0), (0..100_u64).prop_map(|before| u64::MAX - before)];
    (rings, capacity, position, vec(handle(), 0..3)).prop_map(|(rings, capacity, position, focus)| {
        AuditConfig::default()
            .rings(rings)
            .ring_capacity(capacity)
            .first_position(position)
            .focus(focus.into_iter().collect())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn what_is_folded_is_what_the_model_says(config in config(), script in vec(action(), 0..400)) {
        let outcome = play(&config, script);
        every_record_is_folded_once_as_it_was_made(&outcome);
        the_fold_extends_happened_before(&outcome);
        recorded_and_rejected_make_attempted(&outcome);
        agree(&outcome.snapshot, &outcome.model(), config.first_position);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Two handles with long lives, so that every list overflows.
    #[test]
    fn long_histories_are_bounded_as_the_model_says(calls in vec((0..3_usize, call()), 0..1200)) {
        let mut script = Vec::new();
        for (lane, mut call) in calls {
            call.handle = FEW_HANDLES[call.handle as usize / 4 % 2];
            if call.entry.cycle > 0 && call.operation == Operation::Create {
                call.operation = Operation::Pulse;
                call.frames = None;
            }
            script.push(Action::Whole(lane, call));
        }
        let config = AuditConfig::default().rings(3).first_position(u64::MAX - 200).ring_capacity(2048);
        let outcome = play(&config, script);
        prop_assert_eq!(outcome.snapshot.losses.rejected(), 0);
        agree(&outcome.snapshot, &outcome.model(), config.first_position);
    }
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

/// On one thread, "returned before the other began" is the strongest happened-before there can be.
fn the_fold_extends_happened_before(outcome: &Outcome) {
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

fn recorded_and_rejected_make_attempted(outcome: &Outcome) {
    let losses = &outcome.snapshot.losses;
    let folded: BTreeSet<u32> = told(outcome).map(|told| told.entry.lr).collect();
    for account in &losses.rings {
        let here = || outcome.attempts.iter().filter(|attempt| attempt.ring == usize::from(account.ring));
        let rejected: Vec<_> = here().filter(|attempt| !folded.contains(&attempt.call.entry.lr)).collect();
        let counts = |attempts: &[&Attempt]| -> OperationCounts {
            attempts.iter().map(|attempt| (attempt.call.operation, 1)).collect()
        };
        assert_eq!(account.rejected, counts(&rejected), "rejected by ring {}", account.ring);
        assert_eq!((account.attempted(), account.late), (here().count() as u64, 0));

        let gaps: Vec<_> = losses.gaps.iter().filter(|gap| gap.ring == account.ring).collect();
        let mut in_gaps = OperationCounts::default();
        gaps.iter().for_each(|gap| in_gaps.merge(&gap.rejected));
        assert_eq!(in_gaps, account.rejected, "gaps of ring {}", account.ring);
        for attempt in &rejected {
            let (cycle, operation) = (attempt.call.entry.cycle, attempt.call.operation);
            let covers = gaps.iter().any(|gap| gap.overlaps(cycle, cycle) && gap.rejected.get(operation) > 0);
            assert!(covers, "no gap of ring {} covers cycle {cycle}", account.ring);
        }
    }
}
