//! What the host attaches to a capture, as JSON: the run in figures, its threads, the names of addresses.

use handle_audit::Frame;
use handle_diagnosis::{Ended, RunSummary, ThreadInfo, ThreadState};
use ppc::{Symbol, Symbols};
use serde::{Deserialize, Serialize};

use crate::symbols::Names;

/// Name of the attachment that holds the run in figures.
pub(crate) const RUN: &str = "run.json";
/// Name of the one that holds the guest threads.
pub(crate) const THREADS: &str = "threads.json";
/// Name of the one that holds the names of addresses.
pub(crate) const SYMBOLS: &str = "symbols.json";

#[derive(Deserialize, Serialize)]
struct Run {
    guest: String,
    ended: String,
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

#[derive(Deserialize, Serialize)]
struct Thread {
    tid: u32,
    main: bool,
    state: String,
    on: Vec<u32>,
    all: bool,
    alertable: bool,
    deadline: Option<u64>,
    pc: u32,
    lr: u32,
    stack: Vec<(u32, u32)>,
    suspend_count: u32,
    handle: u32,
    start: u32,
}

/// Values of these types have no map with keys that are no strings, which is all that JSON could refuse.
fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("plain values can be written as JSON")
}

/// The run in figures.
pub(crate) fn run(run: &RunSummary) -> Vec<u8> {
    json(&Run {
        guest: run.guest.clone(),
        ended: run.ended.name().to_owned(),
        instructions: run.instructions,
        cycles: run.cycles,
        context_switches: run.context_switches,
        migrations: run.migrations,
        events: run.events,
        seconds: run.seconds,
        exit_value: run.exit_value,
        seed: run.seed,
        fault: run.fault.clone(),
        unrecorded: run.unrecorded.clone(),
    })
}

/// Reads it back.
pub(crate) fn read_run(bytes: &[u8]) -> Result<RunSummary, String> {
    let run: Run = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    Ok(RunSummary {
        ended: Ended::from_name(&run.ended).ok_or_else(|| format!("no run ends as {:?}", run.ended))?,
        guest: run.guest,
        instructions: run.instructions,
        cycles: run.cycles,
        context_switches: run.context_switches,
        migrations: run.migrations,
        events: run.events,
        seconds: run.seconds,
        exit_value: run.exit_value,
        seed: run.seed,
        fault: run.fault,
        unrecorded: run.unrecorded,
    })
}

/// The guest threads.
pub(crate) fn threads(threads: &[ThreadInfo]) -> Vec<u8> {
    let thread = |info: &ThreadInfo| Thread {
        tid: info.tid,
        main: info.main,
        state: info.state.name().to_owned(),
        on: info.on.clone(),
        all: info.all,
        alertable: info.alertable,
        deadline: info.deadline,
        pc: info.pc,
        lr: info.lr,
        stack: info.stack.iter().map(|frame| (frame.frame, frame.lr)).collect(),
        suspend_count: info.suspend_count,
        handle: info.handle,
        start: info.start,
    };
    json(&threads.iter().map(thread).collect::<Vec<_>>())
}

/// Reads them back.
pub(crate) fn read_threads(bytes: &[u8]) -> Result<Vec<ThreadInfo>, String> {
    let threads: Vec<Thread> = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let thread = |info: Thread| {
        Ok(ThreadInfo {
            tid: info.tid,
            main: info.main,
            state: state(&info.state).ok_or_else(|| format!("no thread is {:?}", info.state))?,
            on: info.on,
            all: info.all,
            alertable: info.alertable,
            deadline: info.deadline,
            pc: info.pc,
            lr: info.lr,
            stack: info.stack.into_iter().map(|(frame, lr)| Frame { frame, lr }).collect(),
            suspend_count: info.suspend_count,
            handle: info.handle,
            start: info.start,
        })
    };
    threads.into_iter().map(thread).collect()
}

fn state(name: &str) -> Option<ThreadState> {
    use ThreadState::{Exited, Ready, Running, Suspended, Waiting};
    [Ready, Running, Waiting, Suspended, Exited].into_iter().find(|state| state.name() == name)
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
