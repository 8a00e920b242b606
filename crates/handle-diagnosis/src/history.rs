//! The held records of one object in the order of the fold, and what they say about its state.

use std::collections::BTreeMap;

use handle_audit::aux::{
    ThreadAux, ThreadEvent, TimerAux, TimerEvent, WaitAux, signal_amount, signal_previous,
};
use handle_audit::{EntryList, HandleAuditEntry, HandleAuditTrail, Operation, TrailEntry};

use crate::object::{Class, Earlier, Object};

/// One record with the name that the object had then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) handle: u32,
    pub(crate) record: TrailEntry,
}

impl Step {
    pub(crate) fn operation(&self) -> Operation {
        self.record.operation
    }

    pub(crate) fn entry(&self) -> &HandleAuditEntry {
        &self.record.entry
    }

    /// Whether it can let a waiter go: a signal, a timer that fired, a thread that ended.
    pub(crate) fn is_signal(&self) -> bool {
        match self.operation() {
            Operation::Signal => true,
            Operation::Timer => TimerAux::decode(self.entry().aux).event == TimerEvent::Fired,
            Operation::Thread => ThreadAux::decode(self.entry().aux).event == ThreadEvent::Exited,
            _ => false,
        }
    }
}

/// A wait and its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Round {
    /// Index of the wait.
    pub(crate) wait: usize,
    /// Index of the wake or satisfied.
    pub(crate) end: usize,
    pub(crate) tid: u32,
    pub(crate) lr: u32,
    pub(crate) cycles: u64,
    pub(crate) outcome: Outcome,
}

/// What a wait took from the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Took,
    /// One member of a wait for any of several was taken; the record does not say which.
    MayHaveTook,
    TimedOut,
    /// It ended by an APC, an alert or an error.
    Other,
}

/// Status of a wait that was satisfied, also by an abandoned mutant.
pub(crate) fn took(status: u64) -> bool {
    matches!(status as u32, 0..=0x3F | 0x80..=0xBF)
}

const TIMEOUT: u32 = 0x102;

#[derive(Clone, Debug)]
pub(crate) struct History {
    pub(crate) class: Class,
    /// Without the creates.
    pub(crate) steps: Vec<Step>,
    /// Nothing is missing from this index on; 0: nothing at all.
    pub(crate) complete_from: usize,
    pub(crate) rounds: Vec<Round>,
    pub(crate) created: TrailEntry,
}

impl History {
    pub(crate) fn of(object: &Object<'_>) -> Self {
        let mut steps = Vec::new();
        let mut complete_from = 0;
        if let Some(Earlier { handle, summary }) = object.earlier {
            let records = summary.last.iter().filter(|record| record.operation != Operation::Create);
            steps.extend(records.map(|record| Step { handle, record: *record }));
            if summary.totals.total() - summary.totals.get(Operation::Create) > steps.len() as u64 {
                complete_from = steps.len();
            }
        }
        for part in object.parts() {
            let base = steps.len();
            steps.extend(part.sequence().into_iter().map(|record| Step { handle: part.handle, record }));
            if let Some(seq) = first_after_drops(part) {
                complete_from = base + steps[base..].partition_point(|step| step.record.seq < seq);
            }
        }
        let rounds = rounds(&steps);
        Self { class: object.class(), steps, complete_from, rounds, created: *object.created() }
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.complete_from == 0
    }

    /// The place of a record that was taken from one of the object's trails.
    pub(crate) fn index_of(&self, record: &TrailEntry) -> Option<usize> {
        self.steps.iter().rposition(|step| step.record == *record)
    }

    /// The rounds of one thread at one place.
    pub(crate) fn rounds_at(&self, tid: u32, lr: u32) -> impl Iterator<Item = &Round> {
        self.rounds.iter().filter(move |round| round.tid == tid && round.lr == lr)
    }

    /// Whether somebody took, or may have taken, a signal between two places.
    pub(crate) fn taken_between(&self, from: usize, to: usize) -> bool {
        let took = |round: &&Round| matches!(round.outcome, Outcome::Took | Outcome::MayHaveTook);
        self.rounds.iter().filter(took).any(|round| from < round.end && round.end < to)
    }

    /// The newest record before `end` that meets a condition.
    pub(crate) fn last(&self, end: usize, meets: impl Fn(&Step) -> bool) -> Option<usize> {
        self.steps[..end.min(self.steps.len())].iter().rposition(meets)
    }

    /// The most that a semaphore holds.
    pub(crate) fn limit(&self) -> u64 {
        match self.created.entry.aux >> 32 {
            0 => u64::MAX,
            limit => limit,
        }
    }

    pub(crate) fn state(&self) -> State {
        State::replay(self)
    }

    /// Initial count and signals, and who took them. For events and semaphores.
    pub(crate) fn ledger(&self) -> Ledger {
        let initial = u64::from(self.created.entry.aux as u32);
        let mut ledger = Ledger { credits: initial, exact: self.is_complete(), ..Ledger::default() };
        for step in self.steps.iter().filter(|step| step.is_signal()) {
            ledger.credits += match self.class {
                Class::Semaphore => u64::from(signal_amount(step.entry().aux)).max(1),
                _ => 1,
            };
        }
        for round in &self.rounds {
            match round.outcome {
                Outcome::Took => *ledger.taken.entry(round.tid).or_default() += 1,
                Outcome::MayHaveTook => ledger.exact = false,
                Outcome::TimedOut | Outcome::Other => {}
            }
        }
        ledger
    }
}

/// Who took what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ledger {
    /// Initial count plus all signals.
    pub(crate) credits: u64,
    pub(crate) taken: BTreeMap<u32, u64>,
    /// Every record is held and none is ambiguous.
    pub(crate) exact: bool,
}

impl Ledger {
    pub(crate) fn taken_in_all(&self) -> u64 {
        self.taken.values().sum()
    }
}

/// The number of the first entry from which on all four lists are held without a hole.
fn first_after_drops(part: &HandleAuditTrail) -> Option<u64> {
    let hole = |list: &EntryList| {
        let holed = list.total() > list.held().count() as u64;
        if holed { list.iter().next().map(|oldest| oldest.seq) } else { None }
    };
    [&part.signals, &part.waits, &part.wakes, &part.others].into_iter().filter_map(hole).max()
}

fn rounds(steps: &[Step]) -> Vec<Round> {
    let mut open: BTreeMap<u32, usize> = BTreeMap::new();
    let mut rounds = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        let entry = step.entry();
        match step.operation() {
            Operation::Wait => {
                open.insert(entry.tid, index);
            }
            Operation::Wake | Operation::Satisfied => {
                let Some(wait) = open.remove(&entry.tid) else { continue };
                let began = steps[wait].entry();
                rounds.push(Round {
                    wait,
                    end: index,
                    tid: entry.tid,
                    lr: began.lr,
                    cycles: entry.cycle.saturating_sub(began.cycle),
                    outcome: outcome(WaitAux::decode(began.aux), entry.aux),
                });
            }
            _ => {}
        }
    }
    rounds
}

fn outcome(wait: WaitAux, status: u64) -> Outcome {
    match status as u32 {
        _ if took(status) && wait.any => Outcome::MayHaveTook,
        _ if took(status) => Outcome::Took,
        TIMEOUT => Outcome::TimedOut,
        _ => Outcome::Other,
    }
}

/// What the records say about the object at their end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    /// Signals that can still be taken; `None` where the records do not say.
    pub(crate) count: Option<u64>,
    /// The owner, for objects that have one.
    pub(crate) owner: Option<Owner>,
    /// Places where a call met another state than the records lead to: something changed it unrecorded.
    pub(crate) surprises: Vec<usize>,
}

/// Who owns a mutant or a critical section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) tid: u32,
    /// Index of the record by which it became so; `None` if it was created owned.
    pub(crate) acquired: Option<usize>,
    depth: u32,
    /// The depth is known, not only a lower bound.
    exact: bool,
}

impl Owner {
    fn after_release(mut self) -> Option<Self> {
        self.depth -= 1;
        (self.depth > 0).then_some(self)
    }
}

impl State {
    fn replay(history: &History) -> Self {
        if history.class.is_owned() { Self::replay_owner(history) } else { Self::replay_count(history) }
    }

    fn replay_count(history: &History) -> Self {
        let class = history.class;
        let countable = class != Class::Other;
        let initial = if class == Class::Thread { 0 } else { u64::from(history.created.entry.aux as u32) };
        let mut count = (history.is_complete() && countable).then_some(initial);
        let mut surprises = Vec::new();
        let mut rounds = history.rounds.iter().peekable();
        for (index, step) in history.steps.iter().enumerate().skip(history.complete_from) {
            while rounds.next_if(|round| round.end < index).is_some() {}
            let ended = rounds.next_if(|round| round.end == index);
            if let Some(round) = ended {
                count = after_round(class, count, round.outcome);
            } else if countable {
                if disagrees(class, count, step) {
                    surprises.push(index);
                }
                count = after_step(class, history.limit(), count, step);
            }
        }
        Self { count, owner: None, surprises }
    }

    fn replay_owner(history: &History) -> Self {
        let born = history.created.entry.aux as u32;
        let mut owner = (history.is_complete() && history.class == Class::Mutant && born != 0)
            .then_some(Owner { tid: born, acquired: None, depth: 1, exact: true });
        let mut free = history.is_complete() && owner.is_none();
        for (index, step) in history.steps.iter().enumerate().skip(history.complete_from) {
            let entry = step.entry();
            match step.operation() {
                Operation::Satisfied | Operation::Wake if took(entry.aux) => {
                    owner = match owner {
                        Some(mut same) if same.tid == entry.tid => {
                            same.depth += 1;
                            Some(same)
                        }
                        // Another owner before proves that this is its first acquisition.
                        before => Some(Owner {
                            tid: entry.tid,
                            acquired: Some(index),
                            depth: 1,
                            exact: free || before.is_some(),
                        }),
                    };
                    free = false;
                }
                Operation::Signal => {
                    let known = owner.is_some_and(|held| held.exact);
                    owner = owner.and_then(Owner::after_release);
                    free = known && owner.is_none();
                }
                _ => {}
            }
        }
        Self { count: free.then_some(1), owner, surprises: Vec::new() }
    }
}

/// Whether a call reports a state before it that the records do not lead to.
fn disagrees(class: Class, count: Option<u64>, step: &Step) -> bool {
    let Some(count) = count else { return false };
    let previous = u64::from(signal_previous(step.entry().aux));
    match (class, step.operation()) {
        (Class::Semaphore, Operation::Signal) => previous != count,
        (Class::ManualEvent | Class::AutoEvent, Operation::Signal | Operation::Reset | Operation::Pulse) => {
            (previous != 0) != (count != 0)
        }
        _ => false,
    }
}

fn after_round(class: Class, count: Option<u64>, outcome: Outcome) -> Option<u64> {
    match outcome {
        Outcome::Took if class.is_consumable() => count.map(|count| count.saturating_sub(1)),
        Outcome::MayHaveTook if class.is_consumable() => None,
        _ => count,
    }
}

fn after_step(class: Class, limit: u64, count: Option<u64>, step: &Step) -> Option<u64> {
    let aux = step.entry().aux;
    match step.operation() {
        Operation::Signal if class == Class::Semaphore => {
            // What goes beyond the limit is lost, whatever the call returned.
            Some(limit.min(u64::from(signal_previous(aux)) + u64::from(signal_amount(aux))))
        }
        Operation::Reset | Operation::Pulse => Some(0),
        // The end of a wait that is no longer held: what it took is not known.
        Operation::Wake | Operation::Satisfied if took(aux) => {
            after_round(class, count, Outcome::MayHaveTook)
        }
        Operation::Timer if TimerAux::decode(aux).event == TimerEvent::Armed => Some(0),
        _ if step.is_signal() => Some(1),
        _ => count,
    }
}
