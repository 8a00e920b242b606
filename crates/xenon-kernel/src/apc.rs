//! Asynchronous procedure calls: queued for a thread, delivered between two of its guest instructions.
//!
//! A user APC is delivered in an alertable wait and ends it. A kernel APC needs no such wait and does not end it: the
//! wait stays in its queues while the routine runs, and if it is satisfied meanwhile, the thread finds that out when it
//! comes back to park.

use std::sync::Arc;

use handle_audit::aux::ApcAux;
use handle_audit::label;
use ppc::{Access, Cpu, EXIT_SENTINEL, Memory, MemoryFault};

use crate::context::{By, Context};
use crate::fault::FaultKind;
use crate::ledger::Change;
use crate::status::Status;
use crate::sync::Lock;
use crate::thread::{Body, Thread};
use crate::wait::Pending;

/// Fields of a KAPC (Xenia, `src/xenia/kernel/xthread.h`, XAPC).
pub(crate) mod kapc {
    pub(crate) const TYPE: u32 = 0x00;
    pub(crate) const MODE: u32 = 0x02;
    pub(crate) const INSERTED: u32 = 0x03;
    pub(crate) const THREAD: u32 = 0x04;
    pub(crate) const KERNEL_ROUTINE: u32 = 0x10;
    pub(crate) const RUNDOWN_ROUTINE: u32 = 0x14;
    pub(crate) const NORMAL_ROUTINE: u32 = 0x18;
    pub(crate) const NORMAL_CONTEXT: u32 = 0x1C;
    pub(crate) const ARGUMENT_1: u32 = 0x20;
    pub(crate) const ARGUMENT_2: u32 = 0x24;
    pub(crate) const SIZE: u32 = 0x28;
    /// The type of a KAPC object.
    pub(crate) const TYPE_APC: u8 = 18;
}

/// Stack that a routine gets below the interrupted frame: a back-chain word, room for a saved LR, four arguments.
const FRAME_BYTES: u32 = 0x60;
/// Where the four arguments lie that a kernel routine may change.
const SCRATCH: u32 = 0x20;

/// Calls that can interrupt each other. A guest that goes deeper has lost its stack, and would fill the host's memory with
/// states put aside: it faults as if the stack had ended.
const MAX_NESTED: usize = 1 << 12;

/// One queued call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Apc {
    pub(crate) kernel: bool,
    /// The KAPC in guest memory, 0 if there is none.
    pub(crate) object: u32,
    /// Called first, with the KAPC and pointers to the rest; 0 for none.
    pub(crate) kernel_routine: u32,
    /// Called with context and arguments; 0 for none.
    pub(crate) normal_routine: u32,
    pub(crate) arguments: [u32; 3],
    /// The id of the timer whose APC it is; 0 for none.
    pub(crate) timer: u64,
}

/// Sets or clears the mark of a KAPC that it is in a queue. Says whether it was set.
pub(crate) fn mark_inserted(memory: &Memory, object: u32, inserted: bool) -> Result<bool, MemoryFault> {
    let address = object.wrapping_add(kapc::INSERTED);
    let (word, shift) = (address & !3, 24 - 8 * (address & 3));
    let mut before = memory.read_u32(word)?;
    loop {
        let after = before & !(0xFF << shift) | u32::from(inserted) << shift;
        match memory.compare_exchange_u32(word, before, after)? {
            Ok(_) => return Ok(before >> shift & 0xFF != 0),
            Err(found) => before = found,
        }
    }
}

/// A thread's state, put aside for an APC.
#[derive(Debug)]
pub(crate) struct ApcFrame {
    interrupted: Box<Cpu>,
    /// The wait that a kernel APC interrupted.
    pub(crate) pending: Option<Pending>,
    kernel: bool,
    /// The frame that the kernel routine runs on, while it runs.
    in_kernel_routine: Option<u32>,
}

impl ApcFrame {
    pub(crate) fn is_kernel(&self) -> bool {
        self.kernel
    }
}

/// What follows when an APC has returned.
#[derive(Debug)]
pub(crate) enum Returned {
    /// Another routine.
    Running,
    /// What was interrupted.
    Resumed(Option<Pending>),
}

impl Context<'_> {
    /// Queues `apc` for `target`, and gets it out of a wait that the APC interrupts or ends.
    pub(crate) fn queue_apc(&mut self, target: &Arc<Thread>, apc: Apc, by: By<'_>) -> Result<(), Status> {
        let object = target.object().ok_or(Status::THREAD_IS_TERMINATING)?;
        let parked_on = self.with_state(&object, |cx, state| {
            let mut waiting = target.waiting.locked();
            if target.run.locked().exited {
                return Err(Status::THREAD_IS_TERMINATING);
            }
            if !waiting.has_room_for(&apc) {
                return Err(Status::INSUFFICIENT_RESOURCES);
            }
            cx.apc_event(state, by, ApcAux { delivered: false, kernel: apc.kernel, target: target.tid });
            state.changed(Change::Apc);
            if cx.kernel.faults.strikes(FaultKind::ApcLost) {
                return Ok(None);
            }
            Ok(waiting.queue(apc))
        })?;
        match parked_on {
            Some(block) if !apc.kernel => {
                self.end_wait(&block, Status::USER_APC, by.source);
            }
            Some(_) => self.kernel.scheduler.make_ready(target),
            None => {}
        }
        if apc.kernel {
            target.call_attention();
        }
        Ok(())
    }

    /// Starts the next kernel APC of `thread`, if there is one and none is running. `pending` is what the thread was
    /// parked on; it comes back if nothing was started.
    pub(crate) fn start_kernel_apc(
        &mut self,
        thread: &Arc<Thread>,
        body: &mut Body,
        pending: Option<Pending>,
    ) -> Result<Option<Pending>, MemoryFault> {
        if body.frames.iter().any(ApcFrame::is_kernel) {
            return Ok(pending);
        }
        let next = thread.waiting.locked().kernel_apcs.pop_front();
        match next {
            Some(apc) => self.start_apc(thread, body, apc, pending).map(|()| None),
            None => Ok(pending),
        }
    }

    /// Starts the oldest user APC of `thread`. The caller has made `body` what it is to be afterwards.
    pub(crate) fn start_user_apc(
        &mut self,
        thread: &Arc<Thread>,
        body: &mut Body,
    ) -> Result<(), MemoryFault> {
        let next = thread.waiting.locked().user_apcs.pop_front();
        next.map_or(Ok(()), |apc| self.start_apc(thread, body, apc, None))
    }

    fn start_apc(
        &mut self,
        thread: &Arc<Thread>,
        body: &mut Body,
        apc: Apc,
        pending: Option<Pending>,
    ) -> Result<(), MemoryFault> {
        if body.frames.len() == MAX_NESTED {
            return Err(MemoryFault { address: body.cpu.gpr[1] as u32, access: Access::Write, size: 4 });
        }
        let interrupted = Box::new(body.cpu.clone());
        body.frames.push(ApcFrame { interrupted, pending, kernel: apc.kernel, in_kernel_routine: None });
        self.enter_apc(thread, body, apc)
    }

    /// Sets the processor up for `apc`, on top of the interrupted frame.
    fn enter_apc(&mut self, thread: &Arc<Thread>, body: &mut Body, apc: Apc) -> Result<(), MemoryFault> {
        if let Some(object) = thread.object() {
            self.with_state(&object, |cx, state| {
                let by = By { thread: Some(thread), lr: body.cpu.lr, source: label!("KiDeliverApc") };
                state.changed(Change::Apc);
                cx.apc_event(state, by, ApcAux { delivered: true, kernel: apc.kernel, target: thread.tid });
            });
        }
        let memory = &self.kernel.memory;
        let Some(top) = body.frames.last_mut() else { return Ok(()) };
        let r1 = top.interrupted.gpr[1] as u32;
        let frame = r1.wrapping_sub(FRAME_BYTES) & !0xF;
        memory.write_u32(frame, r1)?;
        let cpu = &mut body.cpu;
        cpu.gpr[1] = u64::from(frame);
        cpu.lr = EXIT_SENTINEL;
        cpu.reservation = None;
        if apc.object != 0 {
            mark_inserted(memory, apc.object, false)?;
        }
        if apc.kernel_routine == 0 {
            enter_normal_routine(cpu, apc.normal_routine, apc.arguments);
            return Ok(());
        }
        top.in_kernel_routine = Some(frame);
        let [context, first, second] = apc.arguments;
        let mut at = frame + SCRATCH;
        cpu.gpr[3] = u64::from(apc.object);
        for (register, value) in (4..).zip([apc.normal_routine, context, first, second]) {
            memory.write_u32(at, value)?;
            cpu.gpr[register] = u64::from(at);
            at += 4;
        }
        cpu.pc = apc.kernel_routine;
        Ok(())
    }

    /// A routine has returned: the next step of this APC, the next user APC, or back to what was interrupted.
    pub(crate) fn apc_returned(
        &mut self,
        thread: &Arc<Thread>,
        body: &mut Body,
    ) -> Result<Returned, MemoryFault> {
        let Some(top) = body.frames.last_mut() else { return Ok(Returned::Resumed(None)) };
        if let Some(frame) = top.in_kernel_routine.take() {
            let word = |index: u32| self.kernel.memory.read_u32(frame + SCRATCH + 4 * index);
            let (normal_routine, arguments) = (word(0)?, [word(1)?, word(2)?, word(3)?]);
            if normal_routine != 0 {
                body.cpu.gpr[1] = u64::from(frame);
                body.cpu.lr = EXIT_SENTINEL;
                enter_normal_routine(&mut body.cpu, normal_routine, arguments);
                return Ok(Returned::Running);
            }
        }
        if !top.kernel {
            // All user APCs that are there by now are delivered before the wait returns.
            let next = thread.waiting.locked().user_apcs.pop_front();
            if let Some(apc) = next {
                self.enter_apc(thread, body, apc)?;
                return Ok(Returned::Running);
            }
        }
        let Some(done) = body.frames.pop() else { return Ok(Returned::Resumed(None)) };
        let retired = body.cpu.retired;
        body.cpu = Cpu { retired, reservation: None, ..*done.interrupted };
        if done.kernel {
            // There may be another one behind it.
            thread.call_attention();
        }
        Ok(Returned::Resumed(done.pending))
    }
}

/// Without a routine there is nothing to run: it returns at once.
fn enter_normal_routine(cpu: &mut Cpu, routine: u32, arguments: [u32; 3]) {
    cpu.pc = if routine == 0 { EXIT_SENTINEL } else { routine };
    for (register, argument) in (3..).zip(arguments) {
        cpu.gpr[register] = u64::from(argument);
    }
}
