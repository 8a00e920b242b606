//! Merge: which of the records taken from the rings may be folded now, and in what order.
//!
//! The rule and its proof are in docs/ordering.md. In short: records taken at the first look may be folded as far
//! as their stripe's smallest newcomer allows, in order of (stamp, ring) per stripe; the rest is set aside.

use crate::fold::Stack;
use crate::record::Record;
use crate::stamp::{STRIPES, stripe_of};

/// A record that left its ring.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) record: Record,
    pub(crate) ring: u8,
    pub(crate) position: u64,
    pub(crate) stack: Stack,
}

impl Taken {
    /// Its stripe, and its place in that stripe's order.
    #[cfg(all(test, loom))]
    pub(crate) fn key(&self) -> (usize, u64, u8) {
        (stripe_of(self.record.handle()), self.record.stamp(), self.ring)
    }

    /// Whether nothing was published meanwhile that might have to come first.
    #[inline(always)]
    fn is_below(&self, limits: &[u64; STRIPES]) -> bool {
        self.record.stamp() <= limits[stripe_of(self.record.handle())]
    }

    /// Moves it out and leaves a record without its stack, which nobody reads.
    fn take(&mut self) -> Self {
        Self { stack: std::mem::take(&mut self.stack), ..*self }
    }
}

/// Per stripe, the smallest stamp among the newcomers of a pass.
#[derive(Debug)]
pub(crate) struct Limits {
    stamps: Box<[u64; STRIPES]>,
    /// Whether there was a newcomer.
    any: bool,
}

impl Limits {
    pub(crate) fn none() -> Self {
        Self { stamps: Box::new([u64::MAX; STRIPES]), any: false }
    }

    pub(crate) fn reset(&mut self) {
        if std::mem::take(&mut self.any) {
            self.stamps.fill(u64::MAX);
        }
    }

    /// A record was published between the two looks.
    pub(crate) fn newcomer(&mut self, record: &Record) {
        let limit = &mut self.stamps[stripe_of(record.handle())];
        *limit = (*limit).min(record.stamp() + u64::from(spsc_ring::planted!("limit_off_by_one")));
        self.any = true;
    }

    /// Whether a record may be folded in this pass.
    #[inline(always)]
    pub(crate) fn allow(&self, taken: &Taken) -> bool {
        !self.any || taken.is_below(&self.stamps)
    }
}

/// Puts records into fold order. Holds nothing between two calls but its scratch space.
#[derive(Debug, Default)]
pub(crate) struct Merge {
    keys: Vec<Key>,
    kept: Vec<u32>,
}

/// A record's place in its stripe's order, then where it lies. Stamps rise strictly within a ring, so no two records of
/// a stripe have equal stamp and ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    stamp: u64,
    ring: u8,
    index: u32,
}

impl Merge {
    /// Cuts `taken`: what may be folded now is appended to `order` in fold order, stripe after stripe; the rest stays.
    ///
    /// What came through one ring is in order already. Else a counting sort by stripe, then within each stripe a sort
    /// that finds runs: the records of one ring are in order already, so there is at most one run a ring to be merged,
    /// and none where one ring alone uses a stripe.
    pub(crate) fn release(&mut self, taken: &mut Vec<Taken>, limits: &Limits, order: &mut Vec<Taken>) {
        let one_ring = taken.windows(2).all(|pair| pair[0].ring == pair[1].ring);
        if one_ring && !limits.any {
            if order.is_empty() {
                return std::mem::swap(order, taken);
            }
            return order.append(taken);
        }
        let ends = self.scatter(taken);
        self.kept.clear();
        order.reserve(taken.len());
        let mut start = 0;
        for (end, limit) in ends.into_iter().zip(limits.stamps.iter()) {
            let stripe = &mut self.keys[start..end];
            if !stripe.is_sorted() {
                stripe.sort();
            }
            let (now, later) = stripe.split_at(stripe.partition_point(|key| key.stamp <= *limit));
            order.extend(now.iter().map(|key| taken[key.index as usize].take()));
            self.kept.extend(later.iter().map(|key| key.index));
            start = end;
        }
        self.keep(taken);
    }

    /// Lays the keys out by stripe, each stripe in order of arrival, and returns where each stripe ends.
    fn scatter(&mut self, taken: &[Taken]) -> [usize; STRIPES] {
        let mut places = [0; STRIPES];
        for record in taken {
            places[stripe_of(record.record.handle())] += 1;
        }
        let mut before = 0;
        for place in &mut places {
            before += std::mem::replace(place, before);
        }
        self.keys.clear();
        self.keys.resize(taken.len(), Key::default());
        for (index, record) in (0..).zip(taken) {
            let place = &mut places[stripe_of(record.record.handle())];
            self.keys[*place] = Key { stamp: record.record.stamp(), ring: record.ring, index };
            *place += 1;
        }
        places
    }

    /// Leaves only the kept records, in order of arrival.
    fn keep(&mut self, taken: &mut Vec<Taken>) {
        self.kept.sort_unstable();
        for (place, index) in self.kept.iter().enumerate() {
            taken.swap(place, *index as usize);
        }
        taken.truncate(self.kept.len());
    }
}
