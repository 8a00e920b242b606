//! The fold's everyday work: one entry more for a handle that has a trail.

use spsc_ring::fetch;

use super::block::{Size, is_outgrown, place};
use super::packed::{self, Packed};
use super::slab::{Cell, Line, Word, get, high, low, pair, set, set_high, set_low};
use super::{
    FIRST_OTHER, Head, LISTS, OTHERS, SIGNALS, TOTAL, TrailStore, TrailWriter, WAITS, WAKES, head, lock,
    more, set_top,
};
use crate::merge::Taken;
use crate::operation::Operation;
use crate::trail::{MAX_ALIASES, MAX_OPEN_WAITS};

/// The list of each operation, by its code.
const LIST: [u8; 16] = {
    let mut lists = [OTHERS as u8; 16];
    lists[Operation::Signal as usize] = SIGNALS as u8;
    lists[Operation::Wait as usize] = WAITS as u8;
    lists[Operation::Wake as usize] = WAKES as u8;
    lists
};

/// What an open wait adds to the word that counts them.
const ONE_OPEN: u64 = TOTAL + 1;

/// A table, because what comes next cannot be guessed: a branch would be taken wrong half of the time.
#[inline(always)]
fn list_of(operation: Operation) -> usize {
    usize::from(LIST[operation as usize % LIST.len()]) % LISTS
}

impl TrailStore {
    /// Fetches where the index names the trail of a handle.
    #[inline(always)]
    pub(crate) fn fetch_place(&self, handle: u32) {
        if let Some(Some(cell)) = self.index.direct(handle) {
            fetch(cell);
        }
    }

    /// Fetches the entries that an append of this operation will write.
    #[inline(always)]
    pub(crate) fn fetch_entries(&self, head: &Head, operation: Operation) {
        let list = list_of(operation);
        let (block, total) = (self.block(head, list), self.total(head, list));
        if is_outgrown(total) {
            return;
        }
        fetch(self.cells.at(block + place(total)));
        let open = self.open(head);
        if (list == WAITS || list == WAKES) & (open > 0) {
            // The first of them, and where one more would go: all are looked at in between.
            fetch(self.cells.at(self.open_block(head)));
            if let Some(end) = self.cells.read(self.open_block(head) + open as u32) {
                fetch(end);
            }
        }
    }

    /// The open waits of a trail.
    #[inline(always)]
    fn waits(&self, head: &Head) -> &[Cell] {
        self.cells.run(self.open_block(head), self.open(head))
    }
}

impl TrailWriter {
    /// Appends to the lists of a trail, and to what follows from them: open waits, names, the closer. If there is no
    /// memory for it, it changes nothing and says `false`.
    #[inline(always)]
    pub(crate) fn append(&mut self, store: &TrailStore, head: &Head, taken: &Taken) -> bool {
        let operation = taken.operation;
        let list = list_of(operation);
        let number = store.total(head, list);
        let needs_block = is_outgrown(number) | (list == OTHERS);
        let needs_slot = (list == WAITS) & (store.open(head) == store.open_slots(head));
        if (needs_block | needs_slot) && !self.ensure_entry(store) {
            return false;
        }
        let change = lock::begin(&head.0[head::VERSION]);
        // The create is number 0.
        let seq = 1 + store.entries(head);
        if operation != Operation::Signal {
            self.consequences(store, head, seq, taken);
        }
        if is_outgrown(number) {
            self.grow(store, head, list, number);
        }
        let cell = store.block(head, list) + place(number);
        Packed::of(taken).write(seq, &store.cells.at(cell).0);
        let total = &head.0[head::TOTALS + list];
        set(total, get(total) + 1);
        change.end();
        true
    }

    /// What follows from an entry beyond its list.
    #[inline(always)]
    fn consequences(&mut self, store: &TrailStore, head: &Line, seq: u64, taken: &Taken) {
        if taken.operation == Operation::Wake {
            self.close_wait(store, head, taken.record.tid());
        } else if taken.operation == Operation::Wait {
            self.open_wait(store, head, seq, taken);
        } else {
            self.other(store, head, seq, taken);
        }
    }

    /// Makes room for the next entry of a list that has outgrown its block.
    #[cold]
    fn grow(&mut self, store: &TrailStore, head: &Line, list: usize, total: u64) {
        let block = self.blocks.grow(&store.cells, store.block(head, list), total);
        set_block(head, list, block);
    }

    /// A thread waits on a handle once at a time, so a second wait of the same thread replaces the first.
    #[inline(always)]
    fn open_wait(&mut self, store: &TrailStore, head: &Line, seq: u64, taken: &Taken) {
        self.forget_wait(store, head, taken.record.tid());
        let open = store.open(head);
        if open == MAX_OPEN_WAITS {
            return self.count_open(store, head, |not_kept| not_kept + 1);
        }
        if open == store.open_slots(head) {
            self.widen(store, head, open);
        }
        let word = &head.0[head::OPEN];
        set(word, get(word) + ONE_OPEN);
        Packed::of(taken).write(seq, &store.cells.at(store.open_block(head) + open as u32).0);
    }

    /// Makes room for one more open wait than there ever were.
    #[cold]
    fn widen(&mut self, store: &TrailStore, head: &Line, slots: usize) {
        if slots == 0 || Size::of_waits(slots) != Size::of_waits(slots + 1) {
            let size = Size::of_waits(slots + 1);
            let block = self.blocks.enlarge(&store.cells, store.open_block(head), slots, size);
            set_low(&head.0[head::OPEN_AND_MORE], block);
        }
        set_top(&head.0[head::OPEN_SLOTS], slots + 1);
    }

    /// A wait that is not among those kept can only be one that was counted.
    #[inline(always)]
    fn close_wait(&mut self, store: &TrailStore, head: &Line, tid: u32) {
        if !self.forget_wait(store, head, tid) && store.more_of(head) != 0 {
            self.count_open(store, head, |not_kept| not_kept.saturating_sub(1));
        }
    }

    /// Removes the open wait of a thread; those after it move up.
    #[inline(always)]
    fn forget_wait(&mut self, store: &TrailStore, head: &Line, tid: u32) -> bool {
        if store.open(head) == 0 {
            return false;
        }
        let waits = store.waits(head);
        let Some(index) = waits.iter().position(|wait| packed::tid(&wait.0) == tid) else { return false };
        if index + 1 < waits.len() {
            move_up(&waits[index..]);
        }
        let word = &head.0[head::OPEN];
        set(word, get(word) - ONE_OPEN);
        true
    }

    /// Changes the number of open waits that are not kept.
    #[cold]
    fn count_open(&mut self, store: &TrailStore, head: &Line, change: impl FnOnce(u64) -> u64) {
        let word = &store.more.at(self.more(store, head))[more::LENGTHS];
        set(word, get(word) & 0xFFFF | change(get(word) >> 16) << 16);
    }

    #[inline(never)]
    fn other(&mut self, store: &TrailStore, head: &Line, seq: u64, taken: &Taken) {
        let more = store.more.at(self.more(store, head));
        let total = &more[more::TOTALS + taken.operation as usize - FIRST_OTHER];
        set(total, get(total) + 1);
        match taken.operation {
            Operation::Satisfied => self.close_wait(store, head, taken.record.tid()),
            Operation::Alias => self.name(store, head, taken.record.handle(), taken.record.aux() as u32),
            Operation::Close => {
                let word = &more[more::PAST_AND_CLOSER];
                if high(get(word)) == 0 {
                    set_high(word, self.blocks.take(&store.cells, Size::Cell));
                }
                Packed::of(taken).write(seq, &store.cells.at(high(get(word))).0);
            }
            _ => {}
        }
    }

    /// Adds another name of the object.
    pub(super) fn name(&mut self, store: &TrailStore, head: &Line, handle: u32, name: u32) {
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
    pub(super) fn more(&mut self, store: &TrailStore, head: &Line) -> u32 {
        let id = store.more_of(head);
        if id != 0 {
            return id;
        }
        let id = self.more.take(&store.more);
        store.more.at(id).iter().for_each(|word| set(word, 0));
        set_high(&head.0[head::OPEN_AND_MORE], id);
        id
    }
}

/// Moves all cells but the first one place up.
#[inline(never)]
fn move_up(cells: &[Cell]) {
    cells.windows(2).for_each(|pair| packed::copy(&pair[1].0, &pair[0].0));
}

/// Notes the block of a list.
pub(super) fn set_block(head: &Line, list: usize, block: u32) {
    let word = &head.0[head::BLOCKS + list / 2];
    let (even, odd) = (low(get(word)), high(get(word)));
    set(word, if list.is_multiple_of(2) { pair(block, odd) } else { pair(even, block) });
}
