//! What the host attaches to a capture, as JSON: the run in figures, its threads, the names of addresses.

use handle_audit::Frame;
use handle_diagnosis::{Ended, Look, RunSummary, ThreadInfo, ThreadState};
use ppc::{Symbol, Symbols};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::symbols::Names;

/// Name of the attachment that holds what is known before the run.
pub(crate) const START: &str = "start.json";
/// Name of the attachment that holds the run in figures.
pub(crate) const RUN: &str = "run.json";
/// Name of the one that holds the guest threads.
pub(crate) const THREADS: &str = "threads.json";
/// Name of the one that holds the look at the run before it ended, if there was one.
pub(crate) const LOOK: &str = "look.json";
/// Name of the one that holds the names of addresses.
pub(crate) const SYMBOLS: &str = "symbols.json";

/// What is known of a run before it ends.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Start {
    pub(crate) guest: String,
    pub(crate) seed: u64,
}

/// The fields of a [`RunSummary`], which knows no JSON of its own.
#[derive(Deserialize, Serialize)]
#[serde(remote = "RunSummary")]
struct Run {
    guest: String,
    #[serde(with = "ended")]
    ended: Ended,
    instructions: u64,
    cycles: u64,
    context_switches: u64,
    migrations: u64,
    events: u64,
    seconds: f64,
    exit_value: Option<u32>,
    seed: Option<u64>,
    fault: Option<String>,
    unrecorded: Vec<String>,
}

/// The same of a [`ThreadInfo`].
#[derive(Deserialize, Serialize)]
#[serde(remote = "ThreadInfo")]
struct Thread {
    tid: u32,
    main: bool,
    #[serde(with = "state")]
    state: ThreadState,
    on: Vec<u32>,
    all: bool,
    alertable: bool,
    deadline: Option<u64>,
    pc: u32,
    lr: u32,
    #[serde(with = "stack")]
    stack: Vec<Frame>,
    suspend_count: u32,
    handle: u32,
    start: u32,
}

#[derive(Deserialize, Serialize)]
struct Listed(#[serde(with = "Thread")] ThreadInfo);

/// Values of these types have no map with keys that are no strings, which is all that JSON could refuse.
fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("plain values can be written as JSON")
}

/// What is known before the run.
pub(crate) fn start(start: &Start) -> Vec<u8> {
    json(start)
}

/// Reads it back.
pub(crate) fn read_start(bytes: &[u8]) -> Result<Start, String> {
    serde_json::from_slice(bytes).map_err(|error| error.to_string())
}

/// The run in figures.
pub(crate) fn run(run: &RunSummary) -> Vec<u8> {
    let mut bytes = Vec::new();
    Run::serialize(run, &mut serde_json::Serializer::new(&mut bytes)).expect("plain values are JSON");
    bytes
}

/// Reads it back.
pub(crate) fn read_run(bytes: &[u8]) -> Result<RunSummary, String> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let run = Run::deserialize(&mut json).and_then(|run| json.end().map(|()| run));
    run.map_err(|error| error.to_string())
}

/// The guest threads.
pub(crate) fn threads(threads: &[ThreadInfo]) -> Vec<u8> {
    json(&threads.iter().cloned().map(Listed).collect::<Vec<_>>())
}

/// Reads them back.
pub(crate) fn read_threads(bytes: &[u8]) -> Result<Vec<ThreadInfo>, String> {
    let threads: Vec<Listed> = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    Ok(threads.into_iter().map(|Listed(thread)| thread).collect())
}

/// The look at the run before it ended.
pub(crate) fn look(look: &Look) -> Vec<u8> {
    json(look)
}

/// Reads it back.
pub(crate) fn read_look(bytes: &[u8]) -> Result<Look, String> {
    serde_json::from_slice(bytes).map_err(|error| error.to_string())
}

/// The names of addresses: address, size, name of each.
pub(crate) fn symbols(names: &Names) -> Vec<u8> {
    let symbol = |symbol: &Symbol| (symbol.address, symbol.size, symbol.name.clone());
    json(&names.entries().iter().map(symbol).collect::<Vec<_>>())
}

/// Reads them back.
pub(crate) fn read_symbols(bytes: &[u8]) -> Result<Symbols, String> {
    let symbols: Vec<(u32, u32, String)> =
        serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let symbol = |(address, size, name)| Symbol { address, size, name };
    Ok(Symbols::new(symbols.into_iter().map(symbol).collect()))
}

mod ended {
    use super::*;

    pub(super) fn serialize<S: Serializer>(ended: &Ended, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(ended.name())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Ended, D::Error> {
        let name = String::deserialize(deserializer)?;
        Ended::from_name(&name).ok_or_else(|| D::Error::custom(format!("no run ends as {name:?}")))
    }
}

mod state {
    use ThreadState::{Exited, Ready, Running, Suspended, Waiting};

    use super::*;

    pub(super) fn serialize<S: Serializer>(state: &ThreadState, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(state.name())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ThreadState, D::Error> {
        let name = String::deserialize(deserializer)?;
        let mut states = [Ready, Running, Waiting, Suspended, Exited].into_iter();
        let found = states.find(|state| state.name() == name);
        found.ok_or_else(|| D::Error::custom(format!("no thread is {name:?}")))
    }
}

/// Frames as pairs: frame pointer, saved link register.
mod stack {
    use super::*;

    pub(super) fn serialize<S: Serializer>(stack: &[Frame], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(stack.iter().map(|frame| (frame.frame, frame.lr)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Frame>, D::Error> {
        let pairs: Vec<(u32, u32)> = Deserialize::deserialize(deserializer)?;
        Ok(pairs.into_iter().map(|(frame, lr)| Frame { frame, lr }).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_attached_reads_back() {
        let summary = RunSummary {
            guest: "title.elf".to_owned(),
            ended: Ended::Deadlock,
            cycles: 50_000_000,
            seed: Some(1),
            fault: Some("two\nlines".to_owned()),
            ..RunSummary::default()
        };
        assert_eq!(read_run(&run(&summary)), Ok(summary));
        let thread = ThreadInfo {
            on: vec![0x1004],
            deadline: Some(7),
            stack: vec![Frame { frame: 0x7000_0100, lr: 0x8200_0040 }],
            ..ThreadInfo::new(1, ThreadState::Suspended)
        };
        assert_eq!(read_threads(&threads(std::slice::from_ref(&thread))), Ok(vec![thread]));
        assert!(read_run(b"{}").is_err_and(|error| error.contains("guest")));
        let unknown = String::from_utf8(threads(&[ThreadInfo::new(1, ThreadState::Ready)])).unwrap();
        let unknown = read_threads(unknown.replace("ready", "asleep").as_bytes());
        assert!(unknown.is_err_and(|error| error.contains("no thread is \"asleep\"")));
    }
}
