//! Semaphores: a count, a limit, one unit for each wait.
#![allow(non_snake_case, reason = "guest calls keep their names")]

use std::sync::Arc;

use handle_audit::{HandleKind, aux};

use super::{Call, Flow, Reply, ok};
use crate::context::{By, Context};
use crate::dispatch::Dispatch;
use crate::fault::FaultKind;
use crate::object::{Blueprint, Object};
use crate::state::State;
use crate::status::Status;

/// NtCreateSemaphore (handle*, attributes, count, limit)
pub(super) fn NtCreateSemaphore(call: &mut Call<'_, '_>) -> Reply {
    let (out, count, limit) = (call.reg(0), call.reg(2) as i32, call.reg(3) as i32);
    let (dispatch, aux) = semaphore(count, limit)?;
    call.create(out, Blueprint::new(HandleKind::SEMAPHORE, dispatch), aux)
}

/// KeInitializeSemaphore (semaphore, count, limit)
pub(super) fn KeInitializeSemaphore(call: &mut Call<'_, '_>) -> Reply {
    let (address, count, limit) = (call.reg(0), call.reg(1) as i32, call.reg(2) as i32);
    let (dispatch, aux) = semaphore(count, limit)?;
    call.initialise(address, HandleKind::SEMAPHORE, dispatch, 20, aux)
}

fn semaphore(count: i32, limit: i32) -> Result<(Dispatch, u64), Status> {
    if limit <= 0 || !(0..=limit).contains(&count) {
        return Err(Status::INVALID_PARAMETER);
    }
    Ok((Dispatch::Semaphore { count, limit }, aux::semaphore(count as u32, limit as u32)))
}

/// NtReleaseSemaphore (handle, count, previous*)
pub(super) fn NtReleaseSemaphore(call: &mut Call<'_, '_>) -> Reply {
    let (handle, amount, out) = (call.reg(0), call.reg(1) as i32, call.reg(2));
    call.probe(out, 4)?;
    let semaphore = call.resolve_to_signal(handle)?;
    let by = call.by();
    let previous = call.cx.release_semaphore(&semaphore.object, amount, by)?;
    call.store(out, previous)?;
    ok()
}

/// KeReleaseSemaphore (semaphore, increment, adjustment, wait)
pub(super) fn KeReleaseSemaphore(call: &mut Call<'_, '_>) -> Reply {
    let (address, amount) = (call.reg(0), call.reg(2) as i32);
    let semaphore = call.object_to_signal(address)?;
    let by = call.by();
    Ok(Flow::Return(call.cx.release_semaphore(&semaphore, amount, by)?))
}

impl Context<'_> {
    fn release_semaphore(&mut self, object: &Arc<Object>, amount: i32, by: By<'_>) -> Result<u32, Status> {
        self.change(object, by, |cx, state| cx.raise_semaphore(state, amount, by))
    }

    /// Releases a semaphore whose lock is held. Gives the previous count. A refused release changes nothing.
    pub(super) fn raise_semaphore(
        &mut self,
        state: &mut State,
        amount: i32,
        by: By<'_>,
    ) -> Result<u32, Status> {
        let Dispatch::Semaphore { count, limit } = *state.dispatch() else {
            return Err(Status::OBJECT_TYPE_MISMATCH);
        };
        if amount <= 0 {
            return Err(Status::INVALID_PARAMETER);
        }
        let raised = match count.checked_add(amount).filter(|raised| *raised <= limit) {
            Some(raised) => raised,
            None if self.kernel.faults.strikes(FaultKind::SemaphoreOverflow) => limit,
            None => return Err(Status::SEMAPHORE_LIMIT_EXCEEDED),
        };
        self.signal(state, by, count as u32, amount as u32);
        if raised != count && !self.kernel.faults.strikes(FaultKind::DropSignal) {
            state.raise_count(raised);
            self.progress();
        }
        Ok(count as u32)
    }
}
