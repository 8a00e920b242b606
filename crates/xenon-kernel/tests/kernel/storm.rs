//! Producers that really contend.

use std::collections::{BTreeMap, BTreeSet};

use handle_audit::Operation;
use xenon_kernel::MachineConfig;

use crate::harness::{Run, Trace, run};

/// Long enough for every thread to have many turns.
const HOPS: u32 = 600;

fn storm(seed: u64, trace: Trace) -> Run {
    let config = MachineConfig { argument: HOPS, seed, self_check: true, ..MachineConfig::default() };
    run("storm", config, trace)
}

#[test]
fn the_guest_cannot_tell_whether_it_is_traced() {
    let (untraced, traced) = (storm(1, Trace::Off), storm(1, Trace::on()));
    assert_eq!(untraced.exit(), Some(0), "{:?}", untraced.outcome.ended);
    assert_eq!((untraced.exit(), untraced.lines), (traced.exit(), traced.lines));
}

#[test]
fn every_record_is_accounted_for() {
    let run = storm(2, Trace::on());
    let losses = run.snapshot.expect("traced").losses;
    assert_eq!(losses.attempted(), run.outcome.events);
    assert_eq!(losses.recorded() + losses.rejected(), losses.attempted());
    assert_eq!(losses.late(), 0);
    assert_eq!(run.outcome.unrecorded, []);
}

#[test]
fn guest_threads_migrate_and_rings_share_the_load() {
    let run = storm(3, Trace::on());
    for thread in &run.outcome.threads {
        assert!(thread.ran_on.count_ones() >= 2, "{thread:?}");
    }
    assert!(run.outcome.migrations > 100, "{} migrations", run.outcome.migrations);
    let tenth = run.outcome.events / 10;
    let busy = run.outcome.events_by_ring.iter().filter(|events| **events > tenth).count();
    assert!(busy >= 5, "{:?}", run.outcome.events_by_ring);
    let mut rings: BTreeMap<u32, BTreeSet<u8>> = BTreeMap::new();
    for trail in run.snapshot.expect("traced").trails {
        let signals = trail.signals.held().filter(|entry| entry.operation == Operation::Signal);
        rings.entry(trail.handle).or_default().extend(signals.map(|entry| entry.ring));
    }
    assert!(
        rings.values().any(|rings| rings.len() >= 3),
        "some handle is signalled through three rings: {rings:?}"
    );
}
