//! Every guest thread there is, and a note of those that have ended.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use crate::object::Object;
use crate::outcome::ThreadInfo;
use crate::sync::Lock;
use crate::thread::Thread;

/// Notes of ended threads that are kept; the oldest go first.
const MAX_ENDED: usize = 1 << 16;

#[derive(Debug, Default)]
pub(crate) struct Registry(Mutex<Threads>);

#[derive(Debug, Default)]
struct Threads {
    last_tid: u32,
    /// Keeps the objects of live threads alive, whether or not anybody names them.
    live: BTreeMap<u32, Arc<Object>>,
    ended: VecDeque<ThreadInfo>,
}

impl Registry {
    /// A tid for a new thread; the first is 1.
    pub(crate) fn next_tid(&self) -> u32 {
        let mut threads = self.0.locked();
        threads.last_tid += 1;
        threads.last_tid
    }

    pub(crate) fn enter(&self, tid: u32, object: Arc<Object>) {
        self.0.locked().live.insert(tid, object);
    }

    /// Takes a thread that has ended off the list. Says whether it was the last one.
    pub(crate) fn leave(&self, note: ThreadInfo) -> bool {
        let mut threads = self.0.locked();
        threads.live.remove(&note.tid);
        if threads.ended.len() == MAX_ENDED {
            threads.ended.pop_front();
        }
        threads.ended.push_back(note);
        threads.live.is_empty()
    }

    /// The live thread with this tid.
    pub(crate) fn live(&self, tid: u32) -> Option<Arc<Thread>> {
        self.0.locked().live.get(&tid)?.thread.clone()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.locked().live.is_empty()
    }

    /// What the main thread exited with, if it has and that is still noted.
    pub(crate) fn exit_of_main(&self) -> Option<u32> {
        self.0.locked().ended.iter().find(|note| note.main)?.exit
    }

    /// All live threads, by tid.
    pub(crate) fn live_threads(&self) -> Vec<Arc<Thread>> {
        self.0.locked().live.values().filter_map(|object| object.thread.clone()).collect()
    }

    /// The notes of ended threads.
    pub(crate) fn ended(&self) -> Vec<ThreadInfo> {
        self.0.locked().ended.iter().cloned().collect()
    }
}
