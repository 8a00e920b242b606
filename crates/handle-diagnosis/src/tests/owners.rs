//! Who owns a mutant or a critical section, after what its records say.

use handle_audit::Operation;

use super::*;

const ABANDONED: u64 = 0x80;
const TIMEOUT: u64 = 0x102;

/// The owner and the record that made it so; and whether it is known that nobody owns it.
fn owner(kind: &str, aux: u64, records: &[Record]) -> (Option<(u32, Option<usize>)>, bool) {
    let state = history(kind, aux, records).state();
    (state.owner.map(|owner| (owner.tid, owner.acquired)), state.count == Some(1))
}

fn take(tid: u32) -> [Record; 2] {
    [wait(tid), satisfied(tid, 0)]
}

/// The release of a mutant by its owner.
fn release(tid: u32) -> [Record; 1] {
    [(Operation::Signal, tid, 0)]
}

#[test]
fn a_mutant_may_be_born_owned_and_a_critical_section_may_not() {
    assert_eq!(owner("Mutant", 2, &[]), (Some((2, None)), false));
    assert_eq!(owner("Mutant", 0, &[]), (None, true));
    assert_eq!(owner("CriticalSection", 2, &[]), (None, true));
    assert_eq!(owner("Mutant", 2, &release(2)), (None, true));
}

#[test]
fn who_took_it_owns_it_until_it_has_given_it_back_as_often() {
    let twice = [&take(2)[..], &take(2)].concat();
    assert_eq!(owner("Mutant", 0, &take(2)), (Some((2, Some(1))), false));
    assert_eq!(owner("Mutant", 0, &[&take(2)[..], &release(2)].concat()), (None, true));
    assert_eq!(owner("Mutant", 0, &[&twice[..], &release(2)].concat()), (Some((2, Some(1))), false));
    assert_eq!(owner("Mutant", 0, &[&twice[..], &release(2), &release(2)].concat()), (None, true));
    let thrice = [&twice[..], &take(2), &release(2), &release(2)].concat();
    assert_eq!(owner("Mutant", 0, &thrice), (Some((2, Some(1))), false));
    assert_eq!(owner("Mutant", 2, &[&take(2)[..], &release(2)].concat()), (Some((2, None)), false));
}

#[test]
fn another_that_takes_it_owns_it_from_there() {
    let handed_over = [&take(2)[..], &[wait(3), satisfied(3, ABANDONED)]].concat();
    assert_eq!(owner("Mutant", 0, &handed_over), (Some((3, Some(3))), false));
    assert_eq!(owner("Mutant", 0, &[&handed_over[..], &release(3)].concat()), (None, true), "its first");
}

#[test]
fn a_wait_that_gave_up_took_nothing() {
    assert_eq!(owner("Mutant", 0, &[wait(2), satisfied(2, TIMEOUT)]), (None, true));
    let given_up = [&take(2)[..], &[wait(3), satisfied(3, TIMEOUT)]].concat();
    assert_eq!(owner("Mutant", 0, &given_up), (Some((2, Some(1))), false));
}

#[test]
fn where_the_beginning_is_not_held_a_release_may_not_be_the_last() {
    let mut records = [&take(2)[..], &release(2)].concat().repeat(60);
    assert_eq!(owner("Mutant", 0, &records), (None, false), "it may have been taken once more before");
    records.extend(take(2));
    assert_eq!(owner("Mutant", 0, &records).0.map(|(tid, _)| tid), Some(2));
    records.extend([&take(3)[..], &release(3)].concat());
    assert_eq!(owner("Mutant", 0, &records), (None, true), "it could take it only for the first time");
}
