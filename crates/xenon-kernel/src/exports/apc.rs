//! Asynchronous procedure calls: made and queued. `crate::apc` delivers them.
#![allow(non_snake_case, reason = "guest calls keep their names")]

use super::thread::thread_of;
use super::{Call, Flow, Reply, ok};
use crate::apc::{Apc, kapc, mark_inserted};
use crate::status::Status;

/// KeInitializeApc (apc, thread, kernel routine, rundown routine, normal routine, mode, context)
pub(super) fn KeInitializeApc(call: &mut Call<'_, '_>) -> Reply {
    let (apc, normal_routine) = (call.reg(0), call.reg(4));
    call.require(apc, kapc::SIZE)?;
    let memory = call.memory();
    memory.write_bytes(apc, &[0; kapc::SIZE as usize])?;
    // Without a normal routine it is a kernel APC, whatever the mode.
    let (mode, context) = if normal_routine == 0 { (0, 0) } else { (call.reg(5) as u8, call.reg(6)) };
    memory.write_u8(apc.wrapping_add(kapc::TYPE), kapc::TYPE_APC)?;
    memory.write_u8(apc.wrapping_add(kapc::MODE), mode)?;
    let fields = [
        (kapc::THREAD, call.reg(1)),
        (kapc::KERNEL_ROUTINE, call.reg(2)),
        (kapc::RUNDOWN_ROUTINE, call.reg(3)),
        (kapc::NORMAL_ROUTINE, normal_routine),
        (kapc::NORMAL_CONTEXT, context),
    ];
    for (offset, value) in fields {
        memory.write_u32(apc.wrapping_add(offset), value)?;
    }
    ok()
}

/// KeInsertQueueApc (apc, argument, argument, priority); returns whether it was queued.
pub(super) fn KeInsertQueueApc(call: &mut Call<'_, '_>) -> Reply {
    let queued = insert(call);
    Ok(Flow::Return(u32::from(queued.unwrap_or(false))))
}

fn insert(call: &mut Call<'_, '_>) -> Result<bool, Status> {
    let (address, first, second) = (call.reg(0), call.reg(1), call.reg(2));
    call.require(address, kapc::SIZE)?;
    let memory = call.memory();
    let field = |offset: u32| memory.read_u32(address.wrapping_add(offset));
    let apc = Apc {
        kernel: memory.read_u8(address.wrapping_add(kapc::MODE))? == 0,
        object: address,
        kernel_routine: field(kapc::KERNEL_ROUTINE)?,
        normal_routine: field(kapc::NORMAL_ROUTINE)?,
        arguments: [field(kapc::NORMAL_CONTEXT)?, first, second],
        timer: 0,
    };
    let target = call.object_at(field(kapc::THREAD)?)?;
    let thread = thread_of(&target)?;
    // Of several threads that insert it at once, one does.
    if mark_inserted(memory, address, true)? {
        return Ok(false);
    }
    memory.write_u32(address.wrapping_add(kapc::ARGUMENT_1), first)?;
    memory.write_u32(address.wrapping_add(kapc::ARGUMENT_2), second)?;
    let by = call.by();
    let queued = call.cx.queue_apc(thread, apc, by).is_ok();
    if !queued {
        mark_inserted(memory, address, false)?;
    }
    Ok(queued)
}

/// NtQueueApcThread (thread, routine, argument, argument, argument)
pub(super) fn NtQueueApcThread(call: &mut Call<'_, '_>) -> Reply {
    let arguments = [call.reg(2), call.reg(3), call.reg(4)];
    let target = call.resolve(call.reg(0))?;
    let thread = thread_of(&target.object)?;
    let apc = Apc { normal_routine: call.reg(1), arguments, ..Apc::default() };
    let by = call.by();
    call.cx.queue_apc(thread, apc, by)?;
    ok()
}
