//! A hang among many handles, for the time from its last event to the printed report.

use handle_audit::aux::WaitAux;
use handle_audit::{
    AuditConfig, HandleAudit, HandleAuditEntry, HandleKind, Label, Operation, Snapshot, label,
};
use handle_diagnosis::{Case, Ended, Layout, RunSummary, ThreadInfo, ThreadState, diagnose, report};

use crate::workload::{LR, Random, handle};

/// Handles of the goal.
pub const HANDLES: u32 = 100_000;

/// Records of the goal.
pub const RECORDS: u32 = 1_000_000;

/// Guest threads that are parked in the end, each on a handle of its own.
const PARKED: u32 = 64;

/// A run that hung, still in its audit.
#[derive(Debug)]
pub struct Hang {
    audit: HandleAudit,
    /// The run in figures.
    pub run: RunSummary,
    /// Where its threads stand.
    pub threads: Vec<ThreadInfo>,
}

impl Hang {
    /// Every handle is created, then used in turns by many threads; in the end a read that is never served stops the
    /// main thread, and others are parked on what nobody signals.
    #[must_use]
    pub fn new(handles: u32, records: u32) -> Self {
        let config = AuditConfig::default().ring_capacity(1 << 20).enabled(true).manual();
        let audit = HandleAudit::new(config).expect("the configuration is good");
        let mut recorder = audit.claim(0).expect("nobody has it");
        let mut cycle = 0;
        let mut record = |operation, handle, tid, source: Label, aux| {
            cycle += 500;
            let entry = HandleAuditEntry { cycle, tid, lr: LR + 16 * (tid % 64), source, aux };
            recorder.record_any(operation, handle, HandleKind::EVENT_AUTO, entry);
            // A batch at a time, so that the ring never rejects any.
            if cycle % (500 << 18) == 0 {
                audit.flush().expect("the drain lives");
            }
        };
        for index in 0..handles {
            record(Operation::Create, handle(index), 1 + index % PARKED, label!("NtCreateEvent"), 0);
        }
        let for_ever = WaitAux { alertable: false, all: false, any: false, timeout: None }.encode();
        let mut random = Random::new(0x5EED);
        let rounds = records.saturating_sub(handles + 2 * PARKED + 2) / 3;
        for _ in 0..rounds {
            let handle = handle(random.below(handles));
            let (waiter, signaller) = (1 + random.below(PARKED), 1 + random.below(PARKED));
            record(Operation::Wait, handle, waiter, label!("NtWaitForSingleObjectEx"), for_ever);
            record(Operation::Signal, handle, signaller, label!("NtSetEvent"), 1 << 32);
            record(Operation::Wake, handle, waiter, label!("NtSetEvent"), 0);
        }
        record(Operation::Promise, handle(0), 1, label!("NtReadFile"), 7);
        record(Operation::Stub, handle(0), 1, label!("NtReadFile"), 0x103);
        for tid in 1..=PARKED {
            record(Operation::Wait, handle(tid - 1), tid, label!("NtWaitForSingleObjectEx"), for_ever);
        }
        let parked =
            |tid: u32| ThreadInfo { on: vec![handle(tid - 1)], ..ThreadInfo::new(tid, ThreadState::Waiting) };
        let run = RunSummary {
            guest: "bench.elf".to_owned(),
            ended: Ended::Deadlock,
            cycles: cycle,
            ..RunSummary::default()
        };
        Self { audit, run, threads: (1..=PARKED).map(parked).collect() }
    }

    /// What was folded. The last records are folded by the first call.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.audit.snapshot().expect("the drain lives")
    }

    /// All of it: snapshot, diagnosis, text. The snapshot is handed on, because freeing it is not on the way to the
    /// printed report.
    #[must_use]
    pub fn report(&self) -> (Snapshot, String) {
        let snapshot = self.snapshot();
        let case = Case::new(&snapshot, &self.run).with_threads(&self.threads);
        let text = report(&case, &diagnose(&case), &Layout::default());
        (snapshot, text)
    }

    /// Checks that a report names the truth: a fast answer must be the right one.
    ///
    /// # Panics
    ///
    /// If it does not.
    pub fn check(&self, report: &str) {
        let first = report.lines().find(|line| line.contains("HT")).unwrap_or_default();
        assert!(first.contains("HT01") && report.contains("NtReadFile"), "{report}");
        assert!(report.contains("none of"), "nothing is lost: {report}");
    }
}
