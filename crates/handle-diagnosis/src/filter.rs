//! Leaving verdicts out of a diagnosis: accepted ones, and on a live run what flickers.

use crate::judge::{Diagnosis, Parked};
use crate::rank::Draft;
use crate::rules::Finding;
use crate::verdict::VerdictId;

impl Diagnosis {
    /// Leaves out what somebody accepts, with what it explained; ranks close up.
    #[must_use]
    pub fn without(mut self, accepted: &[VerdictId]) -> Self {
        let gone: Vec<usize> = self
            .verdicts
            .iter()
            .filter(|verdict| accepted.contains(&verdict.id))
            .map(|verdict| verdict.rank)
            .collect();
        self.verdicts.retain(|verdict| {
            !gone.contains(&verdict.rank) && verdict.root.is_none_or(|root| !gone.contains(&root))
        });
        let kept: Vec<usize> = self.verdicts.iter().map(|verdict| verdict.rank).collect();
        let new_rank = |old: usize| kept.iter().position(|rank| *rank == old).map(|place| place + 1);
        for verdict in &mut self.verdicts {
            verdict.root = verdict.root.and_then(new_rank);
            verdict.rank = new_rank(verdict.rank).unwrap_or(verdict.rank);
        }
        self
    }
}

/// What an earlier look at the same run says against a verdict of this one.
pub(crate) struct Earlier<'e> {
    pub(crate) look: &'e Diagnosis,
    /// The parked threads of this look, ascending.
    pub(crate) now: &'e [Parked],
}

impl Earlier<'_> {
    /// Whether the two looks agree on a verdict: of the threads that it is about none has moved, and either nothing was
    /// recorded of their objects in between, or the earlier look said the same.
    pub(crate) fn bears_out(&self, draft: &Draft) -> bool {
        let polls = draft.finding.id == VerdictId::BusyPoll;
        // A poller moves by its nature: those that wait for it must not have.
        let threads = if polls { &draft.blocks } else { &draft.finding.threads };
        let stances: Vec<Stance> = threads.iter().filter_map(|tid| self.stance(*tid)).collect();
        !stances.is_empty()
            && !stances.contains(&Stance::Moved)
            && (!stances.contains(&Stance::Still) && !polls || self.said(&draft.finding))
    }

    fn said(&self, finding: &Finding) -> bool {
        self.look.verdicts.iter().any(|verdict| {
            let handle = Some(finding.handle).filter(|_| verdict.handle.is_some());
            verdict.id == finding.id && verdict.handle == handle && verdict.generation == finding.generation
        })
    }

    /// What became of a thread that was parked then, on what it is parked on now.
    fn stance(&self, tid: u32) -> Option<Stance> {
        let of = |parked: &[Parked]| parked.iter().find(|parked| parked.tid == tid).cloned();
        let (then, now) = (of(&self.look.parked)?, of(self.now)?);
        if then.on != now.on {
            return None;
        }
        Some(match (then.lr, then.since) == (now.lr, now.since) {
            true if then.records == now.records => Stance::Untouched,
            true => Stance::Still,
            false => Stance::Moved,
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stance {
    /// In the same call, and nothing was recorded of what it waits for.
    Untouched,
    /// In the same call.
    Still,
    /// In another call: it was let go in between.
    Moved,
}
