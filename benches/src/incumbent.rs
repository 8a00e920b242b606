//! What hosts do today: a map from handle to bounded queues, under a lock.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;

use dashmap::DashMap;
use handle_audit::{AUDIT_RING_CAPACITY, HandleAudit, Operation};

use crate::workload::{Event, LR};

/// The six fields of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Guest cycles.
    pub cycle: u64,
    /// Guest thread.
    pub tid: u32,
    /// Return address.
    pub lr: u32,
    /// The export.
    pub source: &'static str,
    /// The rest.
    pub aux: u64,
}

/// One handle's history.
#[derive(Clone, Debug, Default)]
pub struct Trail {
    /// Newest signals.
    pub signals: VecDeque<Entry>,
    /// Newest waits.
    pub waits: VecDeque<Entry>,
    /// Newest wakes.
    pub wakes: VecDeque<Entry>,
}

impl Trail {
    /// Appends an event.
    pub fn append(&mut self, event: &Event) {
        let (list, source) = match event.operation {
            Operation::Signal => (&mut self.signals, "NtSetEvent"),
            Operation::Wait => (&mut self.waits, "NtWaitForSingleObjectEx"),
            _ => (&mut self.wakes, "KeSetEvent"),
        };
        if list.len() == AUDIT_RING_CAPACITY {
            list.pop_front();
        }
        list.push_back(Entry { cycle: event.cycle, tid: event.tid, lr: LR, source, aux: event.cycle });
    }
}

/// A table of trails.
pub trait Incumbent: Sync {
    /// Its name in the charts.
    const NAME: &'static str;

    /// A table that knows these handles.
    fn with_handles(handles: impl Iterator<Item = u32>) -> Self;

    /// Appends to the trail of the event's handle.
    fn append(&self, event: &Event);

    /// A copy of a trail.
    fn trail(&self, handle: u32) -> Option<Trail>;
}

/// `HashMap` under the standard library's mutex.
#[derive(Debug)]
pub struct StdMutex(Mutex<HashMap<u32, Trail>>);

impl Incumbent for StdMutex {
    const NAME: &'static str = "Mutex + HashMap + VecDeque";

    fn with_handles(handles: impl Iterator<Item = u32>) -> Self {
        Self(Mutex::new(handles.map(|handle| (handle, Trail::default())).collect()))
    }

    #[inline]
    fn append(&self, event: &Event) {
        let mut trails = self.0.lock().expect("no one panics with it");
        if let Some(trail) = trails.get_mut(&event.handle) {
            trail.append(event);
        }
    }

    fn trail(&self, handle: u32) -> Option<Trail> {
        self.0.lock().expect("no one panics with it").get(&handle).cloned()
    }
}

/// `HashMap` under `parking_lot`'s mutex.
#[derive(Debug)]
pub struct ParkingLot(parking_lot::Mutex<HashMap<u32, Trail>>);

impl Incumbent for ParkingLot {
    const NAME: &'static str = "parking_lot Mutex + HashMap + VecDeque";

    fn with_handles(handles: impl Iterator<Item = u32>) -> Self {
        Self(parking_lot::Mutex::new(handles.map(|handle| (handle, Trail::default())).collect()))
    }

    #[inline]
    fn append(&self, event: &Event) {
        if let Some(trail) = self.0.lock().get_mut(&event.handle) {
            trail.append(event);
        }
    }

    fn trail(&self, handle: u32) -> Option<Trail> {
        self.0.lock().get(&handle).cloned()
    }
}

/// `DashMap`, written directly.
#[derive(Debug)]
pub struct Dash(DashMap<u32, Trail>);

impl Incumbent for Dash {
    const NAME: &'static str = "DashMap + VecDeque";

    fn with_handles(handles: impl Iterator<Item = u32>) -> Self {
        Self(handles.map(|handle| (handle, Trail::default())).collect())
    }

    #[inline]
    fn append(&self, event: &Event) {
        if let Some(mut trail) = self.0.get_mut(&event.handle) {
            trail.append(event);
        }
    }

    fn trail(&self, handle: u32) -> Option<Trail> {
        self.0.get(&handle).map(|trail| trail.clone())
    }
}

impl Dash {
    /// A copy of every trail, as a reader would take it.
    #[must_use]
    pub fn walk(&self) -> Vec<(u32, Trail)> {
        self.0.iter().map(|trail| (*trail.key(), trail.value().clone())).collect()
    }
}

/// The map alone, without a lock: what a fold on one thread would use.
#[derive(Debug, Default)]
pub struct Bare(HashMap<u32, Trail>);

impl Bare {
    /// A table that knows these handles.
    pub fn with_handles(handles: impl Iterator<Item = u32>) -> Self {
        Self(handles.map(|handle| (handle, Trail::default())).collect())
    }

    /// Appends to the trail of the event's handle.
    #[inline]
    pub fn append(&mut self, event: &Event) {
        if let Some(trail) = self.0.get_mut(&event.handle) {
            trail.append(event);
        }
    }

    /// A trail.
    #[must_use]
    pub fn trail(&self, handle: u32) -> Option<&Trail> {
        self.0.get(&handle)
    }
}

/// Checks that the audit and a map that got the same events hold the same entries of a handle.
///
/// # Panics
///
/// If they differ.
pub fn assert_same(audit: &HandleAudit, handle: u32, expected: &Trail) {
    let trail = audit.trail(handle).unwrap_or_else(|| panic!("{handle:#x} has a trail"));
    let lists = [
        (&trail.signals, &expected.signals),
        (&trail.waits, &expected.waits),
        (&trail.wakes, &expected.wakes),
    ];
    for (ours, theirs) in lists {
        let ours: Vec<_> = ours.iter().map(|entry| (entry.entry.cycle, entry.entry.tid)).collect();
        let theirs: Vec<_> = theirs.iter().map(|entry| (entry.cycle, entry.tid)).collect();
        assert_eq!(ours, theirs, "{handle:#x}");
    }
}
