//! Runs guests for the tests, with a guard against those that never end.

use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use handle_audit::{AuditConfig, Focus, HandleAudit, Snapshot};
use xenon_kernel::{Ended, Machine, MachineConfig, Mount, Outcome, Output};

/// No guest of the tests takes a tenth of this. Not a claim about time: only what keeps a bug from hanging the suite.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a run gave.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) outcome: Outcome,
    pub(crate) lines: Vec<String>,
    pub(crate) stubs: Vec<String>,
    /// With an audit only.
    pub(crate) snapshot: Option<Snapshot>,
}

impl Run {
    /// The exit value, if the guest finished.
    pub(crate) fn exit(&self) -> Option<u32> {
        match self.outcome.ended {
            Ended::Finished { exit } => Some(exit),
            _ => None,
        }
    }
}

/// Whether and how a run is traced.
#[derive(Clone, Debug)]
pub(crate) enum Trace {
    Off,
    On(Focus),
}

impl Trace {
    pub(crate) fn on() -> Self {
        Self::On(Focus::default())
    }
}

pub(crate) fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub(crate) fn guest(name: &str) -> ppc::Image {
    let path = repository().join(format!("guests/bin/{name}.elf"));
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    ppc::load(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"))
}

pub(crate) fn disc() -> Mount {
    Mount { directory: repository().join("guests/disc"), writable: false }
}

pub(crate) fn run(name: &str, config: MachineConfig, trace: Trace) -> Run {
    run_image(&guest(name), config, trace)
}

pub(crate) fn run_image(image: &ppc::Image, config: MachineConfig, trace: Trace) -> Run {
    let audit = match trace {
        Trace::Off => None,
        Trace::On(focus) => {
            let audit = AuditConfig::default().ring_capacity(1 << 17).enabled(true).focus(focus);
            let audit = if config.deterministic { audit.manual() } else { audit };
            Some(Arc::new(HandleAudit::new(audit).expect("the configuration is right")))
        }
    };
    let said = Arc::<Mutex<Said>>::default();
    let machine = Machine::new(image, config, audit.clone(), Box::new(Tape(said.clone()))).expect("it fits");
    let control = machine.control();
    let (over, guard) = mpsc::channel::<()>();
    let guard = thread::spawn(move || {
        if guard.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            control.interrupt();
            if guard.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                eprintln!("a run did not even end when it was interrupted");
                std::process::abort();
            }
        }
    });
    let outcome = machine.run();
    drop(over);
    guard.join().expect("the guard only waits");
    let snapshot = audit.map(|audit| audit.snapshot().expect("the drain is alive"));
    let said = std::mem::take(&mut *said.lock().expect("nobody panics with it"));
    Run { outcome, lines: said.lines, stubs: said.stubs, snapshot }
}

#[derive(Debug, Default)]
struct Said {
    lines: Vec<String>,
    stubs: Vec<String>,
}

struct Tape(Arc<Mutex<Said>>);

impl Output for Tape {
    fn line(&mut self, text: &str) {
        self.0.lock().expect("nobody panics with it").lines.push(text.to_owned());
    }

    fn stub(&mut self, export: &str) {
        self.0.lock().expect("nobody panics with it").stubs.push(export.to_owned());
    }
}
