//! The account of what one ring refused, written by its recorder and read by anyone.
//!
//! Counts are cumulative and never fall, so a reader takes the open gap as what was rejected beyond the gap
//! records that it has already folded.

use crossbeam_utils::CachePadded;
use spsc_ring::Seal;

use crate::losses::Gap;
use crate::operation::{Operation, OperationCounts};
use crate::record::COUNT_BITS;
use crate::shim::{AtomicU64, Ordering};

/// One ring's cells. All are written by the ring's recorder (Release) and read by the drain and by readers
/// (Acquire): a reader that sees a value of a later gap also sees that the earlier one was closed.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// Rejected records, by operation.
    rejected: CachePadded<[AtomicU64; Operation::COUNT]>,
    /// Creates that lost their stack.
    stacks_dropped: AtomicU64,
    /// How many gap records were published.
    gaps_sent: AtomicU64,
    /// First cycle of the gap that is open, or of the last one.
    first_cycle: AtomicU64,
    /// Last cycle of it.
    last_cycle: AtomicU64,
}

/// What the recorder keeps of a gap that it has not sent yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenGap {
    pub(crate) first_cycle: u64,
    pub(crate) last_cycle: u64,
    pub(crate) rejected: OperationCounts,
}

/// A ledger as it was at one moment; in a capture, two copies of it stand with the ring, written in turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LedgerAccount {
    /// Rejected records, by operation.
    pub rejected: OperationCounts,
    /// Creates that lost their stack.
    pub stacks_dropped: u64,
    /// How many gap records were published.
    pub gaps_sent: u64,
    /// First cycle of the gap that is open, or of the last one.
    pub first_cycle: u64,
    /// Last cycle of it.
    pub last_cycle: u64,
}

/// Words of a [`LedgerAccount`]: a checksum, the counts in order of their operations' codes, then the others in the
/// order they are declared in.
pub const ACCOUNT_WORDS: usize = Operation::COUNT + 5;

impl LedgerAccount {
    /// How often it has changed: every change raises one of the counts by one.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.rejected.total().wrapping_add(self.stacks_dropped).wrapping_add(self.gaps_sent)
    }

    /// The words, closed by the ring's seal.
    #[must_use]
    pub fn words(&self, seal: Seal) -> [u64; ACCOUNT_WORDS] {
        let mut words = [0; ACCOUNT_WORDS];
        for (word, operation) in words[1..].iter_mut().zip(Operation::ALL) {
            *word = self.rejected.get(operation);
        }
        words[1 + Operation::COUNT..].copy_from_slice(&[
            self.stacks_dropped,
            self.gaps_sent,
            self.first_cycle,
            self.last_cycle,
        ]);
        words[0] = seal.digest(words[1..].iter().copied());
        words
    }

    /// Reads the words back, if they are whole. Counts that no run can reach are refused.
    #[must_use]
    pub fn from_words(words: &[u64; ACCOUNT_WORDS], seal: Seal) -> Option<Self> {
        let (counts, rest) = words[1..].split_at(Operation::COUNT);
        let sound = words[0] == seal.digest(words[1..].iter().copied())
            && counts.iter().chain(&rest[..2]).all(|count| *count < 1 << COUNT_BITS);
        sound.then(|| Self {
            rejected: Operation::ALL.into_iter().zip(counts.iter().copied()).collect(),
            stacks_dropped: rest[0],
            gaps_sent: rest[1],
            first_cycle: rest[2],
            last_cycle: rest[3],
        })
    }

    /// The gap that is open: what was rejected beyond `sent`, the sum of the gap records already folded.
    pub(crate) fn open_gap(&self, ring: u8, sent: &OperationCounts) -> Option<Gap> {
        let rejected = self.rejected.beyond(sent);
        let (first_cycle, last_cycle) = (self.first_cycle, self.last_cycle);
        (rejected.total() > 0).then_some(Gap { ring, first_cycle, last_cycle, rejected })
    }
}

fn add_one(cell: &AtomicU64) {
    // Only one thread writes the cell, so a load and a store lose nothing.
    cell.store(cell.load(Ordering::Relaxed) + 1, Ordering::Release);
}

impl Ledger {
    pub(crate) fn new() -> Self {
        Self {
            rejected: CachePadded::new(std::array::from_fn(|_| AtomicU64::new(0))),
            stacks_dropped: AtomicU64::new(0),
            gaps_sent: AtomicU64::new(0),
            first_cycle: AtomicU64::new(0),
            last_cycle: AtomicU64::new(0),
        }
    }

    /// Counts a rejected record and widens the open gap, or opens one.
    pub(crate) fn reject(&self, open: &mut Option<OpenGap>, operation: Operation, cycle: u64) {
        let gap = open.get_or_insert_with(|| {
            self.first_cycle.store(cycle, Ordering::Release);
            self.last_cycle.store(cycle, Ordering::Release);
            OpenGap { first_cycle: cycle, last_cycle: cycle, rejected: OperationCounts::default() }
        });
        // One ring can carry several guest threads' clocks, so a later record may have the smaller cycle.
        if cycle < gap.first_cycle {
            gap.first_cycle = cycle;
            self.first_cycle.store(cycle, Ordering::Release);
        }
        if cycle > gap.last_cycle {
            gap.last_cycle = cycle;
            self.last_cycle.store(cycle, Ordering::Release);
        }
        gap.rejected.add(operation, if spsc_ring::planted!("loss_counted_twice") { 2 } else { 1 });
        add_one(&self.rejected[operation.index()]);
    }

    /// Notes that the open gap was published as a record.
    pub(crate) fn gap_sent(&self) {
        add_one(&self.gaps_sent);
    }

    pub(crate) fn gaps_sent(&self) -> u64 {
        self.gaps_sent.load(Ordering::Acquire)
    }

    pub(crate) fn stack_dropped(&self) {
        add_one(&self.stacks_dropped);
    }

    pub(crate) fn stacks_dropped(&self) -> u64 {
        self.stacks_dropped.load(Ordering::Acquire)
    }

    pub(crate) fn rejected(&self) -> OperationCounts {
        Operation::ALL
            .map(|operation| (operation, self.rejected[operation.index()].load(Ordering::Acquire)))
            .into_iter()
            .collect()
    }

    /// Everything. The cycles are read after the counts: whoever sees a gap's counts sees its window.
    pub(crate) fn account(&self) -> LedgerAccount {
        LedgerAccount {
            rejected: self.rejected(),
            stacks_dropped: self.stacks_dropped(),
            gaps_sent: self.gaps_sent(),
            first_cycle: self.first_cycle.load(Ordering::Acquire),
            last_cycle: self.last_cycle.load(Ordering::Acquire),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal() -> Seal {
        Seal::new(0x5EA1)
    }

    fn account() -> LedgerAccount {
        LedgerAccount {
            rejected: Operation::ALL.into_iter().zip(1..).collect(),
            stacks_dropped: 200,
            gaps_sent: 3000,
            first_cycle: u64::MAX,
            last_cycle: 7,
        }
    }

    #[test]
    fn an_account_reads_back_from_its_words_and_from_no_others() {
        let words = account().words(seal());
        assert!(words[1..=Operation::COUNT].iter().copied().eq(1..=Operation::COUNT as u64));
        assert_eq!(words[Operation::COUNT + 1..], [200, 3000, u64::MAX, 7]);
        assert_eq!(LedgerAccount::from_words(&words, seal()), Some(account()));
        assert_eq!(LedgerAccount::from_words(&words, Seal::new(1)), None);
        for index in 0..ACCOUNT_WORDS {
            let mut damaged = words;
            damaged[index] ^= 1;
            assert_eq!(LedgerAccount::from_words(&damaged, seal()), None);
        }
    }

    #[test]
    fn counts_that_no_run_can_reach_are_refused() {
        let most = 1 << COUNT_BITS;
        for (count, read) in [(most - 1, true), (most, false), (u64::MAX, false)] {
            let rejected =
                LedgerAccount { rejected: [(Operation::Apc, count)].into_iter().collect(), ..account() };
            for unlikely in [rejected, LedgerAccount { gaps_sent: count, ..account() }] {
                assert_eq!(LedgerAccount::from_words(&unlikely.words(seal()), seal()).is_some(), read);
            }
        }
    }

    #[test]
    fn every_change_raises_the_version_by_one_and_a_gap_covers_what_it_counts() {
        let (ledger, mut open) = (Ledger::new(), None);
        for (index, cycle) in (0..).zip([10, 5, 20, 15]) {
            assert_eq!(ledger.account().version(), index);
            ledger.reject(&mut open, Operation::Wait, cycle);
        }
        ledger.stack_dropped();
        ledger.gap_sent();
        assert_eq!(ledger.account().version(), 6);
        assert_eq!((ledger.stacks_dropped(), ledger.gaps_sent()), (1, 1));
        let gap = ledger.account().open_gap(2, &OperationCounts::default()).unwrap();
        let rejected = [(Operation::Wait, 4)].into_iter().collect();
        assert_eq!(gap, Gap { ring: 2, first_cycle: 5, last_cycle: 20, rejected });
        assert_eq!(
            open.map(|open| (open.first_cycle, open.last_cycle, open.rejected)),
            Some((5, 20, rejected))
        );
        assert_eq!(ledger.account().open_gap(2, &rejected), None, "all of it was sent");
    }
}
