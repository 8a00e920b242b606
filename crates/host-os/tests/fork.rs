//! A forked child inherits recorders and an audit of its parent's, and writes nothing into the parent's capture.

use handle_audit::{AuditConfig, HandleAudit, HandleAuditEntry, HandleKind, Recorder, label};
use handle_capture::{CaptureError, CaptureOptions, CaptureWriter, Event, read_with};

fn record(recorder: &mut Recorder, cycles: std::ops::Range<u64>, tid: u32) {
    for cycle in cycles {
        let entry = HandleAuditEntry::new(cycle, tid, 0x8200_0100, label!("NtSetEvent"), 0);
        recorder.record_create(0x1000 + 4 * tid, HandleKind::EVENT_AUTO, entry);
    }
}

/// What the child does; all of it must come to nothing. Says what it was refused.
fn in_the_child(audit: &HandleAudit, recorder: &mut Recorder, writer: &CaptureWriter) -> bool {
    record(recorder, 100..200, 2);
    let flushed = audit.flush().is_ok();
    let attached = matches!(writer.attach("child", b"x"), Err(CaptureError::Forked));
    let ended = matches!(writer.note_end("child"), Err(CaptureError::Forked));
    flushed && attached && ended && matches!(writer.finish(), Err(CaptureError::Forked))
}

#[test]
fn a_forked_child_does_not_write_into_its_parents_rings() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.htrail");
    let options = CaptureOptions::new(&path).rings(2).ring_capacity(256).max_bytes(4 << 20);
    let (writer, capture) = CaptureWriter::create(&options).unwrap();
    // Without a drain thread: nobody holds a lock of the audit when the process is forked.
    let config = AuditConfig::default().rings(2).manual().enabled(true);
    let audit = HandleAudit::with_capture(config, capture).unwrap();
    let mut recorder = audit.claim(0).unwrap();
    record(&mut recorder, 0..100, 1);
    let before = std::fs::read(&path).unwrap();
    // SAFETY: no other thread of this process uses the audit, and the child leaves by `_exit`, so that it runs nothing
    // of the test harness.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let refused = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            in_the_child(&audit, &mut recorder, &writer)
        }));
        // SAFETY: ends the child at once, without destructors.
        unsafe { libc::_exit(if matches!(refused, Ok(true)) { 7 } else { 1 }) };
    }
    let mut status = 0;
    // SAFETY: `status` is a live integer, and `child` is this process's own child.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 7, "{status:#x}");
    assert!(std::fs::read(&path).unwrap() == before, "the child changed the file");

    record(&mut recorder, 200..300, 1);
    audit.shutdown().unwrap();
    writer.note_end("finished").unwrap();
    writer.finish().unwrap();
    let mut cycles = Vec::new();
    let recovered = read_with(&path, |event| match event {
        Event::Record(record) => cycles.push(record.entry.cycle),
        other => panic!("{other:?}"),
    });
    assert!(recovered.unwrap().is_complete());
    assert!(cycles.into_iter().eq((0..100).chain(200..300)));
}
