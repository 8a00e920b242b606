//! What all host threads of one run share.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering, Ordering::Relaxed};

use handle_audit::Label;
use ppc::{Code, Memory};
use rustc_hash::FxHashMap;

use crate::clock::Clock;
use crate::config::MachineConfig;
use crate::console::Console;
use crate::fault::Faults;
use crate::guest_space::GuestSpace;
use crate::handle_table::HandleTable;
use crate::io::IoQueue;
use crate::ledger::Ledgers;
use crate::names::Import;
use crate::object::Object;
use crate::objects_in_memory::ObjectsInMemory;
use crate::outcome::Ended;
use crate::passer::Passer;
use crate::registry::Registry;
use crate::scheduler::{HARDWARE_THREADS, Scheduler};
use crate::sync::Lock;
use crate::timeline::Timeline;

/// Rings of the audit: one per hardware thread, then these.
pub(crate) const IO_RING: usize = HARDWARE_THREADS;
/// The ring of the timers and of the host itself.
pub(crate) const HOST_RING: usize = HARDWARE_THREADS + 1;
pub(crate) const RINGS: usize = HARDWARE_THREADS + 2;

/// The kernel of one run.
#[derive(Debug)]
pub(crate) struct Kernel {
    pub(crate) config: MachineConfig,
    pub(crate) memory: Memory,
    pub(crate) code: Code,
    /// By address of the thunk.
    pub(crate) imports: FxHashMap<u32, Import>,
    pub(crate) faults: Faults,
    pub(crate) clock: Clock,
    pub(crate) outstanding: Arc<Outstanding>,
    pub(crate) timeline: Timeline,
    pub(crate) scheduler: Scheduler,
    pub(crate) handles: HandleTable,
    pub(crate) in_memory: ObjectsInMemory,
    pub(crate) space: GuestSpace,
    pub(crate) registry: Registry,
    pub(crate) io: IoQueue,
    pub(crate) console: Console,
    pub(crate) ledgers: Ledgers,
    /// Exports whose records are left out on purpose.
    pub(crate) left_out: Vec<Label>,
    pub(crate) counters: [Counters; RINGS],
    pub(crate) passers: [Passer; RINGS],
    pub(crate) ending: Ending,
    /// What pseudo handle -1 names.
    pub(crate) process: Arc<Object>,
    last_object_id: AtomicU64,
    last_call_id: AtomicU32,
}

/// The parts of a kernel that its construction site decides on.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) config: MachineConfig,
    pub(crate) memory: Memory,
    pub(crate) code: Code,
    pub(crate) imports: FxHashMap<u32, Import>,
    pub(crate) console: Console,
}

impl Kernel {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { config, memory, code, imports, console } = parts;
        let outstanding = Arc::new(Outstanding::default());
        Self {
            faults: Faults::new(&config.faults),
            clock: Clock::new(config.deterministic),
            timeline: Timeline::new(outstanding.clone()),
            scheduler: Scheduler::new(config.seed, outstanding.clone()),
            handles: HandleTable::new(),
            in_memory: ObjectsInMemory::default(),
            space: GuestSpace::default(),
            registry: Registry::default(),
            io: IoQueue::new(outstanding.clone()),
            ledgers: Ledgers::new(config.self_check),
            left_out: config.left_out.iter().map(|name| Label::from_data(name)).collect(),
            counters: Default::default(),
            passers: Default::default(),
            ending: Ending::new(config.max_instructions),
            process: Arc::new(Object::process()),
            last_object_id: AtomicU64::new(0),
            last_call_id: AtomicU32::new(0),
            outstanding,
            config,
            memory,
            code,
            imports,
            console,
        }
    }

    pub(crate) fn next_object_id(&self) -> u64 {
        self.last_object_id.fetch_add(1, Relaxed) + 1
    }

    /// A number for a request, by which its promise can be told from others.
    pub(crate) fn next_call_id(&self) -> u32 {
        self.last_call_id.fetch_add(1, Relaxed) + 1
    }

    /// Ends the run; the first reason given stands.
    pub(crate) fn end(&self, why: Ended) {
        self.ending.why.locked().get_or_insert(why);
        self.ending.stopped.store(true, Ordering::Release);
        self.scheduler.stop();
        self.timeline.close();
        self.io.close();
    }

    #[inline]
    pub(crate) fn is_stopped(&self) -> bool {
        self.ending.stopped.load(Ordering::Acquire)
    }

    /// Something outstanding has been dealt with.
    pub(crate) fn settle(&self) {
        self.outstanding.subtract();
        self.scheduler.look_again();
    }

    /// The object in guest memory at `address`: the one that is known, if it passes `fits`, else what `make` makes of what
    /// the guest has put there.
    pub(crate) fn object_in_memory(
        &self,
        address: u32,
        fits: impl Fn(&Object) -> bool,
        make: impl FnOnce() -> Option<Arc<Object>>,
    ) -> Option<Arc<Object>> {
        match self.in_memory.get(address) {
            Some(known) if fits(&known) => return Some(known),
            Some(_) => self.forget_in_memory(address),
            None => {}
        }
        self.in_memory.get_or_make(address, |known| fits(known), make)
    }

    /// Parts the object that is known at `address`, if any, from its header: the guest makes something else of it, and
    /// whoever still waits for the old object must not change what the new one shows.
    pub(crate) fn forget_in_memory(&self, address: u32) {
        if let Some(stale) = self.in_memory.take(address) {
            stale.lock(&self.memory).lose_header();
        }
    }

    /// Breaks the references that objects, waits and threads hold to each other, so that all can be freed.
    pub(crate) fn dismantle(&self) {
        self.timeline.clear();
        self.scheduler.drain();
        for thread in self.registry.live_threads() {
            let parked_on = thread.waiting.locked().parked_on.take();
            let mut body = thread.body.locked();
            let pending = body.pending.take();
            let interrupted = std::mem::take(&mut body.frames).into_iter().filter_map(|frame| frame.pending);
            let blocks = interrupted.chain(pending).map(|pending| pending.block).chain(parked_on);
            for member in blocks.collect::<Vec<_>>().iter().flat_map(|block| &block.members) {
                member.object.lock(&self.memory).forget_waiters();
            }
            thread.owned.locked().clear();
        }
    }
}

/// What can still make somebody ready although all are parked: deadlines, armed timers, requests under way.
#[derive(Debug, Default)]
pub(crate) struct Outstanding(AtomicUsize);

impl Outstanding {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn subtract(&self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }

    pub(crate) fn is_none(&self) -> bool {
        self.0.load(Ordering::SeqCst) == 0
    }
}

/// Why and whether the run ends.
#[derive(Debug)]
pub(crate) struct Ending {
    stopped: AtomicBool,
    pub(crate) why: Mutex<Option<Ended>>,
    /// Instructions that may still be given out; only kept when there is a limit.
    budget: Option<AtomicU64>,
}

impl Ending {
    fn new(max_instructions: Option<u64>) -> Self {
        let budget = max_instructions.map(AtomicU64::new);
        Self { stopped: AtomicBool::new(false), why: Mutex::new(None), budget }
    }

    /// Takes up to `slice` instructions from the limit.
    pub(crate) fn draw(&self, slice: u32) -> u32 {
        let Some(budget) = &self.budget else { return slice };
        let drawn = |left: u64| left.min(u64::from(slice));
        let before = budget.fetch_update(Relaxed, Relaxed, |left| Some(left - drawn(left)));
        before.map_or(0, drawn) as u32
    }

    /// Gives back what was not used.
    pub(crate) fn give_back(&self, unused: u32) {
        if let Some(budget) = &self.budget {
            budget.fetch_add(u64::from(unused), Relaxed);
        }
    }
}

/// Counts of one ring's host thread. Written by that thread alone, read by anybody at any time.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Counters {
    pub(crate) instructions: AtomicU64,
    pub(crate) events: AtomicU64,
    pub(crate) kernel_calls: AtomicU64,
    pub(crate) context_switches: AtomicU64,
    pub(crate) migrations: AtomicU64,
    /// The cycle of the last sign of progress.
    pub(crate) progress: AtomicU64,
}

/// Adds to a counter that only the caller's thread writes.
#[inline]
pub(crate) fn bump(counter: &AtomicU64, amount: u64) {
    counter.store(counter.load(Relaxed) + amount, Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_given_out_in_slices() {
        let ending = Ending::new(Some(250));
        assert_eq!(
            [ending.draw(100), ending.draw(100), ending.draw(100), ending.draw(100)],
            [100, 100, 50, 0]
        );
        ending.give_back(7);
        assert_eq!(ending.draw(100), 7);
        assert_eq!(Ending::new(None).draw(100), 100);
    }
}
