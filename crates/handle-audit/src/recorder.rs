//! The producer end: what a guest export calls.
//!
//! The path of a record, once the audit is on and there is room: the switch, the label's id, the room as two addresses
//! in the ring's end, the stripe's cells, five words into the slot, one store to publish. Everything else is out of
//! line.

use spsc_ring::Direct;

use crate::entry::{Frame, HandleAuditEntry, HandleKind};
use crate::label::Label;
use crate::lane::Lane;
use crate::operation::Operation;
use crate::record::{self, Kind, Record, Unstamped};
use crate::shared::{FocusLink, Seat, Shared};
use crate::shim::{Arc, Ordering, is_set};
use crate::stamp::CellNumber;

#[cfg(all(any(test, fuzzing), not(loom)))]
pub(crate) mod steps;

/// No kind: only creates carry one.
const NO_KIND: Kind = 0;

/// The one producer of one ring, for the OS thread that runs a hardware thread.
///
/// It can be sent to another thread, but neither shared nor cloned. Dropping it releases the ring, so that another
/// OS thread can claim it and go on where this one stopped.
///
/// Recording never blocks, spins, allocates, makes a system call or takes a lock, whatever the drain does, but for the
/// first record of a call site, which interns its label: that takes a lock, and memory for a new name. A host that wants
/// it nowhere makes its labels before its threads start, with [`Label::new`], and records with those. A full ring
/// rejects the newest record, and counts it.
///
/// ```compile_fail
/// fn share<T: Sync>() {}
/// share::<handle_audit::Recorder>();
/// ```
///
/// ```compile_fail
/// fn copy<T: Clone>() {}
/// copy::<handle_audit::Recorder>();
/// ```
#[derive(Debug)]
pub struct Recorder {
    shared: Direct<Shared>,
    producer: Lane,
    ring: usize,
    /// Where its stamps are shown.
    cell: CellNumber,
    /// Slots that only creates may use.
    reserve: u64,
    /// What the producer could not say yet about records it rejected.
    gap: Option<crate::ledger::OpenGap>,
    /// What stood in for the ring's own producer, once that was taken. It is kept since a record frees no memory.
    stand_in: Option<Lane>,
    focus: Arc<FocusLink>,
}

macro_rules! record_operations {
    ($($(#[$doc:meta])* $name:ident => $operation:ident;)*) => {$(
        $(#[$doc])*
        #[inline]
        pub fn $name(&mut self, handle: u32, entry: HandleAuditEntry) {
            self.record(Operation::$operation, || NO_KIND, handle, &entry);
        }
    )*};
}

impl Recorder {
    /// A recorder for a place that the caller has claimed.
    pub(crate) fn new(shared: Arc<Shared>, ring: usize) -> Self {
        let focus = Shared::newest_focus(&shared.first_focus);
        let shared = Direct::new(shared);
        let mut recorder = Self {
            shared,
            producer: Lane::detached(),
            ring,
            cell: CellNumber::of(ring),
            reserve: 0,
            gap: None,
            stand_in: None,
            focus,
        };
        recorder.attach();
        recorder
    }

    /// The ring's number.
    #[must_use]
    pub fn ring(&self) -> usize {
        self.ring
    }

    /// Whether records are taken now. What a call site computes for an entry can be left out if not.
    #[must_use]
    #[inline(always)]
    pub fn is_enabled(&self) -> bool {
        is_set(&self.shared.on)
    }

    /// Says that a record on `handle` is likely to follow, if records are taken now. Before the lock is taken under which
    /// that record is made, this shortens the time for which the lock is held: what other recorders wrote last for this
    /// handle may have to come from another processor. A wrong guess costs some nanoseconds and changes nothing.
    #[inline]
    pub fn expect(&self, handle: u32) {
        if self.is_enabled() {
            self.shared.stamps.fetch(handle);
            self.producer.fetch();
        }
    }

    /// Whether `handle` is in focus: call sites then record its create with a stack.
    #[must_use]
    #[inline]
    pub fn in_focus(&mut self, handle: u32) -> bool {
        if self.focus.next.get().is_some() {
            self.focus = Shared::newest_focus(&self.focus);
        }
        self.focus.focus.contains(handle)
    }

    /// The handle was created: a new generation of it begins.
    #[inline]
    pub fn record_create(&mut self, handle: u32, kind: HandleKind, entry: HandleAuditEntry) {
        self.record(Operation::Create, || kind.label().id(), handle, &entry);
    }

    /// The same, with the creator's stack: index 0 the live frame `(r1, lr)`, then the back-chain. Beyond
    /// [`MAX_STACK_FRAMES`](crate::MAX_STACK_FRAMES) it is cut. A stack that does not fit the ring is left out,
    /// and that is counted.
    pub fn record_create_with_stack(
        &mut self,
        handle: u32,
        kind: HandleKind,
        entry: HandleAuditEntry,
        frames: &[Frame],
    ) {
        if !self.is_enabled() {
            return;
        }
        let call = Unstamped::new(Operation::Create, kind.label().id(), handle, &entry);
        let slots = 1 + record::stack_slots(frames.len());
        if self.producer.room() < slots {
            self.look_again();
            if self.producer.room() < slots {
                let [what, cycle, thread, aux] = call.words();
                if self.record_slowly(entry.source, what, cycle, thread, aux) {
                    let ledger = &self.shared.places[self.ring].ledger;
                    ledger.stack_dropped();
                    self.producer.note(ledger);
                }
                return;
            }
        }
        let source = entry.source.mark();
        let head = Record::new(&call, source, || self.next_stamp(handle));
        let fits = self.producer.push_all(record::create_slots(head, frames).as_slice());
        debug_assert!(fits);
        self.keep_looking_if_needed();
    }

    record_operations! {
        /// The object was signalled. Record it before a waiter can see it.
        record_signal => Signal;
        /// A signal was asked for on a handle that the host could not resolve.
        record_signal_attempt_ghost => GhostSignal;
        /// A Wait call names the handle; once per member, under the object's lock.
        record_wait => Wait;
        /// A parked thread was let go; `tid` and `lr` are the waiter's, `source` is what woke it.
        record_wake => Wake;
        /// A wait returned without parking.
        record_satisfied => Satisfied;
        /// The object was cleared.
        record_reset => Reset;
        /// The object was pulsed.
        record_pulse => Pulse;
        /// The handle was closed.
        record_close => Close;
        /// The object got another name, which is in `aux`.
        record_alias => Alias;
        /// The handle was passed to an export as its completion object.
        record_promise => Promise;
        /// An export that is not implemented returned as if it had worked.
        record_stub => Stub;
        /// A guest thread started, exited, was suspended or resumed.
        record_thread => Thread;
        /// A timer was armed, fired or cancelled.
        record_timer => Timer;
        /// An APC was queued or delivered.
        record_apc => Apc;
    }

    /// Any operation, chosen at run time. A create gets the kind `kind`; for others it is ignored.
    pub fn record_any(
        &mut self,
        operation: Operation,
        handle: u32,
        kind: HandleKind,
        entry: HandleAuditEntry,
    ) {
        let kind = || if operation == Operation::Create { kind.label().id() } else { NO_KIND };
        self.record(operation, kind, handle, &entry);
    }

    #[inline(always)]
    fn record(
        &mut self,
        operation: Operation,
        kind: impl FnOnce() -> Kind,
        handle: u32,
        entry: &HandleAuditEntry,
    ) {
        let shared = &*self.shared;
        if !is_set(&shared.on) {
            return;
        }
        let call = Unstamped::new(operation, kind(), handle, entry);
        let source = entry.source.known_mark();
        if source != 0 {
            let make = || Record::new(&call, source, || shared.stamps.next(handle, self.cell));
            let fits = match operation {
                Operation::Create => self.producer.push_create_with(make),
                _ => self.producer.push_with(make),
            };
            if fits {
                return;
            }
        }
        let [what, cycle, thread, aux] = call.words();
        self.record_slowly(entry.source, what, cycle, thread, aux);
    }

    /// The path of a call site's first record, when no room is known, once a round through the ring, and of every record
    /// in capture mode: interns the label, looks at the drain's progress, sends the open gap, records or rejects. Says
    /// whether it recorded.
    ///
    /// Its arguments are those of a [`Unstamped`], in registers: the hot path then needs no stack, and ends in a jump.
    #[cold]
    #[inline(never)]
    fn record_slowly(&mut self, source: Label, what: u64, cycle: u64, thread: u64, aux: u64) -> bool {
        let call = Unstamped::from_words([what, cycle, thread, aux]);
        let source = source.mark();
        self.look_again();
        let keep = if call.operation() == Operation::Create { 0 } else { self.reserve };
        let fits = self.producer.room() > keep;
        if fits {
            let record = Record::new(&call, source, || self.next_stamp(call.handle()));
            self.producer.push_all(&[record]);
        } else {
            let ledger = &self.shared.places[self.ring].ledger;
            ledger.reject(&mut self.gap, call.operation(), call.cycle());
            self.producer.note(ledger);
        }
        self.keep_looking_if_needed();
        fits
    }

    /// Sees how much room there is, and sends the open gap if it fits beside one more record.
    fn look_again(&mut self) {
        if self.stand_in.is_none() {
            self.attach();
        }
        let room = self.producer.refresh();
        let Some(gap) = self.gap else { return };
        let slots = record::gap_slots(gap.first_cycle, gap.last_cycle, &gap.rejected);
        if room > self.reserve + slots.as_slice().len() as u64 && self.producer.push_all(slots.as_slice()) {
            self.gap = None;
            let ledger = &self.shared.places[self.ring].ledger;
            ledger.gap_sent();
            self.producer.note(ledger);
        }
    }

    /// The hot path must come by here again while a gap is open, or if stamps need the shared counter.
    fn keep_looking_if_needed(&mut self) {
        if self.gap.is_some() || self.shared.counts_shared() {
            self.producer.forget_room();
        }
    }

    fn next_stamp(&self, handle: u32) -> u64 {
        if self.shared.counts_shared() {
            self.shared.stamps.next_shared(handle)
        } else {
            self.shared.stamps.next(handle, self.cell)
        }
    }

    /// Takes the ring's own producer, if the audit was ever enabled.
    fn attach(&mut self) {
        // Acquire: who sees the audit on also sees the seats that were put in before.
        let _ = self.shared.on.load(Ordering::Acquire);
        if let Some(Seat { producer, gap }) = self.shared.places[self.ring].take() {
            self.reserve = if spsc_ring::planted!("reserve_ignored") { 0 } else { producer.capacity() / 8 };
            self.stand_in = Some(std::mem::replace(&mut self.producer, producer));
            self.producer.set_reserve(self.reserve);
            self.gap = gap;
            self.producer.refresh();
            self.keep_looking_if_needed();
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let place = &self.shared.places[self.ring];
        if let Some(stand_in) = self.stand_in.take() {
            let producer = std::mem::replace(&mut self.producer, stand_in);
            place.put(Seat { producer, gap: self.gap });
        }
        place.leave();
    }
}

#[cfg(all(test, any(loom, shuttle)))]
impl Recorder {
    /// How many slots of its ring were published, for rings that begin at 0.
    pub(crate) fn position(&self) -> u64 {
        self.producer.position()
    }
}
