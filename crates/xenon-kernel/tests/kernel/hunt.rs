//! A hunt for lost wakes: a mix of all families under many seeds. No hang, no unrecorded change, the right result.

use xenon_kernel::MachineConfig;

use crate::harness::{Trace, run};
use crate::linear;
use crate::truth::config;

/// Seeds of each mode; longer hunts give more of them in the environment.
const SEEDS: u64 = 50;
const SEEDS_VARIABLE: &str = "XENON_HUNT_SEEDS";

/// The guest draws its meetings from the same seed as the host draws its placement.
fn hunt(deterministic: bool) {
    let seeds =
        std::env::var(SEEDS_VARIABLE).ok().map_or(SEEDS, |seeds| seeds.parse().expect("a number of seeds"));
    for seed in 1..=seeds {
        // Short slices cut calls apart that else would follow each other undisturbed.
        let slice = [20_000, 2_000, 200, 20][seed as usize % 4];
        let config = MachineConfig { seed, slice, ..config(deterministic, seed as u32) };
        let run = run("mix", config, Trace::on());
        assert_eq!(run.exit(), Some(0), "seed {seed}: {:?}, {:?}", run.outcome.ended, run.lines);
        assert_eq!(run.outcome.unrecorded, [], "seed {seed}");
        let snapshot = run.snapshot.expect("traced");
        if snapshot.losses.rejected() == 0 {
            // Waits of ended threads are closed, each once: what is open is what somebody is parked on.
            let parked: usize = run.outcome.threads.iter().map(|thread| thread.on.len()).sum();
            let open: usize = snapshot.trails.iter().map(|trail| trail.open_waits.len()).sum();
            assert_eq!(open, parked, "seed {seed}");
            linear::check(&snapshot, &format!("seed {seed}"));
        }
    }
}

#[test]
fn no_wake_is_lost_deterministically() {
    hunt(true);
}

#[test]
fn no_wake_is_lost_on_six_os_threads() {
    hunt(false);
}
