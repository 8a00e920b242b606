//! What was captured is read back, however the process ended.

mod common;

use common::{captured, play, recorders};
use handle_audit::Snapshot;
use handle_capture::{CaptureError, CaptureOptions, Ending, Event, Note, Recovered, read, read_with};

/// Options for a small capture with small rings.
fn options(path: &std::path::Path) -> CaptureOptions {
    CaptureOptions::new(path).rings(common::RINGS).ring_capacity(256).max_bytes(8 << 20)
}

/// Equal, part by part, so that a failure names the part.
fn same(read: &Snapshot, live: &Snapshot) {
    assert_eq!((read.folded, &read.focus, read.coverage), (live.folded, &live.focus, live.coverage));
    assert_eq!(read.losses, live.losses);
    for (read, live) in read.trails.iter().zip(&live.trails) {
        assert_eq!(read, live);
    }
    assert_eq!((&read.ghosts, &read.leads), (&live.ghosts, &live.leads));
    for (read, live) in read.threads.iter().zip(&live.threads) {
        assert_eq!(read, live);
    }
    assert!(read == live);
}

fn lossless(recovered: &Recovered) {
    assert!(recovered.is_complete(), "{:?}", recovered.notes);
}

#[test]
fn a_finished_capture_reads_as_the_live_run() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.htrail");
    let (audit, writer) = captured(&options(&path).max_bytes(64 << 20));
    let mut recorders = recorders(&audit);
    play(&audit, &mut recorders, 0..20_000);
    audit.set_focus([0x9000, 0x9004].into_iter().collect()).unwrap();
    play(&audit, &mut recorders, 20_000..20_100);
    audit.shutdown().unwrap();
    writer.attach("run.json", b"first").unwrap();
    writer.attach("run.json", &[b'x'; 100_000]).unwrap();
    writer.attach("empty", b"").unwrap();
    writer.note_end("deadlock").unwrap();
    writer.finish().unwrap();
    let live = audit.snapshot().unwrap();
    assert!(live.losses.rejected() > 0 && live.losses.stacks_dropped() > 0, "rings were full at times");
    let recovered = read(&path).unwrap();
    lossless(&recovered);
    same(&recovered.snapshot, &live);
    assert_eq!(recovered.info.ending, Ending::Noted("deadlock".to_owned()));
    assert_eq!(recovered.attachments["run.json"], [b'x'; 100_000]);
    assert_eq!(recovered.attachments["empty"], b"");
    assert!(recovered.notes.is_empty(), "{:?}", recovered.notes);
    assert!(recovered.info.bytes < 8 << 20, "what was never used is cut off");
}

/// A copy of the file at some moment is what a SIGKILL at that moment leaves.
#[test]
fn a_copy_at_any_moment_holds_everything_published_once() {
    let directory = tempfile::tempdir().unwrap();
    for rings_in in [None, Some(directory.path())] {
        let path = directory.path().join("run.htrail");
        let options = match rings_in {
            Some(rings) => options(&path).rings_in(rings),
            None => options(&path),
        };
        let (audit, writer) = captured(&options);
        let mut recorders = recorders(&audit);
        for round in 0..12 {
            play(&audit, &mut recorders, round * 1_001..(round + 1) * 1_001);
            let copy = directory.path().join("copy.htrail");
            std::fs::copy(&path, &copy).unwrap();
            let killed = read(&copy).unwrap();
            lossless(&killed);
            assert_eq!(killed.info.ending, Ending::Killed);
            let running = read(&path).unwrap();
            lossless(&running);
            assert_eq!(running.info.ending, Ending::Running);
            let live = audit.snapshot().unwrap();
            same(&killed.snapshot, &live);
            same(&running.snapshot, &live);
        }
        drop((audit, writer));
    }
}

#[test]
fn history_beyond_the_size_is_dropped_and_the_trails_are_whole() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.htrail");
    let small = CaptureOptions::new(&path).rings(3).ring_capacity(256).max_bytes(1);
    let Err(CaptureError::TooSmall { needed, .. }) = handle_capture::CaptureWriter::create(&small) else {
        panic!("one byte is too small")
    };
    let (audit, writer) = captured(&small.max_bytes(needed * 2));
    let mut recorders = recorders(&audit);
    for round in 0..80 {
        play(&audit, &mut recorders, round * 1_000..(round + 1) * 1_000);
        if round % 16 == 0 {
            let running = read(&path).unwrap();
            lossless(&running);
            same(&running.snapshot, &audit.snapshot().unwrap());
        }
    }
    audit.shutdown().unwrap();
    writer.finish().unwrap();
    let mut events = 0;
    let recovered = read_with(&path, |event| events += u64::from(matches!(event, Event::Record(_)))).unwrap();
    lossless(&recovered);
    same(&recovered.snapshot, &audit.snapshot().unwrap());
    assert!(matches!(recovered.notes[..], [Note::DroppedSegments { count: 1.. }]), "{:?}", recovered.notes);
    assert!(events > 10_000 && events < recovered.snapshot.folded, "{events}");
    assert!(recovered.info.bytes <= needed * 2);
}

/// The reader is shown each event before it reads on, so the run can go on in the middle of the reading.
#[test]
fn a_writer_that_comes_round_to_what_is_being_read_costs_history_and_no_trails() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.htrail");
    let (audit, _writer) = captured(&options(&path).max_bytes(2_500_000));
    let mut recorders = recorders(&audit);
    play(&audit, &mut recorders, 0..60_000);
    let mut round = 60_000;
    // One, two, and all segments are overwritten, while the first, a middle or the last of them is read.
    for rounds in [9_000, 18_000, 60_000] {
        for percent in [0, 30, 60, 95] {
            audit.flush().unwrap();
            let before = audit.snapshot().unwrap();
            let (mut events, mut all) = (0, 0);
            read_with(&path, |_| all += 1).unwrap();
            let recovered = read_with(&path, |_| {
                events += 1;
                if events == 1 + all * percent / 100 {
                    play(&audit, &mut recorders, round..round + rounds);
                    audit.flush().unwrap();
                    round += rounds;
                }
            });
            let recovered = recovered.unwrap();
            assert_eq!(recovered.info.ending, Ending::Running);
            lossless(&recovered);
            assert!(recovered.snapshot.folded >= before.folded);
            assert!(recovered.snapshot.losses.holes().is_empty());
        }
    }
    audit.flush().unwrap();
    same(&read(&path).unwrap().snapshot, &audit.snapshot().unwrap());
}

#[test]
fn rings_elsewhere_are_removed_at_the_end_and_not_needed_then() {
    let directory = tempfile::tempdir().unwrap();
    let rings = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.htrail");
    let (audit, writer) = captured(&options(&path).rings_in(rings.path()));
    let mut recorders = recorders(&audit);
    play(&audit, &mut recorders, 0..5_000);
    let files = || std::fs::read_dir(rings.path()).unwrap().count();
    assert_eq!(files(), 1);
    let copy = directory.path().join("copy.htrail");
    std::fs::copy(&path, &copy).unwrap();
    audit.shutdown().unwrap();
    writer.finish().unwrap();
    assert_eq!(files(), 0);
    let recovered = read(&path).unwrap();
    lossless(&recovered);
    same(&recovered.snapshot, &audit.snapshot().unwrap());
    let without = read(&copy).unwrap();
    assert!(matches!(without.notes[..], [Note::RingsMissing { .. }]), "{:?}", without.notes);
    assert!(!without.is_complete());
}

#[test]
fn what_came_late_is_counted_and_not_folded() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.htrail");
    let (audit, writer) = captured(&options(&path));
    let mut recorders = recorders(&audit);
    play(&audit, &mut recorders, 0..100);
    audit.shutdown().unwrap();
    let live = audit.snapshot().unwrap();
    writer.finish().unwrap();
    same(&read(&path).unwrap().snapshot, &live);
}

#[test]
fn a_file_that_is_being_written_is_not_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.htrail");
    let (_audit, _writer) = captured(&options(&path));
    let error = handle_capture::CaptureWriter::create(&options(&path)).unwrap_err();
    assert!(error.to_string().contains("another process writes it"), "{error}");
}

#[test]
fn what_is_no_capture_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x");
    assert!(matches!(read(&path), Err(CaptureError::Io { .. })));
    for bytes in [0, 1, 4095, 20_000] {
        std::fs::write(&path, vec![7; bytes]).unwrap();
        assert!(matches!(read(&path), Err(CaptureError::NotACapture { .. })));
    }
    assert!(matches!(read(directory.path()), Err(CaptureError::NotACapture { .. })));
}

#[test]
fn an_attachment_that_does_not_fit_is_refused_and_labels_still_fit() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.htrail");
    let (audit, writer) = captured(&options(&path));
    let error = writer.attach("symbols.txt", &vec![0; 8 << 20]).unwrap_err();
    assert!(matches!(error, CaptureError::AttachmentTooLarge { .. }), "{error}");
    while writer.attach("symbols.txt", &[1; 50_000]).is_ok() {}
    let mut recorders = recorders(&audit);
    play(&audit, &mut recorders, 0..100);
    let late = handle_audit::Label::from_data("a label made after the attachments");
    let entry = handle_audit::HandleAuditEntry::new(0, 1, 0, late, 0);
    recorders[0].record_create(0x7000, handle_audit::HandleKind::host(late), entry);
    audit.shutdown().unwrap();
    writer.finish().unwrap();
    let recovered = read(&path).unwrap();
    lossless(&recovered);
    assert_eq!(recovered.snapshot.trail(0x7000).unwrap().kind.as_str(), late.as_str());
    assert_eq!(recovered.attachments["symbols.txt"].len(), 50_000);
}
