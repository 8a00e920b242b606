//! Requests on files: queued by the exports, served by the I/O worker, completed through an event, an APC or a port.

use std::collections::VecDeque;
use std::fs;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::sync::{Arc, Condvar, Mutex};

use handle_audit::{Label, label};

use crate::apc::Apc;
use crate::context::{By, Context};
use crate::dispatch::{Dispatch, Packet};
use crate::fault::FaultKind;
use crate::handle_table::{Pin, Pinned};
use crate::kernel::{IO_RING, Outstanding};
use crate::object::Object;
use crate::state::State;
use crate::status::Status;
use crate::sync::Lock;
use crate::thread::Thread;
use crate::timeline::Due;

/// Cycles that a request takes in a deterministic run.
const VIRTUAL_LATENCY: u64 = 5_000;

/// The most that one request moves: more would be a mistake of the guest.
const MAX_TRANSFER: u32 = 64 << 20;

/// Packets that a port holds until somebody takes one.
const MAX_PACKETS: i32 = 1 << 16;

/// What a file handle stands for.
#[derive(Debug)]
pub(crate) struct File {
    /// The host's file; none on a device that is not implemented.
    pub(crate) host: Option<Mutex<fs::File>>,
    pub(crate) writable: bool,
}

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transfer {
    Read,
    Write,
}

/// A request on its way.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) transfer: Transfer,
    pub(crate) file: Pinned,
    /// Bytes from the start of the file; none for the current position.
    pub(crate) offset: Option<u64>,
    pub(crate) buffer: u32,
    pub(crate) length: u32,
    /// Where status and bytes go.
    pub(crate) io_status: u32,
    pub(crate) completion: Completion,
    /// The export that was called.
    pub(crate) source: Label,
}

/// Whom a request tells that it has been served.
#[derive(Debug)]
pub(crate) struct Completion {
    /// The event or the port that the call was given; the file itself if there was none.
    pub(crate) target: Pinned,
    /// Holds back the name under which the promise was recorded.
    pub(crate) _name: Option<Pin>,
    pub(crate) apc: Option<(Arc<Thread>, u32)>,
    pub(crate) context: u32,
}

/// Requests that wait for the I/O worker.
#[derive(Debug)]
pub(crate) struct IoQueue {
    requests: Mutex<Requests>,
    changed: Condvar,
    outstanding: Arc<Outstanding>,
}

#[derive(Debug, Default)]
struct Requests {
    queue: VecDeque<Request>,
    closed: bool,
}

impl IoQueue {
    pub(crate) fn new(outstanding: Arc<Outstanding>) -> Self {
        Self { requests: Mutex::default(), changed: Condvar::new(), outstanding }
    }

    fn push(&self, request: Request) {
        self.outstanding.add();
        self.requests.locked().queue.push_back(request);
        self.changed.notify_one();
    }

    /// The next request; sleeps until there is one, `None` at the end of the run.
    fn pop(&self) -> Option<Request> {
        let mut requests = self.requests.locked();
        loop {
            if requests.closed {
                return None;
            }
            if let Some(request) = requests.queue.pop_front() {
                return Some(request);
            }
            requests = self.changed.wait(requests).unwrap_or_else(|poison| poison.into_inner());
        }
    }

    pub(crate) fn close(&self) {
        let mut requests = self.requests.locked();
        requests.closed = true;
        requests.queue.clear();
        self.changed.notify_all();
    }
}

impl Context<'_> {
    /// Sends a request off.
    pub(crate) fn start_io(&mut self, request: Request) {
        if self.kernel.faults.strikes(FaultKind::IoEarly) {
            self.serve(request);
        } else if self.kernel.config.deterministic {
            let cycle = self.kernel.clock.now() + VIRTUAL_LATENCY;
            self.kernel.timeline.insert(cycle, Due::Complete(Box::new(request)));
        } else {
            self.kernel.io.push(request);
        }
    }

    /// The I/O worker: serves until the run ends.
    pub(crate) fn work(&mut self) {
        debug_assert_eq!(self.ring, IO_RING);
        while let Some(request) = self.kernel.io.pop() {
            self.serve(request);
            self.kernel.settle();
        }
    }

    /// Serves a request and tells whom it may concern.
    pub(crate) fn serve(&mut self, request: Request) {
        let (status, bytes) = match self.transfer(&request) {
            Ok(bytes) => (Status::SUCCESS, bytes),
            Err(status) => (status, 0),
        };
        let memory = &self.kernel.memory;
        if request.io_status != 0 {
            // The bytes go first: a guest may look at the status alone. A bad pointer was refused by the call, and a
            // guest cannot take memory back.
            let _ = memory.write_u32(request.io_status.wrapping_add(4), bytes);
            let _ = memory.write_u32(request.io_status, status.0);
        }
        self.progress();
        let by = By::host(label!("IoCompleteRequest"));
        let Completion { target, apc, context, .. } = &request.completion;
        if !self.kernel.faults.strikes(FaultKind::IoNoEvent) {
            let key = request.file.handle().unwrap_or_default();
            let packet = Packet { key, context: *context, status: status.0, bytes };
            self.complete(&target.object, by, packet);
        }
        if let Some((thread, routine)) = apc {
            let arguments = [*context, request.io_status, 0];
            let apc = Apc { normal_routine: *routine, arguments, ..Apc::default() };
            // Its thread may have ended meanwhile.
            let _ = self.queue_apc(thread, apc, By::host(request.source));
        }
    }

    /// Signals what a request was told to signal: an event, the file itself, or a port, which gets a packet.
    fn complete(&mut self, target: &Arc<Object>, by: By<'_>, packet: Packet) {
        self.change(target, by, |cx, state| {
            if matches!(state.dispatch(), Dispatch::Port { .. }) {
                // A port that is full loses it.
                let _ = cx.post(state, packet, by);
            } else {
                let was_set = state.dispatch().is_set();
                cx.signal(state, by, u32::from(was_set), 1);
                state.raise_flag();
            }
        });
    }

    /// Puts a packet into a port whose lock is held.
    pub(crate) fn post(&mut self, state: &mut State, packet: Packet, by: By<'_>) -> Result<(), Status> {
        let depth = state.dispatch().signal_state();
        if depth >= MAX_PACKETS {
            return Err(Status::INSUFFICIENT_RESOURCES);
        }
        self.signal(state, by, depth as u32, 1);
        if !self.kernel.faults.strikes(FaultKind::DropSignal) {
            state.post(packet);
            self.progress();
        }
        Ok(())
    }

    fn transfer(&self, request: &Request) -> Result<u32, Status> {
        let file = request.file.object.file.as_ref().and_then(|file| file.host.as_ref());
        let mut file = file.ok_or(Status::INVALID_DEVICE_REQUEST)?.locked();
        if let Some(offset) = request.offset {
            file.seek(SeekFrom::Start(offset)).map_err(|error| status_of(error.kind()))?;
        }
        let memory = &self.kernel.memory;
        let length = request.length.min(MAX_TRANSFER);
        match request.transfer {
            Transfer::Read => {
                let mut bytes = Vec::new();
                let read = Read::by_ref(&mut *file).take(u64::from(length)).read_to_end(&mut bytes);
                read.map_err(|error| status_of(error.kind()))?;
                if bytes.is_empty() && length > 0 {
                    return Err(Status::END_OF_FILE);
                }
                memory.write_bytes(request.buffer, &bytes)?;
                Ok(bytes.len() as u32)
            }
            Transfer::Write => {
                let mut bytes = vec![0; length as usize];
                memory.read_bytes(request.buffer, &mut bytes)?;
                file.write_all(&bytes).map_err(|error| status_of(error.kind()))?;
                Ok(length)
            }
        }
    }
}

/// The status for an error of the host's file system.
pub(crate) fn status_of(error: ErrorKind) -> Status {
    match error {
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::InvalidFilename => {
            Status::OBJECT_NAME_NOT_FOUND
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem | ErrorKind::IsADirectory => {
            Status::ACCESS_DENIED
        }
        ErrorKind::AlreadyExists => Status::OBJECT_NAME_COLLISION,
        ErrorKind::InvalidInput => Status::INVALID_PARAMETER,
        _ => Status::UNEXPECTED_IO_ERROR,
    }
}
