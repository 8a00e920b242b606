//! Timers: armed with a due time and a period, fired by the timer thread.
#![allow(non_snake_case, reason = "guest calls keep their names")]

use std::sync::Arc;

use handle_audit::aux::{TimerAux, TimerEvent};
use handle_audit::label;

use super::{Call, Reply, ok};
use crate::apc::Apc;
use crate::clock::{CYCLES_PER_SECOND, due_cycle};
use crate::context::{By, Context};
use crate::dispatch::{Armed, Dispatch, TimerApc, timer_kind};
use crate::fault::FaultKind;
use crate::object::{Blueprint, Object};
use crate::state::State;
use crate::status::Status;
use crate::timeline::{Due, Key};

/// NtCreateTimer (handle*, attributes, type)
pub(super) fn NtCreateTimer(call: &mut Call<'_, '_>) -> Reply {
    let (out, kind) = (call.reg(0), call.reg(2));
    if kind > 1 {
        return Err(Status::INVALID_PARAMETER);
    }
    let manual = kind == 0;
    let dispatch = Dispatch::Timer { manual, set: false, armed: None };
    call.create(out, Blueprint::new(timer_kind(manual), dispatch), 0)
}

/// NtSetTimerEx (handle, due*, routine, mode, context, resume, period in ms, 0)
pub(super) fn NtSetTimerEx(call: &mut Call<'_, '_>) -> Reply {
    let (handle, due, routine, mode) = (call.reg(0), call.reg(1), call.reg(2), call.reg(3));
    let (context, period) = (call.reg(4), u64::from(call.reg(6)));
    call.require(due, 8)?;
    let ticks = call.memory().read_u64(due)? as i64;
    let timer = call.resolve(handle)?;
    let kernel = call.cx.kernel;
    let now = kernel.clock.now();
    let apc = TimerApc { tid: call.thread.tid, routine, context, kernel: mode == 0 };
    let order = Order {
        // A time that is past is now: a period counts from here on.
        due: due_cycle(ticks, now).max(now),
        period: (period > 0).then(|| period * (CYCLES_PER_SECOND / 1000)),
        apc: (routine != 0).then_some(apc),
    };
    let by = call.by();
    let fired = call.cx.change(&timer.object, by, |cx, state| {
        let key = cx.arm(state, &timer.object, order, by)?;
        Ok::<_, Status>(if order.due <= now { cx.fire(state, &timer.object, key) } else { None })
    })?;
    call.cx.queue_timer_apc(&timer.object, fired);
    // If the last handle was closed meanwhile, nothing else would ever disarm it.
    call.cx.retire_if_unnamed(&timer.object, by);
    ok()
}

/// NtCancelTimer (handle, previous state*)
pub(super) fn NtCancelTimer(call: &mut Call<'_, '_>) -> Reply {
    let (handle, out) = (call.reg(0), call.reg(1));
    call.probe(out, 4)?;
    let timer = call.resolve(handle)?;
    let by = call.by();
    let was_set = call.cx.with_state(&timer.object, |cx, state| {
        let Dispatch::Timer { set, .. } = *state.dispatch() else { return Err(Status::OBJECT_TYPE_MISMATCH) };
        cx.disarm(state, by);
        Ok(set)
    })?;
    call.store(out, u32::from(was_set))?;
    ok()
}

/// What a timer is set to.
#[derive(Clone, Copy, Debug)]
struct Order {
    due: u64,
    period: Option<u64>,
    apc: Option<TimerApc>,
}

impl Context<'_> {
    /// Arms a timer whose lock is held. Gives its place in the timeline.
    fn arm(
        &mut self,
        state: &mut State,
        timer: &Arc<Object>,
        order: Order,
        by: By<'_>,
    ) -> Result<Key, Status> {
        let Dispatch::Timer { set, .. } = *state.dispatch() else {
            return Err(Status::OBJECT_TYPE_MISMATCH);
        };
        let key = self.kernel.timeline.insert(order.due, Due::Fire(timer.clone()));
        if let Some(before) = state.set_armed(Some(Armed { key, period: order.period, apc: order.apc })) {
            self.kernel.timeline.remove(before.key);
        }
        if set {
            self.reset(state, by, 1);
            state.clear_flag();
        }
        let (event, periodic) = (TimerEvent::Armed, order.period.is_some());
        self.timer_event(state, by, TimerAux { event, periodic, due: order.due });
        Ok(key)
    }

    /// Disarms a timer whose lock is held, if it is armed.
    pub(crate) fn disarm(&mut self, state: &mut State, by: By<'_>) {
        let Some(before) = state.set_armed(None) else { return };
        self.kernel.timeline.remove(before.key);
        let (event, periodic) = (TimerEvent::Cancelled, before.period.is_some());
        self.timer_event(state, by, TimerAux { event, periodic, due: before.key.0 });
    }

    /// A timer's due time has come, unless it was set anew or cancelled meanwhile.
    pub(crate) fn fire_timer(&mut self, timer: &Arc<Object>, key: Key) {
        let by = By::host(label!("KiTimerExpiration"));
        let fired = self.change(timer, by, |cx, state| cx.fire(state, timer, key));
        self.queue_timer_apc(timer, fired);
    }

    /// Fires a timer whose lock is held, if it is armed as `key`, and arms it again if it is periodic. Gives the APC that
    /// is to be queued.
    fn fire(&mut self, state: &mut State, timer: &Arc<Object>, key: Key) -> Option<TimerApc> {
        let Dispatch::Timer { set: was_set, armed, .. } = *state.dispatch() else { return None };
        let fired = armed.filter(|armed| armed.key == key)?;
        if self.kernel.faults.strikes(FaultKind::TimerNever) {
            return None;
        }
        self.kernel.timeline.remove(key);
        let again =
            fired.period.filter(|_| !self.kernel.faults.strikes(FaultKind::TimerOnce)).map(|period| {
                // Ticks that were missed are left out, so that a late timer does not fire in a burst.
                let late = self.kernel.clock.now().saturating_sub(key.0);
                let due = key.0 + period * (late / period + 1);
                Armed { key: self.kernel.timeline.insert(due, Due::Fire(timer.clone())), ..fired }
            });
        state.set_armed(again);
        let by = By::host(label!("KiTimerExpiration"));
        let (event, periodic) = (TimerEvent::Fired, fired.period.is_some());
        self.timer_event(state, by, TimerAux { event, periodic, due: key.0 });
        self.signal(state, by, u32::from(was_set), 1);
        state.raise_flag();
        if !was_set {
            self.progress();
        }
        fired.apc
    }

    fn queue_timer_apc(&mut self, timer: &Object, apc: Option<TimerApc>) {
        let Some(apc) = apc else { return };
        let Some(thread) = self.kernel.registry.live(apc.tid) else { return };
        let now = self.kernel.clock.now();
        let arguments = [apc.context, now as u32, (now >> 32) as u32];
        let (kernel, normal_routine) = (apc.kernel, apc.routine);
        let apc = Apc { kernel, normal_routine, arguments, timer: timer.id, ..Apc::default() };
        // Refused as long as the one before is in the queue: a timer has one APC.
        let _ = self.queue_apc(&thread, apc, By::host(label!("KiTimerExpiration")));
    }

    /// Deals with an entry of the timeline that is due.
    pub(crate) fn deal_with(&mut self, key: Key, due: Due) {
        match due {
            Due::Expire(block) => {
                self.end_wait(&block, Status::TIMEOUT, label!("KiTimerExpiration"));
            }
            Due::Fire(timer) => self.fire_timer(&timer, key),
            Due::Complete(request) => self.serve(*request),
        }
    }
}
