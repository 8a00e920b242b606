//! The audit over its life: switched, refocused, pumped, read by threads that fail, installed for everybody.

use std::thread;

use handle_audit::{
    AuditConfig, ClaimError, Focus, HandleAudit, HandleAuditEntry, HandleKind, Operation, TraceHandles, label,
};

fn entry(cycle: u64) -> HandleAuditEntry {
    HandleAuditEntry::new(cycle, 1, 0x8200_0040, label!("test"), 0)
}

fn focus(handles: &[u32]) -> Focus {
    handles.iter().copied().collect()
}

#[test]
fn an_option_switches_and_focuses() {
    let config = AuditConfig::default().rings(2).manual();
    let off = HandleAudit::new(config.clone().trace_handles(TraceHandles::Off)).unwrap();
    assert!(!off.is_enabled());
    let on = HandleAudit::new(config.trace_handles("0x1004".parse().unwrap())).unwrap();
    assert!(on.is_enabled());
    assert_eq!([0, 1].map(|ring| on.claim(ring).unwrap().ring()), [0, 1]);
    let mut recorder = on.claim(1).unwrap();
    assert!(recorder.in_focus(0x1004) && !recorder.in_focus(0x1008));
    assert_eq!(
        on.claim(2).unwrap_err(),
        ClaimError::NoSuchRing { ring: 2, rings: 2 },
        "the rest of the configuration stays"
    );
}

#[test]
fn a_new_focus_acts_after_what_was_recorded_before_it() {
    let audit = HandleAudit::new(AuditConfig::default().enabled(true).manual().focus(focus(&[4]))).unwrap();
    let mut recorder = audit.claim(0).unwrap();
    for handle in [4, 8] {
        recorder.record_signal(handle, entry(1));
    }
    audit.set_focus(focus(&[8])).unwrap();
    assert!(recorder.in_focus(8) && !recorder.in_focus(4));
    for handle in [4, 8] {
        recorder.record_signal(handle, entry(2));
    }
    audit.flush().unwrap();
    let cycles = |handle| -> Vec<u64> {
        audit.ghost(handle).unwrap().signals.iter().map(|entry| entry.entry.cycle).collect()
    };
    assert_eq!((cycles(4), cycles(8)), (vec![1], vec![2]), "a ghost trail stays, and grows in focus only");
    assert_eq!(audit.losses().unwrap().unmatched.get(Operation::Signal), 2);
}

#[test]
fn disabling_folds_what_was_recorded_before_it_and_takes_no_more() {
    let audit = HandleAudit::new(AuditConfig::default().enabled(true).manual()).unwrap();
    let mut recorder = audit.claim(0).unwrap();
    recorder.record_create(4, HandleKind::EVENT_AUTO, entry(1));
    recorder.record_signal(4, entry(2));
    audit.disable().unwrap();
    assert_eq!(audit.counts(4).unwrap().signals, 1, "folded by the call itself");
    recorder.record_signal(4, entry(3));
    audit.enable().unwrap();
    recorder.record_signal(4, entry(4));
    let snapshot = audit.snapshot().unwrap();
    let cycles: Vec<u64> = snapshot.trail(4).unwrap().signals.iter().map(|entry| entry.entry.cycle).collect();
    assert_eq!(cycles, [2, 4]);
    assert_eq!((snapshot.coverage.late_start, snapshot.coverage.pauses), (false, 1));
}

#[test]
fn a_drain_thread_folds_without_being_asked() {
    let audit = HandleAudit::new(AuditConfig::default().enabled(true)).unwrap();
    let mut recorder = audit.claim(0).unwrap();
    recorder.record_create(4, HandleKind::EVENT_AUTO, entry(1));
    // This reads and folds nothing itself.
    while audit.counts(4).is_none() {
        thread::yield_now();
    }
}

#[test]
fn without_a_drain_thread_the_host_pumps() {
    let audit = HandleAudit::new(AuditConfig::default().enabled(true).manual()).unwrap();
    let mut recorder = audit.claim(0).unwrap();
    recorder.record_create(4, HandleKind::MUTANT, entry(1));
    assert!(audit.trail(4).is_none(), "nobody folds unless asked");
    assert_eq!(audit.pump(), Ok(1));
    assert_eq!(audit.pump(), Ok(0));
    assert!(audit.trail(4).is_some());
}

#[test]
fn a_reader_that_panics_harms_nobody() {
    let audit = HandleAudit::new(AuditConfig::default().enabled(true)).unwrap();
    let mut recorder = audit.claim(0).unwrap();
    recorder.record_create(4, HandleKind::SEMAPHORE, entry(0));
    audit.flush().unwrap();
    thread::scope(|scope| {
        for _ in 0..4 {
            let reader = scope.spawn(|| {
                let snapshot = audit.snapshot().expect("the drain lives");
                let trail = audit.trail(4).expect("it was created");
                assert!(trail.signals.total() < snapshot.folded);
                panic!("the reader is at its end");
            });
            for cycle in 1..=100 {
                recorder.record_signal(4, entry(cycle));
            }
            assert!(reader.join().is_err());
        }
    });
    assert_eq!(audit.snapshot().unwrap().trail(4).unwrap().signals.total(), 400);
    audit.shutdown().unwrap();
}

#[test]
fn the_first_free_ring_is_claimed_until_none_is_left() {
    let audit = HandleAudit::new(AuditConfig::default().rings(2)).unwrap();
    let (first, second) = (audit.claim_any().unwrap(), audit.claim_any().unwrap());
    assert_eq!(audit.claim_any().unwrap_err(), ClaimError::NoneFree { rings: 2 });
    drop(first);
    assert!(audit.claim(1).is_err() && audit.claim(0).is_ok());
    drop(second);
}

/// The one test that installs: the audit of a process is the first that was installed.
#[test]
fn one_audit_serves_the_whole_process() {
    assert!(HandleAudit::global().is_none());
    let audit = HandleAudit::new(AuditConfig::default().enabled(true)).unwrap();
    let installed = audit.install().unwrap();
    let elsewhere = thread::spawn(|| {
        let audit = HandleAudit::global().expect("it was installed");
        audit.claim_any().unwrap().record_create(4, HandleKind::THREAD, entry(1));
        audit.flush().unwrap();
    });
    elsewhere.join().unwrap();
    assert!(installed.trail(4).is_some());
    let second = HandleAudit::new(AuditConfig::default().rings(1)).unwrap();
    let refused = second.install().expect_err("there is one already");
    assert_eq!(refused.claim(1).unwrap_err(), ClaimError::NoSuchRing { ring: 1, rings: 1 });
}

#[test]
fn an_expected_record_is_none() {
    let audit = HandleAudit::new(AuditConfig::default().manual()).unwrap();
    let mut recorder = audit.claim(0).unwrap();
    recorder.expect(4);
    audit.enable().unwrap();
    recorder.record_create(4, HandleKind::EVENT_AUTO, entry(1));
    for handle in [0, 4, 8, u32::MAX] {
        recorder.expect(handle);
    }
    recorder.record_signal(4, entry(2));
    let losses = audit.losses().unwrap();
    assert_eq!((losses.recorded(), losses.attempted()), (2, 2));
    assert_eq!(audit.snapshot().unwrap().trails.len(), 1);
    assert_eq!(audit.trail(4).unwrap().signals.total(), 1);
}
