//! The audit at the edges of what it takes: every number of rings, an end in any order, switching while others record.

use std::sync::Barrier;
use std::thread;

use handle_audit::{AuditConfig, Focus, HandleAudit, HandleAuditEntry, HandleKind, MAX_RINGS, label};

fn entry(cycle: u64) -> HandleAuditEntry {
    HandleAuditEntry::new(cycle, 1, 0x8200_0040, label!("NtSetEvent"), cycle)
}

#[test]
fn an_audit_of_any_number_of_rings_takes_records_from_each() {
    for rings in (1..=64).chain([MAX_RINGS]) {
        let audit = HandleAudit::new(AuditConfig::default().rings(rings).ring_capacity(64).manual()).unwrap();
        audit.enable().unwrap();
        let mut recorders: Vec<_> = (0..rings).map(|_| audit.claim_any().unwrap()).collect();
        assert!(audit.claim_any().is_err());
        recorders[0].record_create(4, HandleKind::EVENT_AUTO, entry(0));
        for (cycle, recorder) in (1..).zip(&mut recorders) {
            recorder.record_signal(4, entry(cycle));
        }
        audit.flush().unwrap();
        let signals = audit.trail(4).unwrap().signals;
        assert_eq!(signals.total(), rings as u64);
        assert!(signals.iter().is_sorted_by_key(|each| each.entry.cycle), "one thread made them all");
    }
}

#[test]
fn recorders_outlive_their_audit_and_are_dropped_later() {
    let audit = HandleAudit::new(AuditConfig::default().enabled(true)).unwrap();
    let mut recorder = audit.claim(0).unwrap();
    recorder.record_create(4, HandleKind::EVENT_AUTO, entry(1));
    drop(audit);
    assert!(!recorder.is_enabled() && !recorder.in_focus(4));
    // Far more than the ring holds: nobody takes them, and nobody waits.
    (0..200_000).for_each(|cycle| recorder.record_signal(4, entry(cycle)));
    thread::spawn(move || drop(recorder)).join().unwrap();
}

#[test]
fn a_second_shutdown_and_all_that_comes_after_it_do_nothing() {
    let audit = HandleAudit::new(AuditConfig::default().enabled(true)).unwrap();
    let mut recorder = audit.claim(0).unwrap();
    recorder.record_create(4, HandleKind::EVENT_AUTO, entry(1));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| audit.shutdown().unwrap());
        }
    });
    assert!(audit.trail(4).is_some(), "all that was recorded before is folded");
    audit.enable().unwrap();
    assert!(!audit.is_enabled());
    recorder.record_signal(4, entry(2));
    audit.disable().unwrap();
    audit.set_focus(Focus::default()).unwrap();
    audit.shutdown().unwrap();
    let snapshot = audit.snapshot().unwrap();
    assert_eq!((snapshot.losses.attempted(), snapshot.folded), (1, 1));
    assert!(audit.claim(1).is_ok(), "a host that goes on needs no special case");
}

/// Four threads record, two flush and read, one switches and one picks handles, all at once.
#[test]
fn switching_flushing_and_refocusing_while_others_record_loses_no_account() {
    let audit = HandleAudit::new(AuditConfig::default().ring_capacity(256).enabled(true)).unwrap();
    let start = Barrier::new(8);
    thread::scope(|scope| {
        let (audit, start) = (&audit, &start);
        for me in 0..4_u32 {
            scope.spawn(move || {
                start.wait();
                for cycle in 0..4_000 {
                    // Claimed anew again and again, as when hardware threads move between OS threads.
                    let mut recorder = audit.claim(me as usize).unwrap();
                    recorder.record_create(0x1000 + 4 * me, HandleKind::EVENT_AUTO, entry(cycle));
                    recorder.record_signal(0x1000 + 4 * (me ^ 1), entry(cycle));
                }
            });
        }
        for _ in 0..2 {
            scope.spawn(move || {
                start.wait();
                let mut folded = 0;
                for _ in 0..100 {
                    audit.flush().unwrap();
                    let snapshot = audit.snapshot().unwrap();
                    assert!(snapshot.folded >= folded, "what was folded stays so");
                    folded = snapshot.folded;
                }
            });
        }
        scope.spawn(move || {
            start.wait();
            for _ in 0..100 {
                audit.disable().unwrap();
                audit.enable().unwrap();
            }
        });
        scope.spawn(move || {
            start.wait();
            for number in 0..100 {
                audit.set_focus(Focus::from_iter([0x1000 + number])).unwrap();
            }
        });
    });
    let snapshot = audit.snapshot().unwrap();
    let losses = &snapshot.losses;
    assert_eq!((losses.recorded(), losses.late()), (snapshot.folded, 0));
    assert!(losses.attempted() <= 4 * 2 * 4_000 && losses.attempted() > 0);
    assert_eq!((snapshot.coverage.pauses, snapshot.focus.iter().collect()), (100, vec![0x1000 + 99]));
}

#[test]
fn a_focus_of_a_hundred_thousand_handles_holds_each() {
    let list: Vec<String> = (0..100_000).map(|number| format!("{:#x}", 0x1000 + 4 * number)).collect();
    let focus: Focus = list.join(",").parse().unwrap();
    assert_eq!(focus.iter().count(), 100_000);
    let audit = HandleAudit::new(AuditConfig::default().enabled(true).focus(focus)).unwrap();
    let mut recorder = audit.claim(0).unwrap();
    assert!(recorder.in_focus(0x1000 + 4 * 99_999) && !recorder.in_focus(0x1001));
    for number in 0..100_000 {
        recorder.record_signal(0x1000 + 4 * number, entry(1));
        if number % 1_000 == 0 {
            audit.flush().unwrap();
        }
    }
    assert_eq!(audit.snapshot().unwrap().ghosts.len(), 100_000);
}
