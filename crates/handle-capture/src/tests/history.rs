//! Segments that are whole, damaged, dropped, or overwritten while they are read.

use handle_audit::{Checkpoint, Operation};

use super::image::{Changing, Image, cycles, geometry, record, signals, told};
use crate::find::Found;
use crate::frame::Kind;
use crate::history::Extent;
use crate::layout::{Geometry, Role};
use crate::read::{read_bytes, read_sources};
use crate::recovered::{Ending, Event, Note, Recovered};

/// Reads it while it is written.
pub(crate) fn read_changing(
    source: &Changing,
    geometry: Geometry,
    extent: Extent,
) -> (Recovered, Vec<Event>) {
    let found = Found { geometry, headers_intact: true };
    let mut events = Vec::new();
    let visit = |event: &Event| events.push(event.clone());
    let recovered = read_sources(source, found, &Ok(None), (true, extent), visit).unwrap();
    (recovered, events)
}

/// Segments written, kept, and slots in them.
fn counted(recovered: &Recovered) -> (u64, u64, u64) {
    let info = &recovered.info;
    (info.segments_written, info.segments_kept, info.slots_in_segments)
}

#[test]
fn what_was_followed_from_the_beginning_is_told_once_and_needs_no_checkpoint() {
    let image = Image::of_generations(geometry(), 3);
    let (recovered, events) = image.read();
    assert_eq!(told(&events), cycles(0..12));
    assert_eq!(recovered.notes, []);
    assert_eq!(recovered.snapshot, image.state().state);
    assert_eq!(counted(&recovered), (3, 3, 12));
    assert_eq!((recovered.info.created, recovered.info.pid, recovered.info.rings), (1, 2, 2));
    assert_eq!(recovered.info.ending, Ending::Killed);
}

#[test]
fn what_the_dropped_segments_led_to_stands_in_the_checkpoint_of_the_oldest() {
    for (segments, generations) in [(1, 2), (1, 5), (2, 3), (2, 4), (3, 7), (4, 5), (4, 9)] {
        let image = Image::of_generations(Geometry { segments, ..geometry() }, generations);
        let (recovered, events) = image.read();
        let dropped = generations - segments;
        let mut expected = vec![format!("resumed {}", 4 * dropped)];
        expected.extend(cycles(4 * dropped..4 * generations));
        assert_eq!(told(&events), expected);
        assert_eq!(recovered.notes, [Note::DroppedSegments { count: dropped }]);
        assert_eq!(recovered.snapshot, image.state().state);
        assert_eq!(counted(&recovered), (generations, segments, 4 * segments));
    }
}

#[test]
fn damage_before_a_whole_checkpoint_costs_history_and_no_state() {
    let mut image = Image::new(geometry());
    let first = image.append(&signals(0..2));
    let second = image.append(&signals(2..5));
    image.append(&signals(5..6));
    image.begin();
    image.checkpoint();
    image.append(&signals(6..8));
    for (damaged, before, lost) in [(first, 0..0, 2), (second, 0..2, 3)] {
        image.damage(&damaged);
        let state = read_bytes(&image.bytes).unwrap();
        assert_eq!(state.notes, [], "nothing before the checkpoint is looked at");
        assert_eq!(counted(&state), (2, 2, 2));
        let (whole, events) = image.read();
        assert_eq!(whole.notes, [Note::LostSlots { slots: lost }]);
        assert_eq!(counted(&whole), (2, 2, 8 - lost));
        let after = before.end + lost..6;
        let told_before = [cycles(before), vec![format!("lost {lost}")], cycles(after)].concat();
        assert_eq!(told(&events), [told_before, vec!["resumed 6".to_owned()], cycles(6..8)].concat());
        for recovered in [state, whole] {
            assert_eq!(recovered.snapshot, image.state().state);
        }
        image.damage(&damaged);
    }
}

#[test]
fn from_damage_without_a_checkpoint_behind_it_on_absences_prove_nothing() {
    let mut image = Image::new(geometry());
    image.append(&signals(0..2));
    let lost = image.append(&signals(2..5));
    image.append(&signals(5..6));
    image.damage(&lost);
    let (recovered, events) = image.read();
    assert_eq!(told(&events), ["0", "1", "lost 3", "5"]);
    assert_eq!(recovered.notes, [Note::LostSlots { slots: 3 }]);
    assert_eq!(recovered.snapshot.losses.holes(), [0]);
    // The hole begins with the last cycle that was seen.
    assert_eq!(recovered.snapshot.losses.gaps[0].first_cycle, 1);
}

#[test]
fn without_any_checkpoint_all_that_came_before_is_lost() {
    for part in 0..3 {
        let mut image = Image::new(geometry());
        for position in 0..3 {
            image.append(&signals(position..position + 1));
        }
        // Three segments, and none is the first: each checkpoint lacks a frame.
        for generation in 1..4 {
            image.begin();
            let frames = image.checkpoint();
            image.damage(&frames[part]);
            image.append(&signals(3 * generation..3 * generation + 1));
            image.append(&signals(3 * generation + 1..3 * generation + 3));
        }
        let (recovered, events) = image.read();
        assert_eq!(told(&events), [cycles(3..12), vec!["lost 3".to_owned()]].concat(), "{part}");
        assert!(recovered.notes.contains(&Note::LostSlots { slots: 3 }));
        assert_eq!(recovered.snapshot.losses.holes(), [0]);
        let state = read_bytes(&image.bytes).unwrap();
        assert_eq!((state.notes, state.snapshot), (recovered.notes, recovered.snapshot));
    }
}

#[test]
fn a_checkpoint_that_leaves_trails_out_is_the_last_choice_and_is_told() {
    let mut image = Image::of_generations(geometry(), 2);
    let whole = image.state();
    image.begin();
    image.checkpoint_of(&whole, 0);
    image.append(&signals(8..9));
    let (written, kept, slots) = counted(&read_bytes(&image.bytes).unwrap());
    assert_eq!((written, kept, slots), (3, 3, 5), "the one before it is whole");
    assert_eq!(read_bytes(&image.bytes).unwrap().snapshot, image.state().state);

    let mut image = Image::of_generations(Geometry { segments: 1, ..geometry() }, 2);
    let Checkpoint { state, .. } = image.state();
    let items = (state.trails.len() + state.threads.len()) as u64;
    image.begin();
    image.checkpoint_of(&image.state(), 0);
    for recovered in [read_bytes(&image.bytes).unwrap(), image.read().0] {
        assert_eq!(
            recovered.notes,
            [Note::OmittedTrails { count: items }, Note::DroppedSegments { count: 2 }]
        );
        assert_eq!(recovered.snapshot.losses.holes(), [0], "its handles look as if nobody had made them");
        assert_eq!(recovered.snapshot.folded, 8);
    }
}

#[test]
fn a_segment_without_its_block_is_read_in_the_turn_that_the_others_leave_for_it() {
    for segments in 1..=4 {
        for generations in 1..=9 {
            let geometry = Geometry { segments, ..geometry() };
            let image = Image::of_generations(geometry, generations);
            let (whole, events) = image.read();
            for index in 0..segments.min(generations) {
                let mut image = Image::of_generations(geometry, generations);
                let at = geometry.segment_at(index) as usize;
                image.damage(&(at..at + 128));
                let (recovered, again) = image.read();
                // The only segment there is may be of any turn; without its block it counts as the first.
                if segments > 1 || generations == 1 {
                    assert_eq!(told(&again), told(&events), "{index} of {segments}, {generations}");
                    assert_eq!((&recovered.snapshot, &recovered.notes), (&whole.snapshot, &whole.notes));
                }
            }
        }
    }
    // In the first turn not even one block is needed.
    let mut image = Image::of_generations(geometry(), 3);
    for index in 0..3 {
        let at = geometry().segment_at(index) as usize;
        image.damage(&(at..at + 128));
    }
    assert_eq!(told(&image.read().1), cycles(0..12));
}

#[test]
fn a_generation_that_cannot_stand_there_is_not_believed() {
    for (index, impossible) in [(1, 0), (1, 3), (1, 1 << 40), (1, u64::MAX - 1), (2, u64::MAX)] {
        let mut image = Image::of_generations(geometry(), 3);
        image.block(Role::Segment, index, impossible);
        assert_eq!(told(&image.read().1), cycles(0..12), "{impossible}");
    }
}

#[test]
fn slots_and_stops_of_rings_that_there_are_not_are_left_out() {
    let mut image = Image::of_generations(geometry(), 1);
    let mut body: Vec<u64> = vec![2, 0];
    body.extend(record(0, 0, Operation::Signal, 0x1000, 9).payload);
    image.frame(Kind::Slots, &body);
    image.frame(Kind::Stopped, &[1]);
    let (recovered, events) = image.read();
    assert_eq!((told(&events), recovered.info.slots_in_segments), (cycles(0..4), 4));
}

/// The writer comes round while segments are read; the newest two of those that it wrote meanwhile are tried.
#[test]
fn a_reader_that_was_overtaken_goes_on_with_the_newest_segments() {
    let before = Image::of_generations(geometry(), 3);
    let last = geometry().segment_at(2);
    for extent in [Extent::History, Extent::State] {
        for newer in [6, 9] {
            let after = Image::of_generations(geometry(), newer);
            // The block of the last segment is read first for its generation, and then to see whether it changed.
            let states = vec![before.bytes.clone(), after.bytes.clone()];
            let (recovered, events) = read_changing(&Changing::new(states, Some(last)), geometry(), extent);
            let first = match extent {
                Extent::History => cycles(0..12),
                Extent::State => [vec!["resumed 8".to_owned()], cycles(8..12)].concat(),
            };
            let resumed = 4 * (newer - 2);
            let between = vec![format!("lost {}", resumed - 12), format!("resumed {resumed}")];
            let again = [between, cycles(resumed..4 * newer)].concat();
            assert_eq!(told(&events), [first, again].concat());
            assert_eq!(recovered.snapshot, after.state().state);
            assert_eq!(recovered.info.segments_written, newer);
            assert!(recovered.is_complete(), "{:?}", recovered.notes);
        }
    }
}
