//! Captures to damage, and what was written into them.

use handle_audit::{CapturedRecord, Label, Operation, Snapshot, TrailEntry};
use handle_capture::{CaptureOptions, Event, read_bytes, read_bytes_with};

use crate::common::{RINGS, captured, play, recorders};

/// About the least that a capture of three small rings can be.
pub(crate) const SMALL: u64 = 2_200_000;

/// A run that stopped in the middle, with records in segments and in rings.
pub(crate) struct Base {
    pub(crate) bytes: Vec<u8>,
    /// The same file at an earlier moment: every part of it is genuine, and out of date.
    pub(crate) earlier: Vec<u8>,
    /// Offsets of the words that hold something, so that damage hits.
    pub(crate) used: Vec<usize>,
    pub(crate) written: Written,
    /// The capture's own number.
    pub(crate) id: u64,
}

/// All that was ever written, dropped segments included. Each record has a cycle of its own, which is its index.
pub(crate) struct Written(Vec<Option<CapturedRecord>>);

/// The file of a run into a capture of that size, at a third of the way and at the end.
pub(crate) fn run(rounds: u64, max_bytes: u64) -> (Vec<u8>, Vec<u8>) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.htrail");
    let options = CaptureOptions::new(&path).rings(RINGS).ring_capacity(64).max_bytes(max_bytes);
    let (audit, writer) = captured(&options);
    let mut recorders = recorders(&audit);
    play(&audit, &mut recorders, 0..rounds / 3);
    let earlier = std::fs::read(&path).unwrap();
    play(&audit, &mut recorders, rounds / 3..rounds);
    audit.flush().unwrap();
    play(&audit, &mut recorders, rounds..rounds + 60);
    writer.attach("run.json", &[b'j'; 3000]).unwrap();
    writer.note_end("limit").unwrap();
    (without_tail(std::fs::read(&path).unwrap()), earlier)
}

/// Nothing was ever written to the end of a file that is not full.
fn without_tail(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    bytes.truncate(end.next_multiple_of(8));
    bytes
}

impl Base {
    pub(crate) fn new(rounds: u64) -> Self {
        let (bytes, earlier) = run(rounds, SMALL);
        let (whole, _) = run(rounds, 64 << 20);
        let words = bytes.as_chunks::<8>().0.iter().enumerate();
        let used = words.filter(|(_, word)| **word != [0; 8]).map(|(index, _)| 8 * index).collect();
        let written = Written::of(&whole);
        assert!(written.count() > rounds / 4, "{} records in {rounds} rounds", written.count());
        let id = read_bytes(&bytes).unwrap().info.id;
        Self { bytes, earlier, used, written, id }
    }
}

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

    fn check_entry(&self, handle: u32, operation: Operation, entry: &handle_audit::HandleAuditEntry) {
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
