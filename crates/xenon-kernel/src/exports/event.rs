//! Events: set, pulsed, cleared; one waiter and consumed, or all and kept.
#![allow(non_snake_case, reason = "guest calls keep their names")]

use std::sync::Arc;

use handle_audit::{Operation, aux};

use super::{Call, Flow, Reply, ok};
use crate::clock::Timeout;
use crate::context::{By, Context};
use crate::dispatch::{Dispatch, event_kind};
use crate::fault::FaultKind;
use crate::handle_table::Pinned;
use crate::object::{Blueprint, Object};
use crate::state::State;
use crate::status::Status;
use crate::wait::{Finish, Wish};

/// Cycles between the set and the reset of the fault `pulse-gap`: 1 ms.
const PULSE_GAP: u64 = 50_000;

/// Names no event: its lock is to be taken in any case.
const NOT_BY_NAME: u32 = 0;

/// NtCreateEvent (handle*, attributes, type, initial state)
pub(super) fn NtCreateEvent(call: &mut Call<'_, '_>) -> Reply {
    let (out, kind, initial) = (call.reg(0), call.reg(2), call.reg(3));
    let manual = is_manual(kind)?;
    let set = initial != 0;
    call.create(out, Blueprint::new(event_kind(manual), Dispatch::event(manual, set)), u64::from(set))
}

/// KeInitializeEvent (event, type, state)
pub(super) fn KeInitializeEvent(call: &mut Call<'_, '_>) -> Reply {
    let (event, kind, initial) = (call.reg(0), call.reg(1), call.reg(2));
    let manual = is_manual(kind)?;
    let set = initial != 0;
    call.initialise(event, event_kind(manual), Dispatch::event(manual, set), 16, u64::from(set))
}

fn is_manual(kind: u32) -> Result<bool, Status> {
    match kind {
        0 => Ok(true),
        1 => Ok(false),
        _ => Err(Status::INVALID_PARAMETER),
    }
}

/// NtSetEvent (handle, previous*)
pub(super) fn NtSetEvent(call: &mut Call<'_, '_>) -> Reply {
    let (handle, out) = (call.reg(0), call.reg(1));
    call.probe(out, 4)?;
    let event = call.resolve_to_signal(handle)?;
    let by = call.by();
    let previous = call.cx.set_event(&event.object, handle, by)?;
    call.store(out, previous)?;
    ok()
}

/// KeSetEvent (event, increment, wait)
pub(super) fn KeSetEvent(call: &mut Call<'_, '_>) -> Reply {
    let address = call.reg(0);
    let event = call.object_to_signal(address)?;
    let by = call.by();
    let cleared_by_hand = call.memory().read_u32(address.wrapping_add(4))? == 0;
    let name = if cleared_by_hand { NOT_BY_NAME } else { address };
    Ok(Flow::Return(call.cx.set_event(&event, name, by)?))
}

/// NtPulseEvent (handle, previous*)
pub(super) fn NtPulseEvent(call: &mut Call<'_, '_>) -> Reply {
    let (handle, out) = (call.reg(0), call.reg(1));
    call.probe(out, 4)?;
    let event = call.resolve_to_signal(handle)?;
    pulse(call, event, out, false)
}

/// KePulseEvent (event, increment, wait)
pub(super) fn KePulseEvent(call: &mut Call<'_, '_>) -> Reply {
    let address = call.reg(0);
    let event = call.object_to_signal(address)?;
    pulse(call, Pinned::unnamed(event), 0, true)
}

fn pulse(call: &mut Call<'_, '_>, event: Pinned, out: u32, returns_previous: bool) -> Reply {
    let by = call.by();
    if call.cx.kernel.faults.strikes(FaultKind::PulseGap) {
        let previous = call.cx.set_event(&event.object, NOT_BY_NAME, by)?;
        call.store(out, previous)?;
        let timeout = Timeout::At(call.cx.kernel.clock.now() + PULSE_GAP);
        let finish = Finish::EndOfPulse { event, lr: by.lr, source: by.source };
        return call.wait(Wish { targets: Vec::new(), all: false, alertable: false, timeout, finish });
    }
    let previous = call.cx.pulse_event(&event.object, by)?;
    call.store(out, previous)?;
    Ok(Flow::Return(if returns_previous { previous } else { 0 }))
}

/// NtClearEvent (handle)
pub(super) fn NtClearEvent(call: &mut Call<'_, '_>) -> Reply {
    let event = call.resolve(call.reg(0))?;
    let by = call.by();
    call.cx.reset_event(&event.object, by)?;
    ok()
}

/// KeResetEvent (event)
pub(super) fn KeResetEvent(call: &mut Call<'_, '_>) -> Reply {
    let event = call.object_at(call.reg(0))?;
    let by = call.by();
    Ok(Flow::Return(call.cx.reset_event(&event, by)?))
}

impl Context<'_> {
    /// Sets an event, which the call knows as `name`, unless that is [`NOT_BY_NAME`]. Gives the previous state.
    fn set_event(&mut self, event: &Arc<Object>, name: u32, by: By<'_>) -> Result<u32, Status> {
        if name != NOT_BY_NAME && event.is_set_as(name) && self.set_in_passing(event, name, by) {
            return Ok(1);
        }
        self.change(event, by, |cx, state| cx.raise_event(state, by))
    }

    /// Sets an event that is set: nothing changes and nobody can be waiting, so no lock is needed. `name` is held back, so
    /// the record lands in the right generation.
    fn set_in_passing(&mut self, event: &Object, name: u32, by: By<'_>) -> bool {
        let kernel = self.kernel;
        let passer = &kernel.passers[self.ring];
        passer.pass(
            event.id,
            || event.is_set_as(name),
            || self.record_unlocked(Operation::Signal, name, by, aux::signal(1, 1)),
        )
    }

    /// Sets an event whose lock is held.
    pub(super) fn raise_event(&mut self, state: &mut State, by: By<'_>) -> Result<u32, Status> {
        let Dispatch::Event { set, .. } = *state.dispatch() else { return Err(Status::OBJECT_TYPE_MISMATCH) };
        self.signal(state, by, u32::from(set), 1);
        if !set && !self.kernel.faults.strikes(FaultKind::DropSignal) {
            state.raise_flag();
            self.progress();
        }
        Ok(u32::from(set))
    }

    /// Lets go whoever waits now, and leaves the event clear.
    fn pulse_event(&mut self, event: &Arc<Object>, by: By<'_>) -> Result<u32, Status> {
        self.with_partners(event, [], |cx, locked| {
            let state = locked.get(event);
            let Dispatch::Event { set, .. } = *state.dispatch() else {
                return Err(Status::OBJECT_TYPE_MISMATCH);
            };
            event.bar_passers(&cx.kernel.passers);
            cx.pulse(state, by, u32::from(set));
            if !cx.kernel.faults.strikes(FaultKind::DropSignal) {
                state.begin_pulse();
                cx.wake_eligible_waiters(locked, event, by);
                locked.get(event).end_pulse();
            }
            Ok(u32::from(set))
        })
    }

    /// Clears an event. Gives the previous state.
    pub(crate) fn reset_event(&mut self, event: &Arc<Object>, by: By<'_>) -> Result<u32, Status> {
        self.with_state(event, |cx, state| {
            let Dispatch::Event { set, .. } = *state.dispatch() else {
                return Err(Status::OBJECT_TYPE_MISMATCH);
            };
            event.bar_passers(&cx.kernel.passers);
            cx.reset(state, by, u32::from(set));
            state.clear_flag();
            Ok(u32::from(set))
        })
    }
}
