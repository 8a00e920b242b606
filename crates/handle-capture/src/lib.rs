//! Captures of an audit that outlive the process.
//!
//! ```text
//! recorders ──▶ rings in a mapped file ──▶ drain ──▶ segments ─┐
//!                  │                                           ├─▶ read ──▶ Recovered ──▶ report
//!                  └── what was not folded yet ────────────────┘        └─▶ Story ──▶ export, diff
//! ```
//!
//! # Guarantees
//!
//! - What was published is read back, however the process ended, once and in the order of the fold.
//! - Reading never writes, locks out or stops the process that writes.
//! - Any bytes can be read: damage costs what it hit, and is told ([`Recovered::notes`]).
//! - A file that was good stays good until its successor is complete ([`write_whole`], [`CaptureWriter::create`]).
//!
//! # What it does not do
//!
//! - It forces nothing to the disk: what a crash of the machine takes is gone.
//! - It decides no order; it follows that of the fold.
//!
//! ```
//! use handle_audit::{AuditConfig, HandleAudit, HandleAuditEntry, HandleKind, label};
//! use handle_capture::{CaptureOptions, CaptureWriter, Ending, read};
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("run.htrail");
//! let config = AuditConfig::default().enabled(true);
//! let (writer, capture) = CaptureWriter::create(&CaptureOptions::new(&path))?;
//! writer.note_crashes()?;
//! let audit = HandleAudit::with_capture(config, capture)?;
//!
//! let mut recorder = audit.claim(0)?;
//! let entry = HandleAuditEntry::new(100, 1, 0x8200_0123, label!("NtCreateEvent"), 0);
//! recorder.record_create(0x1004, HandleKind::EVENT_AUTO, entry);
//! // Whatever ends the process from here on, the record is in the file. Here is an orderly end:
//! audit.shutdown()?;
//! writer.note_end("finished")?;
//! writer.finish()?;
//!
//! let recovered = read(&path)?;
//! assert!(recovered.is_complete());
//! assert_eq!(recovered.snapshot, audit.snapshot()?);
//! assert_eq!(recovered.info.ending, Ending::Noted("finished".to_owned()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! docs/capture-format.md describes the file for readers in other languages.

#![forbid(unsafe_code)]

mod checkpoint;
mod diff;
mod error;
mod export;
mod find;
mod frame;
mod history;
mod layout;
mod names;
mod notes;
mod place;
mod read;
mod recovered;
mod rings;
mod segment;
mod source;
mod story;
#[cfg(test)]
mod tests;
mod words;
mod writer;

pub use diff::{Act, Diff, Divergence, ObjectKey, Occasion, Site, Uneven, diff};
pub use error::CaptureError;
pub use export::{Form, UnknownForm, export};
pub use layout::VERSION;
pub use place::write_whole;
pub use read::{read, read_bytes, read_bytes_with, read_with};
pub use recovered::{Ending, Event, Info, Note, Recovered};
pub use story::{Flow, Mark, ObjectName, OlderObject, Story, WaitSlice};
pub use writer::{CaptureOptions, CaptureWriter, DEFAULT_MAX_BYTES};
