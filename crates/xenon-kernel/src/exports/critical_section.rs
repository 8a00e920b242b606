//! Critical sections: 28 bytes of guest memory, entered and left without a lock as long as nobody has to wait.
//!
//! | offset | field |
//! | --- | --- |
//! | 00h | dispatcher header of an auto event |
//! | 10h | lock count: -1 when free, else the threads inside and waiting, less one |
//! | 14h | recursion |
//! | 18h | owner: its KTHREAD |
//!
//! Who raises the lock count from -1 is inside. Who finds it higher raises it too and waits for the event, which the
//! leaving thread sets if the count says that somebody waits. Records of the free path are made without a lock: what
//! comes after them in the other thread comes after its compare-and-swap on the lock count, which comes after them.
#![allow(non_snake_case, reason = "guest calls keep their names")]

use std::sync::Arc;

use handle_audit::aux::WaitAux;
use handle_audit::{Operation, aux};
use ppc::{Memory, MemoryFault};

use super::{Call, Flow, Reply, ok};
use crate::clock::Timeout;
use crate::dispatch::{Dispatch, header_type, kind};
use crate::handle_table::Pinned;
use crate::ledger::Change;
use crate::object::{Blueprint, Object};
use crate::status::Status;
use crate::thread::Thread;
use crate::wait::{Finish, Wish};

const LOCK_COUNT: u32 = 0x10;
const RECURSION: u32 = 0x14;
const OWNER: u32 = 0x18;
const SIZE: u32 = 0x1C;

const FREE: u32 = u32::MAX;

/// RtlInitializeCriticalSection (section)
pub(super) fn RtlInitializeCriticalSection(call: &mut Call<'_, '_>) -> Reply {
    let section = call.reg(0);
    call.require(section, SIZE)?;
    let memory = call.memory();
    memory.write_u32(section.wrapping_add(LOCK_COUNT), FREE)?;
    memory.write_u32(section.wrapping_add(RECURSION), 0)?;
    memory.write_u32(section.wrapping_add(OWNER), 0)?;
    call.initialise(section, kind::section(), Dispatch::Section { set: false }, SIZE, 0)
}

/// RtlInitializeCriticalSectionAndSpinCount (section, spins)
pub(super) fn RtlInitializeCriticalSectionAndSpinCount(call: &mut Call<'_, '_>) -> Reply {
    RtlInitializeCriticalSection(call)
}

/// RtlEnterCriticalSection (section)
pub(super) fn RtlEnterCriticalSection(call: &mut Call<'_, '_>) -> Reply {
    let section = call.reg(0);
    call.require(section, SIZE)?;
    if enter_at_once(call, section)? {
        note_entry(call, section, Timeout::Never, Status::SUCCESS)?;
        return ok();
    }
    if add(call.memory(), section.wrapping_add(LOCK_COUNT), 1)? == FREE {
        own(call.memory(), section, call.thread)?;
        count(call, section, Change::Taken)?;
        note_entry(call, section, Timeout::Never, Status::SUCCESS)?;
        return ok();
    }
    let target = Pinned::unnamed(section_at(call, section)?);
    let (timeout, finish) = (Timeout::Never, Finish::Section(section));
    call.wait(Wish { targets: vec![target], all: false, alertable: false, timeout, finish })
}

/// RtlTryEnterCriticalSection (section)
pub(super) fn RtlTryEnterCriticalSection(call: &mut Call<'_, '_>) -> Reply {
    let entered = try_enter(call);
    // What cannot be read is not entered.
    Ok(Flow::Return(u32::from(entered.unwrap_or(false))))
}

fn try_enter(call: &mut Call<'_, '_>) -> Result<bool, Status> {
    let section = call.reg(0);
    call.require(section, SIZE)?;
    let entered = enter_at_once(call, section)?;
    let status = if entered { Status::SUCCESS } else { Status::TIMEOUT };
    note_entry(call, section, Timeout::Poll, status)?;
    Ok(entered)
}

/// RtlLeaveCriticalSection (section)
pub(super) fn RtlLeaveCriticalSection(call: &mut Call<'_, '_>) -> Reply {
    let section = call.reg(0);
    call.require(section, SIZE)?;
    let memory = call.memory();
    let (lock_count, recursion) = (section.wrapping_add(LOCK_COUNT), section.wrapping_add(RECURSION));
    let before = memory.read_u32(recursion)?;
    let by = call.by();
    // As of a mutant, the state is 1 less the depth. Recorded before anybody can get in because of it.
    let previous = aux::signal(1u32.wrapping_sub(before), 1);
    record(call, section, Operation::Signal, previous)?;
    count(call, section, Change::Raised)?;
    memory.write_u32(recursion, before.wrapping_sub(1))?;
    if before != 1 {
        add(memory, lock_count, u32::MAX)?;
        return ok();
    }
    memory.write_u32(section.wrapping_add(OWNER), 0)?;
    call.cx.progress();
    if add(memory, lock_count, u32::MAX)? != 0 {
        let object = section_at(call, section)?;
        call.cx.change(&object, by, |_, state| state.hand_over());
    }
    ok()
}

/// Enters a section that is free, or the caller's own.
fn enter_at_once(call: &mut Call<'_, '_>, section: u32) -> Result<bool, Status> {
    let memory = call.memory();
    let lock_count = section.wrapping_add(LOCK_COUNT);
    if memory.compare_exchange_u32(lock_count, FREE, 0)?.is_ok() {
        own(memory, section, call.thread)?;
        count(call, section, Change::Taken)?;
        return Ok(true);
    }
    // Only the caller itself can have put the caller there.
    if memory.read_u32(section.wrapping_add(OWNER))? != call.thread.places.kthread {
        return Ok(false);
    }
    add(memory, lock_count, 1)?;
    let recursion = section.wrapping_add(RECURSION);
    memory.write_u32(recursion, memory.read_u32(recursion)?.wrapping_add(1))?;
    count(call, section, Change::Taken)?;
    Ok(true)
}

/// Makes `thread` the owner of a section that nobody else can enter now.
pub(super) fn own(memory: &Memory, section: u32, thread: &Thread) -> Result<(), MemoryFault> {
    memory.write_u32(section.wrapping_add(OWNER), thread.places.kthread)?;
    memory.write_u32(section.wrapping_add(RECURSION), 1)
}

/// Adds to a word of guest memory. Gives what it was.
fn add(memory: &Memory, address: u32, amount: u32) -> Result<u32, MemoryFault> {
    let mut before = memory.read_u32(address)?;
    while let Err(found) = memory.compare_exchange_u32(address, before, before.wrapping_add(amount))? {
        before = found;
    }
    Ok(before)
}

/// Records a wait that ended at once.
fn note_entry(call: &mut Call<'_, '_>, section: u32, timeout: Timeout, status: Status) -> Result<(), Status> {
    let timeout = timeout.remaining_ticks(|| 0);
    let wait = WaitAux { alertable: false, all: false, any: false, timeout };
    record(call, section, Operation::Wait, wait.encode())?;
    record(call, section, Operation::Satisfied, u64::from(status.0))?;
    call.cx.note_end(status);
    Ok(())
}

/// Records on a section's address, without a lock; in a self-check on its ledger too.
fn record(call: &mut Call<'_, '_>, section: u32, operation: Operation, aux: u64) -> Result<(), Status> {
    let by = call.by();
    if call.cx.kernel.config.self_check {
        let object = section_at(call, section)?;
        call.cx.with_state(&object, |cx, state| cx.record_as(operation, state, section, by, aux));
    } else {
        call.cx.record_unlocked(operation, section, by, aux);
    }
    Ok(())
}

/// Counts a change that was made without a lock, in a self-check.
fn count(call: &mut Call<'_, '_>, section: u32, change: Change) -> Result<(), Status> {
    if call.cx.kernel.config.self_check {
        let object = section_at(call, section)?;
        call.cx.with_state(&object, |_, state| state.changed(change));
    }
    Ok(())
}

/// The object that threads park on. One that the guest wrote by hand is taken up here.
fn section_at(call: &Call<'_, '_>, section: u32) -> Result<Arc<Object>, Status> {
    let kernel = call.cx.kernel;
    let object = kernel.object_in_memory(
        section,
        |known| known.kind == kind::section() && known.header_type == Some(header_type::AUTO_EVENT),
        || {
            let dispatch = Dispatch::Section { set: false };
            let blueprint = Blueprint { header: Some(section), ..Blueprint::new(kind::section(), dispatch) };
            let ledger = kernel.ledgers.open_for_found(section, kind::section());
            Some(Arc::new(Object::new(kernel.next_object_id(), section, blueprint, ledger)))
        },
    );
    object.ok_or(Status::OBJECT_TYPE_MISMATCH)
}
