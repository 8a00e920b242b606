//! Recording makes no system call: the recorder's thread runs under a seccomp filter that kills the process on any.

#![cfg(target_os = "linux")]

mod recording;

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use handle_audit::Operation;
use recording::{cases, record_everything, source};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

/// Set for a run of this program that is meant to die.
const BREAK_IT: &str = "HANDLE_AUDIT_TEST_BREAKS_THE_FILTER";

/// The signal of a forbidden call.
const SIGSYS: i32 = 31;

/// From here on, any system call of this thread kills the process.
fn forbid_system_calls() {
    let arch = std::env::consts::ARCH.try_into().expect("a processor that seccomp knows");
    let filter = SeccompFilter::new(BTreeMap::new(), SeccompAction::KillProcess, SeccompAction::Allow, arch);
    let program: BpfProgram = filter.and_then(TryInto::try_into).expect("an empty filter compiles");
    seccompiler::apply_filter(&program).expect("a thread may restrict itself");
}

const ROUNDS: u64 = 10_000;

fn wait_for(flag: &AtomicBool) {
    while !flag.load(Ordering::Acquire) {
        std::hint::spin_loop();
    }
}

/// One thread records under the filter, into every kind of ring, with room, without, and with gaps to send; this one
/// changes the focus and drains.
#[test]
fn recording_makes_no_system_call() {
    let _ = source().id();
    let [full, emptied, done, never] = [(); 4].map(|()| -> &'static AtomicBool { Box::leak(Box::default()) });
    let (audits, mut recorders): (Vec<_>, Vec<_>) =
        cases().into_iter().map(|(name, audit, recorder)| ((name, audit), recorder)).unzip();
    for (_, audit) in &audits {
        audit.set_focus([0x1004].into_iter().collect()).unwrap();
    }
    thread::spawn(move || {
        forbid_system_calls();
        for cycle in 0..ROUNDS {
            if cycle == ROUNDS / 2 {
                full.store(true, Ordering::Release);
                wait_for(emptied);
            }
            for recorder in &mut recorders {
                assert!(recorder.in_focus(0x1004) && !recorder.in_focus(0x1008));
                record_everything(recorder, cycle);
            }
        }
        if std::env::var_os(BREAK_IT).is_some() {
            thread::yield_now();
        }
        done.store(true, Ordering::Release);
        // Even to end is a system call.
        wait_for(never);
    });
    wait_for(full);
    while !done.load(Ordering::Acquire) {
        audits.iter().for_each(|(_, audit)| _ = audit.pump().unwrap());
        emptied.store(true, Ordering::Release);
        thread::yield_now();
    }
    for (name, audit) in &audits {
        let losses = audit.losses().unwrap();
        assert_eq!(losses.attempted(), ROUNDS * (Operation::COUNT as u64 + 2), "{name}");
        assert!(losses.rejected() > 0 && losses.recorded() > 256, "{name}: {losses:?}");
    }
}

/// The same program with one system call too many.
#[test]
fn the_filter_kills() {
    if std::env::var_os(BREAK_IT).is_some() {
        return;
    }
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "recording_makes_no_system_call"])
        .env(BREAK_IT, "1")
        .status()
        .unwrap();
    assert_eq!(status.signal(), Some(SIGSYS), "{status}");
}
