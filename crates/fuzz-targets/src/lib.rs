//! What the fuzzers run, as plain functions.
//!
//! ```text
//! fuzz/fuzz_targets/X.rs ─▶ fuzz_targets::X(bytes)  ◀─ tests/replay.rs (every file of fuzz/corpus/X)
//!        (libFuzzer, nightly)                            (cargo test, stable)
//! ```
//!
//! One more target, `fold_order`, looks into the audit and lives among its tests.
//!
//! A target returns if the bytes were handled rightly and panics if not. Bytes that make no program are simply a
//! short one: no target turns input away, so nothing in a corpus is dead weight.

#![forbid(unsafe_code)]

mod capture;
mod diagnose;
mod host;
mod records;
mod ring;
mod text;

// The reference model of handle-audit's own tests, compiled against its public interface.
#[path = "../../handle-audit/src/tests/agree.rs"]
mod agree;
#[path = "../../handle-audit/src/tests/model.rs"]
mod model;

// The small host that handle-capture's tests capture.
#[path = "../../handle-capture/tests/common/mod.rs"]
mod common;

// How those tests tell what a reader may say of a damaged capture.
#[path = "../../handle-capture/tests/mutations/written.rs"]
mod written;

// The names under which the model knows what it compares.
use handle_audit::{
    AUDIT_RING_CAPACITY, EntryList, FIRST_ENTRIES, Frame, HandleAuditEntry, HandleAuditTrail, HandleKind,
    MAX_OPEN_WAITS, Operation, OperationCounts, PREVIOUS_RECORDS, PreviousGeneration, Snapshot, ThreadTrail,
    TrailEntry,
};

pub use capture::capture_read;
pub use diagnose::diagnose_snapshot as diagnose;
pub use host::{elf_load, interpreter};
pub use records::record_sequences;
pub use ring::ring_ops;
pub use text::{symbols, trace_handles_arg};

/// A target: bytes in, a panic if they were handled wrongly.
pub type Target = fn(&[u8]);

/// Every target by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("capture_read", capture_read),
    ("diagnose", diagnose),
    ("elf_load", elf_load),
    ("interpreter", interpreter),
    ("record_sequences", record_sequences),
    ("ring_ops", ring_ops),
    ("symbols", symbols),
    ("trace_handles_arg", trace_handles_arg),
];
