//! The audit from outside, on one thread and on a few.

use handle_audit::{
    AuditConfig, Frame, HandleAudit, HandleAuditEntry, HandleKind, Operation, Recorder, TraceHandles, label,
};

fn entry(cycle: u64) -> HandleAuditEntry {
    HandleAuditEntry::new(cycle, 1, 0x8200_0040, label!("test"), 0)
}

fn enabled() -> HandleAudit {
    HandleAudit::new(AuditConfig::default().enabled(true)).unwrap()
}

#[test]
fn a_trail_holds_what_was_recorded() {
    let audit = enabled();
    let mut recorder = audit.claim(0).unwrap();
    let frames =
        [Frame { frame: 0x7000_0100, lr: 0x8200_0040 }, Frame { frame: 0x7000_0200, lr: 0x8200_0080 }];
    recorder.record_create_with_stack(0x1004, HandleKind::EVENT_AUTO, entry(1), &frames);
    recorder.record_wait(0x1004, entry(2));
    recorder.record_signal(0x1004, entry(3));
    recorder.record_wake(0x1004, entry(4));
    recorder.record_signal(0x1008, entry(5));
    let snapshot = audit.snapshot().unwrap();
    let trail = snapshot.trail(0x1004).unwrap();
    assert_eq!((trail.kind, trail.created.entry.cycle), (HandleKind::EVENT_AUTO, 1));
    assert_eq!(trail.created_stack.as_deref(), Some(&frames[..]));
    assert_eq!(trail.sequence().iter().map(|entry| entry.seq).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(trail.open_waits.is_empty());
    assert_eq!(snapshot.losses.unmatched.get(Operation::Signal), 1);
    assert_eq!(snapshot.leads[0].handle, 0x1008);
    assert_eq!((snapshot.losses.recorded(), snapshot.losses.rejected(), snapshot.folded), (5, 0, 5));
    assert_eq!(snapshot.threads[0].total, 5);
}

#[test]
fn a_late_enable_attaches_recorders_that_were_there_before() {
    let audit = HandleAudit::new(AuditConfig::default().trace_handles(TraceHandles::Off)).unwrap();
    let mut recorder = audit.claim(0).unwrap();
    recorder.record_create(4, HandleKind::MUTANT, entry(1));
    audit.enable().unwrap();
    recorder.record_create(8, HandleKind::MUTANT, entry(2));
    let snapshot = audit.snapshot().unwrap();
    assert!(snapshot.coverage.late_start);
    assert_eq!(snapshot.trails.len(), 1);
    audit.disable().unwrap();
    recorder.record_create(12, HandleKind::MUTANT, entry(3));
    audit.enable().unwrap();
    assert_eq!(audit.snapshot().unwrap().trails.len(), 1);
    assert_eq!(audit.snapshot().unwrap().coverage.pauses, 1);
}

#[test]
fn a_full_ring_rejects_and_accounts() {
    let audit = HandleAudit::new(AuditConfig::default().enabled(true).manual().ring_capacity(16)).unwrap();
    let mut recorder = audit.claim(3).unwrap();
    recorder.record_create(4, HandleKind::SEMAPHORE, entry(0));
    for cycle in 1..=20 {
        recorder.record_signal(4, entry(cycle));
    }
    for cycle in 21..=24 {
        recorder.record_create(8, HandleKind::SEMAPHORE, entry(cycle));
    }
    // 14 slots for all, 2 more for creates.
    let losses = audit.losses().unwrap();
    assert_eq!((losses.recorded(), losses.rejected(), losses.attempted()), (16, 9, 25));
    assert_eq!(losses.rings[3].rejected.get(Operation::Signal), 7);
    assert_eq!(losses.gaps.len(), 1, "the open gap is read");
    assert_eq!((losses.gaps[0].first_cycle, losses.gaps[0].last_cycle), (14, 24));
    recorder.record_signal(4, entry(30));
    let closed = audit.losses().unwrap();
    assert_eq!(closed.gaps, losses.gaps, "the same gap, now sent as a record");
    assert_eq!(closed.recorded(), 17);
    assert_eq!(closed.first_rejected_create(), Some(14));
}

#[test]
fn a_ring_is_handed_over() {
    let audit = enabled();
    let mut recorder = audit.claim(0).unwrap();
    assert!(audit.claim(0).is_err());
    assert_eq!(
        audit.claim(8).unwrap_err().to_string(),
        "there is no ring 8: this audit has 8, numbered from 0"
    );
    recorder.record_create(4, HandleKind::THREAD, entry(1));
    drop(recorder);
    let mut recorder: Recorder = audit.claim(0).unwrap();
    std::thread::spawn(move || recorder.record_signal(4, entry(2))).join().unwrap();
    audit.flush().unwrap();
    assert_eq!(audit.counts(4).unwrap().signals, 1);
}

#[test]
fn more_rings_than_cells_use_the_shared_counter() {
    let audit = HandleAudit::new(AuditConfig::default().rings(20).enabled(true)).unwrap();
    let mut recorders: Vec<_> = (0..20).map(|ring| audit.claim(ring).unwrap()).collect();
    recorders[19].record_create(4, HandleKind::EVENT_MANUAL, entry(0));
    for cycle in 0..1000 {
        recorders[cycle as usize * 7 % 20].record_signal(4, entry(cycle));
    }
    let trail = audit.snapshot().unwrap().trail(4).cloned().unwrap();
    assert_eq!(trail.signals.total(), 1000);
    let cycles: Vec<_> = trail.signals.iter().map(|entry| entry.entry.cycle).collect();
    assert_eq!(cycles, (968..1000).collect::<Vec<_>>());
}

#[test]
fn shutdown_folds_everything_and_trails_stay_readable() {
    let audit = enabled();
    let mut recorder = audit.claim(0).unwrap();
    recorder.record_create(4, HandleKind::EVENT_MANUAL, entry(0));
    audit.shutdown().unwrap();
    recorder.record_signal(4, entry(1));
    assert_eq!(audit.trail(4).unwrap().signals.total(), 0);
    assert_eq!(audit.snapshot().unwrap().losses.recorded(), 1);
    audit.shutdown().unwrap();
}
