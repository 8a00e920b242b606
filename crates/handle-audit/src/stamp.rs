//! Stamps that order the records of one handle across rings, without a read-modify-write.
//!
//! Lamport's bakery numbering: a recorder takes one more than the largest number it sees on the handle's stripe
//! and shows it in its own cell before it publishes. docs/ordering.md has the argument.

use crate::shim::{AtomicU64, Ordering};

#[cfg(not(loom))]
const STRIPE_BITS: u32 = 8;
#[cfg(loom)]
const STRIPE_BITS: u32 = 1;

/// Stripes that handles hash onto.
pub(crate) const STRIPES: usize = 1 << STRIPE_BITS;

/// Recorders that have a cell of their own: as many as fit one cache line.
#[cfg(not(loom))]
pub(crate) const CELLS: usize = 8;
#[cfg(loom)]
pub(crate) const CELLS: usize = 3;

/// The stripe of a handle. Handles step by 4 and objects are aligned, so the low bits alone would not do:
/// Fibonacci hashing takes the high bits of a product.
#[inline(always)]
pub(crate) const fn stripe_of(handle: u32) -> usize {
    (handle.wrapping_mul(0x9E37_79B1) >> (32 - STRIPE_BITS)) as usize
}

/// One cache line.
#[derive(Debug)]
#[cfg_attr(not(loom), repr(align(64)))]
struct Stripe {
    /// Written by the recorder whose cell it is (Relaxed), read by all recorders (Relaxed). Order comes from
    /// coherence: who synchronised with an earlier record sees its cell, or a later value of it.
    cells: [AtomicU64; CELLS],
}

#[cfg(not(loom))]
const _: () = assert!(size_of::<Stripe>() == 64);

/// The table of stripes.
#[derive(Debug)]
pub(crate) struct Stamps {
    stripes: Box<[Stripe; STRIPES]>,
}

impl Stamps {
    pub(crate) fn new() -> Self {
        let stripe = || Stripe { cells: std::array::from_fn(|_| AtomicU64::new(0)) };
        let stripes: Box<[Stripe]> = (0..STRIPES).map(|_| stripe()).collect();
        Self { stripes: stripes.try_into().expect("as many stripes as were made") }
    }

    /// Takes the next stamp for a record on `handle` by the recorder of `cell`.
    #[inline(always)]
    pub(crate) fn next(&self, handle: u32, cell: usize) -> u64 {
        let stamp = self.choose(handle);
        self.show(handle, cell, stamp);
        stamp
    }

    /// One more than the largest number on the handle's stripe.
    #[inline(always)]
    pub(crate) fn choose(&self, handle: u32) -> u64 {
        let mut seen = 0;
        for cell in &self.stripes[stripe_of(handle)].cells {
            seen = seen.max(cell.load(Ordering::Relaxed));
        }
        seen + 1
    }

    /// Shows a stamp to the other recorders.
    #[inline(always)]
    pub(crate) fn show(&self, handle: u32, cell: usize, stamp: u64) {
        self.stripes[stripe_of(handle)].cells[cell % CELLS].store(stamp, Ordering::Relaxed);
    }

    /// The same where there are more recorders than cells: one counter for the stripe, with a read-modify-write.
    #[cold]
    pub(crate) fn next_shared(&self, handle: u32) -> u64 {
        self.stripes[stripe_of(handle)].cells[0].fetch_add(1, Ordering::Relaxed) + 1
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
        assert_eq!(
            (stamps.next(4, 0), stamps.next(4, 1), stamps.next(4, 7), stamps.next(4, 0)),
            (1, 2, 3, 4)
        );
        assert_eq!(stamps.next(8, 0), 1, "another stripe counts for itself");
        assert_eq!((stamps.next_shared(12), stamps.next_shared(12)), (1, 2));
    }
}
