//! Labels, attachments and the end: what is written, what is read, and what fits.

use std::fs::File;
use std::io;

use handle_audit::{Label, MAX_LABEL_BYTES, MAX_LABELS};

use super::image::{Changing, Image, geometry, source};
use crate::frame::{Frames, Kind};
use crate::layout::{Geometry, PAGE};
use crate::names::Names;
use crate::notes::{MAX_NAME_BYTES, MAX_PARTS, NotesWriter};
use crate::recovered::Note;
use crate::source::{FileSource, Source};
use crate::words::{LabelOf, Pen};

/// An image with so many pages of notes.
fn with_notes(pages: u64) -> Image {
    Image::new(Geometry { notes_bytes: pages * PAGE, segments: 1, ..geometry() })
}

fn part(index: u64, count: u64, bytes: &[u8]) -> Vec<u64> {
    let mut pen = Pen::default();
    pen.word(index);
    pen.word(count);
    pen.bytes(b"run.json");
    pen.bytes(bytes);
    pen.words
}

#[test]
fn a_label_that_is_damaged_or_out_of_bounds_reads_as_lost() {
    let mut image = with_notes(2);
    let damaged = image.label_as(70, "seventy");
    image.label_as(69, "sixty-nine");
    image.label_as(MAX_LABELS as u64 - 1, "the last");
    image.label_as(MAX_LABELS as u64, "one more");
    image.label_as(1 << 40, "far beyond");
    image.damage(&damaged);
    let bytes = image.bytes.as_slice();
    let names = Names::new(&bytes, image.geometry);
    let last = MAX_LABELS as u16 - 1;
    let read = [69, 70, last, last + 1].map(|id| names.label(id).as_str().to_owned());
    assert_eq!(read, ["sixty-nine", "(label 70 lost)", "the last", "(label 4096 lost)"]);
    assert_eq!(names.label(source().id()), source());
    assert_eq!(names.notes().lost, 1);
}

#[test]
fn labels_are_read_again_only_if_a_writer_may_have_added_one_and_not_for_ever() {
    let image = with_notes(2);
    for (is_written, unknown, known, reads) in
        [(false, 100, 100, 1), (true, 100, 100, 64), (true, 10, 100, 10), (true, 0, 100, 1)]
    {
        let place = image.geometry.frames_of_notes().start;
        let bytes = Changing { is_written, ..Changing::new(vec![image.bytes.clone()], Some(place)) };
        let names = Names::new(&bytes, image.geometry);
        (0..unknown).for_each(|_| assert_eq!(names.label(4000).as_str(), "(label 4000 lost)"));
        (0..known).for_each(|_| assert_eq!(names.label(source().id()), source()));
        assert_eq!(bytes.reads.get(), reads, "{is_written}, {unknown}");
    }
    // What came between two readings is found.
    let before = with_notes(2);
    let mut after = with_notes(2);
    after.label_as(4000, "new");
    let place = before.geometry.frames_of_notes().start;
    let bytes = Changing::new(vec![before.bytes, after.bytes], Some(place));
    let names = Names::new(&bytes, before.geometry);
    assert_eq!(names.label(4001).as_str(), "(label 4001 lost)");
    assert_eq!(names.label(4000).as_str(), "new");
}

#[test]
fn an_attachment_has_all_its_parts_or_is_none() {
    let whole = |texts: &[&str]| texts.concat().into_bytes();
    // Index, number of parts, and text of each part; those with `None` are damaged.
    type Parts<'a> = &'a [(u64, u64, Option<&'a str>)];
    let cases: [(Parts<'_>, Option<Vec<u8>>, u64); 10] = [
        (&[(0, 1, Some("a"))], Some(whole(&["a"])), 0),
        (&[(0, 2, Some("a")), (1, 2, Some("b"))], Some(whole(&["a", "b"])), 0),
        (&[(0, 1, Some("a")), (0, 1, Some("b"))], Some(whole(&["b"])), 0),
        (&[(0, 2, Some("a")), (0, 1, Some("b"))], Some(whole(&["b"])), 0),
        (&[(0, 1, Some("a")), (0, 2, Some("b"))], Some(whole(&["a"])), 0),
        (&[(0, 3, Some("a")), (1, 3, None), (2, 3, Some("c"))], None, 1),
        (&[(0, 3, None), (1, 3, Some("b")), (2, 3, Some("c"))], None, 1),
        (&[(0, 3, Some("a")), (2, 3, Some("c"))], None, 0),
        (&[(1, 3, Some("a")), (1, 3, Some("b")), (1, 3, Some("c"))], None, 0),
        // The end of one and the beginning of the next are damaged: what is left of them fits, and is of two.
        (
            &[
                (0, 3, Some("a")),
                (1, 3, Some("b")),
                (2, 3, None),
                (0, 3, None),
                (1, 3, Some("y")),
                (2, 3, Some("z")),
            ],
            None,
            2,
        ),
    ];
    for (parts, expected, lost) in cases {
        let mut image = with_notes(2);
        for (index, count, text) in parts {
            let range = image.note(Kind::Attachment, &part(*index, *count, text.unwrap_or("x").as_bytes()));
            if text.is_none() {
                image.damage(&range);
            }
        }
        image.note(Kind::End, &[1, u64::from(b'e')]);
        let (recovered, _) = image.read();
        assert_eq!(recovered.attachments.get("run.json"), expected.as_ref(), "{parts:?}");
        let note = (lost > 0).then_some(Note::LostNotes { count: lost });
        assert_eq!(recovered.notes, Vec::from_iter(note), "{parts:?}");
    }
}

#[test]
fn an_attachment_of_more_parts_than_there_may_be_is_none() {
    for (count, is_read) in [(MAX_PARTS, true), (MAX_PARTS + 1, false)] {
        let mut image = with_notes(128);
        for index in 0..count as u64 {
            image.note(Kind::Attachment, &part(index, count as u64, b"."));
        }
        let attached = image.read().0.attachments;
        assert_eq!(attached.get("run.json").map(Vec::len), is_read.then_some(count));
    }
}

#[test]
fn an_attachment_that_a_reader_would_not_take_is_not_made_whatever_the_room() {
    let writer = NotesWriter::new(Geometry { notes_bytes: 1 << 28, ..geometry() });
    let (long, longer) = ("n".repeat(MAX_NAME_BYTES), "n".repeat(MAX_NAME_BYTES + 1));
    let most = MAX_PARTS * (32 << 10);
    for (name, bytes, is_taken) in
        [(&long, 0, true), (&long, most, true), (&long, most + 1, false), (&longer, 0, false)]
    {
        assert_eq!(writer.takes(name, bytes), is_taken, "{bytes} bytes, a name of {}", name.len());
    }
}

/// Notes of so many pages in a file.
fn written(pages: u64) -> (NotesWriter, File, Geometry) {
    let geometry = Geometry { notes_bytes: pages * PAGE, ..geometry() };
    let file = tempfile::tempfile().unwrap();
    file.set_len(geometry.end()).unwrap();
    (NotesWriter::new(geometry), file, geometry)
}

/// How many frames of notes there are in a file, and where the last one ends.
fn frames(file: &File, geometry: &Geometry) -> (usize, u64) {
    let source = FileSource { file: file.try_clone().unwrap(), length: geometry.end() };
    let range = geometry.frames_of_notes();
    let all: Vec<_> = Frames::new(&source, geometry.notes_seal(), range.clone()).collect();
    let words: usize = all.iter().map(|frame| frame.body.len() + 5).sum();
    (all.len(), range.start + 8 * words as u64)
}

#[test]
fn an_attachment_takes_what_was_said_if_its_name_is_long_and_no_more_if_it_is_short() {
    let long = "n".repeat(MAX_NAME_BYTES);
    for length in [0, 1, 7, 8, 9, (32 << 10) - 1, 32 << 10, (32 << 10) + 1, 64 << 10, 100_000] {
        let said = NotesWriter::attachment_bytes(length);
        for (name, exactly) in [(long.as_str(), true), ("n", false)] {
            let (mut writer, file, geometry) = written(64);
            writer.attachment(&file, name, &vec![1; length]).unwrap();
            let (count, end) = frames(&file, &geometry);
            let took = end - geometry.frames_of_notes().start;
            assert!(took == said || !exactly && took < said, "{length}: {took} of {said}");
            assert_eq!(count, length.div_ceil(32 << 10).max(1));
        }
    }
}

#[test]
fn the_notes_can_be_filled_to_the_last_word_and_no_further() {
    let (mut writer, file, geometry) = written(1);
    let name = "l".repeat(MAX_LABEL_BYTES + 9);
    let label = Label::from_data(&name);
    // 496 words behind the block: 32 labels of 15, and two ends of 8.
    (0..32).for_each(|_| writer.label(&file, label).unwrap());
    (0..2).for_each(|_| writer.end(&file, "sixteen bytes...").unwrap());
    assert_eq!(frames(&file, &geometry), (34, geometry.segment_at(0)));
    let full = [writer.end(&file, ""), writer.label(&file, label), writer.attachment(&file, "", b"")];
    for refused in full {
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
    let source = FileSource { file, length: geometry.end() };
    assert!(source.read(geometry.segment_at(0), PAGE as usize).iter().all(|byte| *byte == 0));
    let names = Names::new(&source, geometry);
    assert_eq!(names.label(label.id()).as_str(), &name[..MAX_LABEL_BYTES]);
    assert_eq!(names.notes().end.as_deref(), Some("sixteen bytes..."));
}

#[test]
fn however_much_is_attached_every_label_fits_and_the_reason_of_the_end() {
    let (mut writer, file, geometry) = written(256);
    let room = writer.room();
    // Behind the block, 4096 labels of fifteen words and a page for the end.
    assert_eq!(room, 256 * PAGE - 128 - 4096 * 15 * 8 - 4096);
    let label = Label::from_data(&"m".repeat(MAX_LABEL_BYTES));
    (0..MAX_LABELS / 2).for_each(|_| writer.label(&file, label).unwrap());
    assert_eq!(writer.room(), room, "labels take from what is kept for them");
    let long = "n".repeat(MAX_NAME_BYTES);
    let most =
        (0..room as usize).rev().find(|length| NotesWriter::attachment_bytes(*length) <= room).unwrap();
    writer.attachment(&file, &long, &vec![1; most]).unwrap();
    assert!(writer.room() < 8);
    (0..MAX_LABELS / 2).for_each(|_| writer.label(&file, label).unwrap());
    (0..36).for_each(|_| writer.end(&file, &long).unwrap());
    assert_eq!(frames(&file, &geometry).0, MAX_LABELS + 36 + most.div_ceil(32 << 10));
}
