//! What a guest's truth file says of it.

use serde_json::Value;
use xenon_kernel::MachineConfig;

use crate::harness::{disc, repository};

/// What is known of one guest.
pub(crate) struct Truth {
    pub(crate) runs: Vec<TrueRun>,
    pub(crate) faults: Vec<TrueFault>,
}

/// A run without faults.
#[derive(Debug)]
pub(crate) struct TrueRun {
    pub(crate) argument: u32,
    pub(crate) ended: String,
    pub(crate) exit: Option<u32>,
    pub(crate) prints: Vec<String>,
}

/// A fault that shows.
#[derive(Debug)]
pub(crate) struct TrueFault {
    pub(crate) fault: String,
    /// The guest never ends, as against: ends with a wrong result, or never.
    pub(crate) hangs: bool,
    pub(crate) argument: u32,
}

/// Reads the truth file of a guest.
pub(crate) fn of(guest: &str) -> Truth {
    let path = repository().join(format!("guests/truth/{guest}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let truth: Value =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let list = |key: &str| truth[key].as_array().cloned().unwrap_or_default();
    let number = |value: &Value| value.as_u64().map(|number| number as u32);
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let run = |run: &Value| TrueRun {
        argument: number(&run["arg"]).expect("a number"),
        ended: text(&run["ended"]),
        exit: number(&run["exit"]),
        prints: run["prints"].as_array().expect("a list").iter().map(text).collect(),
    };
    let fault = |fault: &Value| TrueFault {
        fault: text(&fault["fault"]),
        hangs: fault["effect"] == "hangs",
        argument: number(&fault["arg"]).expect("a number"),
    };
    Truth { runs: list("runs").iter().map(run).collect(), faults: list("faults").iter().map(fault).collect() }
}

/// Every guest that has a truth file.
pub(crate) fn all_guests() -> Vec<String> {
    let directory = repository().join("guests/truth");
    let files = std::fs::read_dir(directory).expect("it is part of the repository");
    let stem = |path: std::path::PathBuf| path.file_stem().expect("a name").to_string_lossy().into_owned();
    let mut names: Vec<_> = files.map(|file| stem(file.expect("it can be read").path())).collect();
    names.sort();
    names
}

/// How the tests run a guest.
pub(crate) fn config(deterministic: bool, argument: u32) -> MachineConfig {
    MachineConfig {
        deterministic,
        argument,
        self_check: true,
        mount: Some(disc()),
        ..MachineConfig::default()
    }
}
