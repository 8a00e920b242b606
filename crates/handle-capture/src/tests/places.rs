//! Whose turn it is at a directory, and where a geometry is found.

use std::fs::{self, File};

use super::image::{Image, geometry};
use crate::error::CaptureError;
use crate::find;
use crate::layout::{Geometry, Role};
use crate::place::{Turn, may_replace};
use crate::read::read;
use crate::recovered::{Ending, Note};
use crate::source::Source;

#[test]
fn a_turn_holds_the_directory_that_the_file_is_in() {
    let directory = tempfile::tempdir().unwrap();
    let is_held = || File::open(directory.path()).unwrap().try_lock().is_err();
    let turn = Turn::at(&directory.path().join("run.htrail"));
    assert!(is_held());
    drop(turn);
    assert!(!is_held());
}

#[test]
fn what_cannot_be_looked_at_is_not_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "text").unwrap();
    assert!(may_replace(&directory.path().join("nothing")).unwrap().is_none());
    let error = may_replace(&file.join("below")).unwrap_err();
    assert!(matches!(&error, CaptureError::Io { action: "cannot look at it", .. }), "{error}");
}

/// What a reader makes of these bytes: the number of the capture, and whether both headers were believed.
fn found(bytes: &[u8]) -> Option<(u64, bool)> {
    assert!(!bytes.is_written());
    find::geometry(&bytes).ok().map(|found| (found.geometry.id, found.headers_intact))
}

#[test]
fn two_headers_are_believed_if_they_agree_and_the_notes_confirm_them() {
    let id = geometry().id;
    let block = |role, index| Image::new(geometry()).block(role, index, 0);
    let (first, second, notes) = (block(Role::Header, 0), block(Role::Header, 1), block(Role::Notes, 0));
    for (damaged, intact) in
        [(vec![], true), (vec![&first], false), (vec![&second], false), (vec![&notes], false)]
    {
        let mut image = Image::new(geometry());
        damaged.iter().for_each(|range| image.damage(range));
        assert_eq!(found(&image.bytes), Some((id, intact)));
        assert_eq!(image.read().0.notes.contains(&Note::Header), !intact);
    }
    // The second is that of another capture, which the notes do not know.
    let mut image = Image::new(geometry());
    image.geometry.id = 1;
    image.block(Role::Header, 1, 0);
    assert_eq!(found(&image.bytes), Some((id, false)));
}

#[test]
fn any_block_that_is_left_is_enough_and_most_of_them_are_right() {
    let geometry = geometry();
    let last = geometry.segment_at(2);
    let whole = Image::of_generations(geometry, 3);
    let mut only_the_last = whole.bytes[..last as usize + 128].to_vec();
    only_the_last[..last as usize].fill(0);
    assert_eq!(found(&only_the_last), Some((geometry.id, false)), "in a page that is not whole");
    only_the_last.resize(last as usize + 4096, 0);
    assert_eq!(found(&only_the_last), Some((geometry.id, false)));
    only_the_last.truncate(last as usize + 127);
    assert_eq!(found(&only_the_last), None);
    // Two segments of another capture, whose number is the greater one.
    let mut mixed = Image::of_generations(geometry, 3);
    mixed.geometry = Geometry { id: u64::MAX, ..geometry };
    let header = mixed.block(Role::Header, 0, 0);
    mixed.damage(&header);
    mixed.block(Role::Segment, 0, 1);
    mixed.block(Role::Segment, 1, 2);
    assert_eq!(found(&mixed.bytes), Some((geometry.id, false)));
}

#[test]
fn a_path_of_rings_that_is_longer_than_it_may_be_is_none() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.htrail");
    for (length, told) in [(2, "xx".to_owned()), (1024, "x".repeat(1024)), (1025, String::new())] {
        let mut image = Image::new(Geometry { rings_elsewhere: true, segments: 1, ..geometry() });
        // Word 256 of the header has its length; the words behind the path are not part of it.
        image.put(8 * 256, &[&[length][..], &[u64::from_le_bytes(*b"xxxxxxxx"); 130]].concat());
        fs::write(&path, &image.bytes).unwrap();
        assert_eq!(read(&path).unwrap().notes, [Note::RingsMissing { path: told }], "{length}");
    }
}

#[test]
fn every_note_and_every_ending_is_said_in_words() {
    let notes = [
        (Note::LostSlots { slots: 1 }, "1 slots of folded records are lost"),
        (Note::DamagedLines { ring: 2, lines: 3 }, "3 published slots of ring 2 are damaged"),
        (Note::RingControl { ring: 4 }, "the control words of ring 4 are damaged"),
        (Note::Account { ring: 5 }, "the account of ring 5 is damaged"),
        (
            Note::RingsMissing { path: "/x".to_owned() },
            "the rings are not at /x: what had not been folded is lost",
        ),
        (Note::OmittedTrails { count: 6 }, "6 trails did not fit a checkpoint"),
        (Note::LostNotes { count: 7 }, "7 labels or attachments are damaged"),
        (Note::Header, "a header is damaged, the others were used"),
        (
            Note::DroppedSegments { count: 8 },
            "8 oldest segments were dropped, a checkpoint holds their trails",
        ),
        (Note::InFlight { records: 9 }, "9 records are in flight and left out"),
        (Note::Unordered { slots: 10 }, "10 slots continue records that are lost"),
    ];
    for (note, words) in notes {
        assert_eq!(note.to_string(), words);
    }
    let endings = [
        (Ending::Running, "still running"),
        (Ending::Noted("deadlock".to_owned()), "deadlock"),
        (Ending::Signal { number: 11, address: 0x30 }, "signal 11 at address 0x30"),
        (Ending::Panic("oh".to_owned()), "panic: oh"),
        (Ending::Killed, "killed: nothing was noted"),
    ];
    for (ending, words) in endings {
        assert_eq!(ending.to_string(), words);
    }
}
