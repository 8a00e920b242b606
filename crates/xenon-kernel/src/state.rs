//! What an object's lock guards. Every change of it is made here, and counted here for the self-check: whoever changes an
//! object can forget to record it, and cannot forget to be counted.

use std::collections::VecDeque;
use std::sync::Arc;

use ppc::Memory;

use crate::dispatch::{Armed, Dispatch, Packet};
use crate::fault::Faults;
use crate::handle_table::Pin;
use crate::ledger::{Change, Ledger};
use crate::wait::WaitBlock;

/// Offset of the signal state in a dispatcher header.
const SIGNAL_STATE: u32 = 4;

/// What the object's lock guards.
#[derive(Debug)]
pub(crate) struct State {
    /// The primary name: the first live handle, else the address of the header. Records carry it.
    name: u32,
    /// Live handles, in the order in which they were made.
    handles: Vec<u32>,
    /// Holds the primary name back once it is closed and no other has taken its place: calls that came by another handle
    /// still record under it.
    last_name: Option<Pin>,
    /// The dispatcher header in guest memory, if there is one.
    pub(crate) header: Option<u32>,
    /// Pointers that the guest holds through `ObReferenceObjectByHandle`.
    pub(crate) references: u32,
    /// The header is the guest's own, or a running thread's: its address is a name as long as there is no handle.
    pub(crate) anchored: bool,
    dispatch: Dispatch,
    /// Parked waits, first come first served.
    waiters: VecDeque<Arc<WaitBlock>>,
    /// How many of `waiters` wait for other objects too.
    shared_waiters: usize,
    /// The signal state that the guest's header has had since we wrote or read it.
    shown: i32,
    ledger: Option<Arc<Ledger>>,
}

impl State {
    pub(crate) fn new(
        name: u32,
        header: Option<u32>,
        dispatch: Dispatch,
        ledger: Option<Arc<Ledger>>,
    ) -> Self {
        Self {
            name,
            handles: if header == Some(name) { Vec::new() } else { vec![name] },
            last_name: None,
            anchored: header.is_some(),
            header,
            references: 0,
            shown: dispatch.signal_state(),
            dispatch,
            waiters: VecDeque::new(),
            shared_waiters: 0,
            ledger,
        }
    }

    pub(crate) fn dispatch(&self) -> &Dispatch {
        &self.dispatch
    }

    pub(crate) fn ledger(&self) -> Option<&Ledger> {
        self.ledger.as_deref()
    }

    /// Counts a change for the self-check: of the object itself, or of the thread that it stands for.
    #[inline]
    pub(crate) fn changed(&self, change: Change) {
        if let Some(ledger) = &self.ledger {
            ledger.changed(change);
        }
    }
}

/// Names.
impl State {
    pub(crate) fn name(&self) -> u32 {
        self.name
    }

    /// Whether the primary name is a handle, and not the address of the header.
    pub(crate) fn is_named_by_handle(&self) -> bool {
        self.handles.contains(&self.name)
    }

    /// Whether anything still names the object.
    pub(crate) fn is_named(&self) -> bool {
        !self.handles.is_empty() || self.anchored || self.references > 0
    }

    /// What the primary name should be, now that handles have come or gone.
    pub(crate) fn next_name(&self) -> u32 {
        let address = self.header.filter(|_| self.anchored || self.references > 0);
        self.handles.first().copied().or(address).unwrap_or(self.name)
    }

    /// Another handle names it from here on. If that is to be its primary name, [`State::rename`] follows.
    pub(crate) fn add_handle(&mut self, handle: u32) {
        self.handles.push(handle);
        if self.next_name() == self.name {
            self.changed(Change::Named);
        }
    }

    /// A handle names it no more.
    pub(crate) fn remove_handle(&mut self, handle: u32) {
        self.handles.retain(|other| *other != handle);
        self.changed(Change::Closed);
    }

    /// The primary name was the last one. It becomes no other object's as long as this object is in use.
    pub(crate) fn keep_name(&mut self, pin: Option<Pin>) {
        self.last_name = pin;
    }

    /// The guest gets a pointer to the header. Says whether that is another name than those it had.
    pub(crate) fn add_reference(&mut self, header: u32) -> bool {
        self.references += 1;
        let is_new = self.references == 1 && self.name != header;
        if is_new {
            self.changed(Change::Named);
        }
        is_new
    }

    /// Goes over to another primary name, which begins a trail; each of the two is an alias of the other.
    pub(crate) fn rename(&mut self, name: u32) {
        self.name = name;
        self.last_name = None;
        self.changed(Change::Made);
        self.changed(Change::Named);
        self.changed(Change::Named);
    }

    /// The name by which this is known as a manual event that is set; 0 if it is not, or if it has a handle and a header
    /// too, through which the guest could have changed it.
    pub(crate) fn set_name(&self) -> u32 {
        let one_way = self.header.is_none_or(|header| header == self.name);
        if one_way && self.dispatch.is_set_manual_event() { self.name } else { 0 }
    }
}

/// Signals.
impl State {
    /// Sets the flag of an event, a timer or a file.
    pub(crate) fn raise_flag(&mut self) {
        if let Some(flag) = self.dispatch.flag()
            && !std::mem::replace(flag, true)
        {
            self.changed(Change::Raised);
        }
    }

    /// Clears it.
    pub(crate) fn clear_flag(&mut self) {
        if let Some(flag) = self.dispatch.flag()
            && std::mem::take(flag)
        {
            self.changed(Change::Cleared);
        }
    }

    /// Sets an event for as long as a pulse lasts.
    pub(crate) fn begin_pulse(&mut self) {
        self.dispatch.flag().into_iter().for_each(|flag| *flag = true);
        self.changed(Change::Pulsed);
    }

    /// Leaves it clear.
    pub(crate) fn end_pulse(&mut self) {
        self.dispatch.flag().into_iter().for_each(|flag| *flag = false);
    }

    /// Hands a critical section to the thread that comes for it next. Its release has been counted where it was made.
    pub(crate) fn hand_over(&mut self) {
        self.dispatch.flag().into_iter().for_each(|flag| *flag = true);
    }

    /// Gives a semaphore more units.
    pub(crate) fn raise_count(&mut self, raised: i32) {
        if let Dispatch::Semaphore { count, .. } = &mut self.dispatch {
            *count = raised;
            self.changed(Change::Raised);
        }
    }

    /// Takes back one acquisition of a mutant by its owner. Says whether it is free now.
    pub(crate) fn release_mutant(&mut self) -> bool {
        let Dispatch::Mutant { owner, depth, .. } = &mut self.dispatch else { return false };
        *depth = depth.saturating_sub(1);
        let is_free = *depth == 0;
        if is_free {
            *owner = 0;
        }
        self.changed(Change::Raised);
        is_free
    }

    /// Frees a mutant whose owner is dead.
    pub(crate) fn abandon_mutant(&mut self) {
        self.dispatch = Dispatch::Mutant { owner: 0, depth: 0, abandoned: true };
        self.changed(Change::Raised);
    }

    /// Makes another thread the owner of a mutant, which it did not ask for: the fault `mutant-wrong-owner`.
    pub(crate) fn misattribute_mutant(&mut self, tid: u32) {
        if let Dispatch::Mutant { owner, .. } = &mut self.dispatch {
            *owner = tid;
        }
    }

    /// Puts a packet into a port.
    pub(crate) fn post(&mut self, packet: Packet) {
        if let Dispatch::Port { packets } = &mut self.dispatch {
            packets.push_back(packet);
            self.changed(Change::Raised);
        }
    }

    /// Takes the oldest packet out of a port; the wait that removes it has been counted.
    pub(crate) fn remove_packet(&mut self) -> Packet {
        match &mut self.dispatch {
            Dispatch::Port { packets } => packets.pop_front().unwrap_or_default(),
            _ => Packet::default(),
        }
    }

    /// The thread that this stands for has ended.
    pub(crate) fn raise_exited(&mut self) {
        self.dispatch = Dispatch::Thread { exited: true };
        self.changed(Change::Raised);
    }

    /// Arms a timer anew, or disarms it. Gives what it was armed as. Of an armed timer that fires and of one that is set or
    /// cancelled, this is the one change.
    pub(crate) fn set_armed(&mut self, next: Option<Armed>) -> Option<Armed> {
        let Dispatch::Timer { armed, .. } = &mut self.dispatch else { return None };
        let before = std::mem::replace(armed, next);
        if before.is_some() || next.is_some() {
            self.changed(Change::Timer);
        }
        before
    }
}

/// Waits.
impl State {
    /// A satisfied wait of thread `tid` takes the object, or passes it over for another member. Says whether it was taken
    /// as abandoned by a dead owner.
    pub(crate) fn satisfy(&mut self, tid: u32, takes: bool, faults: &Faults) -> bool {
        self.changed(Change::Taken);
        takes && self.dispatch.take(tid, faults)
    }

    pub(crate) fn waiters(&self) -> &VecDeque<Arc<WaitBlock>> {
        &self.waiters
    }

    /// Whether a parked wait is for other objects too.
    pub(crate) fn has_shared_waiters(&self) -> bool {
        self.shared_waiters > 0
    }

    /// Parks a wait.
    pub(crate) fn park(&mut self, block: &Arc<WaitBlock>) {
        self.changed(Change::Parked);
        self.shared_waiters += usize::from(block.members.len() > 1);
        self.waiters.push_back(block.clone());
    }

    /// Takes a parked wait off the queue.
    pub(crate) fn unpark(&mut self, block: &Arc<WaitBlock>) {
        if let Some(place) = self.waiters.iter().position(|waiter| Arc::ptr_eq(waiter, block)) {
            self.waiters.remove(place);
            self.shared_waiters -= usize::from(block.members.len() > 1);
            self.changed(Change::Unparked);
        }
    }

    /// Forgets its waiters, at the end of the run.
    pub(crate) fn forget_waiters(&mut self) {
        self.waiters.clear();
    }
}

/// The header in guest memory.
impl State {
    /// A guest may set up or change a header without a call; the real kernel would see that, so this one does.
    pub(crate) fn adopt(&mut self, memory: &Memory) {
        let Some(header) = self.header else { return };
        if let Ok(found) = memory.read_u32(header.wrapping_add(SIGNAL_STATE))
            && found as i32 != self.shown
        {
            self.dispatch.adopt_signal_state(found as i32);
            self.shown = found as i32;
        }
    }

    /// Keeps the header in guest memory true.
    pub(crate) fn show(&mut self, memory: &Memory) {
        let Some(header) = self.header else { return };
        let signal_state = self.dispatch.signal_state();
        if signal_state != self.shown {
            self.shown = signal_state;
            // A header that the guest has let go of is its loss.
            let _ = memory.write_u32(header.wrapping_add(SIGNAL_STATE), signal_state as u32);
        }
    }

    /// Gives the object a header that the guest has not seen yet.
    pub(crate) fn place_header(&mut self, header: u32, memory: &Memory) {
        self.header = Some(header);
        self.shown = self.dispatch.signal_state();
        self.dispatch.write_header(memory, header);
    }

    /// The guest has made something else where the header was: what is left of this object are its waiters.
    pub(crate) fn lose_header(&mut self) {
        self.header = None;
        self.anchored = false;
    }
}
