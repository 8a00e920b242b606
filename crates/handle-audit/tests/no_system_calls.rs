//! Recording makes no system call: the recorder's thread runs under a seccomp filter that kills the process on any.

#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use handle_audit::{
    AuditConfig, Frame, HandleAudit, HandleAuditEntry, HandleKind, Operation, Recorder, label,
};
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

fn record_everything(recorder: &mut Recorder, cycle: u64) {
    let frames = [Frame { frame: 0x7000_0100, lr: 0x8200_0040 }; 32];
    let entry = HandleAuditEntry::new(cycle, 1, 0x8200_0040, label!("test"), 0);
    for operation in Operation::ALL {
        recorder.record_any(operation, 0x1004, HandleKind::EVENT_AUTO, entry);
    }
    recorder.record_create_with_stack(0x1008, HandleKind::MUTANT, entry, &frames);
    recorder.record_signal(0x1004, entry);
    assert!(!recorder.in_focus(0x1004));
}

/// One thread records under the filter, with room, without, and with gaps to send; this one drains.
#[test]
fn recording_makes_no_system_call() {
    let audit = HandleAudit::new(AuditConfig::default().enabled(true).manual().ring_capacity(256)).unwrap();
    let [ready, done] = [(); 2].map(|()| -> &'static AtomicBool { Box::leak(Box::default()) });
    let mut recorder = audit.claim(0).unwrap();
    thread::spawn(move || {
        // The label is interned by the first record.
        record_everything(&mut recorder, 0);
        ready.store(true, Ordering::Release);
        forbid_system_calls();
        (1..20_000).for_each(|cycle| record_everything(&mut recorder, cycle));
        if std::env::var_os(BREAK_IT).is_some() {
            thread::yield_now();
        }
        done.store(true, Ordering::Release);
        // Even to end is a system call.
        loop {
            std::hint::spin_loop();
        }
    });
    while !done.load(Ordering::Acquire) {
        if ready.load(Ordering::Acquire) {
            audit.pump().unwrap();
        }
        thread::yield_now();
    }
    let losses = audit.losses().unwrap();
    let calls = Operation::COUNT as u64 + 2;
    assert_eq!(losses.attempted(), 20_000 * calls);
    assert!(losses.rejected() > 0 && losses.recorded() > 256, "{losses:?}");
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
