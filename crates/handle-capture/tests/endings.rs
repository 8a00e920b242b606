//! Processes that end in every way leave a valid capture that says how.

mod common;

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use common::{RINGS, captured, play, recorders};
use handle_capture::{CaptureOptions, Ending, Recovered, read};
use rustix::process::{Signal, getpid, kill_process};

/// How the child ends: the name is passed in this variable, the capture's path after a colon.
const VARIABLE: &str = "HANDLE_CAPTURE_TEST_ENDING";

/// Not a test by itself: what the child processes of this file run.
#[test]
fn child() {
    let Ok(task) = std::env::var(VARIABLE) else { return };
    let (ending, path) = task.split_once(':').unwrap();
    let options = CaptureOptions::new(path).rings(RINGS).ring_capacity(256).max_bytes(8 << 20);
    let (audit, writer) = captured(&options);
    writer.note_crashes().unwrap();
    let mut recorders = recorders(&audit);
    play(&audit, &mut recorders, 0..1_000);
    match ending {
        "abort" => std::process::abort(),
        "overflow" => {
            overflow(&mut [0; 64], 1);
        }
        "panic" => panic!("the host is at its end"),
        "caught" => {
            std::panic::catch_unwind(|| panic!("not so bad")).unwrap_err();
            audit.shutdown().unwrap();
            writer.note_end("finished").unwrap();
            writer.finish().unwrap();
        }
        signal => {
            let signal = signal.parse().ok().and_then(Signal::from_named_raw).unwrap();
            kill_process(getpid(), signal).unwrap();
        }
    }
}

#[expect(unconditional_recursion, reason = "it is meant to overflow the stack")]
fn overflow(frame: &mut [u64; 64], depth: u64) -> u64 {
    let mut next = *frame;
    next[depth as usize % 64] = depth;
    overflow(&mut next, depth + 1) + std::hint::black_box(next[0])
}

fn run(ending: &str, path: &Path) -> (ExitStatus, String, Recovered) {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--nocapture", "--test-threads=1"])
        .env(VARIABLE, format!("{ending}:{}", path.display()))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let output = child.unwrap().wait_with_output().unwrap();
    let recovered = read(path).unwrap();
    assert!(recovered.is_complete(), "{ending}: {:?}", recovered.notes);
    assert!(recovered.snapshot.losses.attempted() > 900, "{ending}");
    (output.status, String::from_utf8_lossy(&output.stderr).into_owned(), recovered)
}

#[test]
fn a_signal_is_noted_and_ends_the_process_as_it_would_have() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.htrail");
    // A SIGSEGV or SIGBUS that is sent rather than raised by a fault is swallowed by the handler of Rust's runtime.
    for signal in [Signal::ILL, Signal::FPE, Signal::ABORT] {
        let number = signal.as_raw();
        let (status, _, recovered) = run(&number.to_string(), &path);
        assert_eq!(status.signal(), Some(number));
        let Ending::Signal { number: noted, .. } = recovered.info.ending else {
            panic!("{:?}", recovered.info.ending)
        };
        assert_eq!(noted, number as u32);
    }
    let (status, _, recovered) = run("abort", &path);
    assert_eq!(status.signal(), Some(Signal::ABORT.as_raw()));
    assert!(matches!(recovered.info.ending, Ending::Signal { number: 6, .. }));
}

#[test]
fn an_overflow_of_the_stack_is_noted_and_the_handler_that_was_there_speaks() {
    let directory = tempfile::tempdir().unwrap();
    let (_, said, recovered) = run("overflow", &directory.path().join("run.htrail"));
    assert!(said.contains("overflowed its stack"), "{said}");
    assert!(matches!(recovered.info.ending, Ending::Signal { number: 11, address: 1.. }));
}

#[test]
fn a_panic_is_noted_and_the_hook_that_was_there_speaks() {
    let directory = tempfile::tempdir().unwrap();
    let (status, said, recovered) = run("panic", &directory.path().join("run.htrail"));
    assert_eq!(status.code(), Some(101));
    assert!(said.contains("the host is at its end"), "{said}");
    let Ending::Panic(text) = recovered.info.ending else { panic!("{:?}", recovered.info.ending) };
    assert!(text.contains("the host is at its end"), "{text}");
}

#[test]
fn a_panic_that_was_caught_is_no_end() {
    let directory = tempfile::tempdir().unwrap();
    let (status, _, recovered) = run("caught", &directory.path().join("run.htrail"));
    assert!(status.success());
    assert_eq!(recovered.info.ending, Ending::Noted("finished".to_owned()));
}

#[test]
fn a_kill_leaves_no_reason_and_no_loss() {
    let directory = tempfile::tempdir().unwrap();
    let (status, _, recovered) = run("9", &directory.path().join("run.htrail"));
    assert_eq!(status.signal(), Some(9));
    assert_eq!(recovered.info.ending, Ending::Killed);
}
