//! The fuzz target `fold_order`: arbitrary programs of recorders that tell each other what they did, on a memory that
//! is as weak as it may be, with the drain taking its steps in between.
//!
//! It looks into records and passes, so it lives here; fuzz/fuzz_targets/fold_order.rs runs it on nightly, and the
//! test below replays its corpus.

use arbitrary::{Arbitrary, Unstructured};

use super::checks;
use super::world::{Action, neighbour, play};
use crate::config::AuditConfig;
use crate::recorder::steps::Call;
use crate::{Frame, HandleAuditEntry, HandleKind, Label, Operation};

/// Four handles on two stripes.
fn handles() -> [u32; 4] {
    [0x1004, neighbour(0x1004), 0x1008, neighbour(0x1008)]
}

#[derive(Arbitrary, Debug)]
enum Move {
    /// The next step of a record, in three of which one reads, one shows and one publishes the stamp.
    Step {
        lane: u8,
        what: u8,
        cycle: u8,
    },
    Whole {
        lane: u8,
        what: u8,
        cycle: u8,
    },
    WithStack {
        lane: u8,
        what: u8,
        frames: u8,
    },
    Message {
        from: u8,
        to: u8,
    },
    Lag {
        lane: u8,
        stale: u8,
    },
    HandOver {
        lane: u8,
    },
    Focus(Vec<u8>),
    Switch(bool),
    Drain,
    Flush,
}

impl Move {
    fn action(self, handles: &[u32; 4]) -> Action {
        let call = |what: u8, cycle: u8, frames: u8| {
            let handle = handles[usize::from(what % 4)];
            let operation = Operation::ALL[usize::from(what / 4) % Operation::COUNT];
            // The world gives each record a link register of its own.
            let source = [Label::OVERFLOW, Label::MUTANT, Label::new("NtSetEvent")][usize::from(what % 3)];
            let entry = HandleAuditEntry::new(cycle.into(), u32::from(cycle % 3), 0, source, what.into());
            let frames = (1..=u32::from(frames)).map(|lr| Frame { frame: 16 * lr, lr }).collect();
            let frames = Some(frames).filter(|_| operation == Operation::Create);
            let kind = [HandleKind::EVENT_AUTO, HandleKind::SEMAPHORE, HandleKind::THREAD];
            Call { operation, kind: kind[usize::from(cycle % 3)], handle, entry, frames }
        };
        match self {
            Self::Step { lane, what, cycle } => Action::Step(lane.into(), call(what, cycle, 0)),
            Self::Whole { lane, what, cycle } => Action::Whole(lane.into(), call(what, cycle, 0)),
            // A create: the quotient by four of the operation's index is 0.
            Self::WithStack { lane, what, frames } => {
                Action::Step(lane.into(), call(what % 4, frames, frames % 40))
            }
            Self::Message { from, to } => Action::Message(from.into(), to.into()),
            Self::Lag { lane, stale } => Action::Lag(lane.into(), stale.into()),
            Self::HandOver { lane } => Action::HandOver(lane.into()),
            Self::Focus(picked) => {
                Action::Focus(picked.iter().map(|which| handles[usize::from(which % 4)]).collect())
            }
            Self::Switch(on) => Action::Switch(on),
            Self::Drain => Action::Drain,
            Self::Flush => Action::Flush,
        }
    }
}

/// Any program of records, messages, hand-overs and passes: what happened before, by vector clocks, folds before;
/// each record folds once or is rejected; and what was folded means what the model says.
pub(crate) fn fold_order(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let size = u8::arbitrary(&mut input).unwrap_or(0);
    let handles = handles();
    let (mut script, mut lagged) = (Vec::new(), false);
    while !input.is_empty() {
        let Ok(next) = Move::arbitrary(&mut input) else { break };
        lagged |= matches!(next, Move::Lag { .. });
        script.push(next.action(&handles));
    }
    let config = AuditConfig::default()
        .rings(2 + usize::from(size % 8))
        .ring_capacity(8 << (size / 8 % 4))
        .first_position(0_u64.wrapping_sub((size / 32).into()));
    let outcome = play(&config, script);
    if !lagged {
        checks::the_fold_follows_time(&outcome);
    }
    checks::all_holds(&outcome, config.first_position);
}

#[cfg(test)]
#[test]
fn the_corpus_of_fold_order_replays() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/fold_order");
    let files: Vec<_> = std::fs::read_dir(corpus).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(!files.is_empty());
    for file in files {
        eprintln!("{}", file.display());
        fold_order(&std::fs::read(&file).unwrap());
    }
}
