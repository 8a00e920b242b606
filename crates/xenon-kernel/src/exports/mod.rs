//! The exports of xboxkrnl, one file per family. Guest calls keep their names.
//!
//! An export reads its arguments, resolves handles, changes objects under their locks and says what becomes of the
//! calling thread. Bad pointers are refused before anything is changed.

mod apc;
mod critical_section;
mod event;
mod io;
mod mutant;
mod object;
mod other;
mod semaphore;
mod stub;
mod thread;
mod timer;
mod wait;

use std::sync::Arc;

use handle_audit::{HandleKind, Operation};
use ppc::{Memory, MemoryFault};

use crate::clock::Timeout;
use crate::context::{By, Context};
use crate::dispatch::Dispatch;
use crate::handle_table::{CURRENT_PROCESS, CURRENT_THREAD, Pinned};
use crate::names::Import;
use crate::object::{Blueprint, Object};
use crate::status::Status;
use crate::thread::{Body, Thread};
use crate::wait::{Begun, Ended, Finish, Pending, Wish};

/// What becomes of the calling thread.
#[derive(Debug)]
pub(crate) enum Flow {
    /// The call returns this in r3.
    Return(u32),
    /// The same, and other threads have their turn first.
    Yield(u32),
    /// A wait ended at once; this is left to do.
    Over(Finish, Ended),
    /// A wait did not.
    Park(Pending),
    /// The thread ends with this status.
    Exit(u32),
}

/// What an export gives: an error is a status in r3.
type Reply = Result<Flow, Status>;

/// The code of an export.
pub(crate) type Handler = fn(&mut Call<'_, '_>) -> Reply;

/// One export of xboxkrnl.
#[derive(Debug)]
pub(crate) struct Export {
    pub(crate) ordinal: u32,
    pub(crate) name: &'static str,
    pub(crate) handler: Handler,
}

macro_rules! exports {
    ($($family:ident: $($name:ident $ordinal:literal),*;)*) => {
        &[$($(Export { ordinal: $ordinal, name: stringify!($name), handler: $family::$name }),*),*]
    };
}

/// Every export that is implemented (ordinals: Xenia, `src/xenia/kernel/xboxkrnl/xboxkrnl_table.inc`).
pub(crate) static EXPORTS: &[Export] = exports! {
    event: NtCreateEvent 0xD1, NtSetEvent 0xF6, NtPulseEvent 0xE2, NtClearEvent 0xCE,
        KeInitializeEvent 0x70, KeSetEvent 0x9D, KePulseEvent 0x7F, KeResetEvent 0x8F;
    semaphore: NtCreateSemaphore 0xD5, NtReleaseSemaphore 0xF3, KeInitializeSemaphore 0x74, KeReleaseSemaphore 0x88;
    mutant: NtCreateMutant 0xD4, NtReleaseMutant 0xF2;
    timer: NtCreateTimer 0xD7, NtSetTimerEx 0xFA, NtCancelTimer 0xCD;
    thread: ExCreateThread 0x0D, ExTerminateThread 0x19, NtResumeThread 0xF5, NtSuspendThread 0xFC,
        KeResumeThread 0x92, KeSetAffinityThread 0x97, KeSetBasePriorityThread 0x99,
        KeDelayExecutionThread 0x5A, NtYieldExecution 0x101;
    wait: NtWaitForSingleObjectEx 0xFD, NtWaitForMultipleObjectsEx 0xFE, KeWaitForSingleObject 0xB0,
        KeWaitForMultipleObjects 0xAF, NtSignalAndWaitForSingleObjectEx 0xFB;
    critical_section: RtlInitializeCriticalSection 0x12E, RtlInitializeCriticalSectionAndSpinCount 0x12F,
        RtlEnterCriticalSection 0x125, RtlTryEnterCriticalSection 0x141, RtlLeaveCriticalSection 0x130;
    io: NtCreateFile 0xD2, NtReadFile 0xF0, NtWriteFile 0xFF, NtDeviceIoControlFile 0xD9,
        NtCreateIoCompletion 0xD3, NtSetIoCompletion 0xF8, NtRemoveIoCompletion 0xF4;
    apc: KeInitializeApc 0x6D, KeInsertQueueApc 0x7A, NtQueueApcThread 0xE3;
    object: NtDuplicateObject 0xDA, NtClose 0xCF, ObReferenceObjectByHandle 0x110, ObDereferenceObject 0x105;
    other: KeGetCurrentProcessType 0x66, KeQueryPerformanceFrequency 0x83, DbgPrint 0x03;
};

/// A call of an export by a guest thread.
pub(crate) struct Call<'c, 'k> {
    pub(crate) cx: &'c mut Context<'k>,
    pub(crate) thread: &'c Arc<Thread>,
    body: &'c mut Body,
    import: &'k Import,
}

/// Success.
fn ok() -> Reply {
    Ok(Flow::Return(0))
}

impl<'c, 'k> Call<'c, 'k> {
    pub(crate) fn new(
        cx: &'c mut Context<'k>,
        thread: &'c Arc<Thread>,
        body: &'c mut Body,
        import: &'k Import,
    ) -> Self {
        Self { cx, thread, body, import }
    }

    /// Does what the import stands for.
    pub(crate) fn invoke(mut self) -> Flow {
        match self.import.handler {
            Some(handler) if !self.cx.kernel.faults.stubs(self.import.name) => {
                handler(&mut self).unwrap_or_else(|status| Flow::Return(status.0))
            }
            _ => self.stub(Status::SUCCESS),
        }
    }

    /// Argument `index`, from 0: r3 to r10, then the caller's stack from 8(r1) on.
    fn arg(&self, index: u32) -> Result<u32, MemoryFault> {
        if index < 8 {
            return Ok(self.body.cpu.gpr[3 + index as usize] as u32);
        }
        let r1 = self.body.cpu.gpr[1] as u32;
        self.memory().read_u32(r1.wrapping_add(8 + 4 * (index - 8)))
    }

    /// An argument that is in a register.
    fn reg(&self, index: usize) -> u32 {
        self.body.cpu.gpr[3 + index] as u32
    }

    fn memory(&self) -> &'k Memory {
        &self.cx.kernel.memory
    }

    /// On whose behalf this call records.
    fn by(&self) -> By<'c> {
        By { thread: Some(self.thread), lr: self.body.cpu.lr, source: self.import.label }
    }

    /// Refuses a pointer that is neither null nor mapped for `bytes`.
    fn probe(&self, address: u32, bytes: u32) -> Result<(), Status> {
        if address == 0 || self.memory().is_mapped(address, bytes) {
            Ok(())
        } else {
            Err(Status::ACCESS_VIOLATION)
        }
    }

    /// Refuses a pointer that is not mapped for `bytes`; null is not.
    fn require(&self, address: u32, bytes: u32) -> Result<(), Status> {
        if address == 0 { Err(Status::ACCESS_VIOLATION) } else { self.probe(address, bytes) }
    }

    /// Writes a result to where the guest wants it, if it does.
    fn store(&self, address: u32, value: u32) -> Result<(), Status> {
        if address != 0 {
            self.memory().write_u32(address, value)?;
        }
        Ok(())
    }

    /// The timeout that a pointer argument stands for; null waits for ever.
    fn timeout(&self, address: u32) -> Result<Timeout, Status> {
        if address == 0 {
            return Ok(Timeout::Never);
        }
        let ticks = self.memory().read_u64(address)? as i64;
        Ok(Timeout::from_ticks(ticks, self.cx.kernel.clock.now()))
    }

    /// The object that a handle names, pseudo handles included.
    fn resolve(&self, handle: u32) -> Result<Pinned, Status> {
        match handle {
            CURRENT_PROCESS => Ok(Pinned::unnamed(self.cx.kernel.process.clone())),
            CURRENT_THREAD => self.thread.object().map(Pinned::unnamed).ok_or(Status::INVALID_HANDLE),
            _ => self.cx.kernel.handles.resolve(handle).ok_or(Status::INVALID_HANDLE),
        }
    }

    /// The same, for a call that signals: what names nothing is on record as a ghost.
    fn resolve_to_signal(&mut self, handle: u32) -> Result<Pinned, Status> {
        let resolved = self.resolve(handle);
        if resolved.is_err() {
            let by = self.by();
            self.cx.ghost_signal(handle, by);
        }
        resolved
    }

    /// The same, for a call that waits: the wait and its refusal are on record, unless the value is being reissued.
    fn resolve_to_wait(&mut self, handle: u32) -> Result<Pinned, Status> {
        self.resolve(handle).inspect_err(|status| {
            let (by, kernel) = (self.by(), self.cx.kernel);
            kernel.handles.while_unresolved(handle, || {
                self.cx.record_unlocked(Operation::Wait, handle, by, 0);
                self.cx.record_unlocked(Operation::Satisfied, handle, by, u64::from(status.0));
            });
        })
    }

    /// The object whose dispatcher header is at `address`. One that the guest wrote by hand is taken up here; that is no
    /// create, so its records are a ghost's.
    fn object_at(&mut self, address: u32) -> Result<Arc<Object>, Status> {
        let kernel = self.cx.kernel;
        self.require(address, 16)?;
        let object = kernel.object_in_memory(
            address,
            |known| known.matches_header(&kernel.memory, address),
            || {
                let (dispatch, kind) = Dispatch::from_header(&kernel.memory, address)?;
                let blueprint = Blueprint { header: Some(address), ..Blueprint::new(kind, dispatch) };
                let ledger = kernel.ledgers.open_for_found(address, kind);
                Some(Arc::new(Object::new(kernel.next_object_id(), address, blueprint, ledger)))
            },
        );
        object.ok_or(Status::OBJECT_TYPE_MISMATCH)
    }

    /// The same, for a call that signals.
    fn object_to_signal(&mut self, address: u32) -> Result<Arc<Object>, Status> {
        let object = self.object_at(address);
        if object.is_err() {
            let by = self.by();
            self.cx.ghost_signal(address, by);
        }
        object
    }

    /// Makes an object with a handle, which is written to `out`, and returns success.
    fn create(&mut self, out: u32, blueprint: Blueprint, aux: u64) -> Reply {
        self.make(out, blueprint, aux)?;
        ok()
    }

    /// Makes an object with a handle, which is written to `out`.
    fn make(&mut self, out: u32, blueprint: Blueprint, aux: u64) -> Result<Arc<Object>, Status> {
        self.require(out, 4)?;
        let kernel = self.cx.kernel;
        let reserved = kernel.handles.reserve().ok_or(Status::INSUFFICIENT_RESOURCES)?;
        let handle = reserved.value();
        let ledger = kernel.ledgers.open(handle, blueprint.kind);
        let object = Arc::new(Object::new(kernel.next_object_id(), handle, blueprint, ledger));
        self.record_created(&object, aux);
        reserved.publish(object.clone());
        self.store(out, handle)?;
        Ok(object)
    }

    /// Makes an object of the header at `address`, in the place of whatever was there.
    fn initialise(
        &mut self,
        address: u32,
        kind: HandleKind,
        dispatch: Dispatch,
        bytes: u32,
        aux: u64,
    ) -> Reply {
        self.require(address, bytes)?;
        let kernel = self.cx.kernel;
        kernel.forget_in_memory(address);
        dispatch.write_header(&kernel.memory, address);
        let blueprint = Blueprint { header: Some(address), ..Blueprint::new(kind, dispatch) };
        let ledger = kernel.ledgers.open(address, kind);
        let object = Arc::new(Object::new(kernel.next_object_id(), address, blueprint, ledger));
        self.record_created(&object, aux);
        kernel.in_memory.insert(address, object);
        ok()
    }

    fn record_created(&mut self, object: &Arc<Object>, aux: u64) {
        let (by, memory) = (self.by(), self.memory());
        let state = object.lock(memory);
        let (kernel, thread, cpu) = (self.cx.kernel, self.thread, &self.body.cpu);
        self.cx.created(&state, object.kind, by, aux, || kernel.frames_of(thread, cpu));
    }

    /// Waits for what `wish` names.
    fn wait(&mut self, wish: Wish) -> Reply {
        let (by, thread) = (self.by(), self.thread);
        let objects: Vec<_> = wish.targets.iter().map(|target| target.object.clone()).collect();
        let begun = self.cx.with_locked(objects, |cx, locked| cx.begin_wait(locked, thread, by, wish));
        Ok(begun.into())
    }
}

impl From<Begun> for Flow {
    fn from(begun: Begun) -> Self {
        match begun {
            Begun::Over(finish, ended) => Self::Over(finish, ended),
            Begun::Parked(pending) => Self::Park(pending),
        }
    }
}
