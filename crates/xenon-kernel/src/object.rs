//! Kernel objects: what a handle or a dispatcher header in guest memory stands for.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use handle_audit::HandleKind;
use ppc::Memory;

use crate::dispatch::{Dispatch, kind};
use crate::handle_table::CURRENT_PROCESS;
use crate::io::File;
use crate::ledger::Ledger;
use crate::passer::Passer;
use crate::state::State;
use crate::sync::Lock;
use crate::thread::Thread;

/// One kernel object.
#[derive(Debug)]
pub(crate) struct Object {
    /// Rises from object to object: the order in which several locks are taken.
    pub(crate) id: u64,
    /// Its primary name when it was made; it may have got another since.
    pub(crate) first_name: u32,
    pub(crate) kind: HandleKind,
    /// The thread that a thread object stands for.
    pub(crate) thread: Option<Arc<Thread>>,
    /// The file that a file object stands for.
    pub(crate) file: Option<File>,
    /// The type in its dispatcher header; none for objects that have no header.
    pub(crate) header_type: Option<u8>,
    state: Mutex<State>,
    /// What [`State::set_name`] gives. Written under the lock (Release; SeqCst to bar passers), read by the set of an
    /// already set event, which takes no lock (SeqCst).
    set_name: AtomicU32,
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
        let header_type = dispatch.header_type();
        let state = State::new(name, header, dispatch, ledger);
        let set_name = AtomicU32::new(state.set_name());
        Self { id, first_name: name, kind, thread, file, header_type, state: Mutex::new(state), set_name }
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
        self.set_name.load(Ordering::SeqCst) == name
    }

    /// From here until the lock is released, which the caller holds, nobody sets this event in passing; who was about to
    /// has made the record.
    pub(crate) fn bar_passers(&self, passers: &[Passer]) {
        if self.set_name.load(Ordering::Relaxed) != 0 {
            self.set_name.store(0, Ordering::SeqCst);
            passers.iter().for_each(|passer| passer.let_pass(self.id));
        }
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
