//! Which verdict to read first.

use crate::habit::Habit;
use crate::rules::Finding;
use crate::verdict::{Confidence, Verdict, VerdictId};
use crate::view::View;

/// A verdict before it has a rank.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) finding: Finding,
    /// The thread that it was made for.
    pub(crate) root: Option<u32>,
    /// Threads blocked through it, ascending.
    pub(crate) blocks: Vec<u32>,
    pub(crate) habit: Habit,
    /// Index of the draft that explains this one.
    pub(crate) explained_by: Option<usize>,
    /// Threads that joined from drafts that said the same.
    pub(crate) joined: u64,
}

/// Evidence that is shown of threads that say the same.
const MAX_EVIDENCE: usize = 12;

impl Draft {
    pub(crate) fn new(finding: Finding, root: Option<u32>, blocks: Vec<u32>, habit: Habit) -> Self {
        Self { finding, root, blocks, habit, explained_by: None, joined: 0 }
    }

    /// Takes in another draft about the same object.
    pub(crate) fn join(&mut self, other: Self) {
        self.joined +=
            other.finding.threads.iter().filter(|tid| !self.finding.threads.contains(tid)).count() as u64;
        merge(&mut self.finding.threads, other.finding.threads);
        merge(&mut self.blocks, other.blocks);
        self.finding.confidence = self.finding.confidence.max(other.finding.confidence);
        self.finding.since = self.finding.since.min(other.finding.since);
        for evidence in other.finding.evidence {
            if self.finding.evidence.len() < MAX_EVIDENCE && !self.finding.evidence.contains(&evidence) {
                self.finding.evidence.push(evidence);
            }
        }
    }
}

fn merge(into: &mut Vec<u32>, from: Vec<u32>) {
    into.extend(from);
    into.sort_unstable();
    into.dedup();
}

/// Gives every draft its rank.
pub(crate) fn ranked(view: &View<'_>, drafts: Vec<Draft>) -> Vec<Verdict> {
    let mut order: Vec<usize> = (0..drafts.len()).collect();
    order.sort_by_key(|index| {
        let draft = &drafts[*index];
        (tier(draft), std::cmp::Reverse(score(view, draft)), draft.finding.handle, draft.finding.id)
    });
    let mut rank_of = vec![0; drafts.len()];
    for (place, index) in order.iter().enumerate() {
        rank_of[*index] = place + 1;
    }
    let mut verdicts: Vec<Verdict> =
        drafts.into_iter().zip(&rank_of).map(|(draft, rank)| verdict(draft, *rank, &rank_of)).collect();
    verdicts.sort_by_key(|verdict| verdict.rank);
    verdicts
}

fn verdict(draft: Draft, rank: usize, rank_of: &[usize]) -> Verdict {
    let Finding { id, confidence, handle, generation, culprit, threads, summary, evidence, next, .. } =
        draft.finding;
    let of_an_object = !matches!(id, VerdictId::NoSyncGap | VerdictId::IdleByDesign) && handle != NO_HANDLE;
    Verdict {
        rank,
        id,
        confidence,
        handle: of_an_object.then_some(handle),
        generation: generation.filter(|_| of_an_object),
        culprit,
        threads,
        blocks: draft.blocks,
        root: draft.explained_by.map(|index| rank_of[index]),
        summary,
        evidence,
        next,
    }
}

/// The handle of a verdict that is about none.
pub(crate) const NO_HANDLE: u32 = 0;

/// Findings, then what they explain, then what is missing, then leads, then what is no cause for worry.
fn tier(draft: &Draft) -> u8 {
    match (draft.finding.id, draft.finding.confidence) {
        (VerdictId::InsufficientEvidence, _) => 2,
        (VerdictId::NoSyncGap, _) => 3,
        (VerdictId::IdleByDesign, _) => 5,
        (_, confidence) if confidence < Confidence::Likely => 4,
        _ if draft.explained_by.is_some() => 1,
        _ => 0,
    }
}

/// Weight x confidence x threads blocked x age against history, with a bonus for the main thread.
fn score(view: &View<'_>, draft: &Draft) -> u64 {
    let confidence = match draft.finding.confidence {
        Confidence::Proven => 12,
        Confidence::Strong => 8,
        Confidence::Likely => 2,
        Confidence::Hint => 1,
        Confidence::Unknown => 1,
    };
    let blocked = 3 + draft.blocks.len().min(9) as u64;
    let age = if draft.habit.is_unusual() { 2 } else { 1 };
    let main = if draft.blocks.iter().any(|tid| view.case.is_main(*tid)) { 2 } else { 1 };
    weight(draft.finding.id) * confidence * blocked * age * main
}

/// How much a verdict explains when it is right.
fn weight(id: VerdictId) -> u64 {
    use VerdictId::{
        ApcStarved, BusyPoll, Coalesced, CreditStolen, DeadTimer, Deadlock, Ghost, HeartbeatStopped,
        LostPulse, LostResume, NeverSignalled, OwnerDead, PromiseBroken, SignalledNotWoken, UseAfterClose,
        Victim, WaitAllPartial, WrongTwin,
    };
    match id {
        PromiseBroken | SignalledNotWoken | Deadlock | OwnerDead | UseAfterClose => 10,
        LostResume | DeadTimer | ApcStarved | LostPulse => 9,
        Ghost | WrongTwin | BusyPoll => 8,
        CreditStolen | WaitAllPartial => 7,
        HeartbeatStopped | Coalesced => 6,
        NeverSignalled | Victim => 4,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use handle_audit::Snapshot;

    use super::*;
    use crate::input::{Case, RunSummary};
    use crate::tests::draft;
    use crate::verdict::Evidence;

    fn evidence(numbers: std::ops::Range<u32>) -> Vec<Evidence> {
        numbers.map(|handle| Evidence { handle, record: None, note: String::new() }).collect()
    }

    fn ranked_alone(drafts: Vec<Draft>) -> Vec<Verdict> {
        let (snapshot, run) = (Snapshot::default(), RunSummary::default());
        ranked(&View::new(Case::new(&snapshot, &run)), drafts)
    }

    /// The scores of drafts that differ from a plain one, which has 10 x 8 x 4 of weight, confidence and blocked threads.
    fn scored(change: impl FnOnce(&mut Draft)) -> u64 {
        let (snapshot, run) = (Snapshot::default(), RunSummary::default());
        let mut draft = draft(VerdictId::Deadlock, Confidence::Strong, 4);
        draft.habit = Habit { rounds: 1, longest: 10, age: 99 };
        change(&mut draft);
        score(&View::new(Case::new(&snapshot, &run)), &draft)
    }

    #[test]
    fn a_draft_takes_in_what_another_knows() {
        let mut one = draft(VerdictId::Deadlock, Confidence::Likely, 4);
        one.finding.evidence = evidence(0..10);
        let mut other = draft(VerdictId::Deadlock, Confidence::Strong, 4);
        other.finding.threads = vec![1, 2, 7];
        other.finding.since = 50;
        other.finding.evidence = evidence(8..20);
        other.blocks = vec![9, 1];
        one.join(other.clone());
        assert_eq!(
            (one.finding.threads.as_slice(), one.blocks.as_slice(), one.joined),
            (&[1, 2, 7][..], &[1, 2, 9][..], 2)
        );
        assert_eq!((one.finding.confidence, one.finding.since), (Confidence::Strong, 50));
        assert_eq!(one.finding.evidence, evidence(0..12), "each once, and no more than are read");
        other.finding.threads = vec![8, 9];
        one.join(other);
        assert_eq!((one.joined, one.finding.since), (4, 50));
    }

    #[test]
    fn more_threads_a_surer_word_an_unusual_age_and_the_main_thread_weigh_more() {
        assert_eq!(scored(|_| {}), 10 * 8 * 4);
        assert_eq!(scored(|draft| draft.blocks = vec![3, 4, 5]), 10 * 8 * 6);
        assert_eq!(scored(|draft| draft.blocks = (2..40).collect()), 10 * 8 * 12, "nine are many");
        assert_eq!(scored(|draft| draft.blocks = vec![1, 2]), 10 * 8 * 5 * 2);
        assert_eq!(scored(|draft| draft.habit.age = 100), 10 * 8 * 4 * 2);
        let of = |confidence| scored(|draft| draft.finding.confidence = confidence);
        assert_eq!(
            [Confidence::Proven, Confidence::Likely, Confidence::Hint].map(of),
            [12, 2, 1].map(|c| 10 * c * 4)
        );
        let of = |id| scored(|draft| draft.finding.id = id) / (8 * 4);
        use VerdictId::*;
        let ids = [PromiseBroken, LostPulse, Ghost, WaitAllPartial, Coalesced, Victim, NoSyncGap];
        assert_eq!(ids.map(of), [10, 9, 8, 7, 6, 4, 1]);
    }

    #[test]
    fn findings_come_first_then_what_they_explain_then_what_is_missing() {
        use VerdictId::*;
        let mut explained = draft(Deadlock, Confidence::Proven, 8);
        explained.explained_by = Some(4);
        let verdicts = ranked_alone(vec![
            draft(IdleByDesign, Confidence::Unknown, 4),
            draft(NeverSignalled, Confidence::Hint, 4),
            draft(NoSyncGap, Confidence::Unknown, 4),
            draft(InsufficientEvidence, Confidence::Unknown, 4),
            draft(NeverSignalled, Confidence::Likely, 12),
            explained,
            draft(PromiseBroken, Confidence::Likely, 16),
        ]);
        let ids: Vec<_> = verdicts.iter().map(|verdict| (verdict.rank, verdict.id)).collect();
        assert_eq!(
            ids,
            [
                (1, PromiseBroken),
                (2, NeverSignalled),
                (3, Deadlock),
                (4, InsufficientEvidence),
                (5, NoSyncGap),
                (6, NeverSignalled),
                (7, IdleByDesign),
            ]
        );
        assert_eq!(verdicts[2].root, Some(2), "by the rank of what explains it");
        assert_eq!(verdicts.iter().filter(|verdict| verdict.root.is_some()).count(), 1);
    }

    #[test]
    fn a_verdict_about_no_object_names_none() {
        use VerdictId::*;
        for (id, handle, named) in [
            (Deadlock, 4, Some(4)),
            (Deadlock, NO_HANDLE, None),
            (NoSyncGap, 4, None),
            (IdleByDesign, 4, None),
        ] {
            let verdicts = ranked_alone(vec![draft(id, Confidence::Strong, handle)]);
            assert_eq!((verdicts[0].handle, verdicts[0].generation), (named, named.map(|_| 3)));
        }
    }
}
