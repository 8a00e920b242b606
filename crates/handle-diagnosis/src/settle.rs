//! What a finding may claim in the end: how the run ended, what was recorded, what was lost.

use handle_audit::{Gap, Operation, OperationCounts};

use crate::habit::Habit;
use crate::rules::Finding;
use crate::verdict::{Confidence, VerdictId};
use crate::view::{Activity, Blocked, View};
use crate::words;

/// What a root's place among the others says about it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    pub(crate) habit: Habit,
    pub(crate) main: bool,
    /// A thread that is not idle itself is blocked through it.
    pub(crate) needed: bool,
    /// The same, through owners and joins alone.
    pub(crate) certainly_needed: bool,
}

impl Standing {
    /// Parked where it always parks, and nobody waits for it.
    pub(crate) fn is_idle(self) -> bool {
        self.habit.is_idle() && !self.main && !self.needed
    }
}

/// Verdicts that hold although the thread looks idle: they rest on more than an absence.
pub(crate) fn holds_for_idle(id: VerdictId) -> bool {
    use VerdictId::{
        ApcStarved, BusyPoll, DeadTimer, Deadlock, LostResume, OwnerDead, PromiseBroken, SignalledNotWoken,
        UseAfterClose,
    };
    matches!(
        id,
        PromiseBroken
            | SignalledNotWoken
            | UseAfterClose
            | OwnerDead
            | Deadlock
            | LostResume
            | DeadTimer
            | ApcStarved
            | BusyPoll
    )
}

/// Verdicts that only say what did not happen: a run that was cut short may have cut that off.
fn rests_on_absence(id: VerdictId) -> bool {
    use VerdictId::{Deadlock, OwnerDead, SignalledNotWoken, UseAfterClose};
    !matches!(id, Deadlock | OwnerDead | SignalledNotWoken | UseAfterClose)
}

/// Lowers a finding's confidence to what the end of the run and the grade of the records allow.
pub(crate) fn cap(
    view: &View<'_>,
    finding: &mut Finding,
    blocked: Option<&Blocked>,
    standing: Standing,
    surprised: bool,
) {
    use VerdictId::{Coalesced, CreditStolen, HeartbeatStopped, PromiseBroken};
    let mut most = finding.id.at_most();
    if !view.grade.further_operations || surprised {
        most = most.min(Confidence::Likely);
    }
    let by_history = matches!(finding.id, CreditStolen | HeartbeatStopped | Coalesced);
    let gives_up = blocked.is_some_and(|blocked| !blocked.for_ever);
    let promised = finding.id == PromiseBroken;
    let held_up = standing.certainly_needed && finding.id != VerdictId::BusyPoll;
    let beside_the_point = view.finished() && !promised && !held_up;
    let too_soon =
        !view.ended_in_hang() && rests_on_absence(finding.id) && !is_overdue(view, finding, standing);
    if gives_up || beside_the_point || too_soon || by_history && !standing.main && !standing.needed {
        most = most.min(Confidence::Hint);
    }
    finding.confidence = finding.confidence.min(most);
}

/// Whether an absence has lasted long enough. A stub never signals, however long one waits.
fn is_overdue(view: &View<'_>, finding: &Finding, standing: Standing) -> bool {
    let stub = finding
        .evidence
        .iter()
        .any(|evidence| evidence.record.is_some_and(|record| record.operation == Operation::Stub));
    if finding.id == VerdictId::PromiseBroken && stub {
        return true;
    }
    let last_resort = finding.id == VerdictId::NeverSignalled;
    let someone_can_act = || {
        view.tids().iter().any(|tid| matches!(view.activity(*tid), Activity::Runnable | Activity::Delayed))
    };
    standing.habit.is_overdue() && !(last_resort && view.finished() && someone_can_act())
}

/// Why the evidence of a window is not complete.
pub(crate) enum Loss<'a> {
    Gap(&'a Gap),
    /// Recording was off for a while, this often.
    Pauses(u64),
    /// Recording began after the guest did, and this handle may be older.
    LateStart,
    /// Nothing was recorded at all.
    Untraced,
}

/// Cycles, two microseconds, that the clocks of two rings may be apart: a loss so little earlier than a record of
/// another ring may have come after it.
const CLOCKS_APART: u64 = 100;

/// The loss that takes the ground from a window that ends now.
pub(crate) fn loss<'a>(view: &View<'a>, since: u64, generation: u64, created_seen: bool) -> Option<Loss<'a>> {
    let snapshot = view.case.snapshot;
    if view.is_untraced() {
        return Some(Loss::Untraced);
    }
    if snapshot.coverage.pauses > 0 {
        return Some(Loss::Pauses(snapshot.coverage.pauses));
    }
    if snapshot.coverage.late_start && !created_seen {
        return Some(Loss::LateStart);
    }
    let meets = |gap: &Gap, from: u64| gap.last_cycle.saturating_add(CLOCKS_APART) >= from;
    let hides_create = |gap: &Gap| gap.rejected.get(Operation::Create) > 0 && meets(gap, generation);
    let gap = snapshot.losses.gaps.iter().find(|gap| meets(gap, since) || hides_create(gap));
    gap.map(Loss::Gap)
}

impl Loss<'_> {
    /// What is missing, in a clause.
    pub(crate) fn what(&self) -> String {
        match self {
            Self::Gap(gap) if gap.is_hole() => format!(
                "an unknown number of records is missing from {} on: their memory or their file was damaged",
                words::time(gap.first_cycle)
            ),
            Self::Gap(gap) => format!(
                "{} ({}) {} lost on ring {} between {} and {}",
                words::count(gap.rejected.total(), "record"),
                operations(&gap.rejected),
                if gap.rejected.total() == 1 { "was" } else { "were" },
                gap.ring,
                words::time(gap.first_cycle),
                words::time(gap.last_cycle)
            ),
            Self::Pauses(times) => {
                format!("recording was switched off {} on the way", words::count(*times, "time"))
            }
            Self::LateStart => "recording began after the guest did, and the handle may be older".to_owned(),
            Self::Untraced => "nothing was recorded".to_owned(),
        }
    }

    /// What avoids it.
    pub(crate) fn remedy(&self) -> &'static str {
        match self {
            Self::Gap(gap) if gap.is_hole() => "Run again; nobody else may write into the capture meanwhile.",
            Self::Gap(_) => "Run again with larger rings: --ring-capacity.",
            Self::Pauses(_) => "Run again without switching the recording off.",
            Self::LateStart => "Run again with --trace-handles from the start.",
            Self::Untraced => "Run again with --trace-handles.",
        }
    }
}

/// `3 signals, 1 wake`.
pub(crate) fn operations(counts: &OperationCounts) -> String {
    let each: Vec<String> =
        counts.iter().map(|(operation, count)| words::operations(count, operation)).collect();
    each.join(", ")
}
