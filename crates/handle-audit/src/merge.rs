//! Merge: which of the records taken from the rings may be folded now, and in what order.
//!
//! The rule and its proof are in docs/ordering.md. In short: records taken at the first look may be folded as far
//! as their stripe's smallest newcomer allows, in order of (stamp, ring) per stripe; the rest is set aside.

use crate::entry::{Frame, MAX_STACK_FRAMES};
use crate::operation::Operation;
use crate::record::Record;
use crate::stamp::{STRIPES, stripe_of};

/// A record that left its ring.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    pub(crate) record: Record,
    pub(crate) position: u64,
    pub(crate) stack: Stack,
    pub(crate) ring: u8,
    pub(crate) operation: Operation,
}

/// Where the frames of a create are kept: nowhere, for a record without any.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stack {
    first: u32,
    frames: u8,
}

/// Frames that may lie idle: 512 KiB of them.
const MANY_FRAMES: usize = 1 << 16;

impl Stack {
    pub(crate) fn is_empty(self) -> bool {
        self.frames == 0
    }
}

/// The frames of records on their way from the rings to their trails.
#[derive(Debug, Default)]
pub(crate) struct Stacks(Vec<Frame>);

impl Stacks {
    /// Keeps the frames of a stack, the first [`MAX_STACK_FRAMES`] of them.
    pub(crate) fn keep(&mut self, frames: impl IntoIterator<Item = Frame>) -> Stack {
        let mut stack = Stack::default();
        self.extend(&mut stack, frames);
        stack
    }

    /// Adds frames to a stack that has none, or that was kept last.
    pub(crate) fn extend(&mut self, stack: &mut Stack, frames: impl IntoIterator<Item = Frame>) {
        if stack.is_empty() {
            stack.first = self.0.len() as u32;
        }
        self.0.extend(frames.into_iter().take(MAX_STACK_FRAMES - usize::from(stack.frames)));
        stack.frames = (self.0.len() - stack.first as usize) as u8;
    }

    /// The frames of a stack.
    pub(crate) fn get(&self, stack: Stack) -> &[Frame] {
        &self.0[stack.first as usize..][..usize::from(stack.frames)]
    }

    /// Forgets the stacks of all other records, once they are many.
    pub(crate) fn forget_all_but(&mut self, aside: &mut [Taken]) {
        if aside.is_empty() {
            self.0.clear();
            self.0.shrink_to(MANY_FRAMES);
        } else if self.0.len() > MANY_FRAMES {
            let all = std::mem::take(self);
            for taken in aside.iter_mut().filter(|taken| !taken.stack.is_empty()) {
                taken.stack = self.keep(all.get(taken.stack).iter().copied());
            }
        }
    }
}

impl Taken {
    /// Whether the next record of the same ring is of the same thread and comes later in its history.
    #[inline(always)]
    pub(crate) fn is_continued_by(&self, next: &Self) -> bool {
        let (before, after) = (self.record.cycle(), next.record.cycle());
        let is_later =
            before < after || before == after && next.position.wrapping_sub(self.position) as i64 > 0;
        self.ring == next.ring && self.record.tid() == next.record.tid() && is_later
    }

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
        let one_ring = taken.first().is_none_or(|first| taken.iter().all(|next| next.ring == first.ring));
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
            order.extend(now.iter().map(|key| taken[key.index as usize]));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::HandleAuditEntry;
    use crate::label;
    use crate::record::{Record, Unstamped};

    fn frames(from: u32, count: usize) -> Vec<Frame> {
        (from..).take(count).map(|lr| Frame { frame: 1, lr }).collect()
    }

    fn taken(stack: Stack) -> Taken {
        Taken {
            record: Record::from_payload([0; 5]),
            position: 0,
            stack,
            ring: 0,
            operation: Operation::Create,
        }
    }

    #[test]
    fn a_stack_keeps_its_first_frames() {
        let mut stacks = Stacks::default();
        stacks.keep(frames(0, 5));
        let mut stack = stacks.keep(frames(10, 2));
        stacks.extend(&mut stack, frames(12, MAX_STACK_FRAMES));
        assert_eq!(stacks.get(stack), frames(10, MAX_STACK_FRAMES));
    }

    fn signal(handle: u32, tid: u32, cycle: u64, position: u64) -> Taken {
        let entry = HandleAuditEntry::new(cycle, tid, 0, label!("test"), 0);
        let record =
            Record::new(&Unstamped::new(Operation::Signal, 0, handle, &entry), entry.source.mark(), || 5);
        Taken { record, position, ..taken(Stack::default()) }
    }

    #[test]
    fn a_run_goes_on_with_later_records_of_its_thread_in_its_ring() {
        let first = signal(4, 1, 10, u64::MAX);
        let goes_on = |next: Taken| first.is_continued_by(&next);
        // Positions pass the wrap-around.
        for (cycle, position, later) in
            [(9, 0, false), (10, u64::MAX - 1, false), (10, u64::MAX, false), (10, 0, true), (11, 0, true)]
        {
            assert_eq!(goes_on(signal(4, 1, cycle, position)), later, "{cycle} {position}");
            assert!(!goes_on(signal(4, 2, cycle, position)), "of another thread");
            assert!(!goes_on(Taken { ring: 1, ..signal(4, 1, cycle, position) }), "of another ring");
        }
        assert!(goes_on(signal(4, 1, 11, u64::MAX - 1)), "the cycle decides");
        assert!(!goes_on(signal(4, 1, 9, 0)), "the cycle decides");
    }

    #[test]
    fn what_came_through_one_ring_stays_in_its_order() {
        // Neighbours in the ring, on stripes of falling numbers.
        let mut handles: Vec<u32> = (1..=8).map(|number| 4 * number).collect();
        handles.sort_by_key(|handle| std::cmp::Reverse(stripe_of(*handle)));
        assert!(stripe_of(handles[0]) > stripe_of(handles[7]));
        let mut all: Vec<_> = (0..).zip(&handles).map(|(n, handle)| signal(*handle, 1, n, n)).collect();
        let mut order = Vec::new();
        Merge::default().release(&mut all, &Limits::none(), &mut order);
        assert!(all.is_empty() && order.iter().map(|taken| taken.record.handle()).eq(handles));
    }

    #[test]
    fn stacks_of_records_that_wait_outlive_all_others() {
        let mut stacks = Stacks::default();
        stacks.keep(frames(0, 5));
        let mut aside =
            [taken(stacks.keep(frames(10, 3))), taken(Stack::default()), taken(stacks.keep(frames(20, 4)))];
        stacks.forget_all_but(&mut aside);
        assert_eq!(stacks.0.len(), 12, "they are not many");
        while stacks.0.len() < MANY_FRAMES {
            stacks.keep(frames(30, MAX_STACK_FRAMES.min(MANY_FRAMES - stacks.0.len())));
        }
        stacks.forget_all_but(&mut aside);
        assert_eq!(stacks.0.len(), MANY_FRAMES, "one more would be too many");
        stacks.keep(frames(30, 1));
        stacks.forget_all_but(&mut aside);
        assert_eq!(
            aside.map(|taken| stacks.get(taken.stack).to_vec()),
            [frames(10, 3), vec![], frames(20, 4)]
        );
        assert_eq!(stacks.0.len(), 7);
        stacks.forget_all_but(&mut []);
        assert!(stacks.0.is_empty());
    }
}
