//! From a snapshot of handle trails to verdicts, as text and as JSON.
//!
//! An event has no owner, so no wait-chain tool can say who should have set it. The trail can: it knows who made the
//! object, who was given it to signal, who signalled it before, and where those threads are now.
//!
//! ```text
//! Snapshot ─┐
//! threads ──┼─▶ view ─▶ graph ─▶ rules ─▶ roots ─▶ settle ─▶ rank ─▶ Diagnosis ─┬─▶ text
//! symbols ──┤   who is   who      one      who      what a    what              └─▶ JSON
//! run ──────┘   parked   needs    wait     explains loss      to read
//!               where    whom     each     whom     allows    first
//! ```
//!
//! # Guarantees
//!
//! - **Pure.** The same case gives the same diagnosis. Nothing here reads a clock, a file or a terminal.
//! - **Careful.** Absence alone is never PROVEN; what is inferred from earlier rounds is never above LIKELY; a loss in
//!   the window of the evidence makes a verdict UNKNOWN; with the first five operations alone nothing is above
//!   LIKELY.
//! - **Robust.** Whatever the snapshot holds, no panic.
//! - **Near-linear** in the number of handles: only those that somebody is parked on are studied.
//!
//! # What it does not do
//!
//! - It does not see what was not recorded. The blind spots that it can tell are listed with the diagnosis.
//! - On a live run one diagnosis is a single look: [`diagnose_live`] says only what two looks agree on.
//! - Who *would* have signalled an object that nobody ever signalled is a guess, and is called so.
//!
//! # Example
//!
//! ```
//! use handle_audit::Snapshot;
//! use handle_diagnosis::{Case, Ended, Layout, RunSummary, diagnose, report};
//!
//! let snapshot = Snapshot::default();
//! let run = RunSummary { guest: "boot.elf".into(), ended: Ended::Deadlock, ..RunSummary::default() };
//! let case = Case::new(&snapshot, &run);
//! let diagnosis = diagnose(&case);
//! assert_eq!(diagnosis.verdicts[0].id.code(), "HT22", "nothing was recorded");
//! assert!(report(&case, &diagnosis, &Layout::new(80)).contains("--trace-handles"));
//! ```

#![forbid(unsafe_code)]

mod exit;
mod explain;
mod filter;
mod graph;
mod habit;
mod history;
mod input;
mod json;
mod judge;
mod object;
mod rank;
mod roots;
mod rules;
mod settle;
mod system;
#[cfg(test)]
mod tests;
mod text;
mod verdict;
mod view;
mod words;

pub use exit::{ExitCode, exit_code};
pub use explain::{Explanation, explain, explanation};
pub use filter::Look;
pub use input::{Case, Ended, MAIN_TID, NoSymbols, RunSummary, Symbolize, ThreadInfo, ThreadState};
pub use json::write_json;
pub use judge::{Diagnosis, Need, Parked, diagnose, diagnose_live};
pub use text::{Layout, evidence_line, report, show};
pub use verdict::{BadConfidence, BadVerdictId, Confidence, Evidence, Verdict, VerdictId};
pub use view::Grade;

/// The project's front page: its code is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
pub struct Readme;
