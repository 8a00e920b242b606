//! What stands in the rings: published or not, released or not, damaged, or changed while it is read.

use handle_audit::{CapturedSlot, LedgerAccount, Operation, OperationCounts};

use super::history::read_changing;
use super::image::{Changing, Image, cycles, geometry, record, signals, told};
use crate::find;
use crate::frame::Kind;
use crate::history::Extent;
use crate::layout::{Geometry, PAGE, RING_CONTROL, Role, header};
use crate::recovered::{Ending, Note};

#[test]
fn what_stands_in_a_ring_and_in_a_segment_is_folded_once() {
    for appended in 0..=5 {
        for released in 0..=appended {
            let mut image = Image::new(geometry());
            image.append(&signals(0..appended));
            image.publish(released, &signals(released..5));
            image.bounds(0, released, 5);
            let (recovered, events) = image.read();
            assert_eq!(told(&events), cycles(0..5), "{appended}, {released}");
            assert_eq!(recovered.notes, []);
            assert_eq!(recovered.info.slots_in_rings, 5 - appended);
            assert_eq!(recovered.snapshot.losses.rings[0].folded.total(), 5);
        }
    }
}

#[test]
fn what_a_checkpoint_holds_is_not_folded_again_but_what_was_pending_is() {
    let mut image = Image::new(Geometry { segments: 1, ..geometry() });
    image.append(&signals(0..3));
    let mut checkpoint = image.state();
    // Positions 3 and 4 were taken from the ring, and 3 is folded.
    image.replay.fold(&super::image::captured(&signals(3..4)[0]));
    checkpoint.state = image.replay.snapshot(&[], &[]);
    checkpoint.taken[0] = 5;
    checkpoint.pending = vec![(0, 4)];
    image.begin();
    image.checkpoint_of(&checkpoint, usize::MAX);
    image.append(&signals(4..5));
    image.publish(2, &signals(2..6));
    let (recovered, events) = image.read();
    assert_eq!(told(&events), ["resumed 4", "4", "5"]);
    assert_eq!(recovered.snapshot.folded, 6);
    assert!(recovered.is_complete(), "{:?}", recovered.notes);
}

#[test]
fn what_a_ring_released_and_no_segment_has_is_lost() {
    for (appended, head, lost) in [(3, 3, None), (3, 4, Some(1)), (3, 7, Some(4)), (0, 2, Some(2))] {
        let mut image = Image::new(geometry());
        image.append(&signals(0..appended));
        image.publish(head, &signals(head..8));
        let (recovered, events) = image.read();
        let note = lost.map(|slots| Note::LostSlots { slots });
        assert_eq!(recovered.notes, Vec::from_iter(note));
        let between = lost.map(|slots| format!("lost {slots}"));
        assert_eq!(told(&events), [cycles(0..appended), Vec::from_iter(between), cycles(head..8)].concat());
        assert_eq!(recovered.snapshot.losses.holes().is_empty(), lost.is_none());
    }
}

#[test]
fn what_a_ring_has_beyond_its_end_came_late() {
    for ends in 2..=4 {
        let mut image = Image::new(geometry());
        image.append(&signals(0..2));
        image.frame(Kind::Stopped, &[ends, 0]);
        image.publish(0, &signals(0..4));
        let (recovered, events) = image.read();
        assert_eq!(told(&events), cycles(0..ends));
        let account = &recovered.snapshot.losses.rings[0];
        assert_eq!((account.late, account.folded.total()), (4 - ends, ends));
        assert_eq!(recovered.info.slots_in_rings, ends - 2);
        assert!(recovered.is_complete(), "{:?}", recovered.notes);
    }
}

#[test]
fn what_was_written_and_not_published_is_left_out() {
    let mut image = Image::new(geometry());
    for slot in signals(0..7) {
        image.line(&slot);
    }
    image.bounds(0, 0, 4);
    let (recovered, events) = image.read();
    assert_eq!((told(&events), recovered.notes), (cycles(0..4), vec![]));
}

#[test]
fn a_published_line_that_is_damaged_is_told_and_leaves_a_hole() {
    let mut image = Image::new(geometry());
    image.publish(0, &signals(0..6));
    let second = image.line(&signals(1..2)[0]);
    image.damage(&second);
    let third = image.line(&signals(4..5)[0]);
    image.damage(&third);
    let (recovered, events) = image.read();
    assert_eq!(told(&events), ["gap 0", "0", "2", "3", "5"]);
    assert_eq!(recovered.notes, [Note::DamagedLines { ring: 0, lines: 2 }]);
    assert_eq!(recovered.snapshot.losses.holes(), [0]);
    assert_eq!(recovered.info.slots_in_rings, 4);
}

#[test]
fn what_is_damaged_in_a_ring_that_stands_in_segments_to_its_end_leaves_no_hole() {
    for (appended, tail, holes) in [(3, 3, vec![]), (2, 3, vec![0]), (3, 5, vec![0])] {
        let mut image = Image::new(geometry());
        image.append(&signals(0..appended));
        image.frame(Kind::Stopped, &[3, 0]);
        image.publish(1, &signals(1..tail));
        let last = image.line(&signals(tail - 1..tail)[0]);
        image.damage(&last);
        let (recovered, _) = image.read();
        assert_eq!(recovered.notes, [Note::DamagedLines { ring: 0, lines: 1 }]);
        assert_eq!(
            recovered.snapshot.losses.holes(),
            holes,
            "{appended} of 3 are in segments, {tail} were published"
        );
        // Nor does the end of the run look lost if the control words say nothing.
        image.bounds(0, 100, 2);
        let (recovered, _) = image.read();
        assert!(recovered.notes.contains(&Note::RingControl { ring: 0 }));
        assert_eq!(
            recovered.snapshot.losses.holes().is_empty(),
            appended == 3,
            "{appended} of 3 are in segments"
        );
    }
}

/// A head or a tail that cannot be right is told, and the lines are taken without it.
#[test]
fn head_and_tail_are_believed_if_they_agree_with_each_other_and_the_lines() {
    let geometry = Geometry { ring_capacity: 64, ..geometry() };
    // (line, head, tail), and whether both are believed.
    let cases = [
        (100, 100, 101, true),
        (100, 60, 101, true),
        // Farther apart than the ring is long.
        (100, 37, 101, true),
        (100, 36, 101, false),
        (100, 102, 101, false),
        // More than sixteen lines beyond the tail, or so old that it must have been overwritten.
        (100, 84, 84, true),
        (100, 83, 83, false),
        (100, 180, 180, true),
        (100, 181, 181, false),
    ];
    for (position, head, tail, believed) in cases {
        let mut image = Image::new(geometry);
        image.taken[0] = position;
        image.line(&record(0, position, Operation::Signal, 0x1000, 9));
        image.bounds(0, head, tail);
        let (recovered, events) = image.read();
        let told_of = recovered.notes.contains(&Note::RingControl { ring: 0 });
        assert_eq!(told_of, !believed, "{position}, {head}..{tail}: {:?}", recovered.notes);
        let published = (head..tail).contains(&position) || !believed;
        assert_eq!(told(&events).contains(&"9".to_owned()), published, "{position}, {head}..{tail}");
        if !believed {
            assert_eq!((recovered.snapshot.losses.holes(), recovered.notes.len()), (vec![0], 1));
        }
    }
}

#[test]
fn a_ring_longer_than_one_look_is_read_to_its_end() {
    let mut image = Image::new(Geometry { ring_capacity: 4096, ..geometry() });
    image.publish(1, &signals(1..4097));
    let (recovered, events) = image.read();
    assert_eq!(told(&events), [vec!["lost 1".to_owned()], cycles(1..4097)].concat());
    assert_eq!(recovered.info.slots_in_rings, 4096);
}

#[test]
fn an_account_is_the_newer_whole_copy() {
    let account = |count| LedgerAccount {
        rejected: [(Operation::Wait, count)].into_iter().collect::<OperationCounts>(),
        first_cycle: 3,
        last_cycle: 4,
        ..LedgerAccount::default()
    };
    for (first, second) in [(5, 6), (6, 5)] {
        let mut image = Image::new(geometry());
        let copies = [image.account(1, 0, &account(first)), image.account(1, 1, &account(second))];
        let rejected = |image: &Image| {
            let (recovered, _) = image.read();
            (recovered.snapshot.losses.rings[1].rejected.total(), recovered.notes)
        };
        assert_eq!(rejected(&image), (6, vec![]));
        image.damage(&copies[0]);
        assert_eq!(rejected(&image), (second, vec![]));
        image.damage(&copies[1]);
        assert_eq!(rejected(&image), (0, vec![Note::Account { ring: 1 }]));
        // It is read without head and tail too.
        image.damage(&copies[1]);
        image.bounds(1, 9, 0);
        assert_eq!(rejected(&image), (second, vec![Note::RingControl { ring: 1 }]));
    }
}

/// Slots of a create at position 0, with three frames of its stack in the second.
fn create_with_stack() -> [CapturedSlot; 2] {
    let frame = |n: u64| n | (n + 1) << 32;
    let stack = [frame(1), 0x42 | 3 << 8, frame(3), frame(5), 0];
    let create = record(0, 0, Operation::Create, 0x1000, 0);
    [create, CapturedSlot { ring: 0, position: 1, payload: stack }]
}

#[test]
fn a_stack_that_is_damaged_is_left_out_and_what_continues_nothing_is_told() {
    let [create, stack] = create_with_stack();
    let after = record(0, 2, Operation::Signal, 0x1000, 2);
    let frames = |image: &Image| {
        let (recovered, _) = image.read();
        let trail = &recovered.snapshot.trails[0];
        (trail.created_stack.as_ref().map_or(0, Vec::len), recovered.notes)
    };
    let mut image = Image::new(geometry());
    image.publish(0, &[create, stack, after]);
    assert_eq!(frames(&image), (3, vec![]));
    let line = image.line(&after);
    image.damage(&line);
    // The line after a stack may have been more of it.
    assert_eq!(frames(&image), (0, vec![Note::DamagedLines { ring: 0, lines: 1 }]));
    image.bounds(0, 0, 2);
    assert_eq!(frames(&image), (3, vec![]), "it was not published");

    let mut image = Image::new(geometry());
    image.append(&[create]);
    image.publish(1, &[stack, after]);
    let (recovered, events) = image.read();
    assert_eq!(told(&events), ["0", "2"]);
    assert_eq!(recovered.notes, [Note::Unordered { slots: 1 }]);
}

/// Offset of the control words of ring 0. They are read twice in the first look, once for the second, and twice
/// more if something came in between.
fn control() -> u64 {
    geometry().ring_at(0) + RING_CONTROL
}

/// The ring with so many published, one state after another.
fn growing(counts: &[u64]) -> Changing {
    let state = |count: &u64| {
        let mut image = Image::new(geometry());
        image.publish(0, &signals(0..*count));
        image.bytes
    };
    Changing::new(counts.iter().map(state).collect(), Some(control()))
}

#[test]
fn what_is_published_between_the_looks_is_in_flight() {
    for (counts, folded, in_flight) in [
        ([2, 2, 2, 2, 2], 2, 0),
        ([2, 2, 3, 3, 3], 2, 1),
        ([2, 2, 5, 5, 5], 2, 3),
        // What comes after the tails were read belongs to neither look.
        ([2, 2, 3, 6, 6], 2, 1),
        ([0, 0, 1, 1, 1], 0, 1),
    ] {
        let (recovered, events) = read_changing(&growing(&counts), geometry(), Extent::State);
        assert_eq!(told(&events), cycles(0..folded), "{counts:?}");
        let note = (in_flight > 0).then_some(Note::InFlight { records: in_flight });
        assert_eq!(recovered.notes, Vec::from_iter(note), "{counts:?}");
        assert_eq!((recovered.info.ending.clone(), recovered.is_complete()), (Ending::Running, true));
    }
}

/// A record with a higher stamp of the same stripe may come after one that was not seen.
#[test]
fn what_may_follow_what_is_in_flight_waits_for_it() {
    let state = |second: bool| {
        let mut image = Image::new(geometry());
        image.publish(
            0,
            &[record(0, 0, Operation::Create, 0x1000, 1), record(0, 1, Operation::Signal, 0x1000, 5)],
        );
        if second {
            image.publish(0, &[record(1, 0, Operation::Signal, 0x1000, 3)]);
        }
        image.bytes
    };
    let source = Changing::new(vec![state(false), state(false), state(true)], Some(control()));
    let (recovered, events) = read_changing(&source, geometry(), Extent::State);
    assert_eq!(told(&events), ["1"]);
    assert_eq!(recovered.notes, [Note::InFlight { records: 2 }]);
}

#[test]
fn what_was_published_between_the_looks_and_stands_in_a_segment_is_folded() {
    let state = |published: u64, appended: u64| {
        let mut image = Image::new(geometry());
        image.append(&signals(0..appended));
        image.publish(0, &signals(0..published));
        image.bytes
    };
    let states = vec![state(2, 0), state(2, 0), state(4, 3)];
    let (recovered, events) =
        read_changing(&Changing::new(states, Some(control())), geometry(), Extent::State);
    assert_eq!(told(&events), cycles(0..3));
    assert_eq!(recovered.notes, [Note::InFlight { records: 1 }]);
}

/// The drain releases lines and the recorder overwrites them while they are read.
#[test]
fn a_line_that_was_released_while_it_was_read_is_not_damaged() {
    let mut before = Image::new(geometry());
    before.publish(0, &signals(0..8));
    let mut after = Image::new(geometry());
    after.append(&signals(0..5));
    after.publish(5, &signals(5..8));
    // Its first line is half overwritten by the one at position 8.
    let (mut torn, at) = (before.bytes.clone(), (geometry().ring_at(0) + PAGE) as usize);
    torn[at..at + 8].copy_from_slice(&8_u64.to_le_bytes());
    let states = vec![torn.clone(), after.bytes.clone()];
    let (recovered, events) =
        read_changing(&Changing::new(states, Some(control())), geometry(), Extent::State);
    assert_eq!((told(&events), recovered.notes), (cycles(0..8), vec![]));
    // Without a release it is.
    let (recovered, _) =
        read_changing(&Changing::new(vec![torn], Some(control())), geometry(), Extent::State);
    assert_eq!(recovered.notes, [Note::DamagedLines { ring: 0, lines: 1 }]);
}

#[test]
fn what_a_dying_process_left_is_read_in_order_of_its_weight() {
    let text = |bytes: usize, complete: u64| {
        let mut words = vec![bytes as u64 | complete << 63];
        words.extend([u64::from_le_bytes(*b"panicked"); header::PANIC_BYTES / 8]);
        words
    };
    let panic = |bytes: usize| Ending::Panic("panicked".repeat(64)[..bytes].to_owned());
    let signal = |number, address| Ending::Signal { number, address };
    let noted = || Ending::Noted("limit".to_owned());
    let cases = [
        ([0, 0], text(0, 0), false, Ending::Killed),
        ([11, 0x30], text(0, 0), false, signal(11, 0x30)),
        ([11, 0x30], text(3, 1), true, signal(11, 0x30)),
        ([6, 0], text(3, 1), true, panic(3)),
        ([6, 0], text(3, 0), true, signal(6, 0)),
        ([0, 0x30], text(0, 0), true, noted()),
        ([0, 0], text(8, 1), true, noted()),
        ([0, 0], text(8, 1), false, panic(8)),
        ([0, 0], text(0, 1), false, panic(0)),
        ([0, 0], text(512, 1), false, panic(512)),
        ([0, 0], text(513, 1), false, Ending::Killed),
        ([0, 0], text(8, 0), false, Ending::Killed),
    ];
    for (crash, panic, end, expected) in cases {
        let mut image = Image::new(geometry());
        image.put(8 * 64, &crash);
        image.put(8 * 72, &panic);
        if end {
            image.note(Kind::End, &[5, u64::from_le_bytes(*b"limit\0\0\0")]);
        }
        assert_eq!(image.read().0.info.ending, expected);
    }
}

#[test]
fn what_is_lost_is_told_before_what_is_only_remarkable() {
    let mut image = Image::new(geometry());
    image.append(&signals(0..2));
    let lost = image.append(&signals(2..4));
    image.append(&signals(4..5));
    image.damage(&lost);
    let header = image.block(Role::Header, 1, 0);
    image.damage(&header);
    let attachment = image.note(Kind::Attachment, &[0, 1, 0, 0]);
    image.damage(&attachment);
    image.note(Kind::End, &[0]);
    let (recovered, _) = image.read();
    let expected = [Note::LostSlots { slots: 2 }, Note::LostNotes { count: 1 }, Note::Header];
    assert_eq!(recovered.notes, expected);
    assert!(!recovered.is_complete());
}

#[test]
fn the_notes_of_a_capture_are_not_taken_for_the_first_ring() {
    let image = Image::new(Geometry { rings_elsewhere: true, ..geometry() });
    let found =
        |geometry: &Geometry, role| find::section(&image.bytes.as_slice(), geometry, role, 0).is_some();
    assert_eq!(
        [Role::Header, Role::Notes, Role::Ring].map(|role| found(&image.geometry, role)),
        [true, true, false]
    );
    let other = Geometry { id: 1, ..image.geometry };
    assert_eq!([Role::Header, Role::Notes].map(|role| found(&other, role)), [false; 2]);
}
