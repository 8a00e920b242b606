//! Kernel objects: what a handle or a dispatcher header in guest memory stands for.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use handle_audit::HandleKind;
use ppc::Memory;

use crate::dispatch::{Dispatch, kind};
use crate::handle_table::CURRENT_PROCESS;
use crate::io::File;
use crate::ledger::{Change, Ledger};
use crate::sync::Lock;
use crate::thread::Thread;
use crate::wait::WaitBlock;

/// Offset of the signal state in a dispatcher header.
const SIGNAL_STATE: u32 = 4;

/// One kernel object.
#[derive(Debug)]
pub(crate) struct Object {
    /// Rises from object to object: the order in which several locks are taken.
    pub(crate) id: u64,
    pub(crate) kind: HandleKind,
    /// The thread that a thread object stands for.
    pub(crate) thread: Option<Arc<Thread>>,
    /// The file that a file object stands for.
    pub(crate) file: Option<File>,
    /// The type in its dispatcher header; none for objects that have no header.
    pub(crate) header_type: Option<u8>,
    state: Mutex<State>,
    /// What [`State::set_name`] gives. Written under the lock (Release), read by
    /// the set of an already set event, which takes no lock (Acquire).
    set_name: AtomicU32,
}

/// What the object's lock guards.
#[derive(Debug)]
pub(crate) struct State {
    /// The primary name: the first live handle, else the address of the header. Records carry it.
    pub(crate) name: u32,
    /// Live handles, in the order in which they were made.
    pub(crate) handles: Vec<u32>,
    /// The dispatcher header in guest memory, if there is one.
    pub(crate) header: Option<u32>,
    /// Pointers that the guest holds through `ObReferenceObjectByHandle`.
    pub(crate) references: u32,
    /// The header is the guest's own, or a running thread's: its address is a name as long as there is no handle.
    pub(crate) anchored: bool,
    pub(crate) dispatch: Dispatch,
    /// Parked waits, first come first served.
    pub(crate) waiters: VecDeque<Arc<WaitBlock>>,
    /// How many of `waiters` wait for other objects too.
    pub(crate) shared_waiters: usize,
    /// The signal state that the guest's header has had since we wrote or read it.
    shown: i32,
    pub(crate) ledger: Option<Arc<Ledger>>,
}

/// What a new object is.
#[derive(Debug)]
pub(crate) struct Blueprint {
    pub(crate) kind: HandleKind,
    pub(crate) dispatch: Dispatch,
    pub(crate) thread: Option<Arc<Thread>>,
    pub(crate) file: Option<File>,
    pub(crate) header: Option<u32>,
}

impl Blueprint {
    pub(crate) fn new(kind: HandleKind, dispatch: Dispatch) -> Self {
        Self { kind, dispatch, thread: None, file: None, header: None }
    }
}

impl Object {
    /// An object with the name `name`: a handle if that is not the header's address.
    pub(crate) fn new(id: u64, name: u32, blueprint: Blueprint, ledger: Option<Arc<Ledger>>) -> Self {
        let Blueprint { kind, dispatch, thread, file, header } = blueprint;
        let state = State {
            name,
            handles: if header == Some(name) { Vec::new() } else { vec![name] },
            anchored: header.is_some(),
            header,
            references: 0,
            shown: dispatch.signal_state(),
            dispatch,
            waiters: VecDeque::new(),
            shared_waiters: 0,
            ledger,
        };
        let set_name = AtomicU32::new(state.set_name());
        let header_type = state.dispatch.header_type();
        Self { id, kind, thread, file, header_type, state: Mutex::new(state), set_name }
    }

    /// What pseudo handle -1 names.
    pub(crate) fn process() -> Self {
        Self::new(0, CURRENT_PROCESS, Blueprint::new(kind::process(), Dispatch::Process), None)
    }

    /// Whether the header at `header` still is of this object's type: if not, the guest has made something else there.
    pub(crate) fn matches_header(&self, memory: &Memory, header: u32) -> bool {
        let found = memory.read_u8(header).ok();
        self.header_type.is_none_or(|own| found == Some(own))
    }

    #[cfg(test)]
    pub(crate) fn for_test(id: u64, dispatch: Dispatch) -> Self {
        Self::new(id, 0x1000 + 4 * id as u32, Blueprint::new(HandleKind::EVENT_AUTO, dispatch), None)
    }

    /// Locks the object. What the guest wrote into the header by hand meanwhile is taken over.
    pub(crate) fn lock<'a>(&'a self, memory: &'a Memory) -> ObjectGuard<'a> {
        let mut state = self.state.locked();
        state.adopt(memory);
        ObjectGuard { object: self, memory, state }
    }

    /// Whether this is a manual event, set, whose primary name is `name`. Takes no lock, so it does not see what the guest
    /// has written into a header by hand.
    #[inline]
    pub(crate) fn is_set_as(&self, name: u32) -> bool {
        self.set_name.load(Ordering::Acquire) == name
    }
}

impl State {
    #[inline]
    pub(crate) fn changed(&self, change: Change) {
        if let Some(ledger) = &self.ledger {
            ledger.changed(change);
        }
    }

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

    /// Whether anything still names the object.
    pub(crate) fn is_named(&self) -> bool {
        !self.handles.is_empty() || self.anchored || self.references > 0
    }

    /// What the primary name should be, now that handles have come or gone.
    pub(crate) fn next_name(&self) -> u32 {
        let address = self.header.filter(|_| self.anchored || self.references > 0);
        self.handles.first().copied().or(address).unwrap_or(self.name)
    }

    /// The name by which this is known as a manual event that is set; 0 if it is not, or if it has a handle and a header
    /// too, through which the guest could have changed it.
    fn set_name(&self) -> u32 {
        let one_way = self.header.is_none_or(|header| header == self.name);
        if one_way && self.dispatch.is_set_manual_event() { self.name } else { 0 }
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

    /// A guest may set up or change a header without a call; the real kernel would see that, so this one does.
    fn adopt(&mut self, memory: &Memory) {
        let Some(header) = self.header else { return };
        if let Ok(found) = memory.read_u32(header.wrapping_add(SIGNAL_STATE))
            && found as i32 != self.shown
        {
            self.dispatch.adopt_signal_state(found as i32);
            self.shown = found as i32;
        }
    }

    /// Keeps the header in guest memory true.
    fn show(&mut self, memory: &Memory) {
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
}

/// The lock of one object. Releasing it brings up to date what is read without it: the guest's header and `set_name`.
#[derive(Debug)]
pub(crate) struct ObjectGuard<'a> {
    object: &'a Object,
    memory: &'a Memory,
    state: MutexGuard<'a, State>,
}

impl ObjectGuard<'_> {
    pub(crate) fn id(&self) -> u64 {
        self.object.id
    }
}

impl Deref for ObjectGuard<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

impl DerefMut for ObjectGuard<'_> {
    fn deref_mut(&mut self) -> &mut State {
        &mut self.state
    }
}

impl Drop for ObjectGuard<'_> {
    fn drop(&mut self) {
        self.object.set_name.store(self.state.set_name(), Ordering::Release);
        self.state.show(self.memory);
    }
}
