//! What a run came to.

use ppc::{Cpu, Frame};

use crate::ledger::Unrecorded;

/// Why a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The entry function returned, or every thread exited.
    Finished {
        /// The guest's exit value.
        exit: u32,
    },
    /// No guest thread is ready or running, and nothing outstanding can change that.
    Deadlock,
    /// No progress for as long as the configuration allows.
    Watchdog,
    /// [`Control::interrupt`](crate::Control::interrupt) was called.
    Interrupted,
    /// A guest thread did what it cannot do.
    Fault(FaultReport),
    /// The limit of instructions was reached.
    Limit,
}

impl Ended {
    /// The name in reports and in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Finished { .. } => "finished",
            Self::Deadlock => "deadlock",
            Self::Watchdog => "watchdog",
            Self::Interrupted => "interrupted",
            Self::Fault(_) => "fault",
            Self::Limit => "limit",
        }
    }
}

/// An illegal instruction, a bad access or the like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultReport {
    /// The thread.
    pub tid: u32,
    /// Address of the instruction.
    pub pc: u32,
    /// The instruction, if there is one at that address.
    pub word: Option<u32>,
    /// The address that was accessed or jumped to, if that is what is wrong.
    pub address: Option<u32>,
    /// What is wrong, in words.
    pub cause: String,
    /// The registers before the instruction.
    pub registers: Box<Cpu>,
    /// The call stack, innermost first.
    pub stack: Vec<Frame>,
}

/// What a guest thread was doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThreadState {
    /// It could run.
    Ready,
    /// It was on a hardware thread when the run ended.
    Running,
    /// It was parked.
    Waiting,
    /// It was not parked, and suspended.
    Suspended,
    /// It had ended.
    Exited,
}

impl ThreadState {
    /// The name in reports and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Suspended => "suspended",
            Self::Exited => "exited",
        }
    }
}

/// One guest thread at the end of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadInfo {
    /// Its id, from 1.
    pub tid: u32,
    /// It is the thread that the run began with.
    pub main: bool,
    /// What it was doing.
    pub state: ThreadState,
    /// The handles or object addresses that it was parked on; empty for a delay.
    pub on: Vec<u32>,
    /// It needed all of them.
    pub all: bool,
    /// An APC could have ended its wait.
    pub alertable: bool,
    /// The cycle at which its wait would have ended by itself.
    pub deadline: Option<u64>,
    /// Address of its next instruction; for a parked thread, of the trap.
    pub pc: u32,
    /// Its link register; for a parked thread, one instruction past its call.
    pub lr: u32,
    /// Its call stack, innermost first; empty once it has ended.
    pub stack: Vec<Frame>,
    /// How often it is suspended.
    pub suspend_count: u32,
    /// The name of its object: a handle, or the address of its KTHREAD.
    pub handle: u32,
    /// Where it began.
    pub start: u32,
    /// The hardware threads that it ran on, one bit each, bit 0 first.
    pub ran_on: u8,
    /// What it exited with.
    pub exit: Option<u32>,
}

/// What a run came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Why it ended.
    pub ended: Ended,
    /// Instructions retired.
    pub instructions: u64,
    /// Cycles of the guest timebase from beginning to end.
    pub cycles: u64,
    /// Calls into the kernel.
    pub kernel_calls: u64,
    /// How often a hardware thread took up a guest thread.
    pub context_switches: u64,
    /// How often that was another hardware thread than the last time.
    pub migrations: u64,
    /// Records attempted, counted here and not by the audit. The audit's own count is the same when it was on all along.
    pub events: u64,
    /// Records attempted, by ring.
    pub events_by_ring: Vec<u64>,
    /// Host time.
    pub seconds: f64,
    /// Every thread, by tid; of those that had ended the newest 65 536.
    pub threads: Vec<ThreadInfo>,
    /// Changes of objects that nobody recorded; empty unless the self-check was on.
    pub unrecorded: Vec<Unrecorded>,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Instructions retired.
    pub instructions: u64,
    /// Calls into the kernel.
    pub kernel_calls: u64,
    /// Records attempted.
    pub events: u64,
    /// How often a hardware thread took up a guest thread.
    pub context_switches: u64,
    /// How often that was another hardware thread than the last time.
    pub migrations: u64,
    /// Cycles of the guest timebase.
    pub cycles: u64,
}
