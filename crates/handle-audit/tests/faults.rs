//! What goes wrong around an audit: nothing hangs, the accounts balance, the message is clear.

mod trap;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use fork::{Fork, fork, waitpid};
use handle_audit::{
    AuditConfig, DrainDied, HandleAudit, HandleAuditEntry, HandleKind, Losses, Recorder, label,
};
use trap::trapped;

const HANDLE: u32 = 0x1004;

/// Whoever takes longer hangs.
const LONG: Duration = Duration::from_secs(30);

fn entry(cycle: u64, number: u64) -> HandleAuditEntry {
    HandleAuditEntry::new(cycle, 1, 0x8200_0040, label!("NtSetEvent"), number)
}

/// Records a create, then signals, numbered from `numbers.start`.
fn create_and_signal(recorder: &mut Recorder, handle: u32, numbers: std::ops::Range<u64>) {
    for number in numbers {
        if number == 0 {
            recorder.record_create(handle, HandleKind::EVENT_AUTO, entry(number, number));
        } else {
            recorder.record_signal(handle, entry(number, number));
        }
    }
}

/// The accounts, which say that so many records were offered, each of which was folded, late or rejected.
fn balanced(audit: &HandleAudit, attempted: u64) -> Losses {
    let snapshot = audit.snapshot().unwrap();
    assert_eq!(snapshot.losses.attempted(), attempted);
    assert_eq!(snapshot.losses.recorded(), snapshot.folded + snapshot.losses.late());
    snapshot.losses
}

#[test]
fn a_thread_that_panics_gives_its_ring_back() {
    let audit = HandleAudit::new(AuditConfig::default().rings(1).enabled(true)).unwrap();
    let died = thread::scope(|scope| {
        let hardware_thread = || {
            let mut recorder = audit.claim(0).unwrap();
            create_and_signal(&mut recorder, HANDLE, 0..100);
            panic!("the hardware thread dies");
        };
        scope.spawn(hardware_thread).join()
    });
    died.unwrap_err();
    create_and_signal(&mut audit.claim(0).unwrap(), HANDLE, 100..200);
    assert_eq!(balanced(&audit, 200).rejected(), 0);
    let signals = audit.trail(HANDLE).unwrap().signals;
    assert_eq!((signals.total(), signals.iter().last().unwrap().entry.aux), (199, 199));
}

#[test]
fn a_ring_whose_recorder_was_never_dropped_is_named_and_loses_nothing() {
    let audit = HandleAudit::new(AuditConfig::default().rings(1).enabled(true)).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut recorder = audit.claim(0).unwrap();
            create_and_signal(&mut recorder, HANDLE, 0..100);
            // What a thread does that is ended from outside: it runs no destructors.
            std::mem::forget(recorder);
        });
    });
    assert_eq!(audit.claim(0).unwrap_err().to_string(), "ring 0 is claimed: drop its recorder first");
    let none_free = audit.claim_any().unwrap_err().to_string();
    assert_eq!(none_free, "all 1 rings are claimed: configure more, or drop a recorder");
    assert_eq!(balanced(&audit, 100).rejected(), 0);
    audit.shutdown().unwrap();
}

#[test]
fn a_panic_in_a_reader_that_folds_is_an_error_to_the_next_and_recording_goes_on() {
    let armed = Arc::new(AtomicBool::new(false));
    let is_armed = armed.clone();
    let audit = trapped(AuditConfig::default().enabled(true).manual(), 64, move || {
        assert!(!is_armed.load(Ordering::Relaxed), "the sink is at its end");
    });
    let mut recorder = audit.claim(0).unwrap();
    create_and_signal(&mut recorder, HANDLE, 0..10);
    assert_eq!(balanced(&audit, 10).rejected(), 0);

    armed.store(true, Ordering::Relaxed);
    create_and_signal(&mut recorder, HANDLE, 10..20);
    catch_unwind(AssertUnwindSafe(|| audit.snapshot())).unwrap_err();
    assert_eq!(audit.flush(), Err(DrainDied::Panicked));
    assert_eq!(audit.losses().unwrap_err(), DrainDied::Panicked);
    assert_eq!(
        audit.snapshot().unwrap_err().to_string(),
        "the drain died while folding: trails hold what was folded before, and nothing later"
    );
    // Producers notice nothing, however long they go on; what was folded can be read.
    create_and_signal(&mut recorder, HANDLE, 20..1_000);
    drop(recorder);
    create_and_signal(&mut audit.claim(0).unwrap(), HANDLE, 1_000..1_010);
    assert_eq!(audit.trail(HANDLE).unwrap().signals.total(), 9);
    assert_eq!(audit.shutdown(), Err(DrainDied::Panicked));
}

/// What a drain does at worst that gets no processor: it stands still in a pass, and holds what a flush needs.
#[test]
fn a_drain_that_stands_still_in_a_pass_makes_its_rings_reject_and_a_flush_wait_for_that_pass() {
    let (stands_still, drain) = mpsc::channel();
    let (go_on, told) = mpsc::channel::<()>();
    let audit = trapped(AuditConfig::default().enabled(true), 64, move || {
        // Nobody listens any more after the first pass.
        let _ = stands_still.send(());
        let _ = told.recv_timeout(LONG);
    });
    let audit = Arc::new(audit);
    let mut recorder = audit.claim(0).unwrap();
    create_and_signal(&mut recorder, HANDLE, 0..1);
    drain.recv_timeout(LONG).expect("the drain has work");
    // A producer waits for nobody, and records more than a ring holds.
    create_and_signal(&mut recorder, HANDLE, 1..1_000);
    let (flushed, flush) = mpsc::channel();
    thread::spawn({
        let audit = audit.clone();
        move || flushed.send(audit.flush())
    });
    // A flush that does not wait gets the time to show it.
    let early = flush.recv_timeout(Duration::from_millis(50));
    assert_eq!(early, Err(mpsc::RecvTimeoutError::Timeout), "a pass is under way");
    drop(go_on);
    assert_eq!(flush.recv_timeout(LONG), Ok(Ok(())));
    let losses = balanced(&audit, 1_000);
    assert!(losses.rejected() >= 1_000 - 64, "{} rejected", losses.rejected());
    assert_eq!(audit.trail(HANDLE).unwrap().totals.total(), losses.recorded());
}

#[test]
fn a_reader_that_panics_over_its_copy_stops_nobody() {
    let audit = HandleAudit::new(AuditConfig::default().enabled(true)).unwrap();
    let mut recorder = audit.claim(0).unwrap();
    for round in 0..20 {
        create_and_signal(&mut recorder, HANDLE, 100 * round..100 * round + 100);
        let read = catch_unwind(AssertUnwindSafe(|| {
            let snapshot = audit.snapshot().unwrap();
            panic!("{} trails are too many", snapshot.trails.len());
        }));
        read.unwrap_err();
    }
    assert_eq!(balanced(&audit, 2_000).rejected(), 0);
}

#[test]
fn a_clock_that_jumps_changes_no_order() {
    let audit = HandleAudit::new(AuditConfig::default().manual().enabled(true)).unwrap();
    let mut recorders = [audit.claim(0).unwrap(), audit.claim(1).unwrap()];
    let jumps = [100, 50, u64::MAX, 0, 1, 1 << 63, u64::MAX - 1, 7, 7, 0];
    for (number, cycle) in (0..30).zip(jumps.into_iter().cycle()) {
        let recorder = &mut recorders[number as usize % 2];
        if number == 0 {
            recorder.record_create(HANDLE, HandleKind::EVENT_AUTO, entry(cycle, number));
        } else {
            recorder.record_signal(HANDLE, entry(cycle, number));
        }
        if number % 7 == 0 {
            audit.pump().unwrap();
        }
    }
    assert_eq!(balanced(&audit, 30).rejected(), 0);
    let snapshot = audit.snapshot().unwrap();
    let numbers: Vec<u64> =
        snapshot.trail(HANDLE).unwrap().signals.iter().map(|each| each.entry.aux).collect();
    assert_eq!(numbers, (1..30).collect::<Vec<_>>());
    // The history of a thread is kept by cycle: that is what a cycle means.
    let last = &snapshot.threads[0].last;
    assert!(last.len() == 30 && last.iter().is_sorted_by_key(|record| record.entry.cycle));
}

#[test]
fn a_gap_over_a_jumping_clock_covers_every_lost_cycle() {
    let config = AuditConfig::default().rings(1).ring_capacity(8).manual().enabled(true);
    let audit = HandleAudit::new(config).unwrap();
    let mut recorder = audit.claim(0).unwrap();
    create_and_signal(&mut recorder, HANDLE, 0..8);
    let lost = [500, 3, u64::MAX, 80];
    lost.iter().for_each(|cycle| recorder.record_signal(HANDLE, entry(*cycle, *cycle)));
    let losses = balanced(&audit, 12);
    assert!(losses.rejected() >= 4);
    assert!(lost.iter().all(|cycle| losses.overlaps(*cycle, *cycle)), "{:?}", losses.gaps);
}

/// What the child of a fork finds: 0 if all is as it should be, else the number of the step.
fn in_the_child(audit: &HandleAudit, mut recorder: Recorder) -> i32 {
    let steps = [
        audit.flush() == Err(DrainDied::Forked),
        audit.pump() == Err(DrainDied::Forked),
        audit.enable() == Err(DrainDied::Forked),
        audit.disable() == Err(DrainDied::Forked),
        audit.set_focus([HANDLE].into_iter().collect()) == Err(DrainDied::Forked),
        audit.losses() == Err(DrainDied::Forked),
        audit.snapshot().is_err(),
        audit.counts(HANDLE).is_none() && audit.trail(HANDLE).is_none() && audit.ghost(HANDLE).is_none(),
        {
            // Into rings that nobody drains.
            create_and_signal(&mut recorder, HANDLE, 0..100_000);
            drop(recorder);
            // They can be claimed; what is free or taken is as the fork found it.
            (0..8).all(|ring| {
                audit.claim(ring).is_ok_and(|mut another| {
                    create_and_signal(&mut another, HANDLE, 0..100);
                    another.ring() == ring
                })
            })
        },
        audit.shutdown() == Err(DrainDied::Forked),
        an_audit_of_its_own_works(),
    ];
    steps.iter().position(|right| !right).map_or(0, |step| 1 + step as i32)
}

/// Whether a process can have the audit that its parent never installed.
fn an_audit_of_its_own_works() -> bool {
    let own = HandleAudit::new(AuditConfig::default().ring_capacity(64).manual().enabled(true)).unwrap();
    let installed = own.install().is_ok();
    HandleAudit::global().is_some_and(|own| {
        create_and_signal(&mut own.claim(0).unwrap(), HANDLE, 0..10);
        installed && own.snapshot().is_ok_and(|snapshot| snapshot.folded == 10)
    })
}

#[test]
fn a_forked_child_is_told_so_and_its_parent_goes_on() {
    let audit = HandleAudit::new(AuditConfig::default().ring_capacity(64).enabled(true)).unwrap();
    for round in 0..10 {
        // The drain folds while the process forks, so the child may inherit any lock of it.
        let mut recorder = audit.claim(0).unwrap();
        create_and_signal(&mut recorder, HANDLE, 0..1_000);
        match fork().unwrap() {
            Fork::Child => std::process::exit(in_the_child(&audit, recorder)),
            Fork::Parent(child) => assert_eq!(waitpid(child).unwrap(), 0, "exit status, round {round}"),
        }
    }
    balanced(&audit, 10_000);
    let message = "this process is a forked child: the audit belongs to its parent";
    assert_eq!(DrainDied::Forked.to_string(), message);
}

#[test]
fn ten_thousand_recorders_are_claimed_and_released() {
    let audit = HandleAudit::new(AuditConfig::default().enabled(true)).unwrap();
    thread::scope(|scope| {
        for me in 0..4 {
            let audit = &audit;
            scope.spawn(move || {
                for number in 0..2_500 {
                    let mut recorder = audit.claim_any().unwrap();
                    create_and_signal(&mut recorder, HANDLE + 4 * me, number..number + 1);
                }
            });
        }
    });
    assert_eq!(balanced(&audit, 10_000).rejected(), 0);
    for me in 0..4 {
        let trail = audit.trail(HANDLE + 4 * me).unwrap();
        assert_eq!(trail.totals.total(), 2_500);
        assert_eq!(trail.signals.total(), 2_499);
        // A trail keeps the oldest and the newest of them.
        let numbers = |entries: Vec<u64>, expected: std::ops::Range<u64>| {
            assert_eq!(entries, expected.collect::<Vec<_>>(), "order outlives the hand-over");
        };
        numbers(trail.signals.first().iter().map(|each| each.entry.aux).collect(), 1..9);
        numbers(trail.signals.iter().map(|each| each.entry.aux).collect(), 2_468..2_500);
    }
    let all: Vec<_> = (0..8).map(|ring| audit.claim(ring).unwrap()).collect();
    assert_eq!(all.len(), 8);
}

/// Records until the audit is off, and shows how many records it has made. The last one came perhaps too late to be
/// taken.
fn until_off(audit: &HandleAudit, ring: usize, handle: u32, made: &AtomicU64) {
    let mut recorder = audit.claim(ring).unwrap();
    for number in 0.. {
        if !recorder.is_enabled() {
            return;
        }
        create_and_signal(&mut recorder, handle, number..number + 1);
        // Whoever reads it comes after the record.
        made.store(number + 1, Ordering::Release);
    }
}

#[test]
fn a_shutdown_raced_by_producers_loses_nothing_and_counts_every_record_once() {
    for round in 0..40 {
        let config = AuditConfig::default().ring_capacity(if round % 2 == 0 { 64 } else { 1 << 16 });
        let audit = HandleAudit::new(config.enabled(true)).unwrap();
        let made = [const { AtomicU64::new(0) }; 6];
        let read = || made.each_ref().map(|made| made.load(Ordering::Acquire));
        let before = thread::scope(|scope| {
            for (ring, made) in made.iter().enumerate() {
                let audit = &audit;
                scope.spawn(move || until_off(audit, ring, HANDLE + 4 * ring as u32, made));
            }
            while read().contains(&0) {
                thread::yield_now();
            }
            let before = read();
            audit.shutdown().unwrap();
            before
        });
        let snapshot = audit.snapshot().unwrap();
        let losses = &snapshot.losses;
        let all: u64 = read().iter().sum();
        assert!((all - 6..=all).contains(&losses.attempted()), "{} of {all}", losses.attempted());
        assert_eq!(losses.recorded(), snapshot.folded + losses.late());
        for (ring, (before, made)) in before.into_iter().zip(read()).enumerate() {
            let trail = snapshot.trail(HANDLE + 4 * ring as u32).expect("its create was made before");
            let total = trail.totals.total();
            assert!(total <= made, "{total} of {made}");
            let rejected = losses.rings[ring].rejected.total();
            assert!(total + rejected >= before, "{total} folded and {rejected} rejected of {before}");
            let sequence = trail.sequence();
            assert!(sequence.is_sorted_by_key(|each| each.entry.aux));
            // A record's cycle is its number, so what was rejected lies in a gap.
            let newest = sequence.last().map_or(0, |each| each.entry.aux);
            let lost = (newest + 1..before).find(|number| {
                !losses.gaps.iter().any(|gap| usize::from(gap.ring) == ring && gap.overlaps(*number, *number))
            });
            assert_eq!(lost, None, "made before the shutdown, and neither folded nor rejected");
        }
    }
}
