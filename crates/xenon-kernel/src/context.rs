//! What each host thread carries: its recorder and its counters. Every record of the kernel is made here.

use std::sync::atomic::Ordering::Relaxed;

use handle_audit::aux::{ApcAux, ThreadAux, ThreadEvent, TimerAux};
use handle_audit::{Frame, HandleAudit, HandleAuditEntry, HandleKind, Label, Operation, Recorder, aux};

use crate::follower::Follower;
use crate::kernel::{Counters, Kernel, bump};
use crate::object::Object;
use crate::state::State;
use crate::status::Status;
use crate::thread::Thread;

/// Records of one ring between two drainings: a small part of any ring that is meant to lose nothing.
const PUMP_INTERVAL: u64 = 1024;

/// One host thread of a run: a hardware thread, the I/O worker, or the timers and the host.
#[derive(Debug)]
pub(crate) struct Context<'k> {
    pub(crate) kernel: &'k Kernel,
    pub(crate) ring: usize,
    recorder: Option<Recorder>,
    /// What the cycles of its records are read from.
    follower: Follower,
    /// The audit that this thread drains itself, in a deterministic run, and the events counted when it last did.
    pump: Option<(&'k HandleAudit, u64)>,
    pub(crate) counters: &'k Counters,
}

/// On whose behalf something happens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct By<'a> {
    /// The guest thread; none for timers, I/O and the host.
    pub(crate) thread: Option<&'a Thread>,
    /// One instruction past its call.
    pub(crate) lr: u32,
    /// The export or kernel routine.
    pub(crate) source: Label,
}

impl<'a> By<'a> {
    /// The host itself.
    pub(crate) fn host(source: Label) -> Self {
        Self { thread: None, lr: 0, source }
    }
}

impl<'k> Context<'k> {
    pub(crate) fn new(kernel: &'k Kernel, ring: usize, recorder: Option<Recorder>) -> Self {
        let follower = Follower::new(kernel.clock.counter());
        Self { kernel, ring, recorder, follower, pump: None, counters: &kernel.counters[ring] }
    }

    /// The same, with the audit to drain.
    pub(crate) fn with_pump(self, audit: Option<&'k HandleAudit>) -> Self {
        Self { pump: audit.map(|audit| (audit, 0)), ..self }
    }

    /// Drains the audit before this ring can fill up, in a deterministic run.
    #[inline]
    pub(crate) fn pump_if_due(&mut self) {
        let Some((audit, pumped_at)) = &mut self.pump else { return };
        let events = self.counters.events.load(Relaxed);
        if events - *pumped_at >= PUMP_INTERVAL {
            *pumped_at = events;
            // A drain that died has said why; the run goes on without its reports.
            let _ = audit.pump();
        }
    }

    /// Before `object` is locked: there is likely to be a record on it, and the lock is held for less time if what that
    /// record needs is under way.
    #[inline]
    pub(crate) fn expect_record(&self, object: &Object) {
        if let Some(recorder) = &self.recorder {
            recorder.expect(object.first_name);
        }
    }

    /// Lets go of its recorder, for another host thread.
    pub(crate) fn into_recorder(self) -> Option<Recorder> {
        self.recorder
    }

    /// Something happened that a run which hangs does not do.
    #[inline]
    pub(crate) fn progress(&self) {
        if self.kernel.config.watchdog.is_some() {
            self.counters.progress.store(self.kernel.clock.now(), Relaxed);
        }
    }

    /// The recorder and the entry, if records are taken now. Counted whether or not they are.
    #[inline]
    fn entry(&mut self, by: By<'_>, aux: u64) -> Option<(&mut Recorder, HandleAuditEntry)> {
        bump(&self.counters.events, 1);
        let recorder = self.recorder.as_mut().filter(|recorder| recorder.is_enabled())?;
        let now = self.follower.now(&self.kernel.clock);
        let (cycle, tid) = by.thread.map_or((now, 0), |thread| (thread.next_cycle(now), thread.tid));
        Some((recorder, HandleAuditEntry { cycle, tid, lr: by.lr, source: by.source, aux }))
    }

    /// Whether this export is one that the configuration makes forget its records.
    #[inline]
    fn is_left_out(&self, by: By<'_>) -> bool {
        let left_out = &self.kernel.left_out;
        !left_out.is_empty() && left_out.contains(&by.source)
    }

    /// Records `operation` on an object whose lock is held, under the name `name`.
    #[inline]
    pub(crate) fn record_as(&mut self, operation: Operation, state: &State, name: u32, by: By<'_>, aux: u64) {
        if let Some(ledger) = state.ledger()
            && !self.is_left_out(by)
        {
            ledger.recorded(operation, aux);
        }
        self.record_unlocked(operation, name, by, aux);
    }

    #[inline]
    fn record(&mut self, operation: Operation, state: &State, by: By<'_>, aux: u64) {
        self.record_as(operation, state, state.name(), by, aux);
    }

    /// Records `operation` on a name that stands for itself: no lock is held, or there is no object.
    #[inline]
    pub(crate) fn record_unlocked(&mut self, operation: Operation, name: u32, by: By<'_>, aux: u64) {
        if self.kernel.config.basic_operations && !operation.is_basic() || self.is_left_out(by) {
            return;
        }
        if let Some((recorder, entry)) = self.entry(by, aux) {
            // The kind only matters to a create, and those have a way of their own.
            recorder.record_any(operation, name, HandleKind::EVENT_MANUAL, entry);
        }
    }

    /// A create: a new generation of the object's name. `stack` is asked for if the name is in focus.
    pub(crate) fn created(
        &mut self,
        state: &State,
        kind: HandleKind,
        by: By<'_>,
        aux: u64,
        stack: impl FnOnce() -> Vec<Frame>,
    ) {
        self.progress();
        if self.is_left_out(by) {
            return;
        }
        if let Some(ledger) = state.ledger() {
            ledger.recorded(Operation::Create, aux);
        }
        let name = state.name();
        let Some((recorder, entry)) = self.entry(by, aux) else { return };
        if recorder.in_focus(name) {
            recorder.record_create_with_stack(name, kind, entry, &stack());
        } else {
            recorder.record_create(name, kind, entry);
        }
    }

    /// A signal, before a waiter can see it.
    pub(crate) fn signal(&mut self, state: &State, by: By<'_>, previous: u32, amount: u32) {
        self.record(Operation::Signal, state, by, aux::signal(previous, amount));
    }

    /// A signal to what names nothing.
    pub(crate) fn ghost_signal(&mut self, name: u32, by: By<'_>) {
        self.record_unlocked(Operation::GhostSignal, name, by, aux::signal(0, 1));
    }

    pub(crate) fn reset(&mut self, state: &State, by: By<'_>, previous: u32) {
        self.record(Operation::Reset, state, by, u64::from(previous));
    }

    pub(crate) fn pulse(&mut self, state: &State, by: By<'_>, previous: u32) {
        self.record(Operation::Pulse, state, by, u64::from(previous));
    }

    pub(crate) fn wait(&mut self, state: &State, by: By<'_>, aux: u64) {
        self.record(Operation::Wait, state, by, aux);
    }

    /// The end of a wait that was not parked.
    pub(crate) fn satisfied(&mut self, state: &State, by: By<'_>, status: Status) {
        self.note_end(status);
        self.record(Operation::Satisfied, state, by, u64::from(status.0));
    }

    /// The end of a parked wait, on the name that its beginning was recorded on.
    pub(crate) fn wake(&mut self, state: &State, name: u32, by: By<'_>, status: Status) {
        self.note_end(status);
        self.record_as(Operation::Wake, state, name, by, u64::from(status.0));
    }

    /// A call that waits or ends a wait on a name, and no lock is needed for it.
    pub(crate) fn note_end(&mut self, status: Status) {
        if status != Status::TIMEOUT {
            self.progress();
        }
    }

    /// A handle was closed; it need not be the primary name.
    pub(crate) fn closed(&mut self, state: &State, handle: u32, by: By<'_>) {
        self.record_as(Operation::Close, state, handle, by, state.waiters().len() as u64);
    }

    /// `name`, the primary name or what was it, got the other name `other`.
    pub(crate) fn alias(&mut self, state: &State, name: u32, by: By<'_>, other: u32) {
        self.record_as(Operation::Alias, state, name, by, u64::from(other));
    }

    pub(crate) fn promise(&mut self, state: &State, by: By<'_>, call_id: u32) {
        self.record(Operation::Promise, state, by, u64::from(call_id));
    }

    pub(crate) fn stub(&mut self, state: &State, by: By<'_>, returned: Status) {
        self.record(Operation::Stub, state, by, u64::from(returned.0));
    }

    pub(crate) fn thread_event(&mut self, state: &State, by: By<'_>, event: ThreadEvent, count: u32) {
        self.record(Operation::Thread, state, by, ThreadAux { event, count }.encode());
    }

    pub(crate) fn timer_event(&mut self, state: &State, by: By<'_>, timer: TimerAux) {
        self.record(Operation::Timer, state, by, timer.encode());
    }

    pub(crate) fn apc_event(&mut self, state: &State, by: By<'_>, apc: ApcAux) {
        self.record(Operation::Apc, state, by, apc.encode());
    }
}
