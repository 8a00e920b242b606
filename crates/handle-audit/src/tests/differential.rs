//! Arbitrary records through 1 to 12 rings, in arbitrary interleavings with the drain, against the model.

use std::sync::LazyLock;

use proptest::collection::vec;
use proptest::prelude::*;

use super::agree::agree;
use super::checks;
use super::world::{Action, neighbour, play};
use crate::config::AuditConfig;
use crate::recorder::steps::Call;
use crate::{Frame, HandleAuditEntry, HandleKind, Label, Operation, label};

/// Six handles on three stripes, two to a stripe.
static FEW_HANDLES: LazyLock<Vec<u32>> = LazyLock::new(|| {
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

pub(crate) fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        16 => (0..12_usize, call()).prop_map(|(lane, call)| Action::Step(lane, call)),
        6 => (0..12_usize, call()).prop_map(|(lane, call)| Action::Whole(lane, call)),
        8 => Just(Action::Drain),
        1 => (0..12_usize).prop_map(Action::HandOver),
        3 => (0..12_usize, 0..12_usize).prop_map(|(from, to)| Action::Message(from, to)),
        1 => vec(handle(), 0..4).prop_map(Action::Focus),
        1 => prop::bool::weighted(0.8).prop_map(Action::Switch),
        1 => Just(Action::Flush),
    ]
}

pub(crate) fn config() -> impl Strategy<Value = AuditConfig> {
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
        checks::the_fold_follows_time(&outcome);
        checks::all_holds(&outcome, config.first_position);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// The same on the weakest memory there may be.
    #[test]
    fn order_holds_however_stale_the_cells_are_read(
        config in config(),
        script in vec(prop_oneof![
            9 => action(),
            2 => (0..12_usize, 0..12_usize).prop_map(|(from, to)| Action::Message(from, to)),
            1 => (0..12_usize, 0..30_usize).prop_map(|(lane, stale)| Action::Lag(lane, stale)),
        ], 0..400),
    ) {
        let outcome = play(&config, script);
        checks::all_holds(&outcome, config.first_position);
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
