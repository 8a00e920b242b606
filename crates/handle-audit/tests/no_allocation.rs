//! Recording allocates nothing: counted by the global allocator, for every operation, with room and without.

use std::alloc::System;
use std::cell::Cell;

use handle_audit::{
    AuditConfig, Frame, HandleAudit, HandleAuditEntry, HandleKind, Operation, Recorder, label,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn record_everything(recorder: &mut Recorder, cycle: &Cell<u64>) {
    let frames = [Frame { frame: 0x7000_0100, lr: 0x8200_0040 }; 32];
    let entry = || {
        cycle.set(cycle.get() + 1);
        HandleAuditEntry::new(cycle.get(), 1, 0x8200_0040, label!("test"), 0)
    };
    for operation in Operation::ALL {
        recorder.record_any(operation, 0x1004, HandleKind::EVENT_AUTO, entry());
    }
    recorder.record_create_with_stack(0x1008, HandleKind::MUTANT, entry(), &frames);
    recorder.record_signal(0x1004, entry());
}

/// One test in this file, so that no other thread allocates meanwhile; no drain thread either.
#[test]
fn recording_allocates_nothing() {
    let audit = HandleAudit::new(AuditConfig::default().enabled(true).manual().ring_capacity(256)).unwrap();
    let mut recorder = audit.claim(0).unwrap();
    let cycle = Cell::new(0);
    record_everything(&mut recorder, &cycle);
    for lap in 0..3 {
        let region = Region::new(ALLOCATOR);
        // Many times what the ring holds: accepted, then rejected; then, after the flush, the gap is sent.
        for _ in 0..100 {
            record_everything(&mut recorder, &cycle);
        }
        let change = region.change();
        assert_eq!((change.allocations, change.deallocations, change.reallocations), (0, 0, 0), "lap {lap}");
        audit.flush().unwrap();
    }
    let losses = audit.losses().unwrap();
    assert!(losses.rejected() > 1000 && losses.gaps.len() >= 3, "{losses:?}");
}
