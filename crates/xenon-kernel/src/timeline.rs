//! What will happen at a known cycle: deadlines of waits, timers, and in a deterministic run the ends of I/O.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex};

use crate::clock::duration;
use crate::io::Request;
use crate::kernel::Outstanding;
use crate::object::Object;
use crate::sync::Lock;
use crate::wait::WaitBlock;

/// Names an entry: its cycle, and a number that keeps entries of one cycle in the order in which they were made.
pub(crate) type Key = (u64, u64);

/// What is due.
#[derive(Debug)]
pub(crate) enum Due {
    /// A wait has lasted as long as it may.
    Expire(Arc<WaitBlock>),
    /// A timer fires.
    Fire(Arc<Object>),
    /// A request has been served; only in a deterministic run, which has no I/O thread.
    Complete(Box<Request>),
}

/// All that is due, by cycle.
#[derive(Debug)]
pub(crate) struct Timeline {
    entries: Mutex<Entries>,
    /// Told when the earliest entry changed, and at the end.
    changed: Condvar,
    /// Counts every entry, also one that was taken and is still being dealt with.
    outstanding: Arc<Outstanding>,
}

#[derive(Debug, Default)]
struct Entries {
    due: BTreeMap<Key, Due>,
    last_number: u64,
    closed: bool,
}

/// What [`Timeline::wait_due`] came back with.
#[derive(Debug)]
pub(crate) enum Wake {
    Due(Key, Due),
    /// The cycle that the caller asked to be woken at has come.
    Alarm,
    Closed,
}

impl Timeline {
    pub(crate) fn new(outstanding: Arc<Outstanding>) -> Self {
        Self { entries: Mutex::default(), changed: Condvar::new(), outstanding }
    }

    /// Adds an entry.
    pub(crate) fn insert(&self, cycle: u64, due: Due) -> Key {
        self.outstanding.add();
        let mut entries = self.entries.locked();
        entries.last_number += 1;
        let key = (cycle, entries.last_number);
        entries.due.insert(key, due);
        if entries.due.first_key_value().is_some_and(|(first, _)| *first == key) {
            self.changed.notify_one();
        }
        key
    }

    /// Takes an entry back. It may have been taken already; who did so deals with it.
    pub(crate) fn remove(&self, key: Key) {
        let removed = self.entries.locked().due.remove(&key);
        if removed.is_some() {
            self.outstanding.subtract();
        }
    }

    /// The earliest entry, if it is due. Whoever takes it calls [`Outstanding::subtract`] once it is dealt with.
    pub(crate) fn take_due(&self, now: u64) -> Option<(Key, Due)> {
        let mut entries = self.entries.locked();
        let entry = entries.due.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove_entry())
    }

    /// The cycle of the earliest entry.
    pub(crate) fn next(&self) -> Option<u64> {
        Some(self.entries.locked().due.first_key_value()?.0.0)
    }

    /// Sleeps until an entry is due, `alarm` has come, or the timeline is closed.
    pub(crate) fn wait_due(&self, now: impl Fn() -> u64, alarm: Option<u64>) -> Wake {
        let mut entries = self.entries.locked();
        loop {
            if entries.closed {
                return Wake::Closed;
            }
            let now = now();
            let first = entries.due.first_entry();
            let next = first.as_ref().map(|entry| entry.key().0);
            if let Some(entry) = first.filter(|entry| entry.key().0 <= now) {
                let (key, due) = entry.remove_entry();
                return Wake::Due(key, due);
            }
            if alarm.is_some_and(|alarm| alarm <= now) {
                return Wake::Alarm;
            }
            let until = [next, alarm].into_iter().flatten().min();
            entries = match until {
                None => self.changed.wait(entries).unwrap_or_else(|poison| poison.into_inner()),
                Some(until) => {
                    let nap = duration(until - now);
                    self.changed.wait_timeout(entries, nap).unwrap_or_else(|poison| poison.into_inner()).0
                }
            };
        }
    }

    /// Ends every [`Timeline::wait_due`], now and later.
    pub(crate) fn close(&self) {
        self.entries.locked().closed = true;
        self.changed.notify_all();
    }

    /// Drops all entries, so that nothing keeps their objects alive.
    pub(crate) fn clear(&self) {
        self.entries.locked().due.clear();
    }
}
