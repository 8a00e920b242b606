//! The life of guest threads: made, resumed, suspended, ended.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use handle_audit::aux::ThreadEvent;
use handle_audit::{Frame, HandleKind};
use ppc::{Cpu, EXIT_SENTINEL};

use crate::apc::mark_inserted;
use crate::context::{By, Context};
use crate::dispatch::Dispatch;
use crate::fault::FaultKind;
use crate::ledger::Change;
use crate::object::{Blueprint, Object};
use crate::outcome::{Ended, ThreadState};
use crate::status::Status;
use crate::sync::Lock;
use crate::thread::Thread;

/// The most that a thread can be suspended.
const MAX_SUSPEND_COUNT: u32 = 0x7F;

/// Bytes between the first frame and the top of the stack: its caller's frame, as far as it has one.
const ABOVE_FIRST_FRAME: u32 = 0x40;

/// A thread as it is asked for.
#[derive(Debug)]
pub(crate) struct NewThread {
    pub(crate) entry: u32,
    /// r3 and r4.
    pub(crate) arguments: [u32; 2],
    pub(crate) stack_size: u32,
    pub(crate) affinity: u8,
    pub(crate) suspended: bool,
}

/// A thread that was made and has not been launched yet.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) handle: u32,
    pub(crate) thread: Arc<Thread>,
}

impl Context<'_> {
    /// Makes a thread.
    pub(crate) fn create_thread(
        &mut self,
        new: NewThread,
        by: By<'_>,
        stack: impl FnOnce() -> Vec<Frame>,
    ) -> Result<Made, Status> {
        let kernel = self.kernel;
        let reserved = kernel.handles.reserve().ok_or(Status::INSUFFICIENT_RESOURCES)?;
        let tid = kernel.registry.next_tid();
        let places = match kernel.space.place_thread(&kernel.memory, tid, new.stack_size) {
            Ok(places) => places,
            Err(_) => {
                kernel.handles.give_back(reserved);
                return Err(Status::NO_MEMORY);
            }
        };
        let mut cpu = Cpu { pc: new.entry, lr: EXIT_SENTINEL, ..Cpu::default() };
        let top = places.stack.end - ABOVE_FIRST_FRAME;
        for (register, value) in
            [(1, top), (3, new.arguments[0]), (4, new.arguments[1]), (13, places.control)]
        {
            cpu.gpr[register] = u64::from(value);
        }
        let kthread = places.kthread;
        let mut thread = None;
        let object = Arc::new_cyclic(|object| {
            let made = Arc::new(Thread::new(tid, new.entry, places, cpu, new.affinity, object.clone()));
            thread = Some(made.clone());
            let dispatch = Dispatch::Thread { exited: false };
            let blueprint = Blueprint { thread: Some(made), ..Blueprint::new(HandleKind::THREAD, dispatch) };
            let ledger = kernel.ledgers.open(reserved.value(), HandleKind::THREAD);
            Object::new(kernel.next_object_id(), reserved.value(), blueprint, ledger)
        });
        let thread = thread.ok_or(Status::NO_MEMORY)?;
        self.with_state(&object, |cx, state| {
            state.place_header(kthread, &kernel.memory);
            state.anchored = true;
            cx.created(state, HandleKind::THREAD, by, u64::from(tid), stack);
        });
        kernel.in_memory.insert(kthread, object.clone());
        kernel.registry.enter(tid, object.clone());
        thread.run.locked().suspended = u32::from(new.suspended);
        let handle = reserved.value();
        reserved.publish(object);
        Ok(Made { handle, thread })
    }

    /// Lets a new thread run as soon as it is not suspended.
    pub(crate) fn launch(&self, made: &Made) {
        self.kernel.scheduler.make_ready(&made.thread);
    }

    /// Takes one suspension back. Gives the count before.
    pub(crate) fn resume(&mut self, object: &Arc<Object>, thread: &Arc<Thread>, by: By<'_>) -> u32 {
        let lost = self.kernel.faults.strikes(FaultKind::ResumeLost);
        self.with_state(object, |cx, state| {
            let mut run = thread.run.locked();
            let before = run.suspended;
            if before > 0 && !lost {
                run.suspended -= 1;
                state.changed(Change::Thread);
            }
            cx.thread_event(state, by, ThreadEvent::Resumed, run.suspended);
            if run.suspended == 0 && std::mem::take(&mut run.held) {
                cx.kernel.scheduler.push(thread.clone());
            }
            before
        })
    }

    /// Suspends a thread: at once if it is parked or ready, else before its next call returns or its slice ends. Gives the
    /// count before.
    pub(crate) fn suspend(
        &mut self,
        object: &Arc<Object>,
        thread: &Arc<Thread>,
        by: By<'_>,
    ) -> Result<u32, Status> {
        self.with_state(object, |cx, state| {
            let mut run = thread.run.locked();
            let before = run.suspended;
            if run.exited {
                return Err(Status::THREAD_IS_TERMINATING);
            }
            if before >= MAX_SUSPEND_COUNT {
                return Err(Status::SUSPEND_COUNT_EXCEEDED);
            }
            run.suspended += 1;
            state.changed(Change::Thread);
            cx.thread_event(state, by, ThreadEvent::Suspended, run.suspended);
            thread.call_attention();
            Ok(before)
        })
    }

    /// Ends `thread`, which is the caller: its mutants are abandoned, its object is signalled.
    pub(crate) fn exit_thread(&mut self, thread: &Arc<Thread>, cpu: &Cpu, by: By<'_>, status: u32) {
        let kernel = self.kernel;
        let Some(object) = thread.object() else { return };
        let mut note = kernel.thread_note(thread, cpu);
        (note.state, note.exit, note.stack) = (ThreadState::Exited, Some(status), Vec::new());
        thread.run.locked().exited = true;
        for mutant in std::mem::take(&mut *thread.owned.locked()) {
            self.abandon(&mutant, thread.tid, by);
        }
        let no_signal = kernel.faults.strikes(FaultKind::ExitNoSignal);
        self.progress();
        self.change(&object, by, |cx, state| {
            state.changed(Change::Thread);
            cx.thread_event(state, by, ThreadEvent::Exited, status);
            if !no_signal {
                cx.signal(state, by, 0, 1);
                state.raise_exited();
            }
            state.anchored = false;
        });
        let dropped = thread.waiting.locked().drain_apcs();
        for apc in dropped.iter().filter(|apc| apc.object != 0) {
            // It is in no queue any more, and can be queued elsewhere.
            let _ = mark_inserted(&kernel.memory, apc.object, false);
        }
        kernel.space.free_stack(&thread.places.stack);
        let was_last = kernel.registry.leave(note);
        self.retire_if_unnamed(&object, by);
        if was_last {
            kernel.end(kernel.quiet_end());
        }
    }

    fn abandon(&mut self, mutant: &Arc<Object>, tid: u32, by: By<'_>) {
        self.change(mutant, by, |cx, state| {
            let previous = state.dispatch().signal_state() as u32;
            if state.dispatch().is_owned_by(tid) {
                cx.signal(state, by, previous, 1);
                state.abandon_mutant();
            }
        });
    }

    /// Lets `thread` run on the hardware threads of `mask` only. Gives the mask before.
    pub(crate) fn set_affinity(&mut self, thread: &Thread, mask: u8) -> u8 {
        let before = thread.affinity.swap(mask, Relaxed);
        self.kernel.scheduler.affinity_changed();
        before
    }
}

impl crate::kernel::Kernel {
    /// How a run ends in which nothing can happen any more.
    pub(crate) fn quiet_end(&self) -> Ended {
        if self.registry.is_empty() {
            Ended::Finished { exit: self.registry.exit_of_main().unwrap_or(0) }
        } else {
            Ended::Deadlock
        }
    }
}
