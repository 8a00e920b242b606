//! Bytes per record and per handle, counted by the global allocator.

use std::alloc::System;

use benches::footprint::{PLACES, footprint, one_event_at};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// One test in this file, so that nobody else allocates meanwhile.
#[test]
fn memory_is_within_its_bounds() {
    let bytes = footprint(ALLOCATOR);
    println!("{bytes:.1?}");
    assert!((40.0..41.0).contains(&bytes.record), "{bytes:?}");
    assert!(bytes.one_event <= 160.0, "{bytes:?}");
    assert!(bytes.full <= 5.5 * 1024.0, "{bytes:?}");
    for (name, first, step, handles) in PLACES {
        let bytes = one_event_at(ALLOCATOR, first, step, handles);
        println!(
            "{handles} handles from {first:#x} in steps of {step} ({name}): {bytes:.1} bytes after one event"
        );
    }
}
