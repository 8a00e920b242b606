//! Files, devices, completion ports.
//!
//! A path below the mount is a file, served by the I/O worker. Every other path is a device that this host does not
//! implement: it opens, and each request on it stays pending for ever, which is on record as a promise and a stub.
#![allow(non_snake_case, reason = "guest calls keep their names")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use super::{Call, Flow, Reply, ok};
use crate::dispatch::{Dispatch, Packet, kind};
use crate::handle_table::Pinned;
use crate::io::{Completion, File, Request, Transfer};
use crate::mount::{self, Disposition};
use crate::object::{Blueprint, Object};
use crate::status::Status;
use crate::wait::{Finish, Wish};

/// Access rights that ask for writing: GENERIC_ALL, GENERIC_WRITE, FILE_APPEND_DATA, FILE_WRITE_DATA.
const WRITE_ACCESS: u32 = 0x5000_0006;
/// What an IOSB says of a file that was opened.
const FILE_OPENED: u32 = 1;
/// The longest path.
const MAX_PATH: u16 = 1024;

/// NtCreateFile (handle*, access, attributes*, iosb, size*, attributes, share, disposition)
pub(super) fn NtCreateFile(call: &mut Call<'_, '_>) -> Reply {
    let (out, access, attributes, io_status) = (call.reg(0), call.reg(1), call.reg(2), call.reg(3));
    let disposition = Disposition::from_guest(call.reg(7)).ok_or(Status::INVALID_PARAMETER)?;
    call.require(out, 4)?;
    call.probe(io_status, 8)?;
    let path = object_name(call, attributes)?;
    let write = access & WRITE_ACCESS != 0;
    let host = mount::open(call.cx.kernel.config.mount.as_ref(), &path, disposition, write).transpose()?;
    let file = File { host: host.map(Mutex::new), writable: write };
    let blueprint =
        Blueprint { file: Some(file), ..Blueprint::new(kind::file(), Dispatch::File { set: false }) };
    call.create(out, blueprint, 0)?;
    if io_status != 0 {
        call.store(io_status, 0)?;
        call.store(io_status.wrapping_add(4), FILE_OPENED)?;
    }
    ok()
}

/// The name in an OBJECT_ATTRIBUTES: at +4 a pointer to an ANSI string, or that string itself.
fn object_name(call: &Call<'_, '_>, attributes: u32) -> Result<String, Status> {
    let memory = call.memory();
    let field = attributes.wrapping_add(4);
    call.require(attributes, 8)?;
    let pointer = memory.read_u32(field)?;
    let text_at = |string: u32| {
        let (length, text) = (memory.read_u16(string)?, memory.read_u32(string.wrapping_add(4))?);
        let mut bytes = vec![0; usize::from(length.min(MAX_PATH))];
        memory.read_bytes(text, &mut bytes)?;
        Ok::<_, Status>(String::from_utf8_lossy(&bytes).trim_end_matches('\0').to_owned())
    };
    text_at(pointer).or_else(|_| text_at(field))
}

/// NtReadFile (file, event, apc, apc context, iosb, buffer, length, offset*)
pub(super) fn NtReadFile(call: &mut Call<'_, '_>) -> Reply {
    transfer(call, Transfer::Read)
}

/// NtWriteFile (file, event, apc, apc context, iosb, buffer, length, offset*)
pub(super) fn NtWriteFile(call: &mut Call<'_, '_>) -> Reply {
    transfer(call, Transfer::Write)
}

fn transfer(call: &mut Call<'_, '_>, transfer: Transfer) -> Reply {
    let (io_status, buffer, length, offset) = (call.reg(4), call.reg(5), call.reg(6), call.reg(7));
    let (file, event) = file_and_event(call)?;
    let Some(File { host: Some(_), writable }) = &file.object.file else {
        return never(call, &file, event.as_ref());
    };
    if transfer == Transfer::Write && !writable {
        return Err(Status::ACCESS_DENIED);
    }
    call.probe(io_status, 8)?;
    if length > 0 {
        call.require(buffer, length)?;
    }
    let offset = match offset {
        0 => None,
        pointer => Some(call.memory().read_u64(pointer)?).filter(|offset| *offset <= i64::MAX as u64),
    };
    let completion = promise(call, &file, event);
    let source = call.by().source;
    call.cx.start_io(Request { transfer, file, offset, buffer, length, io_status, completion, source });
    Ok(Flow::Return(Status::PENDING.0))
}

/// NtDeviceIoControlFile (file, event, apc, apc context, iosb, code, in, in length, out, out length)
pub(super) fn NtDeviceIoControlFile(call: &mut Call<'_, '_>) -> Reply {
    let (file, event) = file_and_event(call)?;
    match &file.object.file {
        Some(File { host: None, .. }) => never(call, &file, event.as_ref()),
        _ => Err(Status::INVALID_DEVICE_REQUEST),
    }
}

/// The first two arguments of a request: a file, and an event or a port or nothing.
fn file_and_event(call: &mut Call<'_, '_>) -> Result<(Pinned, Option<Pinned>), Status> {
    let file = call.resolve(call.reg(0))?;
    if file.object.file.is_none() {
        return Err(Status::OBJECT_TYPE_MISMATCH);
    }
    let event = match call.reg(1) {
        0 => None,
        handle => Some(call.resolve(handle)?),
    };
    let completes =
        |event: &Pinned| event.object.kind == kind::port() || matches!(event.object.header_type, Some(0 | 1));
    if event.as_ref().is_some_and(|event| !completes(event)) {
        return Err(Status::OBJECT_TYPE_MISMATCH);
    }
    Ok((file, event))
}

/// A request on a device that nobody implements: promised, and never kept.
fn never(call: &mut Call<'_, '_>, file: &Pinned, event: Option<&Pinned>) -> Reply {
    let object = event.unwrap_or(file).object.clone();
    let (by, call_id) = (call.by(), call.cx.kernel.next_call_id());
    call.cx.with_state(&object, |cx, state| cx.promise(state, by, call_id));
    Ok(call.stub(Status::PENDING))
}

/// Clears what the request will signal, and puts the promise on record.
fn promise(call: &mut Call<'_, '_>, file: &Pinned, event: Option<Pinned>) -> Completion {
    let (routine, context) = (call.reg(2), call.reg(3));
    let target = event.unwrap_or_else(|| Pinned::unnamed(file.object.clone()));
    let (by, call_id) = (call.by(), call.cx.kernel.next_call_id());
    let name = call.cx.with_state(&target.object, |cx, state| {
        if state.dispatch().is_set() {
            target.object.bar_passers(&cx.kernel.passers);
            cx.reset(state, by, 1);
            state.clear_flag();
        }
        cx.promise(state, by, call_id);
        state.is_named_by_handle().then(|| cx.kernel.handles.pin(state.name())).flatten()
    });
    let apc = (routine != 0).then(|| (call.thread.clone(), routine));
    Completion { target, _name: name, apc, context }
}

/// NtCreateIoCompletion (handle*, access, attributes, threads)
pub(super) fn NtCreateIoCompletion(call: &mut Call<'_, '_>) -> Reply {
    let dispatch = Dispatch::Port { packets: VecDeque::new() };
    call.create(call.reg(0), Blueprint::new(kind::port(), dispatch), 0)
}

/// NtSetIoCompletion (handle, key, apc context, status, bytes)
pub(super) fn NtSetIoCompletion(call: &mut Call<'_, '_>) -> Reply {
    let packet = Packet { key: call.reg(1), context: call.reg(2), status: call.reg(3), bytes: call.reg(4) };
    let port = call.resolve_to_signal(call.reg(0))?;
    is_port(&port.object)?;
    let by = call.by();
    call.cx.change(&port.object, by, |cx, state| cx.post(state, packet, by))?;
    ok()
}

/// NtRemoveIoCompletion (handle, key*, apc context*, iosb, timeout*)
pub(super) fn NtRemoveIoCompletion(call: &mut Call<'_, '_>) -> Reply {
    let (handle, key, context, io) = (call.reg(0), call.reg(1), call.reg(2), call.reg(3));
    for (address, bytes) in [(key, 4), (context, 4), (io, 8)] {
        call.probe(address, bytes)?;
    }
    let timeout = call.timeout(call.reg(4))?;
    let port = call.resolve_to_wait(handle)?;
    is_port(&port.object)?;
    let finish = Finish::Packet { key, context, io };
    call.wait(Wish { targets: vec![port], all: false, alertable: false, timeout, finish })
}

fn is_port(object: &Arc<Object>) -> Result<(), Status> {
    if object.kind == kind::port() { Ok(()) } else { Err(Status::OBJECT_TYPE_MISMATCH) }
}
