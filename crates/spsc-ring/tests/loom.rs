//! Models of the ring, one per fact, run by loom over every interleaving and every value that a weak memory may
//! show. `ci/loom.sh` runs them.

#![cfg(loom)]

use std::sync::Arc;

use loom::sync::atomic::AtomicU64;
use loom::thread;
use spsc_ring::{
    CONTROL_WORDS, LINE_WORDS, LineConsumer, LineProducer, Payload, Seal, line_ring, ring, ring_from,
};

fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(3));
    builder.check(model);
}

/// Four records through two slots, so that each slot changes sides twice.
#[test]
fn what_is_pushed_is_popped_once_and_in_order() {
    check(|| {
        // The third record lies beyond the wrap-around.
        let (mut producer, mut consumer) = ring_from(2, u64::MAX - 1);
        let pushing = thread::spawn(move || (0..4_u32).filter(|n| producer.push(*n).is_ok()).collect());
        let mut popped: Vec<u32> = (0..3).filter_map(|_| consumer.pop()).collect();
        let pushed: Vec<u32> = pushing.join().unwrap();
        popped.extend(std::iter::from_fn(|| consumer.pop()));
        assert_eq!(popped, pushed);
        assert!(pushed.len() >= 2, "two slots take two records, drained or not");
    });
}

#[test]
fn records_published_together_are_seen_together() {
    check(|| {
        let (mut producer, mut consumer) = ring(4);
        let pushing = thread::spawn(move || {
            assert!(producer.push_all(&[1, 2, 3]));
            producer.push(4).unwrap();
        });
        let end = consumer.look();
        let seen: Vec<u32> = consumer.records().map(|(_, record)| record).collect();
        assert!([vec![], vec![1, 2, 3], vec![1, 2, 3, 4]].contains(&seen), "{seen:?}");
        consumer.release(end);
        pushing.join().unwrap();
        assert_eq!(consumer.look(), 4);
    });
}

/// The recording path sees no more room than there is, and the consumer's reads of a slot end before the slot is
/// written again.
#[test]
fn a_slot_is_not_written_while_it_is_read() {
    check(|| {
        let (mut producer, mut consumer) = ring(1);
        producer.push(1_u64).unwrap();
        let pushing = thread::spawn(move || {
            producer.refresh();
            producer.push_with(|| 2)
        });
        assert_eq!(consumer.pop(), Some(1));
        let pushed = pushing.join().unwrap();
        assert_eq!(consumer.pop(), pushed.then_some(2));
    });
}

#[test]
fn an_end_can_be_handed_to_another_thread() {
    check(|| {
        let (mut producer, mut consumer) = ring(2);
        producer.push(1_u64).unwrap();
        let first = thread::spawn(move || {
            producer.push(2).unwrap();
            producer
        });
        assert_eq!(consumer.pop(), Some(1));
        let mut producer = first.join().unwrap();
        let second = thread::spawn(move || producer.push(3));
        let popped = consumer.pop();
        second.join().unwrap().unwrap();
        assert_eq!((popped, consumer.pop(), consumer.pop()), (Some(2), Some(3), None));
    });
}

/// A ring of lines, in memory of its own.
fn lines(capacity: usize, position: u64) -> (LineProducer, LineConsumer) {
    let words = CONTROL_WORDS + capacity * LINE_WORDS;
    let memory: Vec<AtomicU64> = (0..words).map(|_| AtomicU64::new(0)).collect();
    line_ring(Arc::new(memory), Seal::new(7), position)
}

/// A payload whose words all tell which one it is.
fn payload(number: u64) -> Payload {
    std::array::from_fn(|index| 10 * number + index as u64)
}

fn push_line(producer: &mut LineProducer, number: u64) -> bool {
    producer.refresh();
    producer.push_all([payload(number)].into_iter())
}

/// Takes all lines that one look sees. A line that is torn, or another's, is damaged.
fn pop_lines(consumer: &mut LineConsumer) -> Vec<Payload> {
    let published = consumer.look().wrapping_sub(consumer.head());
    let positions = (0..published).map(|offset| consumer.head().wrapping_add(offset));
    let lines =
        positions.map(|position| consumer.get(position).expect("a published line is whole")).collect();
    consumer.release(consumer.seen());
    lines
}

/// Three lines through two places.
#[test]
fn lines_that_are_pushed_are_popped_whole_once_and_in_order() {
    check(|| {
        // The second line lies beyond the wrap-around.
        let (mut producer, mut consumer) = lines(2, u64::MAX);
        let pushing = thread::spawn(move || {
            (0..3).filter(|number| push_line(&mut producer, *number)).map(payload).collect::<Vec<_>>()
        });
        let mut popped = pop_lines(&mut consumer);
        popped.extend(pop_lines(&mut consumer));
        let pushed = pushing.join().unwrap();
        popped.extend(pop_lines(&mut consumer));
        assert_eq!(popped, pushed);
        assert!(pushed.len() >= 2, "two places take two lines, drained or not");
    });
}

#[test]
fn a_line_is_not_overwritten_before_it_is_released() {
    check(|| {
        let (mut producer, mut consumer) = lines(1, 0);
        assert!(push_line(&mut producer, 1));
        let pushing = thread::spawn(move || push_line(&mut producer, 2));
        assert_eq!(pop_lines(&mut consumer), [payload(1)]);
        let pushed = pushing.join().unwrap();
        let rest = if pushed { vec![payload(2)] } else { vec![] };
        assert_eq!(pop_lines(&mut consumer), rest);
    });
}
