//! Exports that are not implemented: they return as if they had worked, and say so to the audit.

use std::sync::Arc;

use super::{Call, Flow};
use crate::handle_table::CURRENT_PROCESS;
use crate::object::Object;
use crate::status::Status;

/// Registers that may hold a handle: r3 to r6.
const LOOKED_AT: usize = 4;

/// Exports whose second argument is the event of a request, implemented or not.
const TAKE_AN_EVENT: [&str; 5] =
    ["NtReadFile", "NtWriteFile", "NtDeviceIoControlFile", "NtReadFileScatter", "NtQueryDirectoryFile"];

impl Call<'_, '_> {
    /// Returns `returned` and touches nothing. On record for each object that an argument names, else for the caller.
    pub(super) fn stub(&mut self, returned: Status) -> Flow {
        let (by, name) = (self.by(), self.import.name);
        let mut named: Vec<Arc<Object>> = Vec::new();
        for argument in (0..LOOKED_AT).map(|index| self.reg(index)) {
            let object = self.object_named(argument);
            named.extend(object.filter(|object| !named.iter().any(|other| Arc::ptr_eq(other, object))));
        }
        if named.is_empty() {
            named.extend(self.thread.object());
        }
        // A request on an unimplemented device has its promise on record already.
        if self.import.handler.is_none() || returned == Status::SUCCESS {
            self.promise_of_stub(name);
        }
        for object in named {
            self.cx.with_state(&object, |cx, state| cx.stub(state, by, returned));
        }
        self.cx.kernel.console.tell_stub(name);
        Flow::Return(returned.0)
    }

    /// A request that is not implemented was still given an event to signal.
    fn promise_of_stub(&mut self, name: &str) {
        let (by, kernel) = (self.by(), self.cx.kernel);
        if TAKE_AN_EVENT.contains(&name)
            && let Some(event) = kernel.handles.resolve(self.reg(1))
        {
            let call_id = kernel.next_call_id();
            self.cx.with_state(&event.object, |cx, state| cx.promise(state, by, call_id));
        }
    }

    fn object_named(&self, value: u32) -> Option<Arc<Object>> {
        // -1 is more often a constant than the process.
        let by_handle = self.resolve(value).ok().filter(|_| value != CURRENT_PROCESS);
        by_handle.map(|pinned| pinned.object).or_else(|| self.cx.kernel.in_memory.get(value))
    }
}
