//! Recording allocates nothing and frees nothing: counted by the global allocator, for every operation, with room and
//! without, in every kind of ring.

mod recording;

use std::alloc::System;

use recording::{cases, record_everything, source};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// One test in this file, so that no other thread allocates meanwhile; no drain thread either.
#[test]
fn recording_allocates_nothing() {
    let _ = source().id();
    for (name, audit, mut recorder) in cases() {
        for lap in 0..3 {
            audit.set_focus([lap].into_iter().collect()).unwrap();
            let region = Region::new(ALLOCATOR);
            let in_focus = [lap, lap + 1].map(|handle| recorder.in_focus(handle));
            // Many times what the ring holds: accepted, then rejected; then, after the flush, the gap is sent.
            for round in 0..100 {
                record_everything(&mut recorder, 100 * u64::from(lap) + round);
            }
            let change = region.change();
            let counts = (change.allocations, change.deallocations, change.reallocations);
            assert_eq!(counts, (0, 0, 0), "{name}, lap {lap}");
            assert_eq!(in_focus, [true, false], "{name}, lap {lap}");
            audit.flush().unwrap();
        }
        let losses = audit.losses().unwrap();
        assert!(losses.rejected() > 1000 && losses.gaps.len() >= 3, "{name}: {losses:?}");
        assert!(losses.recorded() > 256, "{name}: {losses:?}");
    }
}
