//! Mutants: owned by a thread, recursively, and abandoned if it dies.
#![allow(non_snake_case, reason = "guest calls keep their names")]

use std::sync::Arc;

use handle_audit::HandleKind;

use super::{Call, Reply, ok};
use crate::context::{By, Context};
use crate::dispatch::Dispatch;
use crate::object::{Blueprint, Object};
use crate::state::State;
use crate::status::Status;
use crate::sync::Lock;
use crate::thread::Thread;

/// NtCreateMutant (handle*, attributes, owned)
pub(super) fn NtCreateMutant(call: &mut Call<'_, '_>) -> Reply {
    let (out, owned) = (call.reg(0), call.reg(2) != 0);
    let owner = if owned { call.thread.tid } else { 0 };
    let dispatch = Dispatch::Mutant { owner, depth: u32::from(owned), abandoned: false };
    let mutant = call.make(out, Blueprint::new(HandleKind::MUTANT, dispatch), u64::from(owner))?;
    if owned {
        call.thread.owned.locked().push(mutant);
    }
    ok()
}

/// NtReleaseMutant (handle, 0)
pub(super) fn NtReleaseMutant(call: &mut Call<'_, '_>) -> Reply {
    let mutant = call.resolve_to_signal(call.reg(0))?;
    let (by, thread) = (call.by(), call.thread);
    call.cx.change(&mutant.object, by, |cx, state| cx.raise_mutant(state, &mutant.object, thread, by))?;
    ok()
}

impl Context<'_> {
    /// Takes back one acquisition of a mutant whose lock is held; the last one frees it.
    pub(super) fn raise_mutant(
        &mut self,
        state: &mut State,
        mutant: &Arc<Object>,
        thread: &Thread,
        by: By<'_>,
    ) -> Result<(), Status> {
        let previous = state.dispatch().signal_state() as u32;
        let Dispatch::Mutant { owner, .. } = *state.dispatch() else {
            return Err(Status::OBJECT_TYPE_MISMATCH);
        };
        if owner != thread.tid {
            return Err(Status::MUTANT_NOT_OWNED);
        }
        self.signal(state, by, previous, 1);
        if state.release_mutant() {
            thread.disown(mutant);
            self.progress();
        }
        Ok(())
    }
}
