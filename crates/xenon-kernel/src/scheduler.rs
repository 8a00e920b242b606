//! Ready threads, by priority, and the OS threads that look for them.

use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Condvar, Mutex};

use crate::kernel::Outstanding;
use crate::rng::Rng;
use crate::sync::Lock;
use crate::thread::{ANY_HARDWARE_THREAD, NOWHERE, PRIORITIES, Thread};

/// Hardware threads of the console.
pub const HARDWARE_THREADS: usize = 6;

/// One in so many wakes sends a thread to another hardware thread than its last one, if one sleeps.
const ROTATION: u32 = 8;

/// Guest threads that one OS thread may take more than another one, of those that may run anywhere.
const LEAD: u64 = 64;

/// Who runs next, and whether anybody ever will.
#[derive(Debug)]
pub(crate) struct Scheduler {
    ready: Mutex<Ready>,
    /// One per hardware thread, for its OS thread to sleep on.
    bells: [Condvar; HARDWARE_THREADS],
    outstanding: Arc<Outstanding>,
}

#[derive(Debug)]
struct Ready {
    /// First in, first out, per priority.
    queues: [VecDeque<Arc<Thread>>; PRIORITIES],
    /// A bit for each queue that is not empty.
    occupied: u32,
    /// OS threads that run a guest thread at the moment.
    running: usize,
    /// A bit for each OS thread that sleeps and has not been called.
    idle: u8,
    /// Guest threads that each OS thread has taken.
    turns: [u64; HARDWARE_THREADS],
    stopped: bool,
    rng: Rng,
}

/// What [`Scheduler::next`] came back with.
#[derive(Debug)]
pub(crate) enum Next {
    Run(Arc<Thread>),
    /// Nothing is ready or running, and nothing outstanding can change that.
    Quiet,
    Stopped,
}

impl Scheduler {
    pub(crate) fn new(seed: u64, outstanding: Arc<Outstanding>) -> Self {
        let ready = Ready {
            queues: Default::default(),
            occupied: 0,
            running: 0,
            idle: 0,
            turns: [0; HARDWARE_THREADS],
            stopped: false,
            rng: Rng::new(seed),
        };
        Self { ready: Mutex::new(ready), bells: Default::default(), outstanding }
    }

    /// Lets a thread run as soon as it may: now, or when it is resumed.
    pub(crate) fn make_ready(&self, thread: &Arc<Thread>) {
        let mut run = thread.run.locked();
        if run.suspended > 0 {
            run.held = true;
        } else {
            self.push(thread.clone());
        }
    }

    /// Queues a thread that is not suspended, and calls an OS thread that may run it.
    pub(crate) fn push(&self, thread: Arc<Thread>) {
        let mut ready = self.ready.locked();
        let called = ready.call_one(&thread);
        ready.push(thread);
        if let Some(called) = called {
            drop(ready);
            self.bells[called].notify_one();
        }
    }

    /// The next thread for `hardware_thread`, whose last one, if `ran`, has been dealt with. Sleeps until there is one.
    pub(crate) fn next(&self, hardware_thread: u8, ran: bool) -> Next {
        let mut ready = self.ready.locked();
        ready.running -= usize::from(ran);
        let bit = 1 << hardware_thread;
        loop {
            if ready.stopped {
                return Next::Stopped;
            }
            if let Some(thread) = ready.take(hardware_thread, |ready, thread| ready.open_to(thread)) {
                ready.running += 1;
                ready.turns[usize::from(hardware_thread)] += 1;
                if let Some(called) = ready.call_for_what_is_left() {
                    drop(ready);
                    self.bells[called].notify_one();
                }
                return Next::Run(thread);
            }
            if ready.running == 0 && ready.occupied == 0 && self.outstanding.is_none() {
                return Next::Quiet;
            }
            ready.idle |= bit;
            match ready.call_for_what_is_left() {
                Some(called) if called == usize::from(hardware_thread) => continue,
                Some(called) => self.bells[called].notify_one(),
                None => {}
            }
            let bell = &self.bells[usize::from(hardware_thread)];
            ready = bell.wait(ready).unwrap_or_else(|poison| poison.into_inner());
            ready.idle &= !bit;
        }
    }

    /// The next thread for `hardware_thread`, without sleeping, counting it as running or spreading the work: for the one
    /// OS thread of a deterministic run, which picks the hardware thread by chance.
    pub(crate) fn poll(&self, hardware_thread: u8) -> Option<Arc<Thread>> {
        self.ready.locked().take(hardware_thread, |_, thread| thread.affinity.load(Relaxed))
    }

    /// Wakes whoever sleeps, to see whether all is quiet: something outstanding has gone without making anybody ready.
    pub(crate) fn look_again(&self) {
        let ready = self.ready.locked();
        if ready.running == 0 && ready.occupied == 0 {
            self.bells.iter().for_each(Condvar::notify_one);
        }
    }

    /// Wakes whoever sleeps, to see whether a ready thread may run there now.
    pub(crate) fn affinity_changed(&self) {
        let _ready = self.ready.locked();
        self.bells.iter().for_each(Condvar::notify_one);
    }

    /// No thread is given out from here on.
    pub(crate) fn stop(&self) {
        self.ready.locked().stopped = true;
        self.bells.iter().for_each(Condvar::notify_all);
    }

    /// Takes all that are ready out of the queues.
    pub(crate) fn drain(&self) -> Vec<Arc<Thread>> {
        let mut ready = self.ready.locked();
        ready.occupied = 0;
        ready.queues.iter_mut().flat_map(std::mem::take).collect()
    }
}

impl Ready {
    fn push(&mut self, thread: Arc<Thread>) {
        let priority = usize::from(thread.priority.load(Relaxed));
        self.occupied |= 1 << priority;
        self.queues[priority].push_back(thread);
    }

    /// The first thread of the highest priority that is open to `hardware_thread`.
    fn take(&mut self, hardware_thread: u8, open_to: impl Fn(&Self, &Thread) -> u8) -> Option<Arc<Thread>> {
        let mut occupied = self.occupied;
        while occupied != 0 {
            let priority = occupied.ilog2() as usize;
            let is_open = |thread: &Arc<Thread>| open_to(self, thread) & 1 << hardware_thread != 0;
            if let Some(place) = self.queues[priority].iter().position(is_open) {
                let thread = self.queues[priority].remove(place);
                thread.iter().for_each(|thread| thread.barred.store(0, Relaxed));
                if self.queues[priority].is_empty() {
                    self.occupied &= !(1 << priority);
                }
                return thread;
            }
            occupied &= !(1 << priority);
        }
        None
    }

    /// The hardware threads that may take `thread` this time, one bit each.
    fn open_to(&self, thread: &Thread) -> u8 {
        let affinity = thread.affinity.load(Relaxed);
        if affinity == ANY_HARDWARE_THREAD { self.in_step() & !thread.barred.load(Relaxed) } else { affinity }
    }

    /// The hardware threads that are not too far ahead of the one that has taken the fewest guest threads. Without that,
    /// the first two or three OS threads to be awake would do all the work of a guest that keeps no more than that busy,
    /// and on a busy host those that get little time would have next to none of it.
    fn in_step(&self) -> u8 {
        let fewest = self.turns.iter().min().copied().unwrap_or(0);
        let in_step = |number: usize| u8::from(self.turns[number] < fewest + LEAD) << number;
        (0..HARDWARE_THREADS).map(in_step).fold(0, |mask, bit| mask | bit)
    }

    /// Picks a sleeper that may run `thread`, any of them, so that work spreads over the hardware threads. Now and then,
    /// and always if the thread knows one hardware thread only, it must not go back to where it ran last: without that,
    /// two threads that wake each other in turn would never leave the place that they began on.
    fn call_one(&mut self, thread: &Thread) -> Option<usize> {
        let last = thread.last_ran_on.load(Relaxed);
        if last != NOWHERE {
            let elsewhere = self.idle & !(1 << last);
            let untravelled = thread.ran_on.load(Relaxed).is_power_of_two();
            if untravelled || elsewhere != 0 && self.rng.below(ROTATION) == 0 {
                thread.barred.store(1 << last, Relaxed);
            }
        }
        let sleepers = self.idle & self.open_to(thread);
        self.call(sleepers)
    }

    /// Calls one of `sleepers`.
    fn call(&mut self, sleepers: u8) -> Option<usize> {
        if sleepers == 0 {
            return None;
        }
        let chosen = self.rng.below(sleepers.count_ones());
        let called = (0..HARDWARE_THREADS).filter(|n| sleepers & 1 << n != 0).nth(chosen as usize)?;
        self.idle &= !(1 << called);
        Some(called)
    }

    /// Calls a sleeper for a ready thread that nobody else will take soon: all who are awake run something. One that is
    /// barred from the only sleeper that is in step is so no longer. If none is, the one that is furthest behind runs
    /// something, and comes for it.
    fn call_for_what_is_left(&mut self) -> Option<usize> {
        let awake = HARDWARE_THREADS - self.idle.count_ones() as usize;
        if self.idle == 0 || self.occupied == 0 || self.running < awake {
            return None;
        }
        let for_anybody = self.idle & self.in_step();
        let sleepers = |thread: &Arc<Thread>| match thread.affinity.load(Relaxed) {
            ANY_HARDWARE_THREAD => for_anybody,
            affinity => self.idle & affinity,
        };
        let left = self.queues.iter().rev().flatten().find(|thread| sleepers(thread) != 0)?;
        if sleepers(left) & self.open_to(left) == 0 {
            left.barred.store(0, Relaxed);
        }
        let sleepers = sleepers(left) & self.open_to(left);
        self.call(sleepers)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Weak;

    use ppc::Cpu;

    use super::*;
    use crate::thread::Places;

    fn thread(tid: u32, priority: u8, affinity: u8) -> Arc<Thread> {
        let places = Places { control: 0, kthread: 0, stack: 0..0 };
        let thread = Thread::new(tid, 0, places, Cpu::default(), affinity, Weak::new());
        thread.priority.store(priority, Relaxed);
        Arc::new(thread)
    }

    fn scheduler() -> Scheduler {
        Scheduler::new(1, Arc::default())
    }

    #[test]
    fn the_highest_priority_that_may_run_here_goes_first() {
        let scheduler = scheduler();
        for (tid, priority, affinity) in [(1, 8, 0x3F), (2, 8, 0x3F), (3, 20, 0b10), (4, 12, 0x3F)] {
            scheduler.make_ready(&thread(tid, priority, affinity));
        }
        let order =
            [0, 1, 0, 5].map(|hardware_thread| scheduler.poll(hardware_thread).map(|thread| thread.tid));
        assert_eq!(order, [Some(4), Some(3), Some(1), Some(2)]);
        assert!(scheduler.poll(0).is_none());
    }

    fn take(ready: &mut Ready, hardware_thread: u8) -> Option<u32> {
        Some(ready.take(hardware_thread, Ready::open_to)?.tid)
    }

    #[test]
    fn a_thread_that_knows_one_place_goes_to_another() {
        let scheduler = scheduler();
        let thread = thread(1, 8, 0x3F);
        thread.ran_on.store(0b100, Relaxed);
        thread.last_ran_on.store(2, Relaxed);
        scheduler.make_ready(&thread);
        assert_eq!(
            [2, 4].map(|hardware_thread| take(&mut scheduler.ready.locked(), hardware_thread)),
            [None, Some(1)]
        );
        scheduler.make_ready(&thread);
        let mut ready = scheduler.ready.locked();
        (ready.idle, ready.running) = (0b100, HARDWARE_THREADS - 1);
        assert_eq!(ready.call_for_what_is_left(), Some(2), "nobody else is there");
        assert_eq!(take(&mut ready, 2), Some(1));
    }

    #[test]
    fn who_is_far_ahead_leaves_the_next_one_to_others() {
        let scheduler = scheduler();
        scheduler.make_ready(&thread(1, 8, 0x3F));
        scheduler.make_ready(&thread(2, 8, 0b1));
        let mut ready = scheduler.ready.locked();
        ready.turns = [LEAD, 0, 5, LEAD, 5, 5];
        assert_eq!(take(&mut ready, 0), Some(2), "it may run nowhere else");
        assert_eq!(take(&mut ready, 3), None);
        (ready.idle, ready.running) = (0b11001, HARDWARE_THREADS - 3);
        assert_eq!(ready.call_for_what_is_left(), Some(4), "the only sleeper that is in step");
        assert_eq!(take(&mut ready, 4), Some(1));
    }

    #[test]
    fn a_suspended_thread_is_held() {
        let scheduler = scheduler();
        let thread = thread(1, 8, 0x3F);
        thread.run.locked().suspended = 1;
        scheduler.make_ready(&thread);
        assert!(scheduler.poll(0).is_none() && thread.run.locked().held);
    }

    #[test]
    fn all_is_quiet_only_when_nothing_is_outstanding() {
        let scheduler = scheduler();
        assert!(matches!(scheduler.next(0, false), Next::Quiet));
        scheduler.make_ready(&thread(1, 8, 0x3F));
        assert!(matches!(scheduler.next(3, false), Next::Run(thread) if thread.tid == 1));
        assert!(matches!(scheduler.next(3, true), Next::Quiet));
        scheduler.stop();
        assert!(matches!(scheduler.next(0, false), Next::Stopped));
    }
}
