//! Leaving verdicts out of a diagnosis: accepted ones, and on a live run what flickers.

use serde::{Deserialize, Serialize};

use crate::judge::{Diagnosis, Parked};
use crate::rank::Draft;
use crate::rules::Finding;
use crate::verdict::{Verdict, VerdictId};

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

/// What is kept of one look at a run, for a later one to be held against: who was parked, and what was said. It can be
/// written down, so that a report made later says what the live one said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Look {
    parked: Vec<Standstill>,
    verdicts: Vec<Claim>,
}

/// A parked thread.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
struct Standstill {
    tid: u32,
    on: Vec<u32>,
    lr: Option<u32>,
    since: Option<u64>,
    records: u64,
}

/// A verdict, less what it rests on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
struct Claim {
    id: VerdictId,
    handle: Option<u32>,
    generation: Option<u64>,
}

impl Standstill {
    fn of(parked: &Parked) -> Self {
        let Parked { tid, ref on, lr, since, records, .. } = *parked;
        Self { tid, on: on.clone(), lr, since, records }
    }
}

impl From<&Diagnosis> for Look {
    fn from(diagnosis: &Diagnosis) -> Self {
        let claim = |verdict: &Verdict| Claim {
            id: verdict.id,
            handle: verdict.handle,
            generation: verdict.generation,
        };
        Self {
            parked: diagnosis.parked.iter().map(Standstill::of).collect(),
            verdicts: diagnosis.verdicts.iter().map(claim).collect(),
        }
    }
}

/// What an earlier look at the same run says against a verdict of this one.
pub(crate) struct Earlier<'e> {
    pub(crate) look: &'e Look,
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
        let then = self.look.parked.iter().find(|parked| parked.tid == tid)?;
        let now = self.now.iter().find(|parked| parked.tid == tid)?;
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
