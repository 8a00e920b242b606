//! What the drain appends, how it is divided among segments, and how much room a capture has.

use std::path::Path;

use handle_audit::{Capture, CaptureSink, CapturedSlot, Checkpoint, Coverage, GhostTrail, Operation};

use super::image::record;
use crate::error::CaptureError;
use crate::find;
use crate::layout::Geometry;
use crate::read::{read, read_bytes};
use crate::recovered::Note;
use crate::writer::{CaptureOptions, CaptureWriter};

/// A capture of one small ring, and the least that it can be.
fn options(path: &Path) -> (CaptureOptions, u64) {
    let options = CaptureOptions::new(path).rings(1).ring_capacity(8).max_bytes(0);
    match CaptureWriter::create(&options) {
        Err(CaptureError::TooSmall { needed, .. }) => (options.max_bytes(needed), needed),
        other => panic!("{other:?}"),
    }
}

/// A capture of two segments.
fn smallest(path: &Path) -> (CaptureWriter, Box<dyn CaptureSink>, Geometry) {
    let (writer, Capture { sink, .. }) = CaptureWriter::create(&options(path).0).unwrap();
    (writer, sink, geometry(path))
}

fn geometry(path: &Path) -> Geometry {
    find::geometry(&std::fs::read(path).unwrap().as_slice()).unwrap().geometry
}

/// Appends frames of just so many words: five around each, seven a slot.
fn fill(sink: &mut dyn CaptureSink, words: u64) {
    let slots: Vec<CapturedSlot> =
        (0..1024).map(|position| record(0, position, Operation::Signal, 0x1000, 1)).collect();
    let frames = (1..)
        .find(|frames| (words - 5 * frames).is_multiple_of(7) && words - 5 * frames <= 7 * 1024 * frames);
    let frames = frames.unwrap();
    let mut left = (words - 5 * frames) / 7;
    for _ in 0..frames {
        let count = left.min(1024);
        sink.append(&slots[..count as usize]);
        left -= count;
    }
}

#[test]
fn a_checkpoint_is_due_when_less_is_left_than_three_of_the_longest_frames() {
    let directory = tempfile::tempdir().unwrap();
    let (_writer, mut sink, geometry) = smallest(&directory.path().join("run.htrail"));
    assert!(!sink.wants_checkpoint());
    fill(&mut *sink, geometry.segment_bytes / 8 - 16 - 3 * 8192);
    assert!(!sink.wants_checkpoint());
    sink.append(&[]);
    assert!(sink.wants_checkpoint());
    sink.checkpoint(&Checkpoint::default());
    assert!(!sink.wants_checkpoint());
}

#[test]
fn a_segment_can_be_filled_to_its_last_word_and_what_does_not_fit_ends_the_capture() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.htrail");
    let coverage = Coverage { late_start: true, pauses: 3 };
    for words in [0, 20] {
        let (writer, mut sink, geometry) = smallest(&path);
        // The frame of the coverage takes seven words.
        sink.coverage(coverage);
        fill(&mut *sink, geometry.segment_bytes / 8 - 16 - 7 - words);
        writer.finish().unwrap();
        let before = std::fs::read(&path).unwrap();
        assert_eq!(read_bytes(&before).unwrap().snapshot.coverage, coverage);
        sink.append(&[record(0, 0, Operation::Signal, 0x1000, 1); 4]);
        // Nothing comes after what is missing, even if it would fit.
        sink.coverage(Coverage::default());
        sink.focus(&[0x1000].into_iter().collect());
        sink.checkpoint(&Checkpoint::default());
        let error = writer.finish().unwrap_err();
        assert!(matches!(&error, CaptureError::Incomplete { reason, .. } if reason == "the segment is full"));
        assert!(!sink.wants_checkpoint());
        assert!(std::fs::read(&path).unwrap() == before);
    }
}

#[test]
fn a_checkpoint_takes_three_quarters_of_a_segment_and_no_more() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.htrail");
    let (_writer, mut sink, geometry) = smallest(&path);
    let mut checkpoint = Checkpoint { taken: vec![0], ..Checkpoint::default() };
    checkpoint.state.losses.rings.push(handle_audit::RingAccount::default());
    // Three words each, and two around them.
    let ghost = |handle| GhostTrail { handle, signals: handle_audit::EntryList::default() };
    checkpoint.state.ghosts = (0..20_000).map(ghost).collect();
    let fit = (geometry.segment_bytes / 8 * 3 / 4 - 16 - 3) / 5 + 1;
    for _ in 0..2 {
        sink.checkpoint(&checkpoint);
    }
    let recovered = read(&path).unwrap();
    let expected = [Note::OmittedTrails { count: 20_000 - fit }, Note::DroppedSegments { count: 1 }];
    assert_eq!(recovered.notes, expected);
    assert_eq!(recovered.snapshot.ghosts.len() as u64, fit);
}

#[test]
fn a_capture_of_the_size_that_is_needed_can_be_made_and_none_that_is_smaller() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.htrail");
    for attached in [0, 100_000, 20 << 20] {
        let (options, _) = options(&path);
        let options = options.attach("symbols.json", vec![b's'; attached]);
        let needed_of = |bytes| match CaptureWriter::create(&options.clone().max_bytes(bytes)) {
            Err(CaptureError::TooSmall { needed, max_bytes, .. }) => {
                assert_eq!(max_bytes, bytes);
                needed
            }
            other => panic!("{attached}, {bytes}: {other:?}"),
        };
        let needed = needed_of(1);
        assert_eq!([needed_of(0), needed_of(needed / 2), needed_of(needed - 1)], [needed; 3]);
        let (writer, _) = CaptureWriter::create(&options.clone().max_bytes(needed)).unwrap();
        let geometry = geometry(&path);
        assert!(geometry.end() <= needed && geometry.end() + 4096 * 2 > needed);
        assert_eq!((geometry.segments, geometry.segment_bytes), (2, 512 << 10));
        writer.attach("run.json", &[b'r'; 4096]).unwrap();
    }
}

#[test]
fn more_room_gives_up_to_four_segments_and_longer_ones_then() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.htrail");
    let (options, needed) = options(&path);
    // A quarter of what is added is for attachments.
    let half = 512 << 10;
    for (more, segments, least) in [
        (0, 2, half),
        (half, 2, half),
        (half * 4 / 3 + 8192, 3, half),
        (half * 8 / 3 + 8192, 4, half),
        (16 << 20, 4, 3 << 20),
    ] {
        let _ = CaptureWriter::create(&options.clone().max_bytes(needed + more)).unwrap();
        let geometry = geometry(&path);
        assert_eq!(geometry.segments, segments, "{more} more");
        assert!(geometry.segment_bytes >= least, "{more} more");
        assert!(geometry.end() <= needed + more && geometry.end() + 4 * 4096 + 4096 > needed + more);
    }
}

#[test]
fn rings_that_no_format_describes_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.htrail");
    for (rings, capacity) in [(0, 8), (129, 8), (1, 7), (1, (1 << 24) + 1), (0, 0)] {
        let options = CaptureOptions::new(&path).rings(rings).ring_capacity(capacity);
        let error = CaptureWriter::create(&options).unwrap_err();
        let expected = format!(
            "a capture of {rings} rings of {capacity} records cannot be made: at most 128 of 16777216"
        );
        assert_eq!(error.to_string(), expected);
    }
    for (rings, capacity, rounded) in [(1, 8, 8), (128, 9, 16)] {
        let options = CaptureOptions::new(&path).rings(rings).ring_capacity(capacity).max_bytes(8 << 20);
        let _ = CaptureWriter::create(&options).unwrap();
        assert_eq!((geometry(&path).rings, geometry(&path).ring_capacity), (rings as u64, rounded));
    }
}

#[test]
fn an_attachment_has_a_short_name_and_as_much_as_there_is_room_for() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.htrail");
    let room_for =
        |writer: &CaptureWriter, name: &str, bytes: usize| match writer.attach(name, &vec![1; bytes]) {
            Ok(()) => None,
            Err(CaptureError::AttachmentTooLarge { room, bytes: told, .. }) => {
                assert_eq!(told, bytes);
                Some(room)
            }
            Err(other) => panic!("{other}"),
        };
    let (long, longer) = ("n".repeat(64), "n".repeat(65));
    let (writer, _) = CaptureWriter::create(&options(&path).0).unwrap();
    let room = room_for(&writer, &longer, 1).unwrap();
    assert_eq!(room_for(&writer, &long, 8), None);
    let room = room - (5 + 4) * 8 - 64 - 8;
    // What is left, in parts of 32 KiB with 136 bytes around each, and the last of them just so long.
    let parts = room.div_ceil((32 << 10) + 136);
    let bytes = room / 8 * 8 - parts * 136;
    assert_eq!(room_for(&writer, &long, bytes as usize + 8), Some(room));
    assert_eq!(room_for(&writer, &long, bytes as usize), None);
    drop(writer);
    let attached = &read(&path).unwrap().attachments[&long];
    assert_eq!(attached.len() as u64, bytes);
}
