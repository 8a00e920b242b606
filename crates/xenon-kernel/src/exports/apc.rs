//! Asynchronous procedure calls: made and queued. `crate::apc` delivers them.
#![allow(non_snake_case, reason = "guest calls keep their names")]

use super::thread::thread_of;
use super::{Call, Flow, Reply, ok};
use crate::apc::{Apc, kapc};
use crate::status::Status;

/// KeInitializeApc (apc, thread, kernel routine, rundown routine, normal routine, mode, context)
pub(super) fn KeInitializeApc(call: &mut Call<'_, '_>) -> Reply {
    let apc = call.reg(0);
    call.require(apc, kapc::SIZE)?;
    let memory = call.memory();
    memory.write_bytes(apc, &[0; kapc::SIZE as usize])?;
    memory.write_u8(apc.wrapping_add(kapc::TYPE), kapc::TYPE_APC)?;
    memory.write_u8(apc.wrapping_add(kapc::MODE), call.reg(5) as u8)?;
    let fields = [
        (kapc::THREAD, 1),
        (kapc::KERNEL_ROUTINE, 2),
        (kapc::RUNDOWN_ROUTINE, 3),
        (kapc::NORMAL_ROUTINE, 4),
        (kapc::NORMAL_CONTEXT, 6),
    ];
    for (offset, argument) in fields {
        memory.write_u32(apc.wrapping_add(offset), call.reg(argument))?;
    }
    ok()
}

/// KeInsertQueueApc (apc, argument, argument, priority); returns whether it was queued.
pub(super) fn KeInsertQueueApc(call: &mut Call<'_, '_>) -> Reply {
    let (address, first, second) = (call.reg(0), call.reg(1), call.reg(2));
    call.require(address, kapc::SIZE)?;
    let memory = call.memory();
    let field = |offset: u32| memory.read_u32(address.wrapping_add(offset));
    if memory.read_u8(address.wrapping_add(kapc::INSERTED))? != 0 {
        return Ok(Flow::Return(0));
    }
    let apc = Apc {
        kernel: memory.read_u8(address.wrapping_add(kapc::MODE))? == 0,
        object: address,
        kernel_routine: field(kapc::KERNEL_ROUTINE)?,
        normal_routine: field(kapc::NORMAL_ROUTINE)?,
        arguments: [field(kapc::NORMAL_CONTEXT)?, first, second],
    };
    let target = call.object_at(field(kapc::THREAD)?)?;
    let thread = thread_of(&target)?;
    memory.write_u32(address.wrapping_add(kapc::ARGUMENT_1), first)?;
    memory.write_u32(address.wrapping_add(kapc::ARGUMENT_2), second)?;
    memory.write_u8(address.wrapping_add(kapc::INSERTED), 1)?;
    let by = call.by();
    let queued = call.cx.queue_apc(thread, apc, by);
    if !queued {
        memory.write_u8(address.wrapping_add(kapc::INSERTED), 0)?;
    }
    Ok(Flow::Return(u32::from(queued)))
}

/// NtQueueApcThread (thread, routine, argument, argument, argument)
pub(super) fn NtQueueApcThread(call: &mut Call<'_, '_>) -> Reply {
    let arguments = [call.reg(2), call.reg(3), call.reg(4)];
    let target = call.resolve(call.reg(0))?;
    let thread = thread_of(&target.object)?;
    let apc = Apc { normal_routine: call.reg(1), arguments, ..Apc::default() };
    let by = call.by();
    if call.cx.queue_apc(thread, apc, by) { ok() } else { Err(Status::THREAD_IS_TERMINATING) }
}
