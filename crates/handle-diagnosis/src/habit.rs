//! What a thread usually does at the place where it is parked now.

use handle_audit::Operation;

use crate::graph::Graph;
use crate::view::{Blocked, View};
use crate::words::CYCLES_PER_MS;

/// Closed rounds at one place that make a thread idle by design when it is parked there again.
const IDLE_ROUNDS: usize = 3;

/// How long a wait must last before its absence of an end means anything in a run that did not end as a hang: one
/// second of guest time, and ten times the longest round before.
const PATIENCE: u64 = 1000 * CYCLES_PER_MS;

/// Earlier rounds of one thread at one place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Habit {
    pub(crate) rounds: usize,
    /// Cycles of the longest.
    pub(crate) longest: u64,
    /// Cycles that the wait has lasted now.
    pub(crate) age: u64,
}

impl Habit {
    pub(crate) fn of(view: &View<'_>, graph: &Graph, blocked: &Blocked) -> Self {
        let age = blocked.since().map_or(0, |since| view.now.saturating_sub(since));
        let Some(lr) = blocked.lr() else { return Self { rounds: 0, longest: 0, age } };
        let studied = blocked.members.iter().filter_map(|member| graph.studied.get(&member.object?));
        let on_objects = studied.map(|studied| {
            let cycles = studied.history.rounds_at(blocked.tid, lr).map(|round| round.cycles);
            cycles.fold((0, 0), |(rounds, longest), cycles| (rounds + 1, u64::max(longest, cycles)))
        });
        let (rounds, longest) = on_objects
            .chain([in_last_records(view, blocked.tid, lr)])
            .fold((0, 0), |a, b| (a.0.max(b.0), a.1.max(b.1)));
        Self { rounds, longest, age }
    }

    pub(crate) fn is_idle(self) -> bool {
        self.rounds >= IDLE_ROUNDS
    }

    /// Whether it lasts longer than any patience.
    pub(crate) fn is_overdue(self) -> bool {
        self.age >= PATIENCE.max(self.longest.saturating_mul(10))
    }

    /// Whether it lasts much longer than it ever did; true where there is no history.
    pub(crate) fn is_unusual(self) -> bool {
        self.age >= self.longest.saturating_mul(10)
    }
}

/// The same among the last records of the thread, whatever the handles: a busy object forgets its rounds sooner.
fn in_last_records(view: &View<'_>, tid: u32, lr: u32) -> (usize, u64) {
    let Some(thread) = view.case.snapshot.thread(tid) else { return (0, 0) };
    let (mut rounds, mut longest, mut began) = (0, 0, None);
    for record in thread.last.iter().filter(|record| record.entry.lr == lr) {
        match record.operation {
            Operation::Wait => began = began.or(Some(record.entry.cycle)),
            Operation::Wake | Operation::Satisfied => {
                if let Some(began) = began.take() {
                    rounds += 1;
                    longest = longest.max(record.entry.cycle.saturating_sub(began));
                }
            }
            _ => {}
        }
    }
    (rounds, longest)
}

#[cfg(test)]
mod tests {
    use handle_audit::{HandleAuditEntry, Snapshot, ThreadRecord, ThreadTrail, label};

    use super::*;
    use crate::input::{Case, RunSummary};

    #[test]
    fn patience_is_a_second_and_ten_times_the_longest_round() {
        let habit = |longest, age| Habit { rounds: 1, longest, age };
        assert!(habit(0, PATIENCE).is_overdue() && !habit(0, PATIENCE - 1).is_overdue());
        assert!(
            habit(PATIENCE, 10 * PATIENCE).is_overdue() && !habit(PATIENCE, 10 * PATIENCE - 1).is_overdue()
        );
        assert!(habit(7, 70).is_unusual() && !habit(7, 69).is_unusual() && habit(0, 0).is_unusual());
        assert!([2, 3].map(|rounds| Habit { rounds, longest: 0, age: 0 }.is_idle()) == [false, true]);
    }

    #[test]
    fn the_last_records_of_a_thread_hold_rounds_at_one_place() {
        let (here, there) = (0x8200_0040, 0x8200_0080);
        let record = |(operation, cycle, lr)| ThreadRecord {
            handle: 4,
            operation,
            ring: 0,
            position: cycle,
            entry: HandleAuditEntry::new(cycle, 2, lr, label!("test"), 0),
        };
        let records = [
            (Operation::Wake, 1, here),
            (Operation::Wait, 10, here),
            (Operation::Signal, 11, here),
            (Operation::Wait, 12, there),
            (Operation::Wake, 15, here),
            (Operation::Wait, 20, here),
            // A wait for two handles has a record for each.
            (Operation::Wait, 21, here),
            (Operation::Satisfied, 28, here),
            (Operation::Wake, 29, here),
            (Operation::Wake, 400, there),
            (Operation::Wait, 500, here),
        ];
        let last = records.map(record).into();
        let threads = vec![ThreadTrail { tid: 2, total: 11, last }];
        let (snapshot, run) = (Snapshot { threads, ..Snapshot::default() }, RunSummary::default());
        let view = View::new(Case::new(&snapshot, &run));
        assert_eq!(in_last_records(&view, 2, here), (2, 8));
        assert_eq!(in_last_records(&view, 2, there), (1, 388));
        assert_eq!(in_last_records(&view, 3, here), (0, 0));
    }
}
