//! The two rings by their public interface, on one thread.
#![cfg(not(loom))]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use spsc_ring::{
    CONTROL_WORDS, FIRST_NOTE_WORD, Full, LINE_WORDS, LineConsumer, LineProducer, NOTE_WORDS, Producer, Seal,
    line_ring, ring, ring_from,
};

/// Close enough to the wrap-around that every test passes it.
const BEGIN: u64 = u64::MAX - 1;

fn panics<T>(what: impl FnOnce() -> T) -> bool {
    catch_unwind(AssertUnwindSafe(what)).is_err()
}

#[test]
fn what_is_pushed_comes_out_once_and_in_order() {
    let (mut producer, mut consumer) = ring_from::<u64>(5, BEGIN);
    assert_eq!((producer.capacity(), consumer.capacity()), (8, 8), "rounded up to a power of two");
    let (mut pushed, mut popped) = (0, 0);
    for burst in [1, 8, 3, 5, 8, 2, 7].into_iter().cycle().take(70) {
        for _ in 0..burst {
            producer.push(pushed).unwrap();
            pushed += 1;
            assert_eq!(producer.position(), BEGIN.wrapping_add(pushed));
        }
        for _ in 0..burst {
            assert_eq!(consumer.pop(), Some(popped));
            popped += 1;
            assert_eq!(consumer.head(), BEGIN.wrapping_add(popped));
        }
        assert_eq!(consumer.pop(), None);
    }
}

#[test]
fn a_full_ring_gives_the_record_back_until_a_slot_is_released() {
    let (mut producer, mut consumer) = ring_from::<u64>(4, BEGIN);
    assert_eq!(producer.room(), 4);
    (0..4).for_each(|record| producer.push(record).unwrap());
    let full = producer.push(9).unwrap_err();
    assert_eq!((full, producer.room(), producer.refresh()), (Full(9), 0, 0));
    assert_eq!(full.to_string(), "the ring is full");
    assert_eq!(consumer.look(), BEGIN.wrapping_add(4));
    assert_eq!(consumer.seen(), BEGIN.wrapping_add(4));
    assert_eq!([0, 1, 2, 3].map(|offset| consumer.get(BEGIN.wrapping_add(offset))), [0, 1, 2, 3]);
    consumer.release(BEGIN.wrapping_add(3));
    assert_eq!((producer.room(), producer.refresh(), producer.room()), (0, 3, 3));
    producer.push(4).unwrap();
    assert_eq!([consumer.pop(), consumer.pop(), consumer.pop()], [Some(3), Some(4), None]);
}

#[test]
fn all_that_was_seen_is_what_each_position_holds() {
    let (mut producer, mut consumer) = ring_from(4, BEGIN);
    assert_eq!(consumer.records().count(), 0);
    let mut released = BEGIN;
    for number in 0..40_u64 {
        producer.push(number).expect("there is room");
        // Between one record and four, at every place of the ring, and across the wrap-around of positions.
        if number % 4 != 3 && number % 3 != 0 {
            continue;
        }
        assert_eq!(consumer.records().count(), 0, "nobody has looked since the release");
        let end = consumer.look();
        let all: Vec<_> = consumer.records().collect();
        assert_eq!(all.len() as u64, end.wrapping_sub(released));
        for (position, (at, record)) in (0..).map(|offset| released.wrapping_add(offset)).zip(all) {
            assert_eq!((at, record), (position, consumer.get(position)));
            assert_eq!(record, position.wrapping_sub(BEGIN));
        }
        consumer.release(end);
        released = end;
    }
}

#[test]
fn the_reserve_is_left_to_those_who_may_use_it() {
    let (mut producer, mut consumer) = ring::<u64>(4);
    producer.set_reserve(2);
    assert!(producer.push_with(|| 0) && producer.push_with(|| 1));
    assert!(!producer.push_with(|| panic!("nothing is made that does not fit")) && producer.push(9).is_err());
    assert!(producer.push_reserved_with(|| 2) && producer.push_reserved_with(|| 3));
    assert!(!producer.push_reserved_with(|| panic!("nothing is made that does not fit")));
    consumer.look();
    consumer.release(4);
    assert!(!producer.push_reserved_with(|| 4), "nobody looked");
    assert_eq!(producer.refresh(), 4);
    assert!(producer.push_all(&[4, 5, 6]), "into the reserve");
    assert!(!producer.push_with(|| 7) && producer.push_reserved_with(|| 7));
    assert_eq!([(); 5].map(|()| consumer.pop()), [Some(4), Some(5), Some(6), Some(7), None]);
}

#[test]
fn at_the_end_of_a_round_the_recording_path_asks_for_a_look() {
    let (mut producer, mut consumer) = ring_from::<u64>(4, 1);
    assert!((1..4).all(|record| producer.push_with(|| record)));
    assert_eq!(producer.room(), 1);
    assert!(!producer.push_with(|| panic!("the last slot was the third")));
    assert!(producer.push_reserved_with(|| 4), "who may use the reserve is not asked");
    assert_eq!([(); 4].map(|()| consumer.pop()), [1, 2, 3, 4].map(Some));
    assert!(!producer.push_with(|| panic!("nobody looked")) && producer.refresh() == 4);
    assert!(producer.push_with(|| 5) && producer.push_reserved_with(|| 6) && producer.push_with(|| 7));
    assert!(!producer.push_with(|| panic!("again")) && producer.refresh() == 1);
    assert!(producer.push_with(|| 8) && !producer.push_with(|| panic!("it is full")));
    assert_eq!([(); 5].map(|()| consumer.pop()), [Some(5), Some(6), Some(7), Some(8), None]);
}

#[test]
fn forgotten_room_is_found_by_the_next_look() {
    let (mut producer, mut consumer) = ring_from::<u64>(4, BEGIN);
    producer.forget_room();
    assert_eq!(producer.room(), 0);
    assert!(!producer.push_with(|| 1) && !producer.push_reserved_with(|| 1) && !producer.push_all(&[1]));
    producer.push(1).unwrap();
    assert_eq!((producer.room(), consumer.pop()), (3, Some(1)));
}

#[test]
fn all_are_published_together_or_none() {
    let (mut producer, mut consumer) = ring_from::<u64>(4, BEGIN);
    assert!(producer.push_all(&[1, 2, 3]));
    assert!(!producer.push_all(&[4, 5]) && producer.position() == BEGIN.wrapping_add(3));
    assert!(producer.push_all(&[4]) && producer.push_all(&[]));
    assert_eq!([(); 5].map(|()| consumer.pop()), [Some(1), Some(2), Some(3), Some(4), None]);
}

#[test]
fn what_was_not_seen_can_be_neither_read_nor_released() {
    let (mut producer, mut consumer) = ring_from::<u64>(4, BEGIN);
    assert!(producer.push_all(&[1, 2]));
    assert!(panics(|| consumer.get(BEGIN)), "before a look");
    consumer.look();
    assert!(panics(|| consumer.get(BEGIN.wrapping_add(2))));
    assert!(panics(|| consumer.release(BEGIN.wrapping_add(3))));
    consumer.release(BEGIN.wrapping_add(1));
    assert!(panics(|| consumer.get(BEGIN)), "it was released");
    assert_eq!(consumer.get(BEGIN.wrapping_add(1)), 2);
    consumer.release(BEGIN.wrapping_add(2));
}

#[test]
fn a_producer_without_a_ring_is_always_full() {
    let mut detached = Producer::<u64>::detached();
    assert_eq!((detached.capacity(), detached.room(), detached.refresh()), (0, 0, 0));
    assert_eq!(detached.push(1), Err(Full(1)));
    assert!(panics(|| ring::<u64>(0)), "a ring has room for one record");
}

/// The numbers come from the reader in Python that the format's document goes with.
#[test]
fn the_checksums_are_those_of_the_format() {
    let digest = |words: &[u64]| Seal::new(7).digest(words.iter().copied());
    assert_eq!(
        [digest(&[]), digest(&[1]), digest(&[1, 2, 3])],
        [0x8D09_C038_5CAF_6EEC, 0x3405_ED4A_6616_7389, 0x193E_6512_48D3_1BEC]
    );
    let line = Seal::new(7).close(1000, &[11, 22, 33, 44, 55]);
    assert_eq!(line, [1000, 11, 22, 33, 44, 55, 0, 0x8173_3179_1CDC_FA68]);
    let payload = [u64::MAX, 0, 1 << 63, 5, u64::MAX - 1];
    assert_eq!(Seal::new(0xDEAD_BEEF).close(u64::MAX, &payload)[7], 0x2312_163B_070A_8968);
}

fn lines(capacity: usize) -> (LineProducer, LineConsumer, Arc<Vec<AtomicU64>>) {
    let words = CONTROL_WORDS + capacity * LINE_WORDS;
    let memory: Arc<Vec<AtomicU64>> = Arc::new((0..words).map(|_| AtomicU64::new(0)).collect());
    let (producer, consumer) = line_ring(memory.clone(), Seal::new(3), BEGIN);
    (producer, consumer, memory)
}

#[test]
fn a_ring_of_lines_fills_up_to_its_capacity() {
    let (mut producer, mut consumer, memory) = lines(4);
    assert_eq!((producer.capacity(), consumer.capacity(), producer.room()), (4, 4, 4));
    assert_eq!((producer.position(), producer.seal()), (BEGIN, Seal::new(3)));
    assert!(producer.push_all((0..4_u8).map(|n| [n.into(); 5])), "exactly what fits");
    assert_eq!((producer.position(), producer.room()), (BEGIN.wrapping_add(4), 0));
    assert!(!producer.push_all(std::iter::once([9; 5])));
    assert_eq!(consumer.look(), BEGIN.wrapping_add(4));
    for n in 0..4 {
        let position = BEGIN.wrapping_add(n);
        assert_eq!(consumer.get(position), Ok([n; 5]));
        // Each at its own place, all of them behind the control words.
        let line = CONTROL_WORDS + LINE_WORDS * (position % 4) as usize;
        assert_eq!(memory[line].load(Ordering::Relaxed), position);
    }
}

#[test]
fn a_whole_line_of_another_position_is_damage() {
    let (mut producer, mut consumer, memory) = lines(4);
    assert!(producer.push_all((0..2_u8).map(|n| [n.into(); 5])));
    consumer.look();
    let other = Seal::new(3).close(BEGIN.wrapping_sub(4), &[0; 5]);
    for (word, value) in memory[CONTROL_WORDS + LINE_WORDS * (BEGIN % 4) as usize..].iter().zip(other) {
        word.store(value, Ordering::Relaxed);
    }
    let damaged = consumer.get(BEGIN).unwrap_err();
    assert_eq!(damaged.position, BEGIN);
    assert_eq!(damaged.to_string(), format!("line {BEGIN} was overwritten from outside"));
    assert_eq!(consumer.get(BEGIN.wrapping_add(1)), Ok([1; 5]));
}

#[test]
fn notes_stand_where_they_belong_and_touch_nothing_else() {
    let (producer, _consumer, memory) = lines(1);
    let before: Vec<u64> = memory.iter().map(|word| word.load(Ordering::Relaxed)).collect();
    producer.note(2, [5, 6]);
    producer.note(NOTE_WORDS - 1, [7, 8, 9]);
    let mut expected = before;
    expected[FIRST_NOTE_WORD + 2..FIRST_NOTE_WORD + 4].copy_from_slice(&[5, 6]);
    expected[FIRST_NOTE_WORD + NOTE_WORDS - 1] = 7;
    let after: Vec<u64> = memory.iter().map(|word| word.load(Ordering::Relaxed)).collect();
    assert_eq!(after, expected);
}
