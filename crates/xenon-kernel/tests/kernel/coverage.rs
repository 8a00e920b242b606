//! The self-check finds what a host forgets to record: an export that leaves its records out is found by what it changed.

use handle_audit::{HandleKind, Operation};
use xenon_kernel::{Machine, MachineConfig, MachineError, Output};

use crate::harness::{Trace, guest, run};
use crate::truth::config;

use Operation::{Alias, Apc, Close, Create, Pulse, Reset, Satisfied, Signal, Thread, Timer, Wait, Wake};

/// A guest, an export that forgets its records in it, and what the self-check must say is missing.
const OMISSIONS: [(&str, &str, &str, Operation); 21] = [
    ("events", "NtCreateEvent", "Event/Auto", Create),
    ("events", "KeInitializeEvent", "Event/Auto", Create),
    ("events", "NtSetEvent", "Event/Auto", Signal),
    ("events", "KeSetEvent", "Event/Auto", Signal),
    ("events", "NtClearEvent", "Event/Manual", Reset),
    ("events", "NtWaitForSingleObjectEx", "Event/Auto", Satisfied),
    ("events", "NtWaitForSingleObjectEx", "Event/Auto", Wait),
    ("pingpong", "NtSetEvent", "Event/Auto", Wake),
    ("pulse", "NtPulseEvent", "Event/Manual", Pulse),
    ("semaphores", "NtReleaseSemaphore", "Semaphore", Signal),
    ("mutants", "NtReleaseMutant", "Mutant", Signal),
    ("critsec", "RtlEnterCriticalSection", "CriticalSection", Satisfied),
    ("critsec", "RtlLeaveCriticalSection", "CriticalSection", Signal),
    ("timers", "NtSetTimerEx", "Timer/Auto", Timer),
    ("threads", "ExCreateThread", "Thread", Create),
    ("threads", "NtSuspendThread", "Thread", Thread),
    ("threads", "ExTerminateThread", "Thread", Signal),
    ("ports", "NtSetIoCompletion", "IoCompletion", Signal),
    ("apcs", "NtQueueApcThread", "Thread", Apc),
    ("objects", "NtDuplicateObject", "Event/Auto", Alias),
    ("objects", "NtClose", "Event/Auto", Close),
];

#[test]
fn an_export_that_forgets_its_records_is_found_by_name() {
    for (guest, export, kind, operation) in OMISSIONS {
        let left_out = vec![export.to_owned()];
        let run = run(guest, MachineConfig { left_out, ..config(true, 0) }, Trace::on());
        let found: Vec<_> = run.outcome.unrecorded.iter().map(ToString::to_string).collect();
        let named = run.outcome.unrecorded.iter().find(|missing| {
            missing.operation == operation
                && missing.kind.as_str() == kind
                && missing.changes > missing.records
        });
        let named =
            named.unwrap_or_else(|| panic!("{export} in {guest}: no {operation} of {kind} in {found:#?}"));
        assert!(named.to_string().contains(&format!("0x{:08x}", named.handle)), "{named}");
        assert_eq!(run.exit(), Some(0), "the guest does not notice");
    }
}

/// Many polls of an object must not hide one wait that nobody recorded.
#[test]
fn a_gap_is_found_however_many_records_there_are_besides() {
    let healthy = run("events", config(true, 0), Trace::on());
    assert_eq!(healthy.outcome.unrecorded, []);
    let left_out = vec!["NtSetEvent".to_owned()];
    let run = run("storm", MachineConfig { left_out, ..config(true, 50) }, Trace::on());
    let missing = |kind: HandleKind| {
        run.outcome.unrecorded.iter().any(|missing| missing.kind == kind && missing.operation == Signal)
    };
    assert!(
        missing(HandleKind::EVENT_AUTO) && missing(HandleKind::EVENT_MANUAL),
        "{:?}",
        run.outcome.unrecorded
    );
}

struct Silent;

impl Output for Silent {
    fn line(&mut self, _: &str) {}

    fn stub(&mut self, _: &str) {}
}

#[test]
fn what_is_left_out_is_the_name_of_an_export() {
    let config = MachineConfig { left_out: vec!["NtSetEvnt".to_owned()], ..config(true, 0) };
    let refused = Machine::new(&guest("events"), config, None, Box::new(Silent)).map(drop);
    let error = refused.expect_err("there is no such export");
    assert!(matches!(&error, MachineError::UnknownExport { name } if name == "NtSetEvnt"), "{error}");
}
