//! No memory for the trails: an allocator with a limit says so.

use std::alloc::System;

use cap::Cap;
use handle_audit::{AuditConfig, HandleAudit, HandleAuditEntry, HandleKind, Operation, Recorder, label};

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

const HANDLES: u32 = 30_000;

/// Records that fit the ring beside the reserve.
const AT_ONCE: usize = 1_500;

/// Fewer bytes than any segment has after the first phase, and more than a pass needs besides.
const LEFT: usize = 12_000;

fn entry(cycle: u64) -> HandleAuditEntry {
    HandleAuditEntry::new(cycle, 1, 0x8200_0040, label!("NtCreateEvent"), 0)
}

/// Creates these handles and signals each twice, so that every kind of block is needed; returns how many records.
fn play(audit: &HandleAudit, recorder: &mut Recorder, handles: &[u32], cycle: u64) -> u64 {
    for some in handles.chunks(AT_ONCE / 3) {
        for handle in some {
            recorder.record_create(*handle, HandleKind::EVENT_AUTO, entry(cycle));
            recorder.record_signal(*handle, entry(cycle));
            recorder.record_signal(*handle, entry(cycle));
        }
        audit.flush().unwrap();
    }
    3 * handles.len() as u64
}

/// One test in this file, so that no other thread allocates meanwhile; no drain thread either.
#[test]
fn records_that_find_no_memory_are_refused_and_counted() {
    let config = AuditConfig::default().rings(2).ring_capacity(2_048).manual().enabled(true);
    let audit = HandleAudit::new(config).unwrap();
    let mut recorder = audit.claim(1).unwrap();
    // Every second handle now, so that later ones are on pages of the index that are there.
    let handles = |odd: u32| (0..HANDLES).map(|n| 0x1000 + 8 * n + 4 * odd).collect::<Vec<_>>();
    let mut issued = play(&audit, &mut recorder, &handles(0), 10);
    let before = audit.snapshot().unwrap();
    assert_eq!((before.losses.rejected(), before.folded), (0, issued));

    let later = handles(1);
    ALLOCATOR.set_limit(ALLOCATOR.allocated() + LEFT).unwrap();
    issued += play(&audit, &mut recorder, &later, 20);
    ALLOCATOR.set_limit(usize::MAX).unwrap();

    let losses = audit.losses().unwrap();
    assert_eq!(losses.attempted(), issued);
    assert!(losses.rejected() > u64::from(HANDLES), "{} of {issued}", losses.rejected());
    assert_eq!((losses.rings[0].attempted(), losses.rings[1].rejected.total()), (0, losses.rejected()));
    assert!(losses.overlaps(20, 20) && !losses.overlaps(10, 19), "{:?}", losses.gaps);
    assert_eq!(losses.first_rejected_create(), Some(20));
    // What the thread did last is known although no trail has it.
    let thread = &audit.snapshot().unwrap().threads[0];
    assert_eq!((thread.total, thread.last.back().unwrap().handle), (issued, *later.last().unwrap()));

    // With memory again, everything goes on.
    issued += play(&audit, &mut recorder, &later, 30);
    let after = audit.snapshot().unwrap();
    assert_eq!((after.losses.attempted(), after.losses.rejected()), (issued, losses.rejected()));
    assert_eq!((after.losses.recorded(), after.trails.len()), (after.folded, 2 * HANDLES as usize));
    for trail in &after.trails {
        assert_eq!(trail.totals.get(Operation::Signal), 2, "{:#x}", trail.handle);
    }
}
