//! What the operating system and the processor give: signals, file mappings and a counter, behind safe functions.
//!
//! ```text
//! SIGINT, SIGTERM ─▶ InterruptWatch ─▶ the host's action, on a thread of its own
//! SIGSEGV, abort  ─▶ crash note     ─▶ the handler that was there before
//!                        │
//!        SharedMapping ◀─┘ words in a file, which outlive the process
//! ```
//!
//! # Guarantees
//!
//! - The action of an [`InterruptWatch`] runs as ordinary code: it may allocate, lock and print.
//! - Handlers that were installed before stay in the chain.
//! - A second signal ends the process at once, however stuck it is.
//! - A [`SharedMapping`] gives its words to the process that made it, and nothing to a forked child.
//! - A guarded mapping whose file is cut short goes on in memory and says so, where it would raise SIGBUS.
//! - A crash note is left before an earlier handler gets the signal, by loads and stores of atomics alone.
//!
//! # What it does not do
//!
//! - It knows nothing of guests or audits: what to do on an interrupt is the caller's.

mod counter;
mod crash;
mod guard;
mod interrupt;
mod mapping;

pub use counter::TimeStampCounter;
pub use crash::{CRASH_NOTE_WORDS, leave_crash_notes, leave_no_crash_notes};
pub use interrupt::{InterruptWatch, SECOND_SIGINT, SECOND_SIGTERM};
pub use mapping::{SharedMapping, reserve};
