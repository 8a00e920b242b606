//! Each fault shows in a guest that is healthy without it, and leaves records that say why.

use std::collections::BTreeSet;

use xenon_kernel::{FaultKind, FaultSpec, MachineConfig, faults};

use crate::assembler::{Arg::Value, Program};
use crate::evidence;
use crate::harness::{Run, Trace, run, run_image};
use crate::truth::{self, config};

/// Guest cycles without progress after which a guest that spins counts as hung: half a second.
const PATIENCE: u64 = 25_000_000;

fn with_fault(guest: &str, argument: u32, fault: &str, deterministic: bool) -> Run {
    let fault = fault.parse().expect("the fault exists");
    let config =
        MachineConfig { faults: vec![fault], watchdog: Some(PATIENCE), ..config(deterministic, argument) };
    run(guest, config, Trace::on())
}

/// What a run came to: what the guest printed, what it returned.
fn result(run: Run) -> (Option<u32>, Vec<String>) {
    (run.exit(), run.lines)
}

#[test]
fn every_fault_of_a_truth_file_shows() {
    let mut shown = BTreeSet::new();
    for guest in truth::all_guests() {
        for expected in &truth::of(&guest).faults {
            let healthy = result(run(&guest, config(true, expected.argument), Trace::Off));
            assert_eq!(healthy.0, Some(0), "{guest} is healthy without {expected:?}");
            for deterministic in [true, false] {
                let run = with_fault(&guest, expected.argument, &expected.fault, deterministic);
                let context =
                    format!("{guest}: {expected:?}, deterministic: {deterministic}, {:?}", run.outcome.ended);
                assert_eq!(run.outcome.unrecorded, [], "{context}");
                if expected.hangs {
                    assert_eq!(run.exit(), None, "{context}");
                }
                // The guest of a wait-all reissues its handles too often; see below.
                if deterministic && expected.fault != "wait-all-partial" {
                    let kind = expected.fault.parse::<FaultSpec>().expect("the fault exists").kind;
                    let snapshot = run.snapshot.as_ref().expect("traced");
                    assert!(evidence::shows(kind, snapshot), "{context}: no trail shows why");
                }
                assert_ne!(result(run), healthy, "{context}");
            }
            shown.insert(expected.fault.split([':', '@']).next().expect("a name").to_owned());
        }
    }
    let all: BTreeSet<_> = faults().iter().map(|fault| fault.name.to_owned()).collect();
    assert_eq!(shown, all, "every fault has a guest");
}

#[test]
fn a_fault_can_begin_later() {
    let run = with_fault("pingpong", 0, "stub:NtSetEvent@500", true);
    assert_eq!(run.outcome.ended.name(), "deadlock");
    assert_eq!(run.stubs, ["NtSetEvent"]);
    let snapshot = run.snapshot.expect("traced");
    let signals: u64 = snapshot
        .trails
        .iter()
        .filter(|trail| trail.kind.as_str() == "Event/Auto")
        .map(|trail| trail.signals.total())
        .sum();
    assert_eq!(signals, 499);
}

#[test]
fn the_kinds_are_the_ones_listed() {
    assert!(faults().iter().all(|fault| fault.kind.info() == fault && !fault.description.is_empty()));
    assert_eq!(FaultKind::WakeLost.info().name, "wake-lost");
}

#[test]
fn healthy_guests_show_nothing_of_the_kind() {
    // What a fault leaves must not be there anyway, in the guests that show it.
    for guest in truth::all_guests() {
        for expected in &truth::of(&guest).faults {
            let kind = expected.fault.parse::<FaultSpec>().expect("the fault exists").kind;
            let healthy = run(&guest, config(true, expected.argument), Trace::on());
            let snapshot = healthy.snapshot.expect("traced");
            assert!(!evidence::shows(kind, &snapshot), "{guest}: {expected:?}");
        }
    }
}

#[test]
fn a_partial_wait_for_all_shows_in_the_trail_of_what_was_missing() {
    let mut program = Program::new();
    let (handles, nothing) = (program.room(2), program.doubleword(0));
    let main = program.function();
    for (slot, set) in [(handles, 1), (handles + 4, 0)] {
        program.call(main, "NtCreateEvent", &[Value(slot), Value(0), Value(1), Value(set)]);
    }
    let wait = [Value(2), Value(handles), Value(0), Value(1), Value(0), Value(nothing)];
    program.call(main, "NtWaitForMultipleObjectsEx", &wait);
    program.end(main);
    for (faulty, status) in [(false, 0x102), (true, 0)] {
        let faults =
            if faulty { vec!["wait-all-partial".parse().expect("the fault exists")] } else { vec![] };
        let run = run_image(&program.image(), MachineConfig { faults, ..config(true, 0) }, Trace::on());
        assert_eq!(run.exit(), Some(status));
        assert_eq!(evidence::shows(FaultKind::WaitAllPartial, &run.snapshot.expect("traced")), faulty);
    }
}
