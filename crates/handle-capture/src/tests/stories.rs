//! Records put together, and two runs compared.

use handle_audit::{CapturedRecord, HandleAuditEntry, HandleKind, Label, Operation, label};

use super::image::{Image, geometry, record, signals};
use crate::diff::{Act, Diff, Divergence, ObjectKey, Occasion, Site, Uneven, diff};
use crate::frame::Kind;
use crate::layout::Geometry;
use crate::recovered::Note;
use crate::story::{Flow, OlderObject, Story};

/// A record by its operation, handle, thread, cycle and aux word, by the call at 0x8200_0000.
pub(super) fn act(operation: Operation, handle: u32, tid: u32, cycle: u64, aux: u64) -> CapturedRecord {
    let entry = HandleAuditEntry::new(cycle, tid, 0x8200_0000, label!("NtSetEvent"), aux);
    let kind = HandleKind::EVENT_AUTO;
    CapturedRecord { ring: 0, position: 0, stamp: cycle, operation, handle, kind, entry, stack: Vec::new() }
}

fn story(records: Vec<CapturedRecord>) -> Story {
    Story::new(Image::new(geometry()).read().0, Vec::new(), records, Vec::new())
}

/// The story of a capture in a file.
fn story_of(image: &Image) -> Story {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.htrail");
    std::fs::write(&path, &image.bytes).unwrap();
    Story::read(&path).unwrap()
}

#[test]
fn a_story_breaks_off_where_records_are_missing_and_not_where_a_ring_was_full() {
    // First and last cycle of a stretch, and how many creates it lost.
    let gap = |position, last, count| {
        [0, position, 0, 0x40, 3, 0, last, 0, position + 1, count, 0x41 | 1 << 8, 0, 0, 0]
    };
    for (count, holes) in [(0_u64, vec![2]), (4, vec![])] {
        let mut image = Image::new(geometry());
        image.append(&signals(0..2));
        let slots = gap(2, 9, count | 1 << 56);
        image.frame(Kind::Slots, if count == 0 { &slots[..7] } else { &slots });
        image.frame(Kind::Slots, &[0, 4, 4, 2 | 0x1000 << 32, 4, 7, 0]);
        let story = story_of(&image);
        assert_eq!((story.records.len(), &story.holes), (3, &holes), "{count}");
        assert_eq!((story.begins_late(), story.last_cycle()), (false, 4));
    }
    let dropped = Image::of_generations(geometry(), 5);
    let story = story_of(&dropped);
    assert_eq!(story.recovered.notes, [Note::DroppedSegments { count: 2 }]);
    assert!(story.begins_late());
    assert_eq!((story.last_cycle(), story.holes), (19, vec![0]));
    let [OlderObject { handle, kind, created }] = story.older[..] else { panic!("{:?}", story.older) };
    assert_eq!((handle, kind, created.cycle), (0x1000, HandleKind::EVENT_AUTO, 0));
}

/// A line that the reader finds damaged, and rings that are gone, may have held the end of a wait.
#[test]
fn a_wait_whose_end_may_have_been_in_a_damaged_ring_is_not_called_open() {
    let wait = record(0, 0, Operation::Wait, 0x1000, 1);
    let after = [record(0, 1, Operation::Wake, 0x1000, 2), record(0, 2, Operation::Signal, 0x1000, 3)];
    let mut image = Image::new(geometry());
    image.append(&[wait]);
    image.publish(1, &after);
    let told = |image: &Image| {
        let story = story_of(image);
        (story.waits[0].end, story.waits[0].is_open(), story.holes)
    };
    assert_eq!(told(&image), (Some(1), false, vec![]));
    let line = image.line(&after[0]);
    image.damage(&line);
    assert_eq!(told(&image), (None, false, vec![1]));

    let mut image = Image::new(Geometry { rings_elsewhere: true, ..geometry() });
    image.append(&[wait]);
    assert_eq!(told(&image), (None, false, vec![1]));
}

#[test]
fn a_wake_comes_from_the_signal_after_its_wait_if_it_was_let_go() {
    use Operation::{Create, Promise, Pulse, Satisfied, Signal, Wait, Wake};
    const TIMEOUT: u64 = 0x102;
    // (operation, thread, aux) on one handle, and the flows from record to record.
    type Acts<'a> = &'a [(Operation, u32, u64)];
    let cases: [(Acts<'_>, &[(usize, usize)]); 12] = [
        (&[(Wait, 1, 0), (Signal, 2, 0), (Wake, 1, 0)], &[(1, 2)]),
        (&[(Wait, 1, 0), (Pulse, 2, 0), (Wake, 1, 0x80)], &[(1, 2)]),
        (&[(Wait, 1, 0), (Signal, 2, 0), (Wake, 1, TIMEOUT)], &[]),
        (&[(Wait, 1, 0), (Signal, 2, 0), (Wake, 1, 0xC0)], &[]),
        (&[(Signal, 2, 0), (Wait, 1, 0), (Wake, 1, 0)], &[]),
        (&[(Signal, 2, 0), (Wait, 1, 0), (Wake, 1, TIMEOUT)], &[]),
        (&[(Signal, 2, 0), (Wake, 1, 0x3F)], &[(0, 1)]),
        (&[(Signal, 2, 0), (Wake, 1, 0x40)], &[]),
        // A wait that did not park is over, and does not make the next signal look too old.
        (&[(Wait, 1, 0), (Satisfied, 1, 0), (Signal, 2, 0), (Wake, 1, 0)], &[(2, 3)]),
        // Another object has the handle now.
        (&[(Signal, 2, 0), (Create, 2, 0), (Wake, 1, 0)], &[]),
        (&[(Promise, 2, 0), (Create, 2, 0), (Signal, 2, 0)], &[]),
        (&[(Promise, 2, 0), (Promise, 1, 0), (Pulse, 2, 0), (Signal, 2, 0)], &[(0, 2), (1, 2)]),
    ];
    for (acts, flows) in cases {
        let acts = (0..).zip(acts);
        let records = acts.map(|(cycle, (what, tid, aux))| act(*what, 0x1000, *tid, cycle, *aux));
        let story = story(records.collect());
        let expected: Vec<_> = flows.iter().map(|(from, to)| Flow { from: *from, to: *to }).collect();
        assert_eq!(story.flows, expected, "{:?}", story.records);
    }
}

#[test]
fn waits_end_and_threads_are_those_of_the_guest() {
    use Operation::{Satisfied, Signal, Wait, Wake};
    let records = vec![
        act(Wait, 0x1000, 3, 10, 0),
        act(Wait, 0x1004, 2, 11, 0),
        act(Satisfied, 0x1000, 3, 12, 0),
        act(Signal, 0x1000, 0, 13, 0),
        act(Wait, 0x1000, 3, 14, 0),
        act(Wake, 0x1004, 3, 15, 0),
    ];
    let story = story(records);
    let ends: Vec<_> = story.waits.iter().map(|wait| (wait.begin, wait.end, wait.is_open())).collect();
    assert_eq!(ends, [(0, Some(2), false), (1, None, true), (4, None, true)]);
    assert_eq!(
        story.waits.iter().map(|wait| story.cycles(wait)).collect::<Vec<_>>(),
        [(10, 12), (11, 15), (14, 15)]
    );
    assert_eq!(story.threads(), [2, 3], "0 is the host");
}

fn occasion(handle: u32, tid: u32, cycle: u64) -> Occasion {
    Occasion { handle, tid, cycle }
}

fn site(lr: u32, source: &'static str) -> Site {
    Site { kind: HandleKind::EVENT_AUTO, source: Label::from_data(source), lr }
}

#[test]
fn sites_are_ordered_by_address_then_by_name() {
    let ordered = [site(1, "b"), site(2, "a"), site(2, "b")];
    assert!(ordered.windows(2).all(|pair| pair[0] < pair[1]));
    let keys: Vec<_> =
        ordered.iter().flat_map(|site| [1, 2].map(|ordinal| ObjectKey { site: *site, ordinal })).collect();
    assert!(keys.windows(2).all(|pair| pair[0] < pair[1]), "{keys:?}");
}

#[test]
fn a_diff_is_empty_only_if_every_part_of_it_is() {
    let object = ObjectKey { site: site(1, "a"), ordinal: 1 };
    let only = vec![(object, occasion(1, 1, 1))];
    let act = Act { operation: Operation::Signal, source: label!("NtSetEvent"), lr: 1 };
    let uneven = Uneven { object, act, good: 1, bad: 0, first: occasion(1, 1, 1) };
    let first = Divergence { object, after: 0, good: None, bad: None };
    assert!(Diff { common: 3, ..Diff::default() }.is_empty());
    for differs in [
        Diff { only_good: only.clone(), ..Diff::default() },
        Diff { only_bad: only, ..Diff::default() },
        Diff { first: Some(first), ..Diff::default() },
        Diff { uneven: vec![uneven], ..Diff::default() },
    ] {
        assert!(!differs.is_empty(), "{differs:?}");
    }
}

/// Objects at 0x1000, 0x1004, 0x1008, made in this order by one call, and what was done to them after.
fn run(acts: &[(Operation, u32, u64)]) -> Story {
    let creates = (0..3).map(|n| act(Operation::Create, 0x1000 + 4 * n, 1, n.into(), 0));
    let acts =
        acts.iter().map(|(operation, object, cycle)| act(*operation, 0x1000 + 4 * object, 2, *cycle, 0));
    story(creates.chain(acts).collect())
}

#[test]
fn the_divergence_that_came_first_is_the_first_whatever_its_object() {
    use Operation::{Reset, Signal};
    let common = [(Signal, 0, 100), (Signal, 1, 101), (Signal, 2, 102)];
    let after = |more: &[_]| run(&[&common[..], more].concat());
    // Both runs go on differently with two objects; `earlier` says with which first.
    for (earlier, cycles) in [(1, [200, 150]), (0, [150, 200]), (0, [200, 200])] {
        let good = after(&[(Signal, 0, cycles[0]), (Signal, 1, cycles[1])]);
        let bad = after(&[(Reset, 0, cycles[0] + 40), (Reset, 1, cycles[1] + 40)]);
        let diff = diff(&good, &bad);
        assert_eq!((diff.common, diff.only_good.len(), diff.only_bad.len()), (3, 0, 0));
        let first = diff.first.unwrap();
        assert_eq!((first.object.ordinal, first.after), (earlier + 1, 1), "{cycles:?}");
        let handle = 0x1000 + 4 * earlier as u32;
        let cycle = cycles[earlier as usize];
        assert_eq!(
            first.good.map(|(act, when)| (act.operation, when)),
            Some((Signal, occasion(handle, 2, cycle)))
        );
        assert_eq!(first.bad.map(|(act, when)| (act.operation, when.cycle)), Some((Reset, cycle + 40)));
    }
    // What only one run has counts from there.
    let diff = diff(&after(&[(Signal, 0, 300)]), &after(&[(Signal, 1, 200)]));
    assert_eq!(diff.first.map(|first| (first.object.ordinal, first.good)), Some((2, None)));
}

#[test]
fn what_never_came_stands_first_then_what_came_only_in_the_bad_run_then_what_came_less_often() {
    use Operation::{Pulse, Reset, Signal};
    let good = run(&[(Signal, 0, 50), (Signal, 0, 60), (Reset, 1, 90), (Reset, 2, 80), (Pulse, 0, 70)]);
    let bad = run(&[(Signal, 0, 50), (Signal, 2, 85), (Signal, 1, 75), (Pulse, 0, 40), (Pulse, 0, 45)]);
    let uneven = diff(&good, &bad).uneven;
    let short: Vec<_> =
        uneven.iter().map(|one| (one.act.operation, one.good, one.bad, one.first.cycle)).collect();
    let expected = [
        (Reset, 1, 0, 80),
        (Reset, 1, 0, 90),
        (Signal, 0, 1, 75),
        (Signal, 0, 1, 85),
        // The first time that only one of them has it.
        (Pulse, 1, 2, 45),
        (Signal, 2, 1, 60),
    ];
    assert_eq!(short, expected);
}

#[test]
fn objects_of_one_run_only_are_told_in_the_order_of_their_creation() {
    use Operation::Create;
    let create = |cycle, lr| {
        let mut record = act(Create, lr, 1, cycle, 0);
        record.entry.lr = lr;
        record
    };
    let good = story(vec![create(5, 0x30), create(4, 0x20), create(3, 0x10), create(6, 0x10)]);
    let bad = story(vec![create(7, 0x10), create(9, 0x40)]);
    let diff = diff(&good, &bad);
    let told = |only: &[(ObjectKey, Occasion)]| -> Vec<_> {
        only.iter().map(|(key, when)| (key.site.lr, key.ordinal, when.cycle)).collect()
    };
    assert_eq!(diff.common, 1);
    assert_eq!(told(&diff.only_good), [(0x20, 1, 4), (0x30, 1, 5), (0x10, 2, 6)]);
    assert_eq!(told(&diff.only_bad), [(0x40, 1, 9)]);
}
