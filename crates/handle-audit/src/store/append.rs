//! The fold's everyday work: one entry more for a handle that has a trail.

use super::body::MAX_BODY;
use super::packed::{self, Packed};
use super::slab::{CHUNK, Entry, Line, Word, get, high, low, pair, set, set_high, set_low};
use super::{
    FIRST_OTHER, Head, LISTS, OTHERS, SIGNALS, TrailStore, TrailWriter, WAITS, WAKES, head, lock, more,
    set_top,
};
use crate::operation::Operation;
use crate::trail::{AUDIT_RING_CAPACITY, FIRST_ENTRIES, MAX_ALIASES, MAX_OPEN_WAITS};

/// Entries that a list keeps at most: the first ones stay, the others go round.
pub(super) const MAX_KEPT: usize = FIRST_ENTRIES + AUDIT_RING_CAPACITY;

const _: () = assert!(MAX_KEPT <= MAX_BODY && MAX_OPEN_WAITS <= MAX_BODY);

/// Of `total` entries, how many places of the body are used.
#[inline(always)]
pub(super) const fn kept(total: u64) -> usize {
    if total < MAX_KEPT as u64 { total as usize } else { MAX_KEPT }
}

/// Where the entry with this number in its list stands, counted from 0.
#[inline(always)]
pub(super) const fn place(number: u64) -> usize {
    if number < FIRST_ENTRIES as u64 {
        number as usize
    } else {
        FIRST_ENTRIES + (number - FIRST_ENTRIES as u64) as usize % AUDIT_RING_CAPACITY
    }
}

#[inline(always)]
const fn list_of(operation: Operation) -> usize {
    match operation {
        Operation::Signal => SIGNALS,
        Operation::Wait => WAITS,
        Operation::Wake => WAKES,
        _ => OTHERS,
    }
}

/// What is appended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Appended {
    pub(crate) operation: Operation,
    pub(crate) handle: u32,
    pub(crate) tid: u32,
    pub(crate) aux: u64,
    pub(crate) packed: Packed,
}

/// What was seen of a trail a little before an append to it; good for as long as nothing of the trail has changed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'a> {
    version: u64,
    /// Where the next entry will be written, unless it begins a block that is not there yet.
    pub(crate) next: Option<&'a Entry>,
    /// The first open wait, if the append looks at it.
    pub(crate) open: Option<&'a Entry>,
}

impl Seen<'_> {
    /// Of no trail.
    pub(crate) const NOTHING: Self = Self { version: u64::MAX, next: None, open: None };
}

impl TrailStore {
    /// Looks where an append of this operation will write.
    #[inline(always)]
    pub(crate) fn look(&self, head: &Head, operation: Operation) -> Seen<'_> {
        let list = list_of(operation);
        let total = self.total(head, list);
        let grown = kept(total);
        let next = |body| self.bodies.entry(body, grown, place(total));
        let waits = matches!(operation, Operation::Wait | Operation::Wake) && self.open(head) > 0;
        Seen {
            version: get(&head.0[head::VERSION]),
            next: (!begins_block(grown)).then(|| next(self.body(head, list))),
            open: waits.then(|| self.bodies.entry(self.open_body(head), self.open_slots(head), 0)),
        }
    }
}

/// Whether the next entry of a body that has grown so far goes to a block that is not there yet.
#[inline(always)]
const fn begins_block(grown: usize) -> bool {
    grown < MAX_KEPT && (grown < 2 || grown.is_multiple_of(CHUNK))
}

/// Reads of a head what the next append to it will write, so that it is in the cache by then.
#[inline(always)]
pub(crate) fn touch_head(head: &Head) -> u64 {
    get(&head.0[head::VERSION])
}

/// The same for an entry.
#[inline(always)]
pub(crate) fn touch_entry(entry: &Entry) -> u64 {
    get(&entry[0])
}

impl TrailWriter {
    /// Appends to the lists of a trail, and to what follows from them: open waits, names, the closer.
    #[inline]
    pub(crate) fn append(&mut self, store: &TrailStore, head: &Head, entry: &Appended, seen: &Seen<'_>) {
        let unchanged = get(&head.0[head::VERSION]) == seen.version;
        lock::change(&head.0[head::VERSION], || {
            let totals: [u64; LISTS] = std::array::from_fn(|list| store.total(head, list));
            // The create is number 0.
            let seq = 1 + totals.iter().sum::<u64>();
            let list = list_of(entry.operation);
            match entry.operation {
                Operation::Wait => self.open_wait(store, head, seq, entry),
                Operation::Wake => self.close_wait(store, head, entry.tid),
                Operation::Signal => {}
                _ => self.other(store, head, seq, entry),
            }
            match seen.next.filter(|_| unchanged) {
                Some(words) => {
                    count(head, list);
                    entry.packed.write(seq, words);
                }
                None => entry.packed.write(seq, self.grow(store, head, list, totals[list])),
            }
        });
    }

    /// Makes room for the next entry of a list, and counts it.
    #[inline(always)]
    pub(super) fn grow<'a>(
        &mut self,
        store: &'a TrailStore,
        head: &Line,
        list: usize,
        total: u64,
    ) -> &'a Entry {
        let (mut body, grown) = (store.body(head, list), kept(total));
        if begins_block(grown) {
            body = self.bodies.grow(&store.bodies, body, grown);
            set_body(head, list, body);
        }
        count(head, list);
        store.bodies.entry(body, (grown + 1).min(MAX_KEPT), place(total))
    }

    /// A thread waits on a handle once at a time, so a second wait of the same thread replaces the first.
    fn open_wait(&mut self, store: &TrailStore, head: &Line, seq: u64, entry: &Appended) {
        self.forget_wait(store, head, entry.tid);
        let open = store.open(head);
        if open == MAX_OPEN_WAITS {
            return self.count_open(store, head, |not_kept| not_kept + 1);
        }
        let mut slots = store.open_slots(head);
        if open == slots {
            let body = self.bodies.grow(&store.bodies, store.open_body(head), slots);
            set_low(&head.0[head::OPEN_AND_MORE], body);
            slots += 1;
            set_top(&head.0[head::OPEN_SLOTS], slots);
        }
        entry.packed.write(seq, store.bodies.entry(store.open_body(head), slots, open));
        set_top(&head.0[head::OPEN], open + 1);
    }

    /// A wait that is not among those kept can only be one that was counted.
    fn close_wait(&mut self, store: &TrailStore, head: &Line, tid: u32) {
        if !self.forget_wait(store, head, tid) && store.more_of(head) != 0 {
            self.count_open(store, head, |not_kept| not_kept.saturating_sub(1));
        }
    }

    /// Removes the open wait of a thread; those after it move up.
    fn forget_wait(&mut self, store: &TrailStore, head: &Line, tid: u32) -> bool {
        let open = store.open(head);
        if open == 0 {
            return false;
        }
        let (body, slots) = (store.open_body(head), store.open_slots(head));
        let wait = |index| store.bodies.entry(body, slots, index);
        let Some(index) = (0..open).find(|index| packed::tid(wait(*index)) == tid) else { return false };
        (index + 1..open).for_each(|later| packed::copy(wait(later), wait(later - 1)));
        set_top(&head.0[head::OPEN], open - 1);
        true
    }

    /// Changes the number of open waits that are not kept.
    fn count_open(&mut self, store: &TrailStore, head: &Line, change: impl FnOnce(u64) -> u64) {
        let word = &store.more.at(self.more(store, head))[more::LENGTHS];
        set(word, get(word) & 0xFFFF | change(get(word) >> 16) << 16);
    }

    #[inline(never)]
    fn other(&mut self, store: &TrailStore, head: &Line, seq: u64, entry: &Appended) {
        let more = store.more.at(self.more(store, head));
        let total = &more[more::TOTALS + entry.operation as usize - FIRST_OTHER];
        set(total, get(total) + 1);
        match entry.operation {
            Operation::Satisfied => self.close_wait(store, head, entry.tid),
            Operation::Alias => self.name(store, head, entry.handle, entry.aux as u32),
            Operation::Close => {
                let word = &more[more::PAST_AND_CLOSER];
                if high(get(word)) == 0 {
                    set_high(word, self.bodies.cells.take(&store.bodies.cells));
                }
                entry.packed.write(seq, &store.bodies.cells.at(high(get(word))).0);
            }
            _ => {}
        }
    }

    /// Adds another name of the object.
    pub(super) fn name(&mut self, store: &TrailStore, head: &Line, handle: u32, name: u32) {
        let more = store.more.at(self.more(store, head));
        let (word, lengths) = (&more[more::STACK_AND_NAMES], &more[more::LENGTHS]);
        let known = (get(lengths) >> 8) as usize & 0xFF;
        if known == 0 && high(get(word)) == 0 {
            set_high(word, self.bodies.chunks.take(&store.bodies.chunks));
        }
        let names: [&Word; MAX_ALIASES] = {
            let mut words = store.bodies.chunks.at(high(get(word))).words();
            std::array::from_fn(|_| words.next().expect("a chunk has room for all names"))
        };
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

/// Counts an entry of a list.
#[inline(always)]
fn count(head: &Line, list: usize) {
    let word = &head.0[head::TOTALS + list];
    set(word, get(word) + 1);
}

/// Notes the body of a list.
pub(super) fn set_body(head: &Line, list: usize, body: u32) {
    let word = &head.0[head::BODIES + list / 2];
    let (even, odd) = (low(get(word)), high(get(word)));
    set(word, if list.is_multiple_of(2) { pair(body, odd) } else { pair(even, body) });
}
