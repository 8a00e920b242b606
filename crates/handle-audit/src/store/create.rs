//! A new generation.

use super::block::Size;
use super::index;
use super::packed;
use super::slab::{get, high, low, pair, set, set_low};
use super::{Born, Head, LISTS, TrailId, TrailStore, TrailWriter, born, lock, more};
use crate::entry::{Frame, HandleKind};
use crate::trail::TrailEntry;

impl TrailWriter {
    /// Replaces the trail of a handle by a fresh one, and keeps a summary of what it replaces. If there is no memory
    /// for it, it changes nothing and says `false`.
    pub(crate) fn create(
        &mut self,
        store: &TrailStore,
        handle: u32,
        kind: HandleKind,
        created: &TrailEntry,
        stack: &[Frame],
    ) -> bool {
        if !self.ensure_create(store, handle) {
            return false;
        }
        match self.find(store, handle) {
            Some(id) => {
                let (head, born) = (store.heads.at(id), store.born.at(id));
                lock::change(&head.version, || {
                    let past = self.summarise(store, head, born);
                    if !spsc_ring::planted!("generations_mixed_up") {
                        self.empty(store, head);
                    }
                    set_low(&store.more.at(self.more(store, head))[more::PAST_AND_CLOSER], past);
                    write_born(born, handle, kind, get(&born[born::GENERATION]) + 1, created);
                    self.keep_stack(store, head, stack);
                });
            }
            None => {
                let id = self.add(store);
                write_born(store.born.at(id), handle, kind, 1, created);
                self.keep_stack(store, store.heads.at(id), stack);
                self.publish(store, handle, id);
            }
        }
        true
    }

    /// The next trail, zeroed and not visible yet.
    pub(super) fn add(&mut self, store: &TrailStore) -> TrailId {
        assert!(self.ensure_trails(store, 1), "there is memory for a trail");
        self.trails.take(&store.heads)
    }

    /// Lets readers find a trail that was written.
    pub(super) fn publish(&mut self, store: &TrailStore, handle: u32, id: TrailId) {
        store.index.insert(&mut self.sparse, handle, id);
        index::publish(&store.len, id);
    }

    /// Gives back all blocks of a trail but those that its summary took: the closer and the open waits.
    fn empty(&mut self, store: &TrailStore, head: &Head) {
        for list in 0..LISTS {
            self.blocks.give_list(&store.cells, head.block(list), head.total(list));
        }
        if head.more() != 0 {
            let word = get(&store.more.at(head.more())[more::STACK_AND_NAMES]);
            self.blocks.give(low(word), Size::Chunk);
            self.blocks.give(high(word), Size::Chunk);
            self.more.give(head.more());
        }
        head.clear();
    }

    pub(super) fn keep_stack(&mut self, store: &TrailStore, head: &Head, stack: &[Frame]) {
        if stack.is_empty() {
            return;
        }
        let more = store.more.at(self.more(store, head));
        let chunk = self.blocks.take(&store.cells, Size::Chunk);
        let mut length = 0;
        for (word, frame) in store.cells.words(chunk, Size::Chunk).zip(stack) {
            set(word, pair(frame.frame, frame.lr));
            length += 1;
        }
        set_low(&more[more::STACK_AND_NAMES], chunk);
        let lengths = &more[more::LENGTHS];
        set(lengths, get(lengths) + length);
    }
}

pub(super) fn write_born(born: &Born, handle: u32, kind: HandleKind, generation: u64, created: &TrailEntry) {
    let entry = &created.entry;
    set(&born[born::HANDLE], pair(handle, packed::origin(created, kind)));
    set(&born[born::GENERATION], generation);
    for (index, word) in [entry.cycle, pair(entry.tid, entry.lr), entry.aux].into_iter().enumerate() {
        set(&born[born::CREATED + index], word);
    }
}
