//! Handles and pointers: duplicated, closed, turned into one another.
#![allow(non_snake_case, reason = "guest calls keep their names")]

use std::sync::Arc;

use super::{Call, Reply, ok};
use crate::context::{By, Context};
use crate::fault::FaultKind;
use crate::handle_table::{CURRENT_PROCESS, CURRENT_THREAD, Pinned};
use crate::object::Object;
use crate::state::State;
use crate::status::Status;
use crate::sync::Lock;

/// NtDuplicateObject's option to close the source.
const DUPLICATE_CLOSE_SOURCE: u32 = 1;

/// NtDuplicateObject (handle, new handle*, options)
pub(super) fn NtDuplicateObject(call: &mut Call<'_, '_>) -> Reply {
    let (source, out, options) = (call.reg(0), call.reg(1), call.reg(2));
    call.require(out, 4)?;
    let target = call.resolve(source)?;
    let kernel = call.cx.kernel;
    let reserved = kernel.handles.reserve().ok_or(Status::INSUFFICIENT_RESOURCES)?;
    let (by, handle) = (call.by(), reserved.value());
    call.cx.with_state(&target.object, |cx, state| {
        state.add_handle(handle);
        if state.next_name() == state.name() {
            cx.alias(state, state.name(), by, handle);
        } else {
            cx.rename(state, &target.object, by);
        }
    });
    reserved.publish(target.object.clone());
    call.store(out, handle)?;
    if options & DUPLICATE_CLOSE_SOURCE != 0 {
        // A pseudo handle stays, and one that somebody else has closed meanwhile is closed: either way there is a duplicate.
        let _ = close(call, source);
    }
    ok()
}

/// NtClose (handle)
pub(super) fn NtClose(call: &mut Call<'_, '_>) -> Reply {
    close(call, call.reg(0))?;
    ok()
}

fn close(call: &mut Call<'_, '_>, handle: u32) -> Result<(), Status> {
    if matches!(handle, CURRENT_PROCESS | CURRENT_THREAD) {
        return Err(Status::INVALID_HANDLE);
    }
    let kernel = call.cx.kernel;
    let at_once = kernel.faults.strikes(FaultKind::StaleHandle);
    // Held back until the records are made.
    let Pinned { object, mut pin } = kernel.handles.close(handle, at_once).ok_or(Status::INVALID_HANDLE)?;
    let by = call.by();
    call.cx.with_state(&object, |cx, state| {
        object.bar_passers(&kernel.passers);
        state.remove_handle(handle);
        if state.name() == handle && state.is_named() {
            cx.rename(state, &object, by);
        }
        cx.closed(state, handle, by);
        if state.name() == handle {
            state.keep_name(pin.take());
        }
    });
    call.cx.retire_if_unnamed(&object, by);
    Ok(())
}

/// ObReferenceObjectByHandle (handle, type, object*)
pub(super) fn ObReferenceObjectByHandle(call: &mut Call<'_, '_>) -> Reply {
    let (handle, out) = (call.reg(0), call.reg(2));
    call.require(out, 4)?;
    let target = call.resolve(handle)?;
    if target.object.header_type.is_none() {
        return Err(Status::OBJECT_TYPE_MISMATCH);
    }
    let (by, kernel) = (call.by(), call.cx.kernel);
    let header = call.cx.with_state(&target.object, |cx, state| {
        let header = match state.header {
            Some(header) => header,
            None => {
                let header = kernel.space.place_header(&kernel.memory).map_err(|_| Status::NO_MEMORY)?;
                state.place_header(header, &kernel.memory);
                kernel.in_memory.insert(header, target.object.clone());
                header
            }
        };
        if state.add_reference(header) {
            cx.alias(state, state.name(), by, header);
        }
        Ok::<_, Status>(header)
    })?;
    call.store(out, header)?;
    ok()
}

/// ObDereferenceObject (object)
pub(super) fn ObDereferenceObject(call: &mut Call<'_, '_>) -> Reply {
    if let Some(object) = call.cx.kernel.in_memory.get(call.reg(0)) {
        let by = call.by();
        call.cx.with_state(&object, |_, state| state.references = state.references.saturating_sub(1));
        call.cx.retire_if_unnamed(&object, by);
    }
    ok()
}

impl Context<'_> {
    /// Gives an object whose lock is held the primary name that it should have now. The old name learns the new one
    /// before it can be reissued, and the new one begins a trail that knows the old.
    fn rename(&mut self, state: &mut State, object: &Object, by: By<'_>) {
        let (old, new) = (state.name(), state.next_name());
        self.alias(state, old, by, new);
        state.rename(new);
        let aux = state
            .dispatch()
            .create_aux()
            .unwrap_or_else(|| u64::from(object.thread.as_ref().map_or(0, |thread| thread.tid)));
        self.created(state, object.kind, by, aux, Vec::new);
        self.alias(state, new, by, old);
    }

    /// Lets go of what belongs to an object that nothing names any more.
    pub(crate) fn retire_if_unnamed(&mut self, object: &Arc<Object>, by: By<'_>) {
        let header = self.with_state(object, |cx, state| {
            // As long as somebody waits for it a timer goes on, until the last one to leave disarms it; and the address
            // under which somebody is parked becomes no other object's.
            if state.is_named() || !state.waiters().is_empty() {
                return None;
            }
            cx.disarm(state, by);
            state.header.take()
        });
        let Some(header) = header else { return };
        self.kernel.in_memory.remove(header, object);
        match &object.thread {
            Some(thread) if thread.run.locked().exited => {
                self.kernel.space.free_control(thread.places.control)
            }
            Some(_) => {}
            None => self.kernel.space.free_header(header),
        }
    }
}
