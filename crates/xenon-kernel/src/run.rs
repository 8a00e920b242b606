//! Running a guest thread on a hardware thread, one slice at a time.

use std::sync::Arc;
use std::sync::atomic::Ordering::{self, Relaxed};

use handle_audit::aux::ThreadEvent;
use handle_audit::{Label, label};
use ppc::{EXIT_SENTINEL, Fault, FaultCause, MemoryFault, Stop};

use crate::apc::Returned;
use crate::context::{By, Context};
use crate::exports::{Call, Flow};
use crate::guest_space::HARDWARE_THREAD;
use crate::kernel::bump;
use crate::ledger::Change;
use crate::outcome::{Ended, FaultReport};
use crate::status::Status;
use crate::sync::Lock;
use crate::thread::{Body, NOWHERE, Thread};
use crate::wait::{Ended as WaitEnded, Finish, Pending};

/// Where a slice leaves its thread.
#[derive(Debug, PartialEq, Eq)]
enum After {
    /// It can go on.
    Ready,
    /// Somebody else will make it ready.
    Parked,
    /// It has ended, or the run has.
    Gone,
}

/// What the guest thread does next, within its slice.
type Step = Result<(), After>;

impl Context<'_> {
    /// Runs `thread` for up to `budget` instructions. Says whether it can go on, and is to be made ready.
    pub(crate) fn run_slice(&mut self, thread: &Arc<Thread>, budget: u32) -> bool {
        let drawn = self.kernel.ending.draw(budget);
        if drawn == 0 {
            self.kernel.end(Ended::Limit);
        }
        let mut body = thread.body.locked();
        let mut slice = Slice { cx: self, thread, body: &mut body, left: drawn, kernel_calls: 0 };
        let after = slice.run();
        let unused = slice.left;
        self.kernel.ending.give_back(unused);
        after == After::Ready
    }
}

/// One guest thread on one hardware thread.
struct Slice<'s, 'k> {
    cx: &'s mut Context<'k>,
    thread: &'s Arc<Thread>,
    body: &'s mut Body,
    left: u32,
    kernel_calls: u32,
}

impl Slice<'_, '_> {
    fn run(&mut self) -> After {
        self.arrive();
        let step = match self.body.pending.take() {
            Some(pending) => self.park(pending),
            None => Ok(()),
        };
        let Err(after) = step.and_then(|()| self.run_guest());
        // Counted across slices, which may be short: a guest that computes is not stuck.
        if self.body.since_call >= u64::from(self.cx.kernel.config.slice) {
            self.cx.progress();
        }
        bump(&self.cx.counters.kernel_calls, u64::from(self.kernel_calls));
        after
    }

    /// Notes where the thread is now.
    fn arrive(&mut self) {
        let here = self.cx.ring as u8;
        let counters = self.cx.counters;
        bump(&counters.context_switches, 1);
        let before = self.thread.last_ran_on.swap(here, Relaxed);
        if before != here {
            bump(&counters.migrations, u64::from(before != NOWHERE));
            self.thread.ran_on.fetch_or(1 << here, Relaxed);
            // The control region is the kernel's own and stays mapped.
            let _ = self.cx.kernel.memory.write_u8(self.thread.places.control + HARDWARE_THREAD, here);
        }
        if !std::mem::replace(&mut self.body.started, true) {
            self.record_thread(label!("KiThreadStartup"), ThreadEvent::Started, 0);
        }
    }

    /// Where the guest called from; 0 if the host called the routine that the thread began with.
    fn caller(&self) -> u32 {
        match self.body.cpu.lr {
            EXIT_SENTINEL => 0,
            lr => lr,
        }
    }

    fn record_thread(&mut self, source: Label, event: ThreadEvent, count: u32) {
        let Some(object) = self.thread.object() else { return };
        let by = By { thread: Some(self.thread), lr: self.caller(), source };
        self.cx.with_state(&object, |cx, state| {
            state.changed(Change::Thread);
            cx.thread_event(state, by, event, count);
        });
    }

    fn run_guest(&mut self) -> Result<std::convert::Infallible, After> {
        let kernel = self.cx.kernel;
        loop {
            if kernel.is_stopped() {
                self.body.stopped = true;
                return Err(After::Gone);
            }
            if self.thread.attention.load(Ordering::Acquire) {
                self.attend()?;
            }
            if self.left == 0 {
                return Err(After::Ready);
            }
            let cpu = &mut self.body.cpu;
            cpu.timebase = kernel.clock.now();
            let before = cpu.retired;
            let stop = ppc::run(cpu, &kernel.code, &kernel.memory, self.left);
            let retired = cpu.retired - before;
            self.left -= retired.min(u64::from(self.left)) as u32;
            self.body.since_call += retired;
            bump(&self.cx.counters.instructions, retired);
            kernel.clock.retire(retired);
            match stop {
                Stop::Budget => {}
                Stop::Trap { pc } => self.call(pc)?,
                Stop::Returned => self.returned()?,
                Stop::Fault(fault) => return Err(self.fault(fault)),
            }
        }
    }

    /// Suspensions and kernel APCs come before the next guest instruction.
    fn attend(&mut self) -> Step {
        if self.thread.run.locked().suspended > 0 {
            return Err(After::Ready);
        }
        self.thread.attention.store(false, Ordering::Release);
        let started = self.cx.start_kernel_apc(self.thread, self.body, None);
        started.map(drop).map_err(|fault| self.bad_stack(fault))
    }

    /// A trap: the call into the kernel that the thunk at `pc` stands for.
    fn call(&mut self, pc: u32) -> Step {
        let kernel = self.cx.kernel;
        self.kernel_calls += 1;
        self.body.since_call = 0;
        let Some(import) = kernel.imports.get(&pc) else {
            let report = self.report(pc, "a system call outside an import thunk".to_owned(), None);
            return Err(self.end_by_fault(report));
        };
        let flow = Call::new(self.cx, self.thread, self.body, import).invoke();
        self.cx.pump_if_due();
        match flow {
            Flow::Return(value) => self.return_value(value),
            Flow::Over(finish, ended) => return self.complete(finish, ended),
            Flow::Park(pending) => return self.park(pending),
            Flow::Yield(value) => {
                self.return_value(value);
                return Err(After::Ready);
            }
            Flow::Exit(status) => return Err(self.exit(status, import.label)),
        }
        Ok(())
    }

    fn return_value(&mut self, value: u32) {
        self.body.cpu.gpr[3] = u64::from(value);
        self.body.cpu.pc = self.body.cpu.pc.wrapping_add(4);
    }

    /// Parks the thread until `pending` has ended; goes on at once if it has. From the moment that it is published
    /// here, whoever ends the wait makes the thread ready.
    fn park(&mut self, pending: Pending) -> Step {
        let block = pending.block.clone();
        loop {
            let mut waiting = self.thread.waiting.locked();
            if let Some(ended) = block.outcome() {
                drop(waiting);
                return self.complete(pending.finish, ended);
            }
            if block.alertable && !waiting.user_apcs.is_empty() {
                drop(waiting);
                self.cx.end_wait(&block, Status::USER_APC, label!("KiDeliverApc"));
                continue;
            }
            if !waiting.kernel_apcs.is_empty() && !self.body.frames.iter().any(|frame| frame.is_kernel()) {
                drop(waiting);
                let started = self.cx.start_kernel_apc(self.thread, self.body, Some(pending));
                return started.map(drop).map_err(|fault| self.bad_stack(fault));
            }
            waiting.parked_on = Some(block);
            self.body.pending = Some(pending);
            return Err(After::Parked);
        }
    }

    /// The wait is over: what is left of the call is done, and the call returns.
    fn complete(&mut self, finish: Finish, ended: WaitEnded) -> Step {
        let value = self.cx.finish_wait(self.thread, finish, ended);
        self.return_value(value.0);
        if ended.status == Status::USER_APC {
            return self.cx.start_user_apc(self.thread, self.body).map_err(|fault| self.bad_stack(fault));
        }
        Ok(())
    }

    /// The routine that the thread, or an APC, began with has returned.
    fn returned(&mut self) -> Step {
        if self.body.frames.is_empty() {
            let value = self.body.cpu.gpr[3] as u32;
            if self.thread.tid == 1 {
                self.record_thread(label!("host"), ThreadEvent::Exited, value);
                self.body.ended = true;
                self.cx.kernel.end(Ended::Finished { exit: value });
                return Err(After::Gone);
            }
            return Err(self.exit(value, label!("PspExitThread")));
        }
        match self.cx.apc_returned(self.thread, self.body) {
            Err(fault) => Err(self.bad_stack(fault)),
            Ok(Returned::Running | Returned::Resumed(None)) => Ok(()),
            Ok(Returned::Resumed(Some(pending))) => self.park(pending),
        }
    }

    fn exit(&mut self, status: u32, source: Label) -> After {
        let frames = std::mem::take(&mut self.body.frames);
        for pending in frames.into_iter().filter_map(|frame| frame.pending) {
            self.cx.end_wait(&pending.block, Status::THREAD_IS_TERMINATING, source);
        }
        self.body.ended = true;
        let by = By { thread: Some(self.thread), lr: self.caller(), source };
        self.cx.exit_thread(self.thread, &self.body.cpu, by, status);
        After::Gone
    }

    fn fault(&mut self, fault: Fault) -> After {
        let address = match fault.cause {
            FaultCause::Memory(access) => Some(access.address),
            FaultCause::Execute { address } => Some(address),
            _ => None,
        };
        let report = self.report(fault.pc, fault.cause.to_string(), address);
        self.end_by_fault(FaultReport { word: fault.word, ..report })
    }

    /// An APC that finds no stack to run on ends the run like any bad access.
    fn bad_stack(&mut self, fault: MemoryFault) -> After {
        let report =
            self.report(self.body.cpu.pc, format!("no stack for an APC: {fault}"), Some(fault.address));
        self.end_by_fault(report)
    }

    fn report(&self, pc: u32, cause: String, address: Option<u32>) -> FaultReport {
        let kernel = self.cx.kernel;
        FaultReport {
            tid: self.thread.tid,
            pc,
            word: kernel.code.word(pc),
            address,
            cause,
            registers: Box::new(self.body.cpu.clone()),
            stack: kernel.stack_of(self.thread, &self.body.cpu),
        }
    }

    fn end_by_fault(&mut self, report: FaultReport) -> After {
        self.cx.kernel.end(Ended::Fault(report));
        After::Gone
    }
}
