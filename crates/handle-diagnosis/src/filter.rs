//! Narrowing a diagnosis: by verdict, and on a live run by what two looks agree on.

use crate::judge::Diagnosis;
use crate::verdict::{Verdict, VerdictId};

impl Diagnosis {
    /// Keeps the allowed verdicts, all if none is named, and then drops the denied ones. What a dropped verdict
    /// explained goes with it; ranks close up.
    #[must_use]
    pub fn filtered(mut self, allow: &[VerdictId], deny: &[VerdictId]) -> Self {
        let passes = |id: VerdictId| (allow.is_empty() || allow.contains(&id)) && !deny.contains(&id);
        self.keep(|verdict| passes(verdict.id));
        self
    }

    /// On a live run: keeps only what an earlier look, some guest time ago, said too, of threads that have not moved
    /// since. What flickers is not a finding.
    #[must_use]
    pub fn agreeing_with(mut self, earlier: &Self) -> Self {
        let unmoved = |tid: u32| {
            let parked = |diagnosis: &Self| {
                let parked = diagnosis.parked.iter().find(|parked| parked.tid == tid)?;
                Some((parked.on.clone(), parked.lr, parked.since))
            };
            parked(&self) == parked(earlier)
        };
        let moved: Vec<u32> =
            self.parked.iter().map(|parked| parked.tid).filter(|tid| !unmoved(*tid)).collect();
        self.keep(|verdict| {
            let same = |other: &&Verdict| {
                (other.id, other.handle, other.generation, &other.threads)
                    == (verdict.id, verdict.handle, verdict.generation, &verdict.threads)
            };
            !verdict.id.can_be_finding()
                || earlier.verdicts.iter().any(|other| same(&other))
                    && !verdict.threads.iter().any(|tid| moved.contains(tid))
        });
        self
    }

    fn keep(&mut self, passes: impl Fn(&Verdict) -> bool) {
        let mut kept: Vec<usize> =
            self.verdicts.iter().filter(|verdict| passes(verdict)).map(|verdict| verdict.rank).collect();
        let gone = |rank: &usize| !kept.contains(rank);
        let orphaned = |verdict: &Verdict| verdict.root.as_ref().is_some_and(gone);
        let stays: Vec<bool> =
            self.verdicts.iter().map(|verdict| !gone(&verdict.rank) && !orphaned(verdict)).collect();
        let mut stay = stays.iter();
        self.verdicts.retain(|_| stay.next().copied().unwrap_or(false));
        kept = self.verdicts.iter().map(|verdict| verdict.rank).collect();
        let new_rank = |old: usize| kept.iter().position(|rank| *rank == old).map(|place| place + 1);
        for verdict in &mut self.verdicts {
            verdict.root = verdict.root.and_then(new_rank);
            verdict.rank = new_rank(verdict.rank).unwrap_or(verdict.rank);
        }
    }
}
