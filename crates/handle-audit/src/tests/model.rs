//! The reference model: what a sequence of records means, told as slowly and as plainly as possible.
//!
//! It forgets nothing while it runs. Every rule is applied to the complete history when somebody asks. It shares no
//! code with the fold, and no idea: the fold bounds as it goes, the model bounds at the end.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Frame, HandleAuditEntry, HandleKind, Operation, OperationCounts};

/// One folded record, as the drain said it.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) ring: u8,
    pub(crate) position: u64,
    pub(crate) operation: Operation,
    pub(crate) handle: u32,
    pub(crate) kind: HandleKind,
    pub(crate) entry: HandleAuditEntry,
    pub(crate) frames: Vec<Frame>,
}

/// A record with its number: within its generation, or within its ghost trail.
#[derive(Clone, Debug)]
pub(crate) struct Numbered {
    pub(crate) number: u64,
    pub(crate) told: Told,
}

/// From one create of a handle to the next.
#[derive(Debug)]
pub(crate) struct Generation {
    pub(crate) create: Told,
    pub(crate) history: Vec<Numbered>,
}

#[derive(Debug, Default)]
pub(crate) struct Model {
    focus: BTreeSet<u32>,
    pub(crate) handles: BTreeMap<u32, Vec<Generation>>,
    pub(crate) ghosts: BTreeMap<u32, Vec<Numbered>>,
    /// What a rule dropped, and whether the handle was known then.
    dropped: Vec<(Told, bool)>,
    pub(crate) all: Vec<Told>,
}

impl Model {
    pub(crate) fn set_focus(&mut self, focus: BTreeSet<u32>) {
        self.focus = focus;
    }

    /// The table of fold rules, one row after the other.
    pub(crate) fn tell(&mut self, told: Told) {
        self.all.push(told.clone());
        let known = self.handles.contains_key(&told.handle);
        match told.operation {
            Operation::Create => {
                let generation = Generation { create: told.clone(), history: Vec::new() };
                self.handles.entry(told.handle).or_default().push(generation);
            }
            Operation::GhostSignal => self.ghost_signal(told, known),
            Operation::Signal if !known => self.ghost_signal(told, known),
            _ if !known => self.dropped.push((told, false)),
            _ => {
                let generation = self.handles.get_mut(&told.handle).unwrap().last_mut().unwrap();
                let number = generation.history.len() as u64 + 1;
                generation.history.push(Numbered { number, told });
            }
        }
    }

    fn ghost_signal(&mut self, told: Told, known: bool) {
        if self.focus.contains(&told.handle) {
            let ghost = self.ghosts.entry(told.handle).or_default();
            ghost.push(Numbered { number: ghost.len() as u64 + 1, told });
        } else {
            self.dropped.push((told, known));
        }
    }

    /// What was dropped by rule, by kind.
    pub(crate) fn unmatched(&self) -> OperationCounts {
        self.dropped.iter().map(|(told, _)| (told.operation, 1)).collect()
    }

    /// The first 256 unknown handles: first record and totals of each, by handle.
    pub(crate) fn leads(&self) -> BTreeMap<u32, (Told, OperationCounts)> {
        let unknown = || self.dropped.iter().filter(|(_, known)| !known).map(|(told, _)| told);
        let mut leads: BTreeMap<u32, (Told, OperationCounts)> = BTreeMap::new();
        for told in unknown() {
            if !leads.contains_key(&told.handle) && leads.len() < 256 {
                let of_this = unknown().filter(|other| other.handle == told.handle);
                let totals = of_this.map(|told| (told.operation, 1)).collect();
                leads.insert(told.handle, (told.clone(), totals));
            }
        }
        leads
    }

    /// The records of every guest thread, by (cycle, position, ring): complete, oldest first. `origin` is the position at
    /// which the rings began.
    pub(crate) fn threads(&self, origin: u64) -> BTreeMap<u32, Vec<Told>> {
        let mut threads: BTreeMap<u32, Vec<Told>> = BTreeMap::new();
        for told in self.all.iter().filter(|told| told.entry.tid != 0) {
            threads.entry(told.entry.tid).or_default().push(told.clone());
        }
        for records in threads.values_mut() {
            records.sort_by_key(|told| (told.entry.cycle, told.position.wrapping_sub(origin), told.ring));
        }
        threads
    }

    /// Folded records of one ring, by operation.
    pub(crate) fn folded(&self, ring: u8) -> OperationCounts {
        self.all.iter().filter(|told| told.ring == ring).map(|told| (told.operation, 1)).collect()
    }
}

impl Generation {
    /// The history of some operations.
    pub(crate) fn list(&self, wanted: impl Fn(Operation) -> bool) -> Vec<Numbered> {
        self.history.iter().filter(|entry| wanted(entry.told.operation)).cloned().collect()
    }

    pub(crate) fn totals(&self) -> OperationCounts {
        let creates = [(Operation::Create, 1)];
        creates.into_iter().chain(self.history.iter().map(|entry| (entry.told.operation, 1))).collect()
    }

    /// Waits without their end: no later wait, wake or satisfied of the same thread.
    pub(crate) fn open_waits(&self) -> Vec<Numbered> {
        let waits = self.list(|operation| operation == Operation::Wait);
        waits.into_iter().filter(|wait| !self.history.iter().any(|later| ends(wait, later))).collect()
    }

    /// The most waits that were open at one time.
    pub(crate) fn most_open_waits(&self) -> usize {
        let mut parked = BTreeSet::new();
        let open_after = self.history.iter().map(|entry| {
            match entry.told.operation {
                Operation::Wait => _ = parked.insert(entry.told.entry.tid),
                Operation::Wake | Operation::Satisfied => _ = parked.remove(&entry.told.entry.tid),
                _ => {}
            }
            parked.len()
        });
        open_after.max().unwrap_or(0)
    }

    /// Other names, in the order they were learnt.
    pub(crate) fn names(&self) -> Vec<u32> {
        let mut names = Vec::new();
        for alias in self.list(|operation| operation == Operation::Alias) {
            let name = alias.told.entry.aux as u32;
            if name != self.create.handle && !names.contains(&name) {
                names.push(name);
            }
        }
        names.truncate(16);
        names
    }

    pub(crate) fn closer(&self) -> Option<Numbered> {
        self.list(|operation| operation == Operation::Close).last().cloned()
    }
}

fn ends(wait: &Numbered, later: &Numbered) -> bool {
    later.number > wait.number
        && later.told.entry.tid == wait.told.entry.tid
        && matches!(later.told.operation, Operation::Wait | Operation::Wake | Operation::Satisfied)
}
