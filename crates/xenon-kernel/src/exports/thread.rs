//! Threads: created, suspended, resumed, delayed, ended.
#![allow(non_snake_case, reason = "guest calls keep their names")]

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::{Call, Flow, Reply, ok};
use crate::clock::Timeout;
use crate::object::Object;
use crate::status::Status;
use crate::thread::{ANY_HARDWARE_THREAD, BASE_PRIORITY, PRIORITIES, Thread};
use crate::threads::NewThread;
use crate::wait::{Finish, Wish};

/// ExCreateThread (handle*, stack size, tid*, xapi, start, context, flags)
pub(super) fn ExCreateThread(call: &mut Call<'_, '_>) -> Reply {
    let (out, stack_size, tid_out, xapi) = (call.reg(0), call.reg(1), call.reg(2), call.reg(3));
    let (start, context, flags) = (call.reg(4), call.reg(5), call.reg(6));
    call.require(out, 4)?;
    call.probe(tid_out, 4)?;
    let affinity = (flags >> 24) as u8 & ANY_HARDWARE_THREAD;
    let (entry, arguments) = if xapi == 0 { (start, [context, 0]) } else { (xapi, [start, context]) };
    let new = NewThread {
        entry,
        arguments,
        stack_size,
        affinity: if affinity == 0 { ANY_HARDWARE_THREAD } else { affinity },
        suspended: flags & 1 != 0,
    };
    let (by, kernel, creator, cpu) = (call.by(), call.cx.kernel, call.thread, &call.body.cpu);
    let made = call.cx.create_thread(new, by, || kernel.frames_of(creator, cpu))?;
    call.store(out, made.handle)?;
    call.store(tid_out, made.thread.tid)?;
    // It runs only now that its creator's variables are filled in.
    call.cx.launch(&made);
    ok()
}

/// ExTerminateThread (status)
pub(super) fn ExTerminateThread(call: &mut Call<'_, '_>) -> Reply {
    Ok(Flow::Exit(call.reg(0)))
}

/// NtResumeThread (handle, previous*)
pub(super) fn NtResumeThread(call: &mut Call<'_, '_>) -> Reply {
    let (handle, out) = (call.reg(0), call.reg(1));
    call.probe(out, 4)?;
    let target = call.resolve(handle)?;
    let (by, thread) = (call.by(), thread_of(&target.object)?);
    let previous = call.cx.resume(&target.object, thread, by);
    call.store(out, previous)?;
    ok()
}

/// NtSuspendThread (handle, previous*)
pub(super) fn NtSuspendThread(call: &mut Call<'_, '_>) -> Reply {
    let (handle, out) = (call.reg(0), call.reg(1));
    call.probe(out, 4)?;
    let target = call.resolve(handle)?;
    let (by, thread) = (call.by(), thread_of(&target.object)?);
    let previous = call.cx.suspend(&target.object, thread, by)?;
    call.store(out, previous)?;
    ok()
}

/// KeResumeThread (thread)
pub(super) fn KeResumeThread(call: &mut Call<'_, '_>) -> Reply {
    let target = call.object_at(call.reg(0))?;
    let (by, thread) = (call.by(), thread_of(&target)?);
    Ok(Flow::Return(call.cx.resume(&target, thread, by)))
}

/// KeSetAffinityThread (thread, mask, previous*); unlike on NT, the previous mask goes through a pointer.
pub(super) fn KeSetAffinityThread(call: &mut Call<'_, '_>) -> Reply {
    let (address, mask, out) = (call.reg(0), call.reg(1) as u8 & ANY_HARDWARE_THREAD, call.reg(2));
    call.probe(out, 4)?;
    let target = call.object_at(address)?;
    let thread = thread_of(&target)?;
    if mask == 0 {
        return Err(Status::INVALID_PARAMETER);
    }
    let previous = call.cx.set_affinity(thread, mask);
    call.store(out, u32::from(previous))?;
    let must_move = thread.tid == call.thread.tid && !thread.may_run_on(call.cx.ring as u8);
    Ok(if must_move { Flow::Yield(0) } else { Flow::Return(0) })
}

/// KeSetBasePriorityThread (thread, increment)
pub(super) fn KeSetBasePriorityThread(call: &mut Call<'_, '_>) -> Reply {
    let increment = call.reg(1);
    let target = call.object_at(call.reg(0))?;
    let thread = thread_of(&target)?;
    let previous = thread.increment.swap(increment, Relaxed);
    let priority = BASE_PRIORITY.saturating_add(increment as i32).clamp(0, PRIORITIES as i32 - 1);
    thread.priority.store(priority as u8, Relaxed);
    Ok(Flow::Return(previous))
}

/// KeDelayExecutionThread (mode, alertable, interval*)
pub(super) fn KeDelayExecutionThread(call: &mut Call<'_, '_>) -> Reply {
    let (alertable, interval) = (call.reg(1) != 0, call.reg(2));
    call.require(interval, 8)?;
    let timeout = call.timeout(interval)?;
    if timeout == Timeout::Poll && !(alertable && call.thread.has_user_apc()) {
        return Ok(Flow::Yield(0));
    }
    call.wait(Wish { targets: Vec::new(), all: false, alertable, timeout, finish: Finish::Delay })
}

/// NtYieldExecution ()
pub(super) fn NtYieldExecution(_: &mut Call<'_, '_>) -> Reply {
    Ok(Flow::Yield(0))
}

/// The thread that an object stands for.
pub(super) fn thread_of(object: &Object) -> Result<&Arc<Thread>, Status> {
    object.thread.as_ref().ok_or(Status::OBJECT_TYPE_MISMATCH)
}
