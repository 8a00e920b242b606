//! The guests run to their expected results, on six OS threads and deterministically.

use xenon_kernel::ThreadState;

use crate::harness::{Trace, run};
use crate::truth::{self, config};

/// Runs that take long are left to the campaigns; each guest has a shorter one.
const LONG_RUNS: [(&str, u32); 3] = [("pool", 0), ("storm", 0), ("suspicious", 16)];

/// Runs a guest as its truth file says, and compares what it did.
fn keeps_its_truth(guest: &str) {
    for expected in truth::of(guest).runs {
        if LONG_RUNS.contains(&(guest, expected.argument)) {
            continue;
        }
        for deterministic in [true, false] {
            let run = run(guest, config(deterministic, expected.argument), Trace::on());
            let context = format!("{guest} {}, deterministic: {deterministic}", expected.argument);
            assert_eq!(run.lines, expected.prints, "{context}, {:?}", run.outcome.ended);
            assert_eq!(run.outcome.ended.name(), expected.ended, "{context}");
            assert_eq!(run.exit(), expected.exit, "{context}");
            assert_eq!(run.outcome.unrecorded, [], "{context}");
            let losses = run.snapshot.expect("traced").losses;
            assert_eq!(losses.attempted(), run.outcome.events, "{context}: both sides count the same");
            assert_eq!(losses.recorded() + losses.rejected(), losses.attempted(), "{context}");
        }
    }
}

macro_rules! guests {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            keeps_its_truth(stringify!($name));
        })*

        #[test]
        fn every_guest_is_tested() {
            let mut tested = vec![$(stringify!($name)),*];
            tested.sort_unstable();
            assert_eq!(tested, truth::all_guests());
        }
    };
}

guests! {
    alarm all_of apc_target apcs boot_hang busy_poll closed coalesced critsec cycle dead_owner deadlock events file_io ghost
    heartbeat late_start lost_pulse lost_wake mix mutants objects pingpong pipeline pool ports promise pulse reuse semaphores
    signal_wait silence statics stolen storm suspicious threads timers twins waits
}

#[test]
fn an_export_that_is_not_implemented_is_a_stub_and_named_once() {
    let run = run("boot_hang", config(true, 0), Trace::Off);
    assert_eq!(run.stubs, ["NtReadFile"], "its device is not implemented");
}

#[test]
fn parked_threads_are_shown_with_what_they_wait_for() {
    for deterministic in [true, false] {
        let run = run("boot_hang", config(deterministic, 0), Trace::on());
        let snapshot = run.snapshot.expect("traced");
        for thread in run.outcome.threads.iter().filter(|thread| thread.state == ThreadState::Waiting) {
            let [handle] = thread.on[..] else { panic!("{thread:?} waits for one object") };
            let trail = snapshot.trail(handle).expect("it was created");
            let open: Vec<_> = trail.open_waits.iter().map(|wait| wait.entry.tid).collect();
            assert!(open.contains(&thread.tid), "the audit and the host agree: {open:?}, {thread:?}");
            assert!(thread.stack.len() > usize::from(thread.main), "the caller is known: {thread:?}");
        }
        let states: Vec<_> = run.outcome.threads.iter().map(|thread| thread.state).collect();
        let (waiting, exited) = (ThreadState::Waiting, ThreadState::Exited);
        assert_eq!(states, [waiting, exited, waiting, waiting], "main, audio, shaders, intro");
    }
}
