//! Merge: which of the records taken from the rings may be folded now, and in what order.
//!
//! The rule and its proof are in docs/ordering.md. In short: records taken at the first look may be folded as far
//! as their stripe's smallest newcomer allows, in order of (stamp, ring) per stripe; the rest is set aside.

use crate::entry::{Frame, MAX_STACK_FRAMES};
use crate::operation::Operation;
use crate::record::Record;
use crate::stamp::{STRIPES, stripe_of};
use crate::tag::Tag;

/// A record that left its ring.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    pub(crate) record: Record,
    pub(crate) position: u64,
    pub(crate) stack: Stack,
    /// What it is and whence it came.
    pub(crate) tag: Tag,
}

/// Where the frames of a create are kept: nowhere, for a record without any.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stack {
    first: u32,
    frames: u32,
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
        self.0.extend(frames.into_iter().take(MAX_STACK_FRAMES - stack.frames as usize));
        stack.frames = (self.0.len() - stack.first as usize) as u32;
    }

    /// The frames of a stack.
    pub(crate) fn get(&self, stack: Stack) -> &[Frame] {
        &self.0[stack.first as usize..][..stack.frames as usize]
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
    /// A record of this ring, without a stack.
    #[inline(always)]
    pub(crate) fn new(record: Record, ring: u8, position: u64) -> Self {
        Self { record, position, stack: Stack::default(), tag: Tag::of(&record, ring) }
    }

    #[inline(always)]
    pub(crate) fn ring(&self) -> u8 {
        self.tag.ring()
    }

    pub(crate) fn operation(&self) -> Operation {
        self.tag.operation().expect("what is taken is a head")
    }

    /// Its stripe, and its place in that stripe's order.
    pub(crate) fn key(&self) -> (usize, u64, u8) {
        (stripe_of(self.record.handle()), self.record.stamp(), self.ring())
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

/// Puts records into fold order. What a pass holds back it has from [`hold_back`](Self::hold_back) to
/// [`release`](Self::release), which follows; else it is scratch space.
#[derive(Debug)]
pub(crate) struct Merge {
    /// Per stripe, the smallest stamp of what is to be put in order.
    smallest: Box<[u64; STRIPES]>,
    /// By record, how far its stamp is from the smallest of its stripe.
    steps: Vec<u32>,
    /// By step, where in the order the next record of it goes.
    places: Vec<u32>,
    /// By place in the order, where the record lies.
    indices: Vec<u32>,
    kept: Vec<Taken>,
    /// Some of what is to be put in order was held back before.
    waited: bool,
}

impl Default for Merge {
    fn default() -> Self {
        let smallest = Box::new([u64::MAX; STRIPES]);
        Self { smallest, steps: vec![], places: vec![], indices: vec![], kept: vec![], waited: false }
    }
}

/// Steps beyond one for each record: a recorder may have shown a stamp and not have published its record yet.
const MORE_STEPS: usize = 1 << 8;

impl Merge {
    /// Takes out of `taken` what must wait for a later pass. What stays comes ring by ring, in order of arrival.
    pub(crate) fn hold_back(&mut self, taken: &mut Vec<Taken>, limits: &Limits) {
        if limits.any {
            self.kept.extend(taken.extract_if(.., |record| !limits.allow(record)));
        }
        if std::mem::take(&mut self.waited) {
            // What waited stands in front. Along a ring it is older.
            taken.sort_by_key(Taken::ring);
        }
        self.waited = !self.kept.is_empty();
    }

    /// Appends `taken` to `order` in fold order, and puts what was held back in its place. What came through one ring is
    /// in order already.
    pub(crate) fn release(&mut self, taken: &mut Vec<Taken>, order: &mut Vec<Taken>) {
        if taken.first().map(Taken::ring) != taken.last().map(Taken::ring) {
            self.sort(taken, order);
        } else if order.is_empty() {
            std::mem::swap(order, taken);
        } else {
            order.append(taken);
        }
        taken.clear();
        std::mem::swap(taken, &mut self.kept);
    }

    /// Appends records, which come ring by ring, to `order` by (stamp, ring) within each stripe.
    ///
    /// The order of different stripes means nothing, and the stamps of one leave hardly a gap. So how far a stamp is from
    /// the smallest of its stripe is a small number that orders all stripes at once, in a counting sort that leaves equal
    /// stamps in the order of their rings.
    fn sort(&mut self, taken: &[Taken], order: &mut Vec<Taken>) {
        self.smallest.fill(u64::MAX);
        for Taken { record, .. } in taken {
            let smallest = &mut self.smallest[stripe_of(record.handle())];
            *smallest = record.stamp().min(*smallest);
        }
        let step = |Taken { record, .. }: &Taken| record.stamp() - self.smallest[stripe_of(record.handle())];
        self.steps.clear();
        self.steps.extend(taken.iter().map(|taken| step(taken).min(u64::from(u32::MAX)) as u32));
        let most = self.steps.iter().copied().max().unwrap_or(0) as usize;
        if most > taken.len() + MORE_STEPS {
            return sort_by_key(taken, order);
        }
        self.places.clear();
        self.places.resize(most + 1, 0);
        self.steps.iter().for_each(|step| self.places[*step as usize] += 1);
        let mut before = 0;
        for place in &mut self.places {
            before += std::mem::replace(place, before);
        }
        self.indices.resize(taken.len(), 0);
        for (index, step) in (0..).zip(&self.steps) {
            let place = &mut self.places[*step as usize];
            self.indices[*place as usize] = index;
            *place += 1;
        }
        order.extend(self.indices.iter().map(|index| taken[*index as usize]));
    }
}

/// The same where stamps are far apart: a recorder was held up between its stamp and its record while others went on.
#[cold]
fn sort_by_key(taken: &[Taken], order: &mut Vec<Taken>) {
    let begin = order.len();
    order.extend_from_slice(taken);
    order[begin..].sort_by_key(Taken::key);
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
        Taken { stack, ..Taken::new(Record::from_payload([0, Operation::Create as u64, 0, 0, 0]), 0, 0) }
    }

    #[test]
    fn a_stack_keeps_its_first_frames() {
        let mut stacks = Stacks::default();
        stacks.keep(frames(0, 5));
        let mut stack = stacks.keep(frames(10, 2));
        stacks.extend(&mut stack, frames(12, MAX_STACK_FRAMES));
        assert_eq!(stacks.get(stack), frames(10, MAX_STACK_FRAMES));
    }

    fn of_thread(handle: u32, tid: u32, cycle: u64, stamp: u64) -> Taken {
        let entry = HandleAuditEntry::new(cycle, tid, 0, label!("test"), 0);
        let call = Unstamped::new(Operation::Signal, 0, handle, &entry);
        Taken::new(Record::new(&call, entry.source.mark(), || stamp), 0, 0)
    }

    fn of_ring(ring: u8, taken: Taken) -> Taken {
        Taken::new(taken.record, ring, taken.position)
    }

    fn signal(handle: u32, tid: u32, cycle: u64, position: u64) -> Taken {
        Taken { position, ..of_thread(handle, tid, cycle, 5) }
    }

    #[test]
    fn what_came_through_one_ring_stays_in_its_order() {
        // Neighbours in the ring, on stripes of falling numbers.
        let mut handles: Vec<u32> = (1..=8).map(|number| 4 * number).collect();
        handles.sort_by_key(|handle| std::cmp::Reverse(stripe_of(*handle)));
        assert!(stripe_of(handles[0]) > stripe_of(handles[7]));
        let mut all: Vec<_> = (0..).zip(&handles).map(|(n, handle)| signal(*handle, 1, n, n)).collect();
        let mut order = Vec::new();
        Merge::default().release(&mut all, &mut order);
        assert!(all.is_empty() && order.iter().map(|taken| taken.record.handle()).eq(handles));
    }

    /// A signal with this stamp, the `position`th of its ring.
    fn stamped(handle: u32, stamp: u64, ring: u8, position: u64) -> Taken {
        of_ring(ring, Taken { position, ..of_thread(handle, 1, 0, stamp) })
    }

    fn places(records: &[Taken]) -> Vec<(u8, u64)> {
        records.iter().map(|taken| (taken.ring(), taken.position)).collect()
    }

    /// What is released, per stripe, and what stays.
    fn release(merge: &mut Merge, all: &mut Vec<Taken>, limits: &Limits) -> Vec<Vec<(u8, u64)>> {
        let mut order = Vec::new();
        merge.hold_back(all, limits);
        merge.release(all, &mut order);
        order.sort_by_key(|taken| stripe_of(taken.record.handle()));
        order
            .chunk_by(|one, next| stripe_of(one.record.handle()) == stripe_of(next.record.handle()))
            .map(places)
            .collect()
    }

    #[test]
    fn stripes_are_in_order_of_stamp_and_ring_however_far_apart_their_stamps_are() {
        let (one, other) = if stripe_of(4) < stripe_of(8) { (4, 8) } else { (8, 4) };
        let far = 1 << 40;
        for begin in [0, far] {
            // The steps that there may be for six records, and one more: the same order from another sort.
            for last in [2, 6 + MORE_STEPS as u64, 7 + MORE_STEPS as u64, u64::MAX - begin] {
                let mut all = vec![
                    stamped(one, begin, 0, 0),
                    stamped(one, begin + 1, 0, 1),
                    stamped(other, far, 0, 2),
                    stamped(one, begin + 1, 2, 0),
                    stamped(one, begin + last, 2, 1),
                    stamped(other, far, 2, 2),
                ];
                let released = release(&mut Merge::default(), &mut all, &Limits::none());
                assert_eq!(released, [vec![(0, 0), (0, 1), (2, 0), (2, 1)], vec![(0, 2), (2, 2)]], "{last}");
                assert!(all.is_empty());
            }
        }
    }

    #[test]
    fn what_is_held_back_stays_in_order_of_arrival_and_comes_behind_its_equals_of_lower_rings() {
        let mut limits = Limits::none();
        limits.newcomer(&stamped(4, 5, 1, 0).record);
        // Of another stripe.
        assert_ne!(stripe_of(4), stripe_of(8));
        let mut all = vec![
            stamped(4, 6, 2, 0),
            stamped(8, 6, 2, 1),
            stamped(4, 7, 2, 2),
            stamped(4, 5, 3, 0),
            stamped(4, 6, 3, 1),
        ];
        let mut merge = Merge::default();
        let released = release(&mut merge, &mut all, &limits);
        assert_eq!(released.concat().len(), 2);
        assert!(released.contains(&vec![(3, 0)]) && released.contains(&vec![(2, 1)]), "{released:?}");
        assert_eq!(places(&all), [(2, 0), (2, 2), (3, 1)]);
        // The next pass takes the newcomer and what came after it.
        all.extend([stamped(4, 5, 1, 0), stamped(4, 6, 1, 1), stamped(4, 8, 2, 3)]);
        let expected = [(1, 0), (1, 1), (2, 0), (3, 1), (2, 2), (2, 3)];
        assert_eq!(release(&mut merge, &mut all, &Limits::none()), [expected]);
        assert!(all.is_empty());
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
