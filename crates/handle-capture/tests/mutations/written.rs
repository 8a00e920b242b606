//! What was written into a capture, to compare with what a reader makes of it. The fuzz target `capture_read` compares
//! by it too.

use handle_audit::{CapturedRecord, HandleAuditEntry, Label, Operation, Snapshot, TrailEntry};
use handle_capture::{Event, read_bytes_with};

/// All that was ever written, dropped segments included. Each record has a cycle of its own, which is its index.
pub(crate) struct Written(Vec<Option<CapturedRecord>>);

impl Written {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mut all = Vec::new();
        let visit = |event: &Event| {
            if let Event::Record(record) = event {
                let index = record.entry.cycle as usize;
                all.resize(all.len().max(index + 1), None);
                assert!(all[index].replace(record.clone()).is_none(), "a cycle came twice");
            }
        };
        read_bytes_with(bytes, visit).unwrap();
        Self(all)
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.iter().flatten().count() as u64
    }

    fn at(&self, cycle: u64) -> &CapturedRecord {
        let record = usize::try_from(cycle).ok().and_then(|index| self.0.get(index)?.as_ref());
        record.unwrap_or_else(|| panic!("nothing was written at cycle {cycle}"))
    }

    /// Fails unless this was written. A label that is damaged reads as lost, and a stack that is damaged is left out.
    pub(crate) fn check_record(&self, record: &CapturedRecord) {
        let original = self.at(record.entry.cycle);
        let place = |record: &CapturedRecord| (record.ring, record.position, record.stamp, record.handle);
        assert_eq!(place(record), place(original));
        self.check_entry(record.handle, record.operation, &record.entry);
        assert!(is_lost(record.kind.label()) || record.kind == original.kind, "{record:?}");
        assert!(original.stack.starts_with(&record.stack), "{record:?}");
    }

    /// Fails unless everything in the trails was written.
    pub(crate) fn check_state(&self, state: &Snapshot) {
        for trail in &state.trails {
            let lists = [&trail.signals, &trail.waits, &trail.wakes, &trail.others];
            let entries = lists.into_iter().flat_map(|list| list.held());
            let entries = entries.chain(&trail.open_waits).chain(&trail.closed).chain([&trail.created]);
            entries.for_each(|entry| self.check_trail_entry(trail.handle, entry));
        }
        for record in state.threads.iter().flat_map(|thread| &thread.last) {
            self.check_entry(record.handle, record.operation, &record.entry);
        }
    }

    fn check_trail_entry(&self, handle: u32, entry: &TrailEntry) {
        self.check_entry(handle, entry.operation, &entry.entry);
    }

    fn check_entry(&self, handle: u32, operation: Operation, entry: &HandleAuditEntry) {
        let original = self.at(entry.cycle);
        assert_eq!((handle, operation), (original.handle, original.operation), "{entry:?}");
        let mut expected = original.entry;
        if is_lost(entry.source) {
            expected.source = entry.source;
        }
        assert_eq!(*entry, expected);
    }
}

fn is_lost(label: Label) -> bool {
    label.as_str().ends_with(" lost)")
}
