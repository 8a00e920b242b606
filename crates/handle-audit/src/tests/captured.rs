//! The same scripts on rings in the memory of a capture.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::collection::vec;
use proptest::prelude::*;
use spsc_ring::{CONTROL_WORDS, HEAD_WORD, LINE_WORDS, Seal, SharedWords};

use super::checks;
use super::differential::{action, config};
use super::world::{Action, Outcome, play_in};
use crate::config::AuditConfig;
use crate::recorder::steps::Call;
use crate::{
    Capture, CaptureSink, CapturedSlot, Checkpoint, Coverage, Focus, HandleAuditEntry, HandleKind,
    LedgerAccount, Operation, label,
};

type Memory = Arc<Vec<AtomicU64>>;

/// Sees to it that what is appended still stands in its ring, and that checkpoints are asked for now and then.
#[derive(Debug)]
struct Keeper {
    rings: Vec<Memory>,
    appends: usize,
}

impl CaptureSink for Keeper {
    fn append(&mut self, slots: &[CapturedSlot]) {
        self.appends += 1;
        for slot in slots {
            let head = self.rings[usize::from(slot.ring)][HEAD_WORD].load(Ordering::Relaxed);
            assert!(slot.position.wrapping_sub(head) as i64 >= 0, "given back and not appended: {slot:?}");
        }
    }
    fn focus(&mut self, _: &Focus) {}
    fn coverage(&mut self, _: Coverage) {}
    fn wants_checkpoint(&self) -> bool {
        self.appends % 3 == 2
    }
    fn checkpoint(&mut self, checkpoint: &Checkpoint) {
        self.appends += 1;
        for (ring, position) in &checkpoint.pending {
            assert!(!checkpoint.holds(*ring, *position));
        }
    }
    fn stopped(&mut self, _: &[u64], _: &[LedgerAccount]) {}
}

fn capture(config: &AuditConfig) -> Capture {
    let words = CONTROL_WORDS + config.ring_capacity * LINE_WORDS;
    let ring = |_| -> Memory { Arc::new((0..words).map(|_| AtomicU64::new(0)).collect()) };
    let rings: Vec<Memory> = (0..config.rings).map(ring).collect();
    let shared = |(salt, memory): (u64, &Memory)| (memory.clone() as Arc<dyn SharedWords>, Seal::new(salt));
    Capture { rings: (0..).zip(&rings).map(shared).collect(), sink: Box::new(Keeper { rings, appends: 0 }) }
}

fn play_captured(config: &AuditConfig, script: Vec<Action>) -> Outcome {
    let outcome = play_in(config, script, |pipeline| pipeline.make_captured_rings(config, capture(config)));
    checks::the_fold_follows_time(&outcome);
    checks::all_holds(&outcome, config.first_position);
    outcome
}

#[test]
fn what_is_held_back_stays_in_its_ring() {
    let call = |cycle| {
        let entry = HandleAuditEntry::new(cycle, 1, 0, label!("test"), 0);
        Call { operation: Operation::Signal, kind: HandleKind::SEMAPHORE, handle: 4, entry, frames: None }
    };
    // The records of ring 1 are held back by one of ring 0 that has shown its stamp first.
    let mut script = vec![Action::Step(0, call(1)), Action::Step(0, call(1))];
    script.extend([Action::Whole(1, call(2)), Action::Whole(1, call(3)), Action::Drain]);
    script.extend([Action::Drain, Action::Drain, Action::Step(0, call(1))]);
    let outcome = play_captured(&AuditConfig::default().rings(2).ring_capacity(8), script);
    assert_eq!(outcome.snapshot.folded, 3);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_is_captured_is_folded_as_the_model_says(config in config(), script in vec(action(), 0..400)) {
        play_captured(&config, script);
    }
}
