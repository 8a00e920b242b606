//! What goes wrong around a capture that is being written: the run goes on in memory, and the message is clear.

mod common;

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use common::{RINGS, captured, play, recorders};
use fork::{Fork, fork, waitpid};
use handle_capture::{CaptureError, CaptureOptions, CaptureWriter, read};
use rustix::process::{Resource, Rlimit, Signal, setrlimit};

/// What the child has to do and with which file: see [`child`].
const VARIABLE: &str = "HANDLE_CAPTURE_TEST_FAULT";

fn options(path: &Path) -> CaptureOptions {
    CaptureOptions::new(path).rings(RINGS).ring_capacity(256).max_bytes(8 << 20)
}

/// Not a test by itself: what the child process of this file runs.
#[test]
fn child() {
    let Ok(path) = std::env::var(VARIABLE) else { return };
    disk_full(Path::new(&path));
}

fn in_a_child(path: &Path) -> Output {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["child", "--exact", "--nocapture", "--test-threads=1"]).env(VARIABLE, path).output().unwrap()
}

/// The system refuses what is written from here on: as a full disk does, although a limit is what can be set in a
/// test.
fn refuse_writes() {
    signal_hook::flag::register(Signal::XFSZ.as_raw(), Arc::new(AtomicBool::new(false))).unwrap();
    setrlimit(Resource::Fsize, Rlimit { current: Some(4096), maximum: None }).unwrap();
}

fn disk_full(path: &Path) {
    let (audit, writer) = captured(&options(path));
    let mut recorders = recorders(&audit);
    play(&audit, &mut recorders, 0..3_000);
    audit.flush().unwrap();
    let before = audit.losses().unwrap();

    refuse_writes();
    play(&audit, &mut recorders, 3_000..6_000);
    let snapshot = audit.snapshot().unwrap();
    assert_eq!(snapshot.losses.attempted(), 6_000, "in memory, everything goes on");
    assert_eq!(snapshot.losses.recorded(), snapshot.folded);
    assert!(snapshot.losses.recorded() > before.recorded());
    let refused = writer.attach("run.json", b"{}").unwrap_err().to_string();
    assert!(refused.contains("cannot attach: File too large"), "{refused}");
    audit.shutdown().unwrap();
    let incomplete = writer.finish().unwrap_err();
    assert!(matches!(incomplete, CaptureError::Incomplete { .. }));
    let expected = format!("{}: the capture ends early: File too large (os error 27)", path.display());
    assert_eq!(incomplete.to_string(), expected);
}

#[test]
fn a_disk_that_is_full_ends_the_capture_and_not_the_run() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.htrail");
    let output = in_a_child(&path);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // What was captured before can be read, and nothing of it is in doubt.
    let recovered = read(&path).unwrap();
    let attempted = recovered.snapshot.losses.attempted();
    assert!((3_000..6_000).contains(&attempted), "{attempted}: {:?}", recovered.notes);
}

#[test]
fn a_disk_without_the_space_refuses_the_capture_before_the_run() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.htrail");
    let error = CaptureWriter::create(&options(&path).max_bytes(1 << 60)).unwrap_err();
    let CaptureError::Io { action, .. } = &error else { panic!("{error}") };
    assert_eq!(*action, "cannot reserve the space");
    assert!(
        error.to_string().starts_with(&format!("{}: cannot reserve the space: ", path.display())),
        "{error}"
    );
}

#[test]
fn a_forked_child_leaves_its_parents_capture_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.htrail");
    let (audit, writer) = captured(&options(&path));
    let mut recorders = recorders(&audit);
    play(&audit, &mut recorders, 0..100);
    let before = std::fs::read(&path).unwrap();
    match fork().unwrap() {
        Fork::Child => {
            for recorder in &mut recorders {
                // To rings whose memory the child does not have.
                recorder.record_signal(0x1000, handle_audit::HandleAuditEntry::new(1, 1, 1, "child", 1));
            }
            let alone = matches!(writer.attach("run.json", b"{}"), Err(CaptureError::Forked))
                && matches!(writer.note_end("child"), Err(CaptureError::Forked))
                && audit.flush().is_err();
            std::process::exit(if alone { 7 } else { 1 });
        }
        Fork::Parent(child) => assert_eq!(waitpid(child).unwrap(), 7 << 8, "exit status"),
    }
    assert!(std::fs::read(&path).unwrap() == before, "the child changed the file");
    play(&audit, &mut recorders, 100..200);
    audit.shutdown().unwrap();
    writer.finish().unwrap();
    let recovered = read(&path).unwrap();
    assert!(recovered.is_complete() && recovered.attachments.is_empty());
    assert_eq!(recovered.snapshot, audit.snapshot().unwrap());
}
