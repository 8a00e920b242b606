//! Guest threads: their processor state, what they are parked on, and whether they may run.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering, Ordering::Relaxed};
use std::sync::{Arc, Mutex, Weak};

use ppc::Cpu;

use crate::apc::{Apc, ApcFrame};
use crate::object::Object;
use crate::sync::Lock;
use crate::wait::{Pending, WaitBlock};

/// The priority that threads start with, and the range of all.
pub(crate) const BASE_PRIORITY: i32 = 8;
pub(crate) const PRIORITIES: usize = 32;

/// APCs of one mode that a thread can have before it.
const MAX_APCS: usize = 1 << 16;

/// No hardware thread.
pub(crate) const NOWHERE: u8 = u8::MAX;

/// A bit for each hardware thread.
pub(crate) const ANY_HARDWARE_THREAD: u8 = 0x3F;

/// Where a guest thread's own memory lies.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// The processor control region, in r13.
    pub(crate) control: u32,
    /// The KTHREAD, which begins with a dispatcher header.
    pub(crate) kthread: u32,
    pub(crate) stack: Range<u32>,
}

/// A guest thread.
#[derive(Debug)]
pub(crate) struct Thread {
    pub(crate) tid: u32,
    pub(crate) start: u32,
    pub(crate) places: Places,
    /// Its object. Alive as long as the thread is.
    object: Weak<Object>,
    /// The processor state, locked by the OS thread that runs the guest thread, for as long as it does. A waker needs
    /// no more than to make the thread ready: whoever picks it up waits here until the one that parked it is gone.
    pub(crate) body: Mutex<Body>,
    /// What it is parked on, and what is queued for it. Taken under object locks, never around them.
    pub(crate) waiting: Mutex<Waiting>,
    /// Whether it may run. Taken under `waiting` or alone; only the ready queue's lock is taken under it.
    pub(crate) run: Mutex<RunState>,
    /// Set when a suspension or a kernel APC wants the thread before its next guest instruction. A hint: what it hints
    /// at stands under the locks.
    pub(crate) attention: AtomicBool,
    /// Priority in the ready queue, 0 to 31.
    pub(crate) priority: AtomicU8,
    /// What KeSetBasePriorityThread was given last.
    pub(crate) increment: AtomicU32,
    pub(crate) affinity: AtomicU8,
    /// The hardware threads that are to leave it to others this time, one bit each; they count only if it may run
    /// anywhere. Guarded by the ready queue's lock.
    pub(crate) barred: AtomicU8,
    /// The hardware thread it ran on last, or [`NOWHERE`].
    pub(crate) last_ran_on: AtomicU8,
    /// The cycle of its newest record, wherever it was made.
    newest_cycle: AtomicU64,
    /// The hardware threads it has run on, one bit each.
    pub(crate) ran_on: AtomicU8,
    /// Mutants it owns.
    pub(crate) owned: Mutex<Vec<Arc<Object>>>,
}

/// What only the OS thread that runs the guest thread touches.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) cpu: Cpu,
    /// The wait that must be completed before the next guest instruction.
    pub(crate) pending: Option<Pending>,
    /// Interrupted states, innermost last.
    pub(crate) frames: Vec<ApcFrame>,
    /// Instructions since its last call into the kernel.
    pub(crate) since_call: u64,
    pub(crate) started: bool,
    /// The run ended while it was on a hardware thread.
    pub(crate) stopped: bool,
    pub(crate) ended: bool,
}

/// What a thread waits for and what waits for it.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    /// The wait that the thread is parked on, from the moment that others may end it.
    pub(crate) parked_on: Option<Arc<WaitBlock>>,
    pub(crate) user_apcs: VecDeque<Apc>,
    pub(crate) kernel_apcs: VecDeque<Apc>,
}

/// Whether a thread may run.
#[derive(Debug, Default)]
pub(crate) struct RunState {
    pub(crate) suspended: u32,
    /// It would be in the ready queue if it were not suspended.
    pub(crate) held: bool,
    pub(crate) exited: bool,
}

impl Thread {
    pub(crate) fn new(
        tid: u32,
        start: u32,
        places: Places,
        cpu: Cpu,
        affinity: u8,
        object: Weak<Object>,
    ) -> Self {
        Self {
            tid,
            start,
            places,
            object,
            body: Mutex::new(Body::new(cpu)),
            waiting: Mutex::default(),
            run: Mutex::default(),
            attention: AtomicBool::new(false),
            priority: AtomicU8::new(BASE_PRIORITY as u8),
            increment: AtomicU32::new(0),
            affinity: AtomicU8::new(affinity),
            barred: AtomicU8::new(0),
            last_ran_on: AtomicU8::new(NOWHERE),
            newest_cycle: AtomicU64::new(0),
            ran_on: AtomicU8::new(0),
            owned: Mutex::default(),
        }
    }

    /// Its object, unless the thread has ended and nobody names it any more.
    pub(crate) fn object(&self) -> Option<Arc<Object>> {
        self.object.upgrade()
    }

    /// The cycle for its next record: `now`, or one past its newest record if the clock has not moved since. So its
    /// cycles rise, whichever rings its records go through: a waker records on its behalf.
    pub(crate) fn next_cycle(&self, now: u64) -> u64 {
        let step = |newest: u64| now.max(newest + 1);
        let newest = self.newest_cycle.fetch_update(Relaxed, Relaxed, |newest| Some(step(newest)));
        step(newest.unwrap_or_else(|newest| newest))
    }

    pub(crate) fn may_run_on(&self, hardware_thread: u8) -> bool {
        self.affinity.load(Relaxed) & 1 << hardware_thread != 0
    }

    /// Asks the thread to look at its suspend count and kernel APCs before its next guest instruction.
    pub(crate) fn call_attention(&self) {
        self.attention.store(true, Ordering::Release);
    }

    pub(crate) fn has_user_apc(&self) -> bool {
        !self.waiting.locked().user_apcs.is_empty()
    }

    /// Forgets that it owns `mutant`.
    pub(crate) fn disown(&self, mutant: &Arc<Object>) {
        let mut owned = self.owned.locked();
        if let Some(place) = owned.iter().position(|other| Arc::ptr_eq(other, mutant)) {
            owned.remove(place);
        }
    }
}

impl Waiting {
    /// Whether `apc` may be queued: a timer has one APC, and a queue has an end.
    pub(crate) fn has_room_for(&self, apc: &Apc) -> bool {
        let queue = if apc.kernel { &self.kernel_apcs } else { &self.user_apcs };
        queue.len() < MAX_APCS && (apc.timer == 0 || queue.iter().all(|queued| queued.timer != apc.timer))
    }

    /// Queues `apc`. Gives the wait that it interrupts, a kernel APC, or ends, a user APC.
    pub(crate) fn queue(&mut self, apc: Apc) -> Option<Arc<WaitBlock>> {
        if apc.kernel {
            self.kernel_apcs.push_back(apc);
            // The wait goes on without its thread.
            self.parked_on.take()
        } else {
            self.user_apcs.push_back(apc);
            self.parked_on.clone().filter(|block| block.alertable)
        }
    }

    /// Takes all APCs out of their queues.
    pub(crate) fn drain_apcs(&mut self) -> Vec<Apc> {
        self.user_apcs.drain(..).chain(self.kernel_apcs.drain(..)).collect()
    }
}

impl Body {
    fn new(cpu: Cpu) -> Self {
        Self {
            cpu,
            pending: None,
            frames: Vec::new(),
            since_call: 0,
            started: false,
            stopped: false,
            ended: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cycles_of_one_thread_rise_strictly() {
        let places = Places { control: 0, kthread: 0, stack: 0..0 };
        let thread = Thread::new(1, 0, places, Cpu::default(), ANY_HARDWARE_THREAD, Weak::new());
        assert_eq!([10, 10, 10, 9, 20].map(|now| thread.next_cycle(now)), [10, 11, 12, 13, 20]);
    }
}
