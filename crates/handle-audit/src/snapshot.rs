//! The owned, sorted, immutable copy from which every report is made.

use crate::focus::Focus;
use crate::losses::Losses;
use crate::trail::{GhostTrail, HandleAuditTrail, Lead, ThreadTrail};

/// Trails, ghosts, threads and losses at one moment.
///
/// Exact per handle: it holds everything that happened before the flush it was made with. Across handles it may
/// show an effect without its cause for what happened during that flush.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// One per created handle, by handle.
    pub trails: Vec<HandleAuditTrail>,
    /// One per ghost, by handle.
    pub ghosts: Vec<GhostTrail>,
    /// Handles that were used but never seen created, by handle.
    pub leads: Vec<Lead>,
    /// One per guest thread, by tid.
    pub threads: Vec<ThreadTrail>,
    /// What was refused and what was dropped.
    pub losses: Losses,
    /// The handles picked by the person debugging.
    pub focus: Focus,
    /// When the audit was on.
    pub coverage: Coverage,
    /// Records folded, in total: the length of the order that counts.
    pub folded: u64,
}

/// When the audit was on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// It was switched on after it was made: handles older than that are unknown.
    pub late_start: bool,
    /// How often it was switched off and on again since.
    pub pauses: u64,
}

impl Snapshot {
    /// The trail of a handle, also by one of its other names.
    #[must_use]
    pub fn trail(&self, handle: u32) -> Option<&HandleAuditTrail> {
        match self.trails.binary_search_by_key(&handle, |trail| trail.handle) {
            Ok(index) => Some(&self.trails[index]),
            Err(_) => self.trails.iter().find(|trail| trail.aliases.contains(&handle)),
        }
    }

    /// The ghost trail of a handle.
    #[must_use]
    pub fn ghost(&self, handle: u32) -> Option<&GhostTrail> {
        let index = self.ghosts.binary_search_by_key(&handle, |ghost| ghost.handle).ok()?;
        Some(&self.ghosts[index])
    }

    /// What a guest thread did last.
    #[must_use]
    pub fn thread(&self, tid: u32) -> Option<&ThreadTrail> {
        let index = self.threads.binary_search_by_key(&tid, |thread| thread.tid).ok()?;
        Some(&self.threads[index])
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;
    use crate::trail::EntryList;

    #[test]
    fn ghosts_and_threads_are_found_by_their_numbers() {
        let ghosts = [4, 12].map(|handle| GhostTrail { handle, signals: EntryList::default() });
        let threads = [1, 7].map(|tid| ThreadTrail { tid, total: 0, last: VecDeque::new() });
        let snapshot = Snapshot { ghosts: ghosts.into(), threads: threads.into(), ..Snapshot::default() };
        assert_eq!(
            [4, 8, 12].map(|handle| snapshot.ghost(handle).map(|ghost| ghost.handle)),
            [Some(4), None, Some(12)]
        );
        assert_eq!(
            [1, 2, 7].map(|tid| snapshot.thread(tid).map(|thread| thread.tid)),
            [Some(1), None, Some(7)]
        );
    }
}
