//! What each fault leaves on record, so that a person or the diagnosis can see why.

use std::collections::BTreeMap;

use handle_audit::aux::{
    ApcAux, ThreadAux, ThreadEvent, TimerAux, TimerEvent, WaitAux, signal_amount, signal_previous,
};
use handle_audit::{HandleAuditTrail, HandleKind, Operation, Snapshot, TrailEntry};
use xenon_kernel::FaultKind;

use Operation::{Apc, Promise, Reset, Satisfied, Signal, Stub, Thread, Timer, Wait, Wake};

/// Whether the trails show what `kind` did.
pub(crate) fn shows(kind: FaultKind, snapshot: &Snapshot) -> bool {
    let test = match kind {
        FaultKind::Stub => has_stub,
        FaultKind::IoNoEvent => promise_unkept,
        FaultKind::IoEarly => kept_at_once,
        FaultKind::ResumeLost => resumed_to_no_avail,
        FaultKind::WakeLost => signalled_not_woken,
        FaultKind::PulseGap => set_and_reset_by_pulse,
        FaultKind::AutoAsManual => more_taken_than_given,
        FaultKind::ManualAsAuto => manual_event_consumed,
        FaultKind::SemaphoreOverflow => released_over_the_limit,
        FaultKind::TimerNever => armed_not_fired,
        FaultKind::TimerOnce => periodic_and_silent,
        FaultKind::ApcLost => apc_not_delivered,
        FaultKind::ExitNoSignal => exited_not_signalled,
        FaultKind::MutantWrongOwner => acquired_never_released,
        FaultKind::StaleHandle => reissued_in_use,
        FaultKind::WaitAllPartial => ended_without_signal,
        FaultKind::DropSignal => signal_without_effect,
    };
    snapshot.trails.iter().any(test)
}

fn has(trail: &HandleAuditTrail, operation: Operation) -> bool {
    trail.totals.get(operation) > 0
}

fn entries(trail: &HandleAuditTrail, operation: Operation) -> Vec<TrailEntry> {
    trail.sequence().into_iter().filter(|entry| entry.operation == operation).collect()
}

fn last_seq(trail: &HandleAuditTrail, operation: Operation) -> Option<u64> {
    entries(trail, operation).last().map(|entry| entry.seq)
}

fn has_stub(trail: &HandleAuditTrail) -> bool {
    has(trail, Stub)
}

fn promise_unkept(trail: &HandleAuditTrail) -> bool {
    has(trail, Promise) && !has(trail, Signal) && !trail.open_waits.is_empty()
}

/// The signal came before the thread that asked for it could do anything else.
fn kept_at_once(trail: &HandleAuditTrail) -> bool {
    let sequence = trail.sequence();
    let at_once = |pair: &[TrailEntry]| {
        pair[1].seq == pair[0].seq + 1 && (pair[0].operation, pair[1].operation) == (Promise, Signal)
    };
    has(trail, Wait) && sequence.windows(2).any(at_once)
}

/// A resume that left the count where it was.
fn resumed_to_no_avail(trail: &HandleAuditTrail) -> bool {
    let events: Vec<_> =
        entries(trail, Thread).iter().map(|entry| ThreadAux::decode(entry.entry.aux)).collect();
    let resumed = |thread: &ThreadAux| thread.event == ThreadEvent::Resumed && thread.count > 0;
    let suspended =
        |thread: &ThreadAux| matches!(thread.event, ThreadEvent::Suspended | ThreadEvent::Resumed);
    let lost =
        |pair: &[ThreadAux]| suspended(&pair[0]) && resumed(&pair[1]) && pair[0].count == pair[1].count;
    events.windows(2).any(lost) && !trail.open_waits.is_empty()
}

fn signalled_not_woken(trail: &HandleAuditTrail) -> bool {
    let signalled = last_seq(trail, Signal);
    trail.open_waits.iter().any(|wait| signalled > Some(wait.seq)) && last_seq(trail, Wake) < signalled
}

/// A pulse signals nothing by itself.
fn set_and_reset_by_pulse(trail: &HandleAuditTrail) -> bool {
    let by_pulse = |entry: &TrailEntry| entry.entry.source.as_str().ends_with("PulseEvent");
    entries(trail, Signal).iter().any(by_pulse) && has(trail, Reset)
}

/// An auto event that was clear ended a wait.
fn more_taken_than_given(trail: &HandleAuditTrail) -> bool {
    // Whether it is set, as far as the entries that are held say so.
    let mut set = Some(trail.created.entry.aux == 1);
    let (mut taken_clear, mut next) = (false, 1);
    for entry in trail.sequence() {
        if entry.seq != next {
            set = None;
        }
        next = entry.seq + 1;
        match entry.operation {
            Signal => set = Some(true),
            Reset => set = Some(false),
            // In a wait for any, the status says which object was taken; only plain waits are looked at.
            Satisfied | Wake if entry.entry.aux == 0 => taken_clear |= set.replace(false) == Some(false),
            _ => {}
        }
    }
    trail.kind == HandleKind::EVENT_AUTO && taken_clear && !has(trail, Operation::Pulse)
}

/// Set, not reset since, and somebody waits all the same.
fn manual_event_consumed(trail: &HandleAuditTrail) -> bool {
    trail.kind == HandleKind::EVENT_MANUAL
        && last_seq(trail, Reset) < last_seq(trail, Signal)
        && !trail.open_waits.is_empty()
}

fn released_over_the_limit(trail: &HandleAuditTrail) -> bool {
    let limit = trail.created.entry.aux >> 32;
    let over = |entry: &TrailEntry| {
        u64::from(signal_previous(entry.entry.aux)) + u64::from(signal_amount(entry.entry.aux)) > limit
    };
    trail.kind == HandleKind::SEMAPHORE && entries(trail, Signal).iter().any(over)
}

fn timers(trail: &HandleAuditTrail) -> Vec<TimerAux> {
    entries(trail, Timer).iter().map(|entry| TimerAux::decode(entry.entry.aux)).collect()
}

fn armed_not_fired(trail: &HandleAuditTrail) -> bool {
    let timers = timers(trail);
    timers.iter().any(|timer| timer.event == TimerEvent::Armed)
        && timers.iter().all(|timer| timer.event != TimerEvent::Fired)
        && !trail.open_waits.is_empty()
}

fn periodic_and_silent(trail: &HandleAuditTrail) -> bool {
    let fired = |timer: &&TimerAux| timer.periodic && timer.event == TimerEvent::Fired;
    timers(trail).iter().filter(fired).count() == 1 && !trail.open_waits.is_empty()
}

fn apc_not_delivered(trail: &HandleAuditTrail) -> bool {
    let apcs: Vec<_> = entries(trail, Apc).iter().map(|entry| ApcAux::decode(entry.entry.aux)).collect();
    let delivered = apcs.iter().filter(|apc| apc.delivered).count();
    apcs.len() - delivered > delivered
}

fn exited_not_signalled(trail: &HandleAuditTrail) -> bool {
    let exited = |entry: &TrailEntry| ThreadAux::decode(entry.entry.aux).event == ThreadEvent::Exited;
    entries(trail, Thread).iter().any(exited) && !has(trail, Signal) && !trail.open_waits.is_empty()
}

/// Acquisitions less releases, by thread: a mutant can be held by one thread at most.
fn acquired_never_released(trail: &HandleAuditTrail) -> bool {
    let mut held: BTreeMap<u32, i64> = BTreeMap::new();
    for entry in trail.sequence() {
        match entry.operation {
            Satisfied | Wake if entry.entry.aux < 0xC0 => *held.entry(entry.entry.tid).or_default() += 1,
            Signal => *held.entry(entry.entry.tid).or_default() -= 1,
            _ => {}
        }
    }
    trail.kind == HandleKind::MUTANT && held.values().any(|count| *count > 0) && !trail.open_waits.is_empty()
}

fn reissued_in_use(trail: &HandleAuditTrail) -> bool {
    trail.previous.as_ref().is_some_and(|previous| !previous.open_waits.is_empty())
}

/// A wait for all that ended although one of its objects was never signalled, now or in the generation before.
fn ended_without_signal(trail: &HandleAuditTrail) -> bool {
    let before = trail.previous.as_ref().is_some_and(|previous| {
        previous.totals.get(Signal) == 0 && partial(&previous.created, &previous.last)
    });
    before || trail.signals.total() == 0 && partial(&trail.created, &trail.sequence())
}

fn partial(created: &TrailEntry, sequence: &[TrailEntry]) -> bool {
    let all = |entry: &&TrailEntry| entry.operation == Wait && WaitAux::decode(entry.entry.aux).all;
    let Some(wait) = sequence.iter().find(all) else { return false };
    let ends = |entry: &&TrailEntry| entry.seq > wait.seq && matches!(entry.operation, Satisfied | Wake);
    created.entry.aux == 0 && sequence.iter().find(ends).is_some_and(|end| end.entry.aux == 0)
}

/// Two signals that found the object clear, and nothing between them that cleared it.
fn signal_without_effect(trail: &HandleAuditTrail) -> bool {
    let changes: Vec<_> =
        trail.sequence().into_iter().filter(|entry| !matches!(entry.operation, Wait)).collect();
    let clear = |entry: &TrailEntry| entry.operation == Signal && signal_previous(entry.entry.aux) == 0;
    let twice = changes.windows(2).any(|pair| clear(&pair[0]) && clear(&pair[1]));
    twice || signalled_not_woken(trail)
}
