//! What was refused, what was dropped by rule, and when.

use crate::operation::{Operation, OperationCounts};

/// A stretch of one ring's life in which records were rejected because it was full, or because the fold found no
/// memory for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The ring.
    pub ring: u8,
    /// Cycle of the first rejected record.
    pub first_cycle: u64,
    /// Cycle of the last rejected record.
    pub last_cycle: u64,
    /// How many were rejected, by operation.
    pub rejected: OperationCounts,
}

impl Gap {
    /// From this cycle on, an unknown number of records of the ring is missing: the memory or the file they stood in
    /// was damaged.
    #[must_use]
    pub fn hole(ring: u8, first_cycle: u64) -> Self {
        Self { ring, first_cycle, last_cycle: u64::MAX, rejected: OperationCounts::default() }
    }

    /// Whether nobody knows what is missing.
    #[must_use]
    pub fn is_hole(&self) -> bool {
        self.rejected.total() == 0
    }

    /// Whether a window of cycles, both ends included, meets this gap.
    #[must_use]
    pub fn overlaps(&self, first_cycle: u64, last_cycle: u64) -> bool {
        self.first_cycle <= last_cycle && first_cycle <= self.last_cycle
    }
}

/// The account of one ring: attempted = recorded + rejected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RingAccount {
    /// The ring.
    pub ring: u8,
    /// Records that went through it and were folded, by operation.
    pub folded: OperationCounts,
    /// Records published after the audit was shut down: recorded = folded + late.
    pub late: u64,
    /// Records rejected because it was full, or because there was no memory to fold them, by operation.
    pub rejected: OperationCounts,
    /// Creates recorded without their stack because it did not fit.
    pub stacks_dropped: u64,
}

impl RingAccount {
    /// Records that the ring took.
    #[must_use]
    pub fn recorded(&self) -> u64 {
        self.folded.total() + self.late
    }

    /// Records that were offered to it.
    #[must_use]
    pub fn attempted(&self) -> u64 {
        self.recorded() + self.rejected.total()
    }
}

/// Gaps kept one by one. Beyond that, neighbours are joined, so that no lost cycle is forgotten.
pub const MAX_GAPS: usize = 1024;

/// All that a reader must know before trusting an absence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// One account per ring, ascending.
    pub rings: Vec<RingAccount>,
    /// Stretches with rejections, at most [`MAX_GAPS`], by first cycle.
    pub gaps: Vec<Gap>,
    /// Records that the fold dropped by rule because their handle had no trail, by operation.
    pub unmatched: OperationCounts,
    /// Records of guest threads whose own history is not kept because there are too many threads.
    pub threads_not_kept: u64,
}

impl Losses {
    /// Records that were offered to the rings.
    #[must_use]
    pub fn attempted(&self) -> u64 {
        self.rings.iter().map(RingAccount::attempted).sum()
    }

    /// Records that the rings took.
    #[must_use]
    pub fn recorded(&self) -> u64 {
        self.rings.iter().map(RingAccount::recorded).sum()
    }

    /// Records that were rejected.
    #[must_use]
    pub fn rejected(&self) -> u64 {
        self.rings.iter().map(|ring| ring.rejected.total()).sum()
    }

    /// Records that came after the shutdown.
    #[must_use]
    pub fn late(&self) -> u64 {
        self.rings.iter().map(|ring| ring.late).sum()
    }

    /// Creates that lost their stack.
    #[must_use]
    pub fn stacks_dropped(&self) -> u64 {
        self.rings.iter().map(|ring| ring.stacks_dropped).sum()
    }

    /// Rings of which an unknown number of records is missing, each once, ascending.
    #[must_use]
    pub fn holes(&self) -> Vec<u8> {
        let mut rings: Vec<u8> = self.gaps.iter().filter(|gap| gap.is_hole()).map(|gap| gap.ring).collect();
        rings.sort_unstable();
        rings.dedup();
        rings
    }

    /// Whether a gap meets a window of cycles, both ends included.
    #[must_use]
    pub fn overlaps(&self, first_cycle: u64, last_cycle: u64) -> bool {
        self.gaps.iter().any(|gap| gap.overlaps(first_cycle, last_cycle))
    }

    /// The cycle of the first rejected create, if there was one: from there on, generations are not certain.
    #[must_use]
    pub fn first_rejected_create(&self) -> Option<u64> {
        let creates = self.gaps.iter().filter(|gap| gap.rejected.get(Operation::Create) > 0);
        creates.map(|gap| gap.first_cycle).min()
    }
}

/// Adds a gap; when there are too many, joins the two of one ring that lie closest.
pub(crate) fn add_gap(gaps: &mut Vec<Gap>, gap: Gap) {
    let place = gaps.partition_point(|other| other.first_cycle <= gap.first_cycle);
    gaps.insert(place, gap);
    if gaps.len() > MAX_GAPS {
        join_closest(gaps);
    }
}

fn join_closest(gaps: &mut Vec<Gap>) {
    let mut last_of_ring = [None::<usize>; 256];
    let mut best: Option<(u64, usize, usize)> = None;
    for (index, gap) in gaps.iter().enumerate() {
        if let Some(earlier) = last_of_ring[usize::from(gap.ring)].replace(index) {
            let distance = gap.first_cycle.saturating_sub(gaps[earlier].last_cycle);
            if best.is_none_or(|(least, ..)| distance < least) {
                best = Some((distance, earlier, index));
            }
        }
    }
    if let Some((_, earlier, later)) = best {
        let gap = gaps.remove(later);
        let joined = &mut gaps[earlier];
        joined.last_cycle = joined.last_cycle.max(gap.last_cycle);
        joined.rejected.merge(&gap.rejected);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gap(ring: u8, first_cycle: u64, last_cycle: u64) -> Gap {
        Gap { ring, first_cycle, last_cycle, rejected: [(Operation::Signal, 1)].into_iter().collect() }
    }

    #[test]
    fn a_gap_overlaps_what_it_touches() {
        let gap = gap(0, 10, 20);
        assert!(gap.overlaps(20, 30) && gap.overlaps(0, 10) && gap.overlaps(12, 13) && gap.overlaps(0, 99));
        assert!(!gap.overlaps(21, 30) && !gap.overlaps(0, 9));
    }

    #[test]
    fn a_hole_is_a_gap_of_unknown_size_to_the_end() {
        assert!(Gap::hole(3, 7).is_hole() && Gap::hole(3, 7).overlaps(u64::MAX, u64::MAX));
        assert!(!Gap::hole(3, 7).overlaps(0, 6) && !gap(3, 7, u64::MAX).is_hole());
        let gaps = vec![Gap::hole(3, 1), gap(2, 2, 3), Gap::hole(1, 4), Gap::hole(3, 9)];
        assert_eq!(Losses { gaps, ..Losses::default() }.holes(), [1, 3]);
    }

    #[test]
    fn totals_are_those_of_all_rings() {
        let count = |operation, count| [(operation, count)].into_iter().collect();
        let ring = |ring| RingAccount {
            ring,
            folded: count(Operation::Wait, 100),
            late: 20,
            rejected: count(Operation::Signal, 3),
            stacks_dropped: 1,
        };
        let losses = Losses { rings: vec![ring(0), ring(1)], ..Losses::default() };
        assert_eq!((losses.recorded(), losses.rejected(), losses.attempted()), (240, 6, 246));
        assert_eq!((losses.late(), losses.stacks_dropped()), (40, 2));
    }

    #[test]
    fn the_first_rejected_create_is_that_of_the_first_gap_with_one() {
        let mut gaps = vec![gap(0, 5, 6), gap(1, 9, 9), gap(0, 12, 13)];
        for (with_creates, first) in [(0..0, None), (1..3, Some(9))] {
            gaps[with_creates].iter_mut().for_each(|gap| gap.rejected.add(Operation::Create, 1));
            assert_eq!(Losses { gaps: gaps.clone(), ..Losses::default() }.first_rejected_create(), first);
        }
    }

    #[test]
    fn the_closest_two_of_one_ring_are_joined() {
        // Of two pairs as close as each other, the earlier.
        let mut gaps: Vec<Gap> = [(0, 0, 10), (0, 100, 110), (1, 111, 112), (0, 115, 120), (0, 125, 140)]
            .map(|(ring, first, last)| gap(ring, first, last))
            .into();
        join_closest(&mut gaps);
        let windows: Vec<_> = gaps.iter().map(|gap| (gap.ring, gap.first_cycle, gap.last_cycle)).collect();
        assert_eq!(windows, [(0, 0, 10), (0, 100, 120), (1, 111, 112), (0, 125, 140)]);
        assert_eq!(gaps[1].rejected.total(), 2);
    }

    #[test]
    fn many_gaps_are_joined_and_no_lost_cycle_is_forgotten() {
        let mut gaps = Vec::new();
        for index in 0..3 * MAX_GAPS as u64 {
            add_gap(&mut gaps, gap((index % 3) as u8, index * 10, index * 10 + 3));
        }
        assert_eq!(gaps.len(), MAX_GAPS);
        let losses = Losses { gaps, ..Losses::default() };
        for index in 0..3 * MAX_GAPS as u64 {
            assert!(losses.overlaps(index * 10, index * 10 + 3));
        }
        let total: u64 = losses.gaps.iter().map(|gap| gap.rejected.total()).sum();
        assert_eq!(total, 3 * MAX_GAPS as u64);
    }
}
