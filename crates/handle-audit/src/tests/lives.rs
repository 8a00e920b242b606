//! Handles that live again and again, with lists, open waits, names and stacks of every size that is kept in its own
//! way.

use super::agree::agree;
use super::thaw::goes_on_as_the_first;
use super::world::{Action, play};
use crate::config::AuditConfig;
use crate::recorder::steps::Call;
use crate::{Frame, HandleAuditEntry, HandleKind, MAX_ALIASES, MAX_OPEN_WAITS, Operation, label};

/// Handles that index directly, of either base, and two that do not.
const HANDLES: [u32; 4] = [0x1004, 0xF800_0010, 0x8200_0040, 0x1006];

/// At and around the lengths where a list moves, wraps around or forgets.
const LENGTHS: [u32; 12] = [0, 1, 2, 7, 8, 9, 31, 32, 33, 40, 41, 100];
const OPEN_WAITS: [u32; 7] = [0, 1, 2, 8, 9, MAX_OPEN_WAITS as u32 - 1, MAX_OPEN_WAITS as u32];
const NAMES: [u32; 5] = [0, 1, 2, MAX_ALIASES as u32, MAX_ALIASES as u32 + 3];
const STACKS: [u32; 5] = [0, 1, 4, 31, 32];

/// Makes the calls of one generation after the other.
#[derive(Default)]
struct Lives {
    calls: Vec<Call>,
    cycle: u64,
}

impl Lives {
    fn call(&mut self, operation: Operation, handle: u32, tid: u32, aux: u64) -> &mut Call {
        self.cycle += 1;
        let entry = HandleAuditEntry::new(self.cycle, tid, 0, label!("test"), aux);
        self.calls.push(Call { operation, kind: HandleKind::MUTANT, handle, entry, frames: None });
        self.calls.last_mut().expect("it was just pushed")
    }

    /// The generation of this number: every list steps through the lengths at a pace of its own.
    fn generation(&mut self, handle: u32, number: usize) {
        let length = |pace: usize| LENGTHS[number * pace % LENGTHS.len()];
        let stack = STACKS[number % STACKS.len()];
        let frames: Vec<_> = (0..stack).map(|lr| Frame { frame: handle, lr }).collect();
        self.call(Operation::Create, handle, 1, 0).frames = (stack > 0).then_some(frames);
        for _ in 0..length(1) {
            self.call(Operation::Signal, handle, 1, 0);
        }
        for name in 0..NAMES[number % NAMES.len()] {
            self.call(Operation::Alias, handle, 1, (0x7000_0000 + 4 * name).into());
        }
        for _ in 0..length(7) {
            self.call(Operation::Reset, handle, 2, 0);
        }
        for tid in 0..OPEN_WAITS[number % OPEN_WAITS.len()] {
            self.call(Operation::Wait, handle, 100 + tid, 0);
        }
        for tid in 0..length(5) / 4 {
            // Some of these threads wait, others do not.
            self.call(Operation::Wake, handle, 99 + 2 * tid, 0);
        }
        for _ in 0..number % 3 {
            self.call(Operation::Close, handle, 3, 0);
        }
    }

    fn of(generations: std::ops::Range<usize>) -> Vec<Call> {
        let mut lives = Self::default();
        for number in generations {
            // Each handle is at another place of its course.
            (0..).zip(HANDLES).for_each(|(ahead, handle)| lives.generation(handle, number + 3 * ahead));
        }
        lives.calls
    }
}

fn config() -> AuditConfig {
    AuditConfig::default().rings(1).ring_capacity(1 << 16)
}

#[test]
fn every_length_of_every_list_reads_back_in_every_generation() {
    // More generations than there are lengths, so that each takes over what one of another shape left.
    for end in [1, 2, 3, 5, 8, 13, 21, 34] {
        let script = Lives::of(0..end).into_iter().map(|call| Action::Whole(0, call)).collect();
        let outcome = play(&config(), script);
        assert_eq!(outcome.snapshot.losses.rejected(), 0);
        agree(&outcome.snapshot, &outcome.model(), 0);
    }
}

#[test]
fn a_handle_of_any_shape_is_thawed_as_it_was() {
    for first in 0..LENGTHS.len() {
        goes_on_as_the_first(&config(), Lives::of(first..first + 3), &Lives::of(first + 3..first + 5));
    }
}

#[test]
fn open_waits_that_are_only_counted_are_thawed_too() {
    let mut lives = Lives::default();
    let threads = MAX_OPEN_WAITS as u32 + 10;
    lives.call(Operation::Create, 4, 1, 0);
    (1..=threads).for_each(|tid| _ = lives.call(Operation::Wait, 4, tid, 0));
    let calls = std::mem::take(&mut lives.calls);
    (1..=threads).rev().for_each(|tid| _ = lives.call(Operation::Wake, 4, tid, 0));
    goes_on_as_the_first(&config(), calls, &lives.calls);
}
