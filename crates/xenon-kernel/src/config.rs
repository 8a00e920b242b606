//! How a run is set up.

use std::path::PathBuf;

use ppc::FrameLayout;

use crate::fault::FaultSpec;

/// Instructions in a slice unless the configuration says otherwise.
pub const DEFAULT_SLICE: u32 = 20_000;

/// A host directory that the guest sees as `game:\` and `d:\`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The directory.
    pub directory: PathBuf,
    /// The guest may create and write files in it.
    pub writable: bool,
}

/// How a run is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineConfig {
    /// Decides placement and rotation: all of it in a deterministic run, as far as OS threads allow otherwise.
    pub seed: u64,
    /// One OS thread plays all hardware threads, and time is derived from instructions retired: the same seed gives the
    /// same run.
    pub deterministic: bool,
    /// The run ends as [`Ended::Limit`](crate::Ended::Limit) when so many instructions have been retired.
    pub max_instructions: Option<u64>,
    /// The run ends as [`Ended::Watchdog`](crate::Ended::Watchdog) after so many cycles of the guest timebase without
    /// progress.
    pub watchdog: Option<u64>,
    /// What to do wrong.
    pub faults: Vec<FaultSpec>,
    /// What the guest can read from. Without one, every path is an unimplemented device.
    pub mount: Option<Mount>,
    /// r3 at the entry.
    pub argument: u32,
    /// Where the guest's compiler saves LR.
    pub frame_layout: FrameLayout,
    /// Instructions that a guest thread runs before the next one has its turn.
    pub slice: u32,
    /// Counts every change of an object's state independently of the audit; see
    /// [`Outcome::unrecorded`](crate::Outcome::unrecorded).
    pub self_check: bool,
    /// Exports that make none of their records, as a host that forgot them: what the self-check is to find.
    pub left_out: Vec<String>,
    /// Records the first five operations alone, as a small host would.
    pub basic_operations: bool,
}

impl Default for MachineConfig {
    /// Seed 1, six OS threads, no limits, no faults, no mount.
    fn default() -> Self {
        Self {
            seed: 1,
            deterministic: false,
            max_instructions: None,
            watchdog: None,
            faults: Vec::new(),
            mount: None,
            argument: 0,
            frame_layout: FrameLayout::SysV,
            slice: DEFAULT_SLICE,
            self_check: false,
            left_out: Vec::new(),
            basic_operations: false,
        }
    }
}
