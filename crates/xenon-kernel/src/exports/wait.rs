//! Waits for one or several objects, by handle or by pointer.
#![allow(non_snake_case, reason = "guest calls keep their names")]

use std::sync::Arc;

use super::{Call, Reply};
use crate::context::{By, Context};
use crate::dispatch::Dispatch;
use crate::handle_table::Pinned;
use crate::object::Object;
use crate::state::State;
use crate::status::Status;
use crate::thread::Thread;
use crate::wait::{Ended, Finish, Wish};

/// The most objects that one wait can be for.
const MAXIMUM_WAIT_OBJECTS: u32 = 64;

/// NtWaitForSingleObjectEx (handle, mode, alertable, timeout*)
pub(super) fn NtWaitForSingleObjectEx(call: &mut Call<'_, '_>) -> Reply {
    let (handle, alertable, timeout) = (call.reg(0), call.reg(2) != 0, call.reg(3));
    let timeout = call.timeout(timeout)?;
    let target = call.resolve_to_wait(handle)?;
    call.wait(Wish { targets: vec![target], all: false, alertable, timeout, finish: Finish::Status })
}

/// KeWaitForSingleObject (object, reason, mode, alertable, timeout*)
pub(super) fn KeWaitForSingleObject(call: &mut Call<'_, '_>) -> Reply {
    let (address, alertable, timeout) = (call.reg(0), call.reg(3) != 0, call.reg(4));
    let timeout = call.timeout(timeout)?;
    let target = Pinned::unnamed(call.object_at(address)?);
    call.wait(Wish { targets: vec![target], all: false, alertable, timeout, finish: Finish::Status })
}

/// NtWaitForMultipleObjectsEx (count, handles*, type, mode, alertable, timeout*)
pub(super) fn NtWaitForMultipleObjectsEx(call: &mut Call<'_, '_>) -> Reply {
    let (count, handles, kind) = (call.reg(0), call.reg(1), call.reg(2));
    let (alertable, timeout) = (call.reg(4) != 0, call.reg(5));
    let wish = wish_for_several(call, (count, handles, kind), (alertable, timeout), |call, handle| {
        call.resolve_to_wait(handle)
    })?;
    if wish.all && names_one_twice(&wish.targets) {
        return Err(Status::INVALID_PARAMETER_MIX);
    }
    call.wait(wish)
}

/// KeWaitForMultipleObjects (count, objects*, type, reason, mode, alertable, timeout*, blocks)
pub(super) fn KeWaitForMultipleObjects(call: &mut Call<'_, '_>) -> Reply {
    let (count, objects, kind) = (call.reg(0), call.reg(1), call.reg(2));
    let (alertable, timeout) = (call.reg(5) != 0, call.reg(6));
    let wish = wish_for_several(call, (count, objects, kind), (alertable, timeout), |call, address| {
        Ok(Pinned::unnamed(call.object_at(address)?))
    })?;
    call.wait(wish)
}

/// Whether an object is among `targets` twice, by whatever names: NT refuses to wait for all of those.
fn names_one_twice(targets: &[Pinned]) -> bool {
    let mut ids: Vec<_> = targets.iter().map(|target| target.object.id).collect();
    ids.sort_unstable();
    ids.windows(2).any(|pair| pair[0] == pair[1])
}

/// The wait that the arguments ask for: how many, which and which type; alertable or not, and how long.
fn wish_for_several(
    call: &mut Call<'_, '_>,
    (count, array, kind): (u32, u32, u32),
    (alertable, timeout): (bool, u32),
    resolve: impl Fn(&mut Call<'_, '_>, u32) -> Result<Pinned, Status>,
) -> Result<Wish, Status> {
    if !(1..=MAXIMUM_WAIT_OBJECTS).contains(&count) {
        return Err(Status::INVALID_PARAMETER_1);
    }
    if kind > 1 {
        return Err(Status::INVALID_PARAMETER_3);
    }
    call.require(array, 4 * count)?;
    let timeout = call.timeout(timeout)?;
    let mut targets = Vec::with_capacity(count as usize);
    for index in 0..count {
        let name = call.memory().read_u32(array.wrapping_add(4 * index))?;
        targets.push(resolve(call, name)?);
    }
    Ok(Wish { targets, all: kind == 0, alertable, timeout, finish: Finish::Status })
}

/// NtSignalAndWaitForSingleObjectEx (signal, wait, alertable, mode, timeout*): one step, and neither half if either handle
/// is bad or the release is refused.
pub(super) fn NtSignalAndWaitForSingleObjectEx(call: &mut Call<'_, '_>) -> Reply {
    let (signal, wait, alertable, timeout) = (call.reg(0), call.reg(1), call.reg(2) != 0, call.reg(4));
    let timeout = call.timeout(timeout)?;
    let signalled = call.resolve_to_signal(signal)?;
    let target = call.resolve_to_wait(wait)?;
    let (by, thread) = (call.by(), call.thread);
    let (object, awaited) = (signalled.object.clone(), target.object.clone());
    let begun = call.cx.with_partners(&object, [awaited], |cx, locked| {
        cx.raise(locked.get(&object), &object, thread, by)?;
        cx.wake_eligible_waiters(locked, &object, by);
        let wish = Wish { targets: vec![target], all: false, alertable, timeout, finish: Finish::Status };
        Ok::<_, Status>(cx.begin_wait(locked, thread, by, wish))
    })?;
    Ok(begun.into())
}

impl Context<'_> {
    /// Signals an object whose lock is held, each type in its way.
    fn raise(
        &mut self,
        state: &mut State,
        object: &Arc<Object>,
        thread: &Thread,
        by: By<'_>,
    ) -> Result<(), Status> {
        match state.dispatch() {
            Dispatch::Event { .. } => self.raise_event(state, by).map(drop),
            Dispatch::Semaphore { .. } => self.raise_semaphore(state, 1, by).map(drop),
            Dispatch::Mutant { .. } => self.raise_mutant(state, object, thread, by),
            _ => Err(Status::OBJECT_TYPE_MISMATCH),
        }
    }

    /// Does what is left of a call whose wait has ended. Gives what it returns.
    pub(crate) fn finish_wait(&mut self, thread: &Thread, finish: Finish, ended: Ended) -> Status {
        let memory = &self.kernel.memory;
        match finish {
            Finish::Status => ended.status,
            Finish::Delay if ended.status == Status::TIMEOUT => Status::SUCCESS,
            Finish::Delay => ended.status,
            Finish::Section(address) => {
                let owned = super::critical_section::own(memory, address, thread);
                owned.map_or(Status::ACCESS_VIOLATION, |()| Status::SUCCESS)
            }
            Finish::Packet { key, context, io } if ended.status == Status::SUCCESS => {
                let packet = ended.packet;
                let results = [(key, packet.key), (context, packet.context), (io, packet.status)];
                let bytes = (io.wrapping_add(4), packet.bytes);
                // The call has checked these pointers, and memory is never taken back.
                for (address, value) in results.into_iter().chain([bytes]).filter(|(address, _)| *address > 4)
                {
                    let _ = memory.write_u32(address, value);
                }
                Status::SUCCESS
            }
            Finish::Packet { .. } => ended.status,
            Finish::EndOfPulse { event, lr, source } => {
                let by = By { thread: Some(thread), lr, source };
                let _ = self.reset_event(&event.object, by);
                Status::SUCCESS
            }
        }
    }
}
