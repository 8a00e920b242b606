//! The same seed gives a deterministic run the same trails.

use handle_audit::Snapshot;
use xenon_kernel::{MachineConfig, Outcome};

use crate::harness::{Trace, run};
use crate::truth::config;

fn traced(guest: &str, argument: u32, seed: u64) -> (Snapshot, Outcome) {
    let config = MachineConfig { seed, ..config(true, argument) };
    let run = run(guest, config, Trace::on());
    (run.snapshot.expect("traced"), Outcome { seconds: 0.0, ..run.outcome })
}

#[test]
fn one_seed_gives_one_run() {
    for (guest, argument) in [("storm", 100), ("mix", 3), ("timers", 0), ("file_io", 0), ("boot_hang", 0)] {
        let (first, again) = (traced(guest, argument, 7), traced(guest, argument, 7));
        assert_eq!(first.1, again.1, "{guest}");
        assert_eq!(first.0, again.0, "{guest}");
        assert_eq!(format!("{:?}", first.0), format!("{:?}", again.0), "{guest}, byte for byte");
    }
}

#[test]
fn another_seed_gives_another_run() {
    let (first, other) = (traced("storm", 100, 1), traced("storm", 100, 2));
    assert_ne!(first.0, other.0);
    assert_eq!(first.1.ended, other.1.ended, "with the same result");
}

#[test]
fn a_deterministic_run_does_not_see_the_audit() {
    let untraced = run("storm", config(true, 100), Trace::Off);
    let traced = run("storm", config(true, 100), Trace::on());
    assert_eq!(untraced.lines, traced.lines);
    let counts =
        |outcome: &Outcome| (outcome.instructions, outcome.cycles, outcome.events, outcome.threads.clone());
    assert_eq!(counts(&untraced.outcome), counts(&traced.outcome), "down to the instruction");
}
