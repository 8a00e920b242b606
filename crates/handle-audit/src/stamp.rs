//! Stamps that order the records of one handle across rings, without a read-modify-write.
//!
//! Lamport's bakery numbering: a recorder takes one more than the largest number it sees on the handle's stripe
//! and shows it in its own cell before it publishes. docs/ordering.md has the argument.

pub(crate) use crate::shim::CELLS;
use crate::shim::{AtomicU64, Cells, Ordering};

#[cfg(not(any(loom, shuttle)))]
const STRIPE_BITS: u32 = 8;
#[cfg(any(loom, shuttle))]
const STRIPE_BITS: u32 = 1;

/// Stripes that handles hash onto.
pub(crate) const STRIPES: usize = 1 << STRIPE_BITS;

/// The cell of a recorder. As an enumeration, so that the compiler knows how many there are and need not look.
#[derive(Clone, Copy, Debug)]
pub(crate) enum CellNumber {
    Zero,
    One,
    Two,
    Three,
    Four,
    Five,
    Six,
    Seven,
}

impl CellNumber {
    /// The cell of the recorder of a ring. With more rings than cells stamps come from a counter, and no recorder uses its
    /// cell.
    pub(crate) fn of(ring: usize) -> Self {
        use CellNumber::{Five, Four, One, Seven, Six, Three, Two, Zero};
        [Zero, One, Two, Three, Four, Five, Six, Seven][ring % CELLS]
    }
}

/// The stripe of a handle. Handles step by 4 and objects are aligned, so the low bits alone would not do:
/// Fibonacci hashing takes the high bits of a product.
#[inline(always)]
pub(crate) const fn stripe_of(handle: u32) -> usize {
    (handle.wrapping_mul(0x9E37_79B1) >> (32 - STRIPE_BITS)) as usize
}

/// What a cell holds before the first record: the bits of 1.0. From here on, 2^62 stamps are the bits of ordinary
/// positive numbers, which compare as their bits do. Each record on a stripe adds at most one to the largest, so the
/// bits of infinity, and of what is no number behind it, are out of reach: at 10^9 records a second that takes 146
/// years. No rounding mode and no flushing of denormals touches a comparison of ordinary numbers.
pub(crate) const FIRST: u64 = 1f64.to_bits();

/// The table of stripes. It lies within what recorders share, so that its address needs no load.
///
/// A cell is written by the recorder whose it is (Relaxed) and read by all recorders (Relaxed). Order comes from
/// coherence: who synchronised with an earlier record sees its cell, or a later value of it.
#[derive(Debug)]
pub(crate) struct Stamps {
    stripes: [Cells; STRIPES],
}

impl Stamps {
    pub(crate) fn new() -> Self {
        let stripe = || Cells(std::array::from_fn(|_| AtomicU64::new(FIRST)));
        Self { stripes: std::array::from_fn(|_| stripe()) }
    }

    /// Takes the next stamp for a record on `handle` by the recorder of `cell`.
    #[inline(always)]
    pub(crate) fn next(&self, handle: u32, cell: CellNumber) -> u64 {
        let stamp = self.choose(handle);
        self.show(handle, cell, stamp);
        stamp
    }

    /// Fetches what a stamp for this handle will need.
    #[inline(always)]
    pub(crate) fn fetch(&self, handle: u32) {
        self.stripes[stripe_of(handle)].fetch();
    }

    /// One more than the largest number on the handle's stripe.
    #[inline(always)]
    pub(crate) fn choose(&self, handle: u32) -> u64 {
        self.stripes[stripe_of(handle)].largest() + 1
    }

    /// Shows a stamp to the other recorders.
    #[inline(always)]
    pub(crate) fn show(&self, handle: u32, cell: CellNumber, stamp: u64) {
        self.stripes[stripe_of(handle)].0[cell as usize % CELLS].store(stamp, Ordering::Relaxed);
    }

    /// The same where there are more recorders than cells: one counter for the stripe, with a read-modify-write.
    #[cold]
    pub(crate) fn next_shared(&self, handle: u32) -> u64 {
        self.stripes[stripe_of(handle)].0[0].fetch_add(1, Ordering::Relaxed) + 1
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn handles_in_steps_of_four_spread_over_all_stripes() {
        let mut used = [0; STRIPES];
        for index in 0..STRIPES as u32 * 16 {
            used[stripe_of(0x1000 + index * 4)] += 1;
        }
        assert!(used.iter().all(|count| (8..=24).contains(count)), "{used:?}");
    }

    #[test]
    fn a_stamp_exceeds_every_stamp_seen_on_its_stripe() {
        let stamps = Stamps::new();
        assert_eq!([0, 1, 7, 0].map(|ring| stamps.next(4, CellNumber::of(ring)) - FIRST), [1, 2, 3, 4]);
        assert_eq!(stamps.next(8, CellNumber::of(0)), FIRST + 1, "another stripe counts for itself");
        assert_eq!([12, 12].map(|handle| stamps.next_shared(handle) - FIRST), [1, 2]);
    }

    #[test]
    fn a_stamp_is_one_more_than_the_largest_cell_wherever_the_exponent_changes() {
        let exponent = |power: u64| FIRST + (power << 52);
        for largest in
            [exponent(1) - 1, exponent(1), exponent(512), exponent(1022) - 1, f64::MAX.to_bits() - 1]
        {
            for cell in 0..CELLS {
                let stamps = Stamps::new();
                (0..CELLS)
                    .for_each(|other| stamps.show(4, CellNumber::of(other), largest - 1 - other as u64));
                stamps.show(4, CellNumber::of(cell), largest);
                assert_eq!(stamps.next(4, CellNumber::of(cell + 1)), largest + 1);
                if largest + 1 < f64::MAX.to_bits() {
                    assert_eq!(stamps.choose(4), largest + 2, "the next one sees it");
                }
            }
        }
    }
}
