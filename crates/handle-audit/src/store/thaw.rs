//! A store that begins with trails that were copied before.

use super::block::{CHUNK, Size, is_outgrown};
use super::create::write_born;
use super::slab::{get, set, set_high, set_low};
use super::{
    FIRST_OTHER, Head, OTHERS, SIGNALS, TrailStore, TrailWriter, WAITS, WAKES, head::TOTAL, more, packed,
};
use crate::operation::Operation;
use crate::trail::{AUDIT_RING_CAPACITY, EntryList, HandleAuditTrail, MAX_OPEN_WAITS, TrailEntry};

impl TrailWriter {
    /// Writes a trail as it is, of a handle that has none.
    pub(crate) fn restore(&mut self, store: &TrailStore, trail: &HandleAuditTrail) {
        if self.find(store, trail.handle).is_some() {
            return;
        }
        let id = self.add(store);
        let head = store.heads.at(id);
        write_born(store.born.at(id), trail.handle, trail.kind, trail.generation, &trail.created);
        self.keep_stack(store, head, trail.created_stack.as_deref().unwrap_or_default());
        let lists = [
            (SIGNALS, &trail.signals),
            (WAITS, &trail.waits),
            (WAKES, &trail.wakes),
            (OTHERS, &trail.others),
        ];
        for (list, entries) in lists {
            self.restore_list(store, head, list, entries);
        }
        let (block, open) = self.restore_waits(store, &trail.open_waits);
        head.set_open_block(block);
        (0..open).for_each(|_| head.open_one());
        head.set_open_slots(open);
        self.restore_more(store, head, trail);
        self.publish(store, trail.handle, id);
    }

    fn restore_list(&mut self, store: &TrailStore, head: &Head, list: usize, entries: &EntryList) {
        let total = entries.total() & TOTAL;
        let mut block = 0;
        for grown in (0..total.min(CHUNK as u64 + 1)).filter(|grown| is_outgrown(*grown)) {
            block = self.blocks.grow(&store.cells, block, grown);
        }
        head.set_block(list, block);
        head.set_total(list, total);
        let newest = total.saturating_sub(AUDIT_RING_CAPACITY as u64)..total;
        for (number, entry) in (0..total).zip(entries.first()).chain(newest.zip(entries.iter())) {
            packed::write(entry, store.cells.entry(block, total, number));
        }
    }

    /// Writes open waits to a block of their own; returns it, and how many they are.
    pub(super) fn restore_waits(&mut self, store: &TrailStore, waits: &[TrailEntry]) -> (u32, usize) {
        let waits = &waits[..waits.len().min(MAX_OPEN_WAITS)];
        if waits.is_empty() {
            return (0, 0);
        }
        let block = self.blocks.take(&store.cells, Size::of_waits(waits.len()));
        for (wait, cell) in waits.iter().zip(store.cells.run(block, waits.len())) {
            packed::write(wait, &cell.0);
        }
        (block, waits.len())
    }

    fn restore_more(&mut self, store: &TrailStore, head: &Head, trail: &HandleAuditTrail) {
        for name in &trail.aliases {
            self.name(store, head, trail.handle, *name);
        }
        let others = Operation::ALL.into_iter().filter(|operation| *operation as usize >= FIRST_OTHER);
        for (word, operation) in (more::TOTALS..).zip(others).filter(|(_, op)| trail.totals.get(*op) > 0) {
            set(&store.more.at(self.more(store, head))[word], trail.totals.get(operation));
        }
        if trail.open_waits_not_kept > 0 {
            let lengths = &store.more.at(self.more(store, head))[more::LENGTHS];
            set(lengths, get(lengths) & 0xFFFF | trail.open_waits_not_kept << 16);
        }
        if let Some(closer) = &trail.closed {
            let cell = self.blocks.take(&store.cells, Size::Cell);
            packed::write(closer, &store.cells.at(cell).0);
            set_high(&store.more.at(self.more(store, head))[more::PAST_AND_CLOSER], cell);
        }
        if let Some(before) = &trail.previous {
            let past = self.restore_past(store, before);
            set_low(&store.more.at(self.more(store, head))[more::PAST_AND_CLOSER], past);
        }
    }
}
