//! A high-level-emulated kernel for PowerPC guests, instrumented with the handle audit.
//!
//! It runs real machine code of the Xbox 360's PowerPC on six hardware threads, each an OS thread of its own, and gives
//! it the console's kernel as far as synchronisation goes: events, semaphores, mutants, timers, threads, waits, critical
//! sections, files, completion ports, APCs. No graphics, no sound. It is the only caller of the audit's `record_*`.
//!
//! ```text
//! Image ─▶ Machine::new ─▶ run: hardware threads 0..5 ─ slice ─ trap ─▶ exports ─▶ objects, under their own locks
//!                              ▲                                           │             │
//!                              │ ready queue ◀─ wake_eligible_waiters ◀────┘             └▶ Recorder (one per ring)
//!                              │
//!                              timers (ring 7), I/O worker (ring 6)
//! ```
//!
//! # Guarantees
//!
//! - Locks are per object, in the order of object ids. Setting an event that is set and entering a critical section that
//!   is free take none; who clears the event lets such a setter finish its record.
//! - Whatever changes an object is recorded under its lock, where it becomes visible to others or before; [the
//!   self-check](MachineConfig::self_check) counts both sides.
//! - A wait ends once. Its end leaves every queue and is recorded on every member in one step.
//! - A handle is not reissued while a call that resolved it is in flight or a thread is parked on it.
//! - A run in which nothing can happen any more ends, exactly then, as [`Ended::Deadlock`].
//! - The same seed gives a deterministic run the same records, byte for byte.
//! - No guest can make this crate panic: what a guest cannot do ends the run as [`Ended::Fault`].
//!
//! # What it does not do
//!
//! - Waking a thread of higher priority does not preempt a running one before its slice ends.
//! - Suspending a thread that runs on another hardware thread takes effect before its next call returns, or at the end
//!   of its slice.
//! - Code that the guest writes at run time is not executed.
//! - The host directory of a mount is trusted not to change its links while the guest runs.
//!
//! # Example
//!
//! ```no_run
//! use xenon_kernel::{Machine, MachineConfig, Output};
//!
//! struct Print;
//!
//! impl Output for Print {
//!     fn line(&mut self, text: &str) {
//!         println!("{text}");
//!     }
//!
//!     fn stub(&mut self, export: &str) {
//!         eprintln!("{export} is a stub");
//!     }
//! }
//!
//! let image = ppc::load(&std::fs::read("guests/bin/pingpong.elf")?)?;
//! let machine = Machine::new(&image, MachineConfig::default(), None, Box::new(Print))?;
//! println!("{:?}", machine.run().ended);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod apc;
mod clock;
mod config;
mod console;
mod context;
mod deterministic;
mod dispatch;
mod exports;
mod fault;
mod follower;
mod format;
mod guest_space;
mod handle_table;
mod host_threads;
mod io;
mod kernel;
mod ledger;
mod locked;
mod machine;
mod mount;
mod names;
mod object;
mod objects_in_memory;
mod outcome;
mod passer;
mod registry;
mod rng;
mod run;
mod scheduler;
mod state;
mod status;
mod sync;
mod thread;
mod threads;
mod timeline;
mod wait;
mod watchdog;

pub use clock::CYCLES_PER_SECOND;
pub use config::{DEFAULT_SLICE, MachineConfig, Mount};
pub use console::Output;
pub use fault::{BadFault, FaultInfo, FaultKind, FaultSpec, faults};
pub use ledger::Unrecorded;
pub use machine::{Control, Machine, MachineError};
pub use outcome::{Ended, FaultReport, Outcome, Progress, ThreadInfo, ThreadState};
pub use scheduler::HARDWARE_THREADS;
