//! `htrail run`: a guest from its file to its report.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use handle_audit::{AuditConfig, DEFAULT_RING_CAPACITY, HandleAudit, TRACE_HANDLES_VARIABLE, TraceHandles};
use handle_diagnosis::Look;
use host_os::InterruptWatch;
use ppc::Image;
use xenon_kernel::{FaultInfo, Machine, MachineConfig, Mount, Outcome};

use crate::capture;
use crate::cli::{MachineOptions, Operations, RunOptions};
use crate::console::{Console, GuestOutput};
use crate::error::Error;
use crate::evidence::Start;
use crate::exit::Exit;
use crate::look::FirstLook;
use crate::output;
use crate::progress::Progress;
use crate::report;
use crate::symbols::Names;
use crate::value::Seed;

/// A run that is over, and what a report on it is made from.
pub(crate) struct Ran {
    pub(crate) guest: String,
    pub(crate) seed: u64,
    pub(crate) outcome: Outcome,
    pub(crate) audit: Arc<HandleAudit>,
    pub(crate) names: Names,
    /// What was seen while it went on, if anybody looked.
    pub(crate) first_look: Option<Look>,
}

/// Runs a guest and reports.
pub(crate) fn run(options: &RunOptions) -> Result<Exit, Error> {
    // Wrong usage comes before files that cannot be used.
    let trace = trace_handles(options.trace_handles.clone())?;
    if trace == TraceHandles::Off && options.capture.trace_out.is_some() {
        return Err(Error::CaptureOfNothing);
    }
    let path = options.guest.as_deref().unwrap_or(Path::new(""));
    let image = load(path)?;
    let names = Names::gather(image.symbols.clone(), &options.symbols)?;
    let guest = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let seed = options.machine.seed.draw();
    let ring_capacity = ring_capacity(options);
    let config = audit_config(&options.machine, trace).ring_capacity(ring_capacity);
    let machine_config = machine_config(options, seed)?;
    let console = Arc::new(Console::new(options.report.json));
    let machine = |audit| {
        let output = Box::new(GuestOutput(console.clone()));
        Machine::new(&image, machine_config.clone(), audit, output)
    };
    if options.capture.trace_out.is_some() {
        // A guest that is refused must not cost an earlier capture its place.
        drop(machine(None)?);
    }
    let start = Start { guest: guest.clone(), seed };
    let (audit, capture) = capture::begin(config, &options.capture, ring_capacity, &names, &start)?;
    let audit = Arc::new(audit);
    let machine = machine(Some(audit.clone()))?;

    let look = Arc::new(FirstLook::new(audit.clone(), machine.control()));
    let on_signal = look.clone();
    let watch = InterruptWatch::start(move || on_signal.interrupt())
        .map_err(|source| Error::System { what: "watch for Ctrl-C", source })?;
    if options.machine.seed == Seed::Random {
        console.note(&format!("the seed is {seed}; repeat with --seed {seed}"));
    }
    let progress = Progress::show(&console, machine.control());
    let outcome = look.run(machine, options.machine.deterministic)?;
    drop(progress);
    // Nothing is left to stop but the report.
    watch.end_on_next();

    let ran = Ran { guest, seed, outcome, audit, names, first_look: look.newest() };
    let captured = capture.map_or(Ok(()), |capture| capture::end(&capture, &ran));
    // A capture that could not be completed does not take the report with it.
    let exit = report::print(&ran, &options.report)?;
    captured.map(|()| exit)
}

/// What the option says, or else the environment.
fn trace_handles(option: Option<TraceHandles>) -> Result<TraceHandles, Error> {
    let variable = match std::env::var(TRACE_HANDLES_VARIABLE) {
        Ok(value) => Some(value),
        Err(std::env::VarError::NotPresent) => None,
        Err(std::env::VarError::NotUnicode(_)) if option.is_some() => None,
        Err(std::env::VarError::NotUnicode(_)) => return Err(Error::VariableEncoding),
    };
    TraceHandles::resolve(option, variable.as_deref()).map_err(Error::Variable)
}

fn load(path: &Path) -> Result<Image, Error> {
    let bytes = fs::read(path).map_err(Error::reading(path, "the guest"))?;
    ppc::load(&bytes).map_err(|source| Error::Guest { path: path.to_owned(), source })
}

/// Six hardware threads may share two cores with the drain: a ring in memory then has to hold what is recorded while the
/// drain waits for its turn. That is 80 MiB, of which a run touches what it needs.
fn ring_capacity(options: &RunOptions) -> usize {
    let default = match options.capture.trace_out {
        Some(_) => DEFAULT_RING_CAPACITY,
        None => 4 * DEFAULT_RING_CAPACITY,
    };
    options.machine.ring_capacity.unwrap_or(default)
}

fn audit_config(options: &MachineOptions, trace: TraceHandles) -> AuditConfig {
    let config = AuditConfig::default().trace_handles(trace);
    // A drain thread would make it a matter of luck whether a ring is full.
    if options.deterministic { config.manual() } else { config }
}

fn machine_config(options: &RunOptions, seed: u64) -> Result<MachineConfig, Error> {
    let machine = &options.machine;
    if let Some(directory) = &machine.mount {
        fs::read_dir(directory).map_err(Error::reading(directory, "the directory to mount"))?;
    }
    Ok(MachineConfig {
        seed,
        deterministic: machine.deterministic,
        max_instructions: machine.max_instructions,
        watchdog: machine.watchdog,
        faults: machine.fault.clone(),
        mount: machine.mount.clone().map(|directory| Mount { directory, writable: machine.mount_writable }),
        argument: options.arg,
        self_check: machine.self_check,
        left_out: machine.leave_out.clone(),
        basic_operations: machine.ops == Operations::Basic,
        ..MachineConfig::default()
    })
}

/// Prints the faults that `--fault` knows.
pub(crate) fn list_faults() -> Result<Exit, Error> {
    let call = |fault: &FaultInfo| match fault.what {
        Some(what) => format!("{}:{what}", fault.name),
        None => fault.name.to_owned(),
    };
    let width = xenon_kernel::faults().iter().map(|fault| call(fault).len()).max().unwrap_or(0);
    let mut list = String::from("Each can end in @N: from the N-th occasion on.\n");
    for fault in xenon_kernel::faults() {
        list += &format!("  {:width$}  {}\n", call(fault), fault.description);
    }
    output::write(&list, clap::ColorChoice::Never)?;
    Ok(Exit::Clean)
}
