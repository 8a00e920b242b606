//! Lock-free audit of kernel handles for high-level emulators.
//!
//! It answers one question: *a guest thread is parked on a kernel handle; who created it, who signalled it, who
//! should have and did not?*
//!
//! ```text
//! guest export ─▶ Recorder ─▶ ring ─▶ drain: merge, fold ─▶ trail map ─▶ Snapshot
//!                 (stamp)     (one per                      (sharded)
//!                              hardware thread)
//! ```
//!
//! # Guarantees
//!
//! - **Order.** For one handle, what happened before, folds before, whichever rings it came through.
//! - **Loss.** A full ring rejects the newest record and counts it: recorded + rejected = attempted, exactly, once
//!   producers rest. The last eighth of a ring is kept for creates.
//! - **Hot path.** Recording never blocks, spins, allocates, takes a lock, makes a system call, or executes a fence
//!   or a read-modify-write, but for the first record of a call site, and of a recorder after a late enable: see
//!   [`Recorder`]. Switched off, it is one predictable branch.
//! - **Reading.** [`HandleAudit::flush`] returns when everything that happened before has been folded. A reader never
//!   stops a producer.
//! - **Bounds.** A trail keeps the newest 32 entries of each list, the first 8, and exact totals.
//!
//! # What it does not do
//!
//! - Two different handles are not ordered against each other, beyond what one guest thread's cycles say.
//! - A snapshot shows what was folded, not what was recorded a microsecond ago; a flush closes that distance.
//! - It reads no clock: `cycle` comes from the caller and never decides order between threads.
//! - With more than eight rings, stamps take one read-modify-write each.
//!
//! # Example
//!
//! ```
//! use handle_audit::{AuditConfig, HandleAudit, HandleAuditEntry, HandleKind, label};
//!
//! let audit = HandleAudit::new(AuditConfig::default().enabled(true))?;
//! let mut recorder = audit.claim(0)?;
//! let entry = |source| HandleAuditEntry::new(1_000, 1, 0x8200_0040, source, 0);
//! recorder.record_create(0x1004, HandleKind::EVENT_AUTO, entry(label!("NtCreateEvent")));
//! recorder.record_wait(0x1004, entry(label!("NtWaitForSingleObjectEx")));
//!
//! let snapshot = audit.snapshot()?;
//! let trail = snapshot.trail(0x1004).expect("it was created");
//! assert_eq!((trail.open_waits.len(), trail.signals.total()), (1, 0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

// What tests share with examples calls this crate by its name.
#[cfg(test)]
extern crate self as handle_audit;

#[cfg(not(loom))]
mod audit;
pub mod aux;
mod capture;
mod config;
mod drain;
mod entry;
mod focus;
mod fold;
mod label;
mod lane;
mod ledger;
mod losses;
mod map;
mod merge;
mod operation;
mod pipeline;
mod record;
mod recorder;
mod replay;
mod shared;
mod shim;
mod snapshot;
mod stamp;
mod store;
mod tag;
#[cfg(any(test, fuzzing))]
mod tests;
mod trail;

#[cfg(not(loom))]
pub use audit::HandleAudit;
pub use capture::{Capture, CaptureSink, CapturedSlot, Checkpoint, MAX_APPENDED_SLOTS};
pub use config::{
    AuditConfig, ConfigError, DEFAULT_RING_CAPACITY, MAX_RING_CAPACITY, MAX_RINGS, MIN_RING_CAPACITY,
};
#[cfg(any(test, feature = "observe"))]
pub use drain::FoldObserver;
pub use entry::{Frame, HandleAuditEntry, HandleKind, MAX_STACK_FRAMES};
pub use focus::{BadHandleList, Focus, TRACE_HANDLES_VARIABLE, TraceHandles, parse_handle};
pub use label::{Label, LabelCell, LabelWatcher, MAX_LABEL_BYTES, MAX_LABELS, watch_labels};
pub use ledger::{ACCOUNT_WORDS, LedgerAccount};
pub use losses::{Gap, Losses, MAX_GAPS, RingAccount};
pub use operation::{Operation, OperationCounts};
pub use pipeline::DrainDied;
pub use recorder::Recorder;
pub use replay::{Captured, CapturedRecord, Replay, settle};
pub use shared::ClaimError;
pub use snapshot::{Coverage, Snapshot};
pub use trail::{
    AUDIT_RING_CAPACITY, Counts, EntryList, FIRST_ENTRIES, GhostTrail, HandleAuditTrail, Lead, MAX_ALIASES,
    MAX_OPEN_WAITS, PREVIOUS_RECORDS, PreviousGeneration, ThreadRecord, ThreadTrail, TrailEntry,
};

/// The fuzz target `fold_order`, which looks into records and passes.
#[cfg(fuzzing)]
pub fn fold_order(data: &[u8]) {
    tests::fold_order::fold_order(data);
}

/// The guide for authors of emulators: its code is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/embedding.md")]
pub struct EmbeddingGuide;
