//! Both rings, that in the heap and that of lines, against a queue.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arbitrary::{Arbitrary, Unstructured};
use spsc_ring::{CONTROL_WORDS, Full, LINE_WORDS, Payload, Seal, line_ring, ring_from};

#[derive(Arbitrary, Debug)]
enum Step {
    Push(u64),
    PushWith {
        keep: u8,
        value: u64,
    },
    PushReserved {
        keep: u8,
        value: u64,
    },
    PushAll(Vec<u64>),
    Refresh,
    ForgetRoom,
    Look,
    /// Reads that far into what the last look saw.
    Get(u8),
    /// Releases that many of what the last look saw.
    Release(u8),
    Pop,
}

/// Any steps of the two ends, from any position, also across the wrap-around: the consumer sees what the producer
/// published, in order, once; room is never more than there is.
pub fn ring_ops(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let capacity = usize::from(u8::arbitrary(&mut input).unwrap_or(0) % 33) + 1;
    let back = u64::from(u8::arbitrary(&mut input).unwrap_or(0));
    let choices = u8::arbitrary(&mut input).unwrap_or(0);
    let start = if choices & 1 == 1 { 0 } else { 0u64.wrapping_sub(back) };
    if choices & 0x40 == 0 {
        heap(input, capacity, start);
    } else {
        lines(input, capacity.next_power_of_two(), start);
    }
}

fn heap(mut input: Unstructured<'_>, capacity: usize, start: u64) {
    let (mut producer, mut consumer) = ring_from::<u64>(capacity, start);
    let capacity = capacity.next_power_of_two();
    assert_eq!((producer.capacity(), consumer.capacity()), (capacity as u64, capacity as u64));
    let mut held = VecDeque::new();
    let mut seen = 0;
    while !input.is_empty() {
        let Ok(step) = Step::arbitrary(&mut input) else { break };
        let free = capacity - held.len();
        assert!(producer.room() <= free as u64);
        match step {
            Step::Push(value) => match producer.push(value) {
                Ok(()) => held.push_back(value),
                Err(Full(returned)) => assert_eq!((returned, free), (value, 0)),
            },
            Step::PushWith { keep, value } => {
                let room = producer.room();
                producer.set_reserve(u64::from(keep));
                let pushed = producer.push_with(|| value);
                producer.set_reserve(0);
                assert_eq!(pushed, room > u64::from(keep));
                held.extend(pushed.then_some(value));
            }
            Step::PushReserved { keep, value } => {
                let room = producer.room();
                producer.set_reserve(u64::from(keep));
                let pushed = producer.push_reserved_with(|| value);
                assert_eq!(pushed, room > 0);
                held.extend(pushed.then_some(value));
                // The everyday record after it still leaves the reserve alone.
                assert!(!producer.push_with(|| value) || room > u64::from(keep) + 1);
                held.extend((producer.room() + 2 == room).then_some(value));
                producer.set_reserve(0);
            }
            Step::PushAll(values) => {
                let room = producer.room();
                let pushed = producer.push_all(&values);
                assert_eq!(pushed, room >= values.len() as u64);
                held.extend(values.into_iter().filter(|_| pushed));
            }
            Step::Refresh => assert_eq!(producer.refresh(), free as u64),
            Step::ForgetRoom => producer.forget_room(),
            Step::Look => {
                seen = held.len();
                assert_eq!(consumer.look().wrapping_sub(consumer.head()), seen as u64);
            }
            Step::Get(offset) if usize::from(offset) < seen => {
                let record = consumer.get(consumer.head().wrapping_add(u64::from(offset)));
                assert_eq!(record, held[usize::from(offset)]);
            }
            Step::Release(count) if usize::from(count) <= seen => {
                consumer.release(consumer.head().wrapping_add(u64::from(count)));
                held.drain(..usize::from(count));
                seen -= usize::from(count);
            }
            Step::Pop => {
                seen = held.len().saturating_sub(1);
                assert_eq!(consumer.pop(), held.pop_front());
            }
            Step::Get(_) | Step::Release(_) => {}
        }
    }
}

/// A line that is different in every word.
fn payload(value: u64) -> Payload {
    std::array::from_fn(|word| value.rotate_left(13 * word as u32) ^ word as u64)
}

/// The same steps, as far as this ring has them. It pushes by [`push_all`](spsc_ring::LineProducer::push_all) alone.
fn lines(mut input: Unstructured<'_>, capacity: usize, start: u64) {
    let memory: Vec<_> = (0..CONTROL_WORDS + capacity * LINE_WORDS).map(|_| AtomicU64::new(0)).collect();
    let (mut producer, mut consumer) = line_ring(Arc::new(memory), Seal::new(start ^ 7), start);
    assert_eq!((producer.capacity(), consumer.capacity()), (capacity as u64, capacity as u64));
    let mut held = VecDeque::new();
    let mut seen = 0;
    let mut pushed = 0_u64;
    while !input.is_empty() {
        let Ok(step) = Step::arbitrary(&mut input) else { break };
        let free = capacity - held.len();
        let room = producer.room();
        assert!(room <= free as u64);
        assert_eq!(producer.position(), start.wrapping_add(pushed));
        assert_eq!(consumer.seen(), consumer.head().wrapping_add(seen as u64));
        match step {
            Step::Push(value) | Step::PushWith { value, .. } | Step::PushReserved { value, .. } => {
                let fits = producer.push_all([payload(value)].into_iter());
                assert_eq!(fits, room > 0);
                held.extend(fits.then_some(value));
                pushed += u64::from(fits);
            }
            Step::PushAll(values) => {
                let fits = producer.push_all(values.iter().copied().map(payload));
                assert_eq!(fits, room >= values.len() as u64);
                if fits {
                    pushed += values.len() as u64;
                    held.extend(values);
                }
            }
            Step::Refresh => assert_eq!(producer.refresh(), free as u64),
            Step::Look => {
                seen = held.len();
                assert_eq!(consumer.look().wrapping_sub(consumer.head()), seen as u64);
            }
            Step::Get(offset) if usize::from(offset) < seen => {
                let line = consumer.get(consumer.head().wrapping_add(u64::from(offset)));
                assert_eq!(line, Ok(payload(held[usize::from(offset)])));
            }
            Step::Release(count) if usize::from(count) <= seen => {
                consumer.release(consumer.head().wrapping_add(u64::from(count)));
                held.drain(..usize::from(count));
                seen -= usize::from(count);
            }
            Step::ForgetRoom | Step::Pop | Step::Get(_) | Step::Release(_) => {}
        }
    }
}
