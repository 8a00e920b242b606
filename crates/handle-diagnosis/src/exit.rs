//! The command's exit codes, as far as a diagnosis decides them.

use crate::input::{Case, Ended};
use crate::judge::Diagnosis;
use crate::verdict::Confidence;

/// What a script learns from the exit code. Wrong usage (2) and unusable files (4) are the command's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitCode {
    /// 0: no finding, and nothing is missing.
    Clean,
    /// 1: findings, or the run ended as a hang or a fault.
    Findings,
    /// 3: no finding, but the evidence is incomplete.
    Incomplete,
}

impl ExitCode {
    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Findings => 1,
            Self::Incomplete => 3,
        }
    }
}

/// The exit code of a run. `fail_on` is the bar from which on a verdict counts: LIKELY unless somebody moves it.
#[must_use]
pub fn exit_code(case: &Case<'_>, diagnosis: &Diagnosis, fail_on: Confidence) -> ExitCode {
    let failed = matches!(case.run.ended, Ended::Deadlock | Ended::Watchdog | Ended::Fault);
    let cut_short = matches!(case.run.ended, Ended::Interrupted | Ended::Limit);
    let snapshot = case.snapshot;
    let losses = &snapshot.losses;
    let losses = losses.rejected() > 0 || losses.late() > 0 || !losses.holes().is_empty();
    let gaps = losses || snapshot.coverage.late_start || snapshot.coverage.pauses > 0;
    if failed || diagnosis.findings(fail_on).next().is_some() {
        ExitCode::Findings
    } else if cut_short || gaps {
        ExitCode::Incomplete
    } else {
        ExitCode::Clean
    }
}
