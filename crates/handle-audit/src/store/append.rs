//! The fold's everyday work: one entry more for a handle that has a trail.

use std::hint::select_unpredictable;

use spsc_ring::fetch;

use super::block::{Size, is_outgrown, place};
use super::packed::{self, Packed};
use super::slab::{Cell, Word, get, high, low, set, set_high};
use super::{FIRST_OTHER, Head, OTHERS, SIGNALS, TrailStore, TrailWriter, WAITS, WAKES, lock, more};
use crate::merge::Taken;
use crate::operation::Operation;
use crate::tag::Tag;
use crate::trail::{MAX_ALIASES, MAX_OPEN_WAITS};

/// Where the entry of a record goes, as long as nobody changes the trail before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan<'a> {
    cell: &'a Cell,
    version: u64,
}

impl TrailStore {
    /// Plans the entry of a record, if it is an everyday one: it needs no block and goes to one of the first three lists.
    #[inline(always)]
    pub(crate) fn plan(&self, head: &Head, tag: Tag) -> Option<Plan<'_>> {
        let list = tag.list();
        let number = head.total(list);
        if list == OTHERS || is_outgrown(number) {
            return None;
        }
        Some(Plan { cell: self.next_cell(head, list, number), version: get(&head.version) })
    }

    /// Fetches what a planned entry will write.
    #[inline(always)]
    pub(crate) fn fetch_planned(&self, head: &Head, plan: &Plan<'_>, tag: Tag) {
        fetch(plan.cell);
        // Where open waits are looked at, if it is not a signal: no branch could guess that.
        let waits = self.cells.at(head.open_block());
        fetch(select_unpredictable(tag.list() == SIGNALS, plan.cell, waits));
    }

    /// Where the next entry of a list goes, which has outgrown nothing.
    #[inline(always)]
    fn next_cell(&self, head: &Head, list: usize, number: u64) -> &Cell {
        self.cells.at(head.block(list) + place(number))
    }

    /// The open waits of a trail.
    #[inline(always)]
    fn waits(&self, head: &Head) -> &[Cell] {
        self.cells.run(head.open_block(), head.open())
    }
}

impl TrailWriter {
    /// Appends to the lists of a trail, and to what follows from them: open waits, names, the closer. If there is no
    /// memory for it, it changes nothing and says `false`. What was planned for it may have been overtaken.
    #[inline(always)]
    pub(crate) fn append(
        &mut self,
        store: &TrailStore,
        head: &Head,
        plan: Option<Plan<'_>>,
        taken: &Taken,
    ) -> bool {
        let holds = |plan: &Plan<'_>| get(&head.version) == plan.version;
        match plan.filter(holds).or_else(|| store.plan(head, taken.tag)) {
            Some(plan) if taken.tag.list() != WAITS || head.open() < head.open_slots() => {
                let change = lock::begin(&head.version);
                self.write(store, head, plan.cell, taken);
                change.end();
                true
            }
            _ => self.append_and_grow(store, head, taken),
        }
    }

    /// The same where a block may be needed, for the entry or for what follows from it.
    #[inline(never)]
    fn append_and_grow(&mut self, store: &TrailStore, head: &Head, taken: &Taken) -> bool {
        let list = taken.tag.list();
        let number = head.total(list);
        let needs_slot = list == WAITS && head.open() == head.open_slots();
        if (is_outgrown(number) || list == OTHERS || needs_slot) && !self.ensure_entry(store) {
            return false;
        }
        let change = lock::begin(&head.version);
        if is_outgrown(number) {
            self.grow(store, head, list, number);
        }
        if needs_slot {
            self.make_slot(store, head, taken.record.tid());
        }
        self.write(store, head, store.next_cell(head, list, number), taken);
        change.end();
        true
    }

    /// Writes an entry and what follows from it.
    #[inline(always)]
    fn write(&mut self, store: &TrailStore, head: &Head, cell: &Cell, taken: &Taken) {
        // The create is number 0.
        let seq = 1 + head.entries();
        let entry = Packed::of(taken, seq);
        let list = taken.tag.list();
        match list {
            SIGNALS => {}
            WAITS => open_wait(store, head, taken.record.tid(), &entry),
            WAKES => self.close_wait(store, head, taken.record.tid()),
            _ => self.other(store, head, seq, taken),
        }
        entry.write(&cell.0);
        head.count(list);
    }

    /// Makes room for the next entry of a list that has outgrown its block.
    fn grow(&mut self, store: &TrailStore, head: &Head, list: usize, total: u64) {
        let block = self.blocks.grow(&store.cells, head.block(list), total);
        head.set_block(list, block);
    }

    /// Sees to it that there is room for an open wait of this thread, or counts it as one that is not kept.
    fn make_slot(&mut self, store: &TrailStore, head: &Head, tid: u32) {
        forget_wait(store, head, tid);
        let open = head.open();
        if open == MAX_OPEN_WAITS {
            self.count_open(store, head, |not_kept| not_kept + 1);
        } else if open == head.open_slots() {
            self.widen(store, head, open);
        }
    }

    /// Makes room for one more open wait than there ever were.
    fn widen(&mut self, store: &TrailStore, head: &Head, slots: usize) {
        if slots == 0 || Size::of_waits(slots) != Size::of_waits(slots + 1) {
            let size = Size::of_waits(slots + 1);
            let block = self.blocks.enlarge(&store.cells, head.open_block(), slots, size);
            head.set_open_block(block);
        }
        head.set_open_slots(slots + 1);
    }

    /// A wait that is not among those kept can only be one that was counted.
    #[inline(always)]
    fn close_wait(&mut self, store: &TrailStore, head: &Head, tid: u32) {
        if !forget_wait(store, head, tid) && head.more() != 0 {
            self.count_open(store, head, |not_kept| not_kept.saturating_sub(1));
        }
    }

    /// Changes the number of open waits that are not kept.
    #[cold]
    fn count_open(&mut self, store: &TrailStore, head: &Head, change: impl FnOnce(u64) -> u64) {
        let word = &store.more.at(self.more(store, head))[more::LENGTHS];
        set(word, get(word) & 0xFFFF | change(get(word) >> 16) << 16);
    }

    #[inline(never)]
    fn other(&mut self, store: &TrailStore, head: &Head, seq: u64, taken: &Taken) {
        let more = store.more.at(self.more(store, head));
        let total = &more[more::TOTALS + usize::from(taken.tag.code()) - FIRST_OTHER];
        set(total, get(total) + 1);
        match taken.operation() {
            Operation::Satisfied => self.close_wait(store, head, taken.record.tid()),
            Operation::Alias => self.name(store, head, taken.record.handle(), taken.record.aux() as u32),
            Operation::Close => {
                let word = &more[more::PAST_AND_CLOSER];
                if high(get(word)) == 0 {
                    set_high(word, self.blocks.take(&store.cells, Size::Cell));
                }
                Packed::of(taken, seq).write(&store.cells.at(high(get(word))).0);
            }
            _ => {}
        }
    }

    /// Adds another name of the object.
    pub(super) fn name(&mut self, store: &TrailStore, head: &Head, handle: u32, name: u32) {
        let more = store.more.at(self.more(store, head));
        let (word, lengths) = (&more[more::STACK_AND_NAMES], &more[more::LENGTHS]);
        let known = (get(lengths) >> 8) as usize & 0xFF;
        if high(get(word)) == 0 {
            set_high(word, self.blocks.take(&store.cells, Size::Chunk));
        }
        let mut names = store.cells.words(high(get(word)), Size::Chunk);
        let names: [&Word; MAX_ALIASES] =
            std::array::from_fn(|_| names.next().expect("a chunk has room for all names"));
        let is_known = names[..known].iter().any(|word| low(get(word)) == name);
        if name != handle && !is_known && known < MAX_ALIASES {
            set(names[known], u64::from(name));
            set(lengths, get(lengths) + (1 << 8));
        }
    }

    /// The block for what few trails have, made on first use.
    pub(super) fn more(&mut self, store: &TrailStore, head: &Head) -> u32 {
        let id = head.more();
        if id != 0 {
            return id;
        }
        let id = self.more.take(&store.more);
        store.more.at(id).iter().for_each(|word| set(word, 0));
        head.set_more(id);
        id
    }
}

/// Notes a wait as open, if there is room for it. A thread waits on a handle once at a time, so a second wait of the same
/// thread replaces the first.
#[inline(always)]
fn open_wait(store: &TrailStore, head: &Head, tid: u32, entry: &Packed) {
    forget_wait(store, head, tid);
    let open = head.open();
    if open < head.open_slots() {
        head.open_one();
        entry.write(&store.cells.at(head.open_block() + open as u32).0);
    }
}

/// Removes the open wait of a thread, and says whether there was one. The last takes its place: readers put them in order.
#[inline(always)]
fn forget_wait(store: &TrailStore, head: &Head, tid: u32) -> bool {
    if head.open() == 0 {
        return false;
    }
    let waits = store.waits(head);
    let Some(index) = waits.iter().position(|wait| packed::tid(&wait.0) == tid) else { return false };
    packed::copy(&waits[waits.len() - 1].0, &waits[index].0);
    head.close_one();
    true
}
