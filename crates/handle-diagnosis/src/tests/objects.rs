//! What can be expected of an object, and objects that go on under another name.

use handle_audit::{PreviousGeneration, Snapshot};

use super::*;
use crate::object::{Class, objects};

#[test]
fn a_kind_says_what_can_be_expected() {
    // Owned by a thread, a timer, used up by a wait, an event.
    for (kind, class, expected) in [
        ("Event/Manual", Class::ManualEvent, [false, false, false, true]),
        ("Event/Auto", Class::AutoEvent, [false, false, true, true]),
        ("Semaphore", Class::Semaphore, [false, false, true, false]),
        ("Timer/Manual", Class::ManualTimer, [false, true, false, false]),
        ("Timer/Auto", Class::AutoTimer, [false, true, true, false]),
        ("Mutant", Class::Mutant, [true, false, false, false]),
        ("CriticalSection", Class::CriticalSection, [true, false, false, false]),
        ("Thread", Class::Thread, [false, false, false, false]),
        ("File", Class::Other, [false, false, false, false]),
    ] {
        let trail = trail(4, kind, 0, &[]);
        let known = object(&trail).class();
        assert_eq!(known, class);
        let is = [known.is_owned(), known.is_timer(), known.is_consumable(), known.is_event()];
        assert_eq!(is, expected, "{kind}");
    }
}

fn alias(name: u32) -> Record {
    (Operation::Alias, 1, u64::from(name))
}

/// A trail that a close began, at a cycle: the object goes on under the next of its names.
fn next_name(handle: u32, born: u64, source: &str, records: &[Record]) -> HandleAuditTrail {
    let mut trail = trail(handle, "Event/Auto", 0, &[]);
    trail.created = entry(0, born, (Operation::Create, 1, 0), source);
    for record in records {
        push(&mut trail, *record);
    }
    trail
}

/// The names of each object, the present one first.
fn names(trails: Vec<HandleAuditTrail>) -> Vec<Vec<u32>> {
    let snapshot = Snapshot { trails, ..Snapshot::default() };
    objects(&snapshot).iter().map(|object| object.parts().rev().map(|part| part.handle).collect()).collect()
}

#[test]
fn an_object_goes_on_where_a_close_took_its_first_name() {
    let first = |records: &[Record]| trail(4, "Event/Auto", 0, records);
    let then = |source: &str, born, records: &[Record]| next_name(8, born, source, records);
    for (trails, expected, why) in [
        (vec![first(&[alias(8)]), then("NtClose", 50, &[alias(4)])], vec![vec![8, 4]], "by a close"),
        (vec![first(&[alias(8)]), then("ObDereferenceObject", 50, &[alias(4)])], vec![vec![8, 4]], "so too"),
        (vec![first(&[alias(8)]), then("NtClose", 0, &[alias(4)])], vec![vec![8, 4]], "at the same time"),
        (vec![first(&[alias(8)]), then("NtCreate", 50, &[alias(4)])], vec![vec![4], vec![8]], "by a create"),
        (vec![first(&[alias(8)]), then("NtClose", 50, &[])], vec![vec![4], vec![8]], "it names no other"),
        (
            vec![first(&[]), then("NtClose", 50, &[alias(4)])],
            vec![vec![4], vec![8]],
            "the other knows nothing",
        ),
        (vec![first(&[alias(12)]), then("NtClose", 50, &[alias(4)])], vec![vec![4], vec![8]], "nor of this"),
    ] {
        assert_eq!(names(trails), expected, "{why}");
    }
}

#[test]
fn what_began_later_is_nobodys_first_name() {
    let later = next_name(4, 90, "NtCreate", &[alias(8)]);
    assert_eq!(names(vec![later, next_name(8, 50, "NtClose", &[alias(4)])]), [[4], [8]]);
}

#[test]
fn an_object_has_all_its_names_whatever_their_order() {
    for order in [[4, 8, 12], [12, 8, 4], [8, 12, 4], [4, 12, 8]] {
        let [first, second, third] = order;
        let mut trails = vec![
            next_name(first, 10, "NtCreate", &[alias(second), alias(third)]),
            next_name(second, 50, "NtClose", &[alias(first), alias(third)]),
            next_name(third, 90, "NtClose", &[alias(second)]),
        ];
        trails.sort_by_key(|trail| trail.handle);
        assert_eq!(names(trails), [[third, second, first]]);
    }
}

#[test]
fn each_trail_is_of_one_object_even_where_the_records_contradict_each_other() {
    let both = [(4, 8), (8, 4)].map(|(name, other)| next_name(name, 50, "NtClose", &[alias(other)]));
    assert_eq!(names(both.to_vec()), [[8, 4]], "each says that it goes on from the other");
    assert_eq!(names(vec![next_name(4, 50, "NtClose", &[alias(4)])]), [[4]], "it says so of itself");
    let first = trail(4, "Event/Auto", 0, &[alias(8), alias(12)]);
    let two = [8, 12].map(|name| next_name(name, 50, "NtClose", &[alias(4)]));
    assert_eq!(names([vec![first], two.to_vec()].concat()), [vec![8, 4], vec![12]], "both go on from one");
}

/// Whether an object that began as handle 4, which names another now, is found by what is left of that.
fn is_found(last: Record) -> bool {
    let old = trail(4, "Event/Auto", 0, &[last]);
    let mut reissued = next_name(4, 70, "NtCreate", &[]);
    reissued.previous = Some(Box::new(PreviousGeneration {
        generation: 1,
        kind: old.kind,
        created: old.created,
        closed: None,
        totals: old.totals,
        last: old.sequence(),
        open_waits: Vec::new(),
    }));
    let trails = vec![reissued, next_name(8, 50, "NtClose", &[alias(4)])];
    let snapshot = Snapshot { trails, ..Snapshot::default() };
    objects(&snapshot)[1].earlier.is_some()
}

#[test]
fn what_is_left_of_a_first_name_must_name_the_next() {
    assert!(is_found(alias(8)));
    assert!(!is_found(alias(12)));
    assert!(!is_found((Operation::Close, 1, 8)), "a close with eight waiters is no name");
}

/// The threads whose waits are open in all of an object's life.
fn open(first: &[Record], then: &[Record]) -> Vec<u32> {
    let before = trail(4, "Event/Auto", 0, first);
    let now = next_name(8, 90, "NtClose", then);
    let object = Object { joined: vec![&before], ..object(&now) };
    object.open_waits().iter().map(|wait| wait.entry.tid).collect()
}

#[test]
fn a_wait_may_end_under_the_next_name() {
    let wake = |tid| (Operation::Wake, tid, 0);
    let both = [wait(1), wait(2)];
    assert_eq!(open(&both, &[]), [1, 2]);
    assert_eq!(open(&both, &[satisfied(1, 0)]), [2]);
    assert_eq!(open(&both, &[wake(2)]), [1]);
    assert_eq!(open(&both, &[wait(3), satisfied(3, 0)]), [1, 2], "another's end");
    assert_eq!(open(&both, &[wait(3), wake(2)]), [1, 3], "another's wait in front");
    assert_eq!(open(&both, &[satisfied(1, 0), wait(1)]), [2, 1], "it waits again");
    assert_eq!(open(&both, &[wait(1), satisfied(1, 0)]), [1, 2], "the end of its own later wait");
    assert_eq!(open(&both, &[(Operation::Reset, 1, 0)]), [1, 2], "a reset ends no wait");
}
