//! Whole runs of the emulator, with the audit absent, off, on, and on with a capture.

use std::path::Path;
use std::sync::Arc;

use handle_audit::{AuditConfig, HandleAudit};
use handle_capture::{CaptureOptions, CaptureWriter};
use ppc::Image;
use tempfile::TempDir;
use xenon_kernel::{Ended, Machine, MachineConfig, Output};

/// How a run is audited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audit {
    /// There is none.
    Absent,
    /// There is one, and it is off.
    Off,
    /// It is on.
    On,
    /// It is on, and what it folds goes into a file.
    Captured,
}

impl Audit {
    /// All ways.
    pub const ALL: [Self; 4] = [Self::Absent, Self::Off, Self::On, Self::Captured];

    /// Its name in the charts.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Absent => "no audit",
            Self::Off => "off",
            Self::On => "on",
            Self::Captured => "on, captured",
        }
    }
}

/// A guest to run.
#[derive(Debug)]
pub struct Guest {
    /// Its name in the charts.
    pub name: &'static str,
    image: Image,
    config: MachineConfig,
    /// It ends at its limit of instructions, rather than by itself.
    limited: bool,
}

/// What a run came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Run {
    /// From the first guest instruction to the last, in seconds.
    pub seconds: f64,
    /// Records made.
    pub recorded: u64,
    /// Records rejected.
    pub rejected: u64,
}

struct Silent;

impl Output for Silent {
    fn line(&mut self, _text: &str) {}

    fn stub(&mut self, export: &str) {
        panic!("{export} is a stub: this guest is healthy");
    }
}

fn load(name: &str) -> Image {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guests/bin").join(name);
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    ppc::load(&bytes).expect("the guests in bin are sound")
}

impl Guest {
    /// Eight workers on a semaphore, with so much work in each job that two processors make about a million records a
    /// second.
    #[must_use]
    pub fn event_heavy(jobs: u32) -> Self {
        Self::pool("event-heavy (pool)", jobs, 192)
    }

    /// The same with hardly any work between the records.
    #[must_use]
    pub fn events_only(jobs: u32) -> Self {
        Self::pool("events only (pool)", jobs, 16)
    }

    fn pool(name: &'static str, jobs: u32, rounds: u32) -> Self {
        let config = MachineConfig { argument: rounds << 20 | jobs, ..MachineConfig::default() };
        Self { name, image: load("pool.elf"), config, limited: false }
    }

    /// A loop on memory, for so many instructions: hardly a record.
    #[must_use]
    pub fn compute_heavy(instructions: u64) -> Self {
        let config = MachineConfig { max_instructions: Some(instructions), ..MachineConfig::default() };
        Self { name: "compute-heavy (spin)", image: load("spin.elf"), config, limited: true }
    }

    /// Runs it from beginning to end.
    ///
    /// # Panics
    ///
    /// If it does not end as it should, or the account of its records does not add up.
    #[must_use]
    pub fn run(&self, audit: Audit) -> Run {
        let directory = TempDir::new().expect("there is room for a capture");
        let (audit, writer) = match audit {
            Audit::Absent => (None, None),
            Audit::Off => (Some(new_audit(false)), None),
            Audit::On => (Some(new_audit(true)), None),
            Audit::Captured => captured(&directory.path().join("run.trace")),
        };
        let machine = Machine::new(&self.image, self.config.clone(), audit.clone(), Box::new(Silent))
            .expect("the guest fits");
        let outcome = machine.run();
        let expected = if self.limited { Ended::Limit } else { Ended::Finished { exit: 0 } };
        assert_eq!(outcome.ended, expected, "{}", self.name);
        let mut run = Run { seconds: outcome.seconds, ..Run::default() };
        if let Some(audit) = audit {
            let losses = audit.losses().expect("the drain lives");
            (run.recorded, run.rejected) = (losses.recorded(), losses.rejected());
            let attempted = if audit.is_enabled() { outcome.events } else { 0 };
            assert_eq!(losses.attempted(), attempted, "every event was recorded or counted as rejected");
            audit.shutdown().expect("the drain lives");
        }
        if let Some(writer) = writer {
            writer.finish().expect("there is room for a capture");
        }
        run
    }
}

fn new_audit(enabled: bool) -> Arc<HandleAudit> {
    Arc::new(HandleAudit::new(AuditConfig::default().enabled(enabled)).expect("rings in range"))
}

fn captured(path: &Path) -> (Option<Arc<HandleAudit>>, Option<CaptureWriter>) {
    let (writer, capture) =
        CaptureWriter::create(&CaptureOptions::new(path)).expect("there is room for a capture");
    let config = AuditConfig::default().enabled(true);
    let audit = HandleAudit::with_capture(config, capture).expect("as many rings as the capture has");
    (Some(Arc::new(audit)), Some(writer))
}
