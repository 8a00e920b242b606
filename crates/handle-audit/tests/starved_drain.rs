//! A drain that hardly runs. One test in this file, so that the process has no other drain.

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use handle_audit::{AuditConfig, HandleAudit, HandleAuditEntry, HandleKind, Recorder, label};
use rustix::process::setpriority_process;
use rustix::thread::{CpuSet, Pid, sched_getaffinity, sched_setaffinity};

const HANDLE: u32 = 0x1004;

/// Rounds, of which every second fits the ring.
const ROUNDS: u64 = 50;
const FITS: u64 = 500;
const OVERFLOWS: u64 = 5_000;

/// Whoever takes longer for one step hangs.
const LONG: Duration = Duration::from_secs(30);

/// What the host's thread has done.
#[derive(Debug, PartialEq)]
enum Step {
    Recorded(u64),
    Flushed(u64),
}

/// The drain of this process, as soon as it has its name: a thread gives that to itself.
fn drain() -> Pid {
    loop {
        for task in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
            let name = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
            if name.starts_with("handle-audit-d") {
                let id = task.file_name().to_str().and_then(|id| id.parse().ok()).and_then(Pid::from_raw);
                return id.expect("a thread has a number");
            }
        }
        thread::yield_now();
    }
}

fn create_and_signal(recorder: &mut Recorder, records: u64) {
    let entry = |number| HandleAuditEntry::new(number, 1, 0x8200_0040, label!("NtSetEvent"), number);
    recorder.record_create(HANDLE, HandleKind::EVENT_AUTO, entry(0));
    (1..records).for_each(|number| recorder.record_signal(HANDLE, entry(number)));
}

#[test]
fn a_starved_drain_delays_no_reader_and_no_producer() {
    let audit = HandleAudit::new(AuditConfig::default().ring_capacity(1024).enabled(true)).unwrap();
    let audit = Arc::new(audit);
    let here = sched_getaffinity(None).unwrap();
    let core = (0..CpuSet::MAX_CPU).find(|core| here.is_set(*core)).unwrap();
    let mut one = CpuSet::new();
    one.set(core);
    let drain = drain();
    setpriority_process(Some(drain), 19).unwrap();
    sched_setaffinity(Some(drain), &one).unwrap();
    // It spins until the process ends, also if the test fails.
    thread::spawn(move || {
        sched_setaffinity(None, &one).unwrap();
        loop {
            std::hint::spin_loop();
        }
    });
    let (steps, done) = mpsc::channel();
    let host = thread::spawn({
        let audit = audit.clone();
        move || {
            let mut recorder = audit.claim(0).unwrap();
            for round in 0..ROUNDS {
                create_and_signal(&mut recorder, if round % 2 == 0 { FITS } else { OVERFLOWS });
                steps.send(Step::Recorded(round)).unwrap();
                audit.flush().unwrap();
                steps.send(Step::Flushed(round)).unwrap();
                let trail = audit.trail(HANDLE).unwrap();
                assert!(trail.signals.total() >= FITS - 1, "a flush folds what was recorded before it");
            }
        }
    });
    for step in (0..ROUNDS).flat_map(|round| [Step::Recorded(round), Step::Flushed(round)]) {
        assert_eq!(done.recv_timeout(LONG), Ok(step), "a step took longer than {LONG:?}, or panicked");
    }
    host.join().unwrap();
    // How much of that the drain could not take in time depends on who ran when, so that rings reject is shown where
    // the drain stands still for certain, in tests/faults.rs.
    let snapshot = audit.snapshot().unwrap();
    assert_eq!(snapshot.losses.attempted(), ROUNDS / 2 * (FITS + OVERFLOWS));
    assert_eq!((snapshot.losses.recorded(), snapshot.losses.late()), (snapshot.folded, 0));
    audit.shutdown().unwrap();
}
