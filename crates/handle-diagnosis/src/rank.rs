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
