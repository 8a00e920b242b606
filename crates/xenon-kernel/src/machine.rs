//! A machine: a guest image, a kernel for it, and the host threads that run it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use handle_audit::{ClaimError, Frame, HandleAudit, Recorder, label};
use ppc::{Cpu, Image, MapError, Memory};
use rustc_hash::FxHashMap;

use crate::config::MachineConfig;
use crate::console::{Console, Output};
use crate::context::{By, Context};
use crate::kernel::{HOST_RING, Kernel, Parts, RINGS};
use crate::names::{Import, is_export_name};
use crate::outcome::{Ended, Outcome, Progress, ThreadInfo, ThreadState};
use crate::sync::Lock;
use crate::thread::Thread;
use crate::threads::NewThread;
use crate::{deterministic, host_threads};

/// Bytes of the main thread's stack.
const MAIN_STACK: u32 = 0x4_0000;

/// Why a machine cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MachineError {
    /// The image does not fit the guest's memory.
    #[error("the guest does not fit into memory: {0}")]
    Map(#[from] MapError),
    /// No memory for the main thread's stack.
    #[error("no guest memory is left for the main thread's stack; the guest may have 512 MiB in all")]
    NoStack,
    /// A ring of the audit is taken.
    #[error("the audit has no ring for every host thread: {0}; it needs 8, and nobody else may claim them")]
    Claim(#[from] ClaimError),
    /// A fault or an omission is about what the guest does not import and the kernel does not know.
    #[error("no export is called `{name}`; what is asked for is the name of one, such as `NtSetEvent`")]
    UnknownExport {
        /// The name.
        name: String,
    },
    /// A slice of no instructions.
    #[error("a slice of 0 instructions: it must be 1 or more")]
    EmptySlice,
}

/// A guest that is about to run.
pub struct Machine {
    kernel: Arc<Kernel>,
    audit: Option<Arc<HandleAudit>>,
    /// One per ring; none without an audit.
    recorders: Vec<Option<Recorder>>,
}

/// Looks at a run, and ends it, from another thread.
#[derive(Clone)]
pub struct Control(Arc<Kernel>);

impl Control {
    /// Ends the run as [`Ended::Interrupted`], unless it has ended. Returns at once; the run stops within a slice.
    pub fn interrupt(&self) {
        self.0.end(Ended::Interrupted);
    }

    /// How far the run is. Exact once the run has ended.
    pub fn progress(&self) -> Progress {
        progress(&self.0)
    }

    /// Whether the run has ended, or is about to.
    pub fn is_over(&self) -> bool {
        self.0.is_stopped()
    }

    /// Every thread as it is at the moment, without holding up any: one that runs is listed as running, and where it
    /// is stays unknown.
    pub fn threads(&self) -> Vec<ThreadInfo> {
        threads(&self.0)
    }
}

impl Machine {
    /// Maps `image`, checks `config`, and gets everything ready but the host threads. `audit` takes the records; it
    /// needs 8 rings: six hardware threads, the I/O worker, timers and host.
    ///
    /// # Errors
    ///
    /// [`MachineError`].
    pub fn new(
        image: &Image,
        config: MachineConfig,
        audit: Option<Arc<HandleAudit>>,
        output: Box<dyn Output>,
    ) -> Result<Self, MachineError> {
        if config.slice == 0 {
            return Err(MachineError::EmptySlice);
        }
        let imports: FxHashMap<u32, Import> =
            image.thunks.iter().map(|thunk| (thunk.address, Import::new(*thunk))).collect();
        let stubbed = config.faults.iter().filter_map(|fault| fault.export.as_deref());
        for name in stubbed.chain(config.left_out.iter().map(String::as_str)) {
            if !is_export_name(name) && !imports.values().any(|import| import.name == name) {
                return Err(MachineError::UnknownExport { name: name.to_owned() });
            }
        }
        let memory = Memory::new();
        let code = image.map_into(&memory)?;
        let console = Console::new(output);
        let kernel = Arc::new(Kernel::new(Parts { config, memory, code, imports, console }));
        let mut recorders = claim_all(audit.as_deref())?;
        let mut host = Context::new(&kernel, HOST_RING, recorders.pop().flatten());
        start_main(&mut host, image.entry)?;
        recorders.push(host.into_recorder());
        Ok(Self { kernel, audit, recorders })
    }

    /// A handle to look at the run and to end it.
    pub fn control(&self) -> Control {
        Control(self.kernel.clone())
    }

    /// Runs the guest to its end. When this returns, every record of the run has been made, and all recorders are free.
    pub fn run(self) -> Outcome {
        self.run_watched(&|| {})
    }

    /// The same. `halfway` is called when there has been no progress for half of what the watchdog allows: the time for
    /// a first look at what may be a hang. A thread of the machine calls it, so it must not take long.
    pub fn run_watched(self, halfway: &(dyn Fn() + Sync)) -> Outcome {
        let began = Instant::now();
        let kernel = &*self.kernel;
        let pumped = self.audit.as_deref().filter(|_| kernel.config.deterministic);
        let context = |(ring, recorder)| Context::new(kernel, ring, recorder).with_pump(pumped);
        let mut contexts: Vec<_> = (0..).zip(self.recorders).map(context).collect();
        if kernel.config.deterministic {
            deterministic::run(kernel, &mut contexts, halfway);
        } else {
            host_threads::run(kernel, contexts, halfway);
        }
        kernel.console.finish();
        let progress = progress(kernel);
        let outcome = Outcome {
            ended: kernel.ending.why.locked().clone().unwrap_or(Ended::Deadlock),
            instructions: progress.instructions,
            cycles: progress.cycles,
            kernel_calls: progress.kernel_calls,
            context_switches: progress.context_switches,
            migrations: progress.migrations,
            events: progress.events,
            events_by_ring: kernel.counters.iter().map(|counters| counters.events.load(Relaxed)).collect(),
            seconds: began.elapsed().as_secs_f64(),
            threads: threads(kernel),
            unrecorded: kernel.ledgers.unrecorded(),
        };
        kernel.dismantle();
        outcome
    }
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine").field("config", &self.kernel.config).finish_non_exhaustive()
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Control").field(&self.progress()).finish()
    }
}

/// Claims every ring of the audit, if there is one.
fn claim_all(audit: Option<&HandleAudit>) -> Result<Vec<Option<Recorder>>, ClaimError> {
    (0..RINGS).map(|ring| audit.map(|audit| audit.claim(ring)).transpose()).collect()
}

/// Makes the thread that the run begins with: tid 1, handle 0x1000.
fn start_main(host: &mut Context<'_>, entry: u32) -> Result<(), MachineError> {
    let new = NewThread {
        entry,
        arguments: [host.kernel.config.argument, 0],
        stack_size: MAIN_STACK,
        affinity: crate::thread::ANY_HARDWARE_THREAD,
        suspended: false,
    };
    let made =
        host.create_thread(new, By::host(label!("host")), Vec::new).map_err(|_| MachineError::NoStack)?;
    host.launch(&made);
    Ok(())
}

fn progress(kernel: &Kernel) -> Progress {
    let mut progress = Progress { cycles: kernel.clock.now(), ..Progress::default() };
    for counters in &kernel.counters {
        progress.instructions += counters.instructions.load(Relaxed);
        progress.kernel_calls += counters.kernel_calls.load(Relaxed);
        progress.events += counters.events.load(Relaxed);
        progress.context_switches += counters.context_switches.load(Relaxed);
        progress.migrations += counters.migrations.load(Relaxed);
    }
    progress
}

/// Every thread.
fn threads(kernel: &Kernel) -> Vec<ThreadInfo> {
    let live = kernel.registry.live_threads();
    let mut all = kernel.registry.ended();
    all.extend(live.iter().map(|thread| kernel.thread_info(thread)));
    all.sort_by_key(|thread| thread.tid);
    all
}

impl Kernel {
    /// What is known of a thread.
    fn thread_info(&self, thread: &Thread) -> ThreadInfo {
        let Some(body) = thread.body.try_locked() else {
            let note = self.thread_note(thread, &Cpu::default());
            return ThreadInfo { state: ThreadState::Running, stack: Vec::new(), ..note };
        };
        let mut info = self.thread_note(thread, &body.cpu);
        let waiting = thread.waiting.locked();
        if let Some(block) = &waiting.parked_on {
            info.state = ThreadState::Waiting;
            info.on = block.names();
            info.all = block.waits_for_all();
            info.alertable = block.alertable;
            info.deadline = block.deadline();
        } else if body.ended {
            info.state = ThreadState::Exited;
            info.exit = Some(body.cpu.gpr[3] as u32);
        } else if info.suspend_count > 0 {
            info.state = ThreadState::Suspended;
        } else if body.stopped {
            info.state = ThreadState::Running;
        }
        info
    }

    /// What is known of a thread whatever its state; as ready.
    pub(crate) fn thread_note(&self, thread: &Thread, cpu: &Cpu) -> ThreadInfo {
        let handle = thread.object().map(|object| object.lock(&self.memory).name());
        ThreadInfo {
            tid: thread.tid,
            main: thread.tid == 1,
            state: ThreadState::Ready,
            on: Vec::new(),
            all: false,
            alertable: false,
            deadline: None,
            pc: cpu.pc,
            lr: cpu.lr,
            stack: self.stack_of(thread, cpu),
            suspend_count: thread.run.locked().suspended,
            handle: handle.unwrap_or(thread.places.kthread),
            start: thread.start,
            ran_on: thread.ran_on.load(Relaxed),
            exit: None,
        }
    }

    /// The same, in the form of the audit.
    pub(crate) fn frames_of(&self, thread: &Thread, cpu: &Cpu) -> Vec<Frame> {
        let frames = self.stack_of(thread, cpu);
        frames.into_iter().map(|ppc::Frame { frame, lr }| Frame { frame, lr }).collect()
    }

    /// The call stack of a thread whose registers are `cpu`.
    pub(crate) fn stack_of(&self, thread: &Thread, cpu: &Cpu) -> Vec<ppc::Frame> {
        let stack = thread.places.stack.clone();
        ppc::back_chain(&self.memory, cpu.gpr[1] as u32, cpu.lr, stack, self.config.frame_layout).collect()
    }
}
