//! A capture as a sequence of events with what belongs together put together: waits with their ends, signals with the
//! wakes they caused, promises with their fulfilment. Every export is made from it.

use std::collections::HashMap;
use std::path::Path;

use handle_audit::{CapturedRecord, HandleAuditEntry, HandleAuditTrail, HandleKind, Label, Operation};

use crate::error::CaptureError;
use crate::read::read_with;
use crate::recovered::{Event, Note, Recovered};

/// Something to point out on a time line, such as a verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// When, in cycles.
    pub cycle: u64,
    /// A few words.
    pub title: String,
    /// A sentence.
    pub text: String,
}

/// A capture ready for export.
#[derive(Clone, Debug)]
pub struct Story {
    /// What the capture gave.
    pub recovered: Recovered,
    /// Objects whose create is not among the records, because that part of the history was dropped.
    pub older: Vec<OlderObject>,
    /// Records in the order of the fold.
    pub records: Vec<CapturedRecord>,
    /// Where others are missing: before the record of each of these indices.
    pub holes: Vec<usize>,
    /// Waits, in the order in which they began.
    pub waits: Vec<WaitSlice>,
    /// From a signal to the wake it caused, and from a promise to the signal that kept it: indices of records.
    pub flows: Vec<Flow>,
    /// Things to point out.
    pub marks: Vec<Mark>,
}

/// An object that is older than the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OlderObject {
    /// The handle.
    pub handle: u32,
    /// What it is.
    pub kind: HandleKind,
    /// Who made it, and when.
    pub created: HandleAuditEntry,
}

/// A thread's wait on one handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitSlice {
    /// The record that began it.
    pub begin: usize,
    /// The record that ended it, if there is one.
    pub end: Option<usize>,
    /// The hole that it was open at: its end may be in there, and nothing that comes later is taken for it.
    pub hole: Option<usize>,
}

impl WaitSlice {
    /// Whether it never ended, as far as the capture goes.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.end.is_none() && self.hole.is_none()
    }
}

/// Two records of which one led to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// The cause: a signal, a pulse or a promise.
    pub from: usize,
    /// The effect: a wake or a signal.
    pub to: usize,
}

/// What an object track is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectName {
    /// The handle.
    pub handle: u32,
    /// What it was when it was last created, if that was seen.
    pub kind: Option<HandleKind>,
}

impl Story {
    /// Reads a capture.
    ///
    /// # Errors
    ///
    /// As [`read`](crate::read).
    pub fn read(path: impl AsRef<Path>) -> Result<Self, CaptureError> {
        let (mut older, mut records, mut holes) = (Vec::new(), Vec::new(), Vec::new());
        let recovered = read_with(path, |event| match event {
            Event::Resumed(state) => {
                older = state.trails.iter().map(OlderObject::of).collect();
                holes.push(records.len());
            }
            Event::Record(record) => records.push(record.clone()),
            Event::Lost { .. } => holes.push(records.len()),
            Event::Gap(gap) if gap.is_hole() => holes.push(records.len()),
            Event::Gap(_) => {}
        })?;
        holes.dedup();
        Ok(Self::new(recovered, older, records, holes))
    }

    /// Puts together what belongs together. `holes` are ascending.
    #[must_use]
    pub fn new(
        recovered: Recovered,
        older: Vec<OlderObject>,
        records: Vec<CapturedRecord>,
        holes: Vec<usize>,
    ) -> Self {
        let mut links = Links::default();
        let mut ahead = holes.iter().copied().peekable();
        for (index, record) in records.iter().enumerate() {
            while let Some(hole) = ahead.next_if(|hole| *hole <= index) {
                links.break_off(hole);
            }
            links.follow(index, record);
        }
        ahead.for_each(|hole| links.break_off(hole));
        let Links { waits, flows, .. } = links;
        Self { recovered, older, records, holes, waits, flows, marks: Vec::new() }
    }

    /// Whether the beginning of the history was dropped.
    #[must_use]
    pub fn begins_late(&self) -> bool {
        self.recovered.notes.iter().any(|note| matches!(note, Note::DroppedSegments { .. }))
    }

    /// The last cycle of any record.
    #[must_use]
    pub fn last_cycle(&self) -> u64 {
        self.records.iter().map(|record| record.entry.cycle).max().unwrap_or(0)
    }

    /// The cycles of a wait: an open one lasts as long as the capture, one that was open at a hole up to there.
    #[must_use]
    pub fn cycles(&self, wait: &WaitSlice) -> (u64, u64) {
        let cycle = |index: usize| self.records[index].entry.cycle;
        let begin = cycle(wait.begin);
        // It began before the hole, so there is a record before that.
        let last = wait.end.or(wait.hole.map(|hole| hole - 1));
        (begin, last.map_or_else(|| self.last_cycle(), cycle).max(begin))
    }

    /// What a wait is called on a time line.
    pub(crate) fn wait_title(&self, wait: &WaitSlice) -> String {
        let state = match wait {
            wait if wait.is_open() => "OPEN ",
            WaitSlice { hole: Some(_), .. } => "END LOST ",
            _ => "",
        };
        format!("{state}wait 0x{:08x}", self.records[wait.begin].handle)
    }

    /// Guest threads, ascending.
    #[must_use]
    pub fn threads(&self) -> Vec<u32> {
        let mut tids: Vec<u32> =
            self.records.iter().map(|record| record.entry.tid).filter(|tid| *tid > 0).collect();
        tids.sort_unstable();
        tids.dedup();
        tids
    }

    /// Objects, by handle.
    #[must_use]
    pub fn objects(&self) -> Vec<ObjectName> {
        let older = self.older.iter().map(|object| (object.handle, Some(object.kind)));
        let mut kinds: HashMap<u32, Option<HandleKind>> = older.collect();
        for record in &self.records {
            let kind = kinds.entry(record.handle).or_default();
            if record.operation == Operation::Create {
                *kind = Some(record.kind);
            }
        }
        let mut names: Vec<_> = kinds.into_iter().map(|(handle, kind)| ObjectName { handle, kind }).collect();
        names.sort_unstable_by_key(|name| name.handle);
        names
    }
}

impl std::fmt::Display for ObjectName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "0x{:08x} ", self.handle)?;
        f.write_str(self.kind.map_or("never created", HandleKind::as_str))
    }
}

/// What is open while the records are followed.
#[derive(Debug, Default)]
struct Links {
    waits: Vec<WaitSlice>,
    flows: Vec<Flow>,
    /// Index among `waits`, by (tid, handle).
    open: HashMap<(u32, u32), usize>,
    /// The last signal of each handle.
    signals: HashMap<u32, usize>,
    /// Promises of each handle that no signal has kept.
    promises: HashMap<u32, Vec<usize>>,
}

impl Links {
    /// Records are missing here: nothing that comes later goes with what came before.
    fn break_off(&mut self, hole: usize) {
        for (_, wait) in self.open.drain() {
            self.waits[wait].hole = Some(hole);
        }
        self.signals.clear();
        self.promises.clear();
    }

    fn follow(&mut self, index: usize, record: &CapturedRecord) {
        let key = (record.entry.tid, record.handle);
        match record.operation {
            Operation::Wait => {
                self.open.insert(key, self.waits.len());
                self.waits.push(WaitSlice { begin: index, end: None, hole: None });
            }
            Operation::Satisfied => _ = self.close(key, index),
            Operation::Wake => {
                let begin = self.close(key, index);
                // A thread that parked was woken by what came after. One that ran into its timeout, or left its wait
                // for an APC, was not woken by a signal.
                let signal = self.signals.get(&record.handle).copied();
                let from =
                    signal.filter(|from| begin.is_none_or(|begin| *from > begin) && is_satisfied(record));
                self.flows.extend(from.map(|from| Flow { from, to: index }));
            }
            Operation::Signal | Operation::Pulse => {
                for from in self.promises.remove(&record.handle).unwrap_or_default() {
                    self.flows.push(Flow { from, to: index });
                }
                self.signals.insert(record.handle, index);
            }
            Operation::Promise => self.promises.entry(record.handle).or_default().push(index),
            // Another object has the handle now.
            Operation::Create => {
                self.signals.remove(&record.handle);
                self.promises.remove(&record.handle);
            }
            _ => {}
        }
    }

    /// Ends the wait of a thread on a handle, and returns the record that began it.
    fn close(&mut self, key: (u32, u32), index: usize) -> Option<usize> {
        let wait = &mut self.waits[self.open.remove(&key)?];
        wait.end = Some(index);
        Some(wait.begin)
    }
}

/// Whether the status of a wake says that the object let the thread go: success, or a mutant that was abandoned.
fn is_satisfied(wake: &CapturedRecord) -> bool {
    matches!(wake.entry.aux, 0..=0x3F | 0x80..=0xBF)
}

impl OlderObject {
    fn of(trail: &HandleAuditTrail) -> Self {
        Self { handle: trail.handle, kind: trail.kind, created: trail.created.entry }
    }
}

/// A name for a record: its operation and who recorded it.
pub(crate) fn title(record: &CapturedRecord) -> String {
    let source: Label = record.entry.source;
    format!("{} {source}", record.operation)
}
