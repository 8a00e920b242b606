//! A ring of cache lines in words that live elsewhere, such as a file mapped shared.
//!
//! It is the ring of [`ring`](crate::ring) once more, for readers that come after the process has died. All words
//! are atomics in memory that the caller lends, so nothing here is unsafe; each line says itself which position it
//! holds and whether it is whole.
//!
//! | words | content |
//! | --- | --- |
//! | 0 | tail |
//! | 16 | head |
//! | 24 to 63 | notes: left to the user of the ring |
//! | 64 on | lines of 8 words: position, 5 words of payload, 0, checksum |
//!
//! Why a killed process loses nothing: the words stand in memory that the kernel keeps, and the Release store of
//! the tail comes after the stores of the lines, so a tail that a later reader sees covers whole lines only.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::planted;
use crate::shim::{LentWord, Sides};

/// Words that a line carries for its user.
pub const PAYLOAD_WORDS: usize = 5;

/// Words in a line: one cache line.
pub const LINE_WORDS: usize = 8;

/// Words before the first line.
pub const CONTROL_WORDS: usize = 64;

/// Words for notes.
pub const NOTE_WORDS: usize = 40;

/// Index of the tail among a ring's words.
pub const TAIL_WORD: usize = 0;
/// Index of the head.
pub const HEAD_WORD: usize = 16;
/// Index of the first note.
pub const FIRST_NOTE_WORD: usize = 24;

/// What a line carries.
pub type Payload = [u64; PAYLOAD_WORDS];

/// One line as it stands in memory.
pub type Line = [u64; LINE_WORDS];

/// Memory lent to a ring. The words are the standard library's `AtomicU64`, in a model loom's.
pub trait SharedWords: Send + Sync + fmt::Debug {
    /// The words; nothing if this process may not touch them, as a forked child of their owner. Every call that
    /// returns something returns the same words.
    fn words(&self) -> Option<&[LentWord]>;
}

impl SharedWords for Vec<LentWord> {
    fn words(&self) -> Option<&[LentWord]> {
        Some(self)
    }
}

/// A line does not hold what the producer published: something else wrote into the memory, or took it away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// The line's position.
    pub position: u64,
}

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} was overwritten from outside", self.position)
    }
}

impl std::error::Error for Damaged {}

/// Closes and opens lines. Two rings with different salts do not accept each other's lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seal {
    salt: u64,
}

/// Constants without a pattern: the first digits of pi after the point, as in Blowfish's P-array, made odd.
const KEYS: [u64; 6] = [
    0x243F_6A88_85A3_08D3,
    0x1319_8A2E_0370_7345,
    0xA409_3822_299F_31D1,
    0x082E_FA98_EC4E_6C89,
    0x4528_21E6_38D0_1377,
    0xBE54_66CF_34E9_0C6D,
];

/// The product of 64 bits with 64 bits, its halves folded by exclusive or.
#[inline]
fn fold_product(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

impl Seal {
    /// The seal of one ring. The salt must be different for every ring of every capture.
    #[must_use]
    pub const fn new(salt: u64) -> Self {
        Self { salt }
    }

    /// The checksum of a line: three products that do not wait for each other, some 2 ns.
    #[inline]
    fn checksum(self, position: u64, payload: &Payload) -> u64 {
        let [a, b, c, d, e] = *payload;
        self.salt
            ^ fold_product(position ^ self.salt ^ KEYS[0], a ^ KEYS[1])
            ^ fold_product(b ^ KEYS[2], c ^ KEYS[3]).rotate_left(21)
            ^ fold_product(d ^ KEYS[4], e ^ KEYS[5]).rotate_left(42)
    }

    /// A checksum of words of any number: one product after another.
    #[must_use]
    pub fn digest(self, words: impl IntoIterator<Item = u64>) -> u64 {
        let mut count = 0_u64;
        let mixed = words.into_iter().fold(self.salt ^ KEYS[0], |mixed, word| {
            count += 1;
            fold_product(mixed ^ word, KEYS[1]) ^ count
        });
        fold_product(mixed ^ KEYS[2], count ^ KEYS[3])
    }

    /// The line for a payload at a position.
    #[inline]
    #[must_use]
    pub fn close(self, position: u64, payload: &Payload) -> Line {
        let [a, b, c, d, e] = *payload;
        [position, a, b, c, d, e, 0, self.checksum(position, payload)]
    }

    /// Position and payload of a line, if it is whole and was closed by this seal.
    #[must_use]
    pub fn open(self, line: &Line) -> Option<(u64, Payload)> {
        let [position, a, b, c, d, e, zero, checksum] = *line;
        let payload = [a, b, c, d, e];
        (zero == 0 && checksum == self.checksum(position, &payload)).then_some((position, payload))
    }
}

/// What both ends hold.
#[derive(Clone, Debug)]
struct Lines {
    memory: Arc<dyn SharedWords>,
    capacity: u64,
    sides: Sides,
}

impl Lines {
    /// The words, unless this process may not touch them.
    #[inline]
    fn words(&self) -> Option<&[LentWord]> {
        self.memory.words()
    }

    /// The number of the line for a position.
    #[inline]
    fn place(&self, position: u64) -> usize {
        (position & (self.capacity - 1)) as usize
    }

    #[inline]
    fn line_at(&self, position: u64) -> usize {
        CONTROL_WORDS + LINE_WORDS * self.place(position)
    }
}

/// Makes a ring in `memory` that begins at `position`, and returns its two ends. Notes are left alone.
///
/// # Panics
///
/// If the memory may not be touched, or is not [`CONTROL_WORDS`] and a power of two of lines.
pub fn line_ring(memory: Arc<dyn SharedWords>, seal: Seal, position: u64) -> (LineProducer, LineConsumer) {
    let words = memory.words().expect("a ring is made by the process that owns its memory");
    let capacity = words.len().saturating_sub(CONTROL_WORDS) / LINE_WORDS;
    assert!(
        capacity.is_power_of_two() && words.len() == CONTROL_WORDS + capacity * LINE_WORDS,
        "{} words are not {CONTROL_WORDS} and a power of two of lines",
        words.len()
    );
    words[TAIL_WORD].store(position, Ordering::Release);
    words[HEAD_WORD].store(position, Ordering::Release);
    let lines = Lines { capacity: capacity as u64, memory, sides: Sides::new(capacity as u64) };
    let limit = position.wrapping_add(lines.capacity);
    let producer = LineProducer { lines: lines.clone(), seal, tail: position, limit, not_sync: PhantomData };
    (producer, LineConsumer { lines, seal, head: position, seen: position, not_sync: PhantomData })
}

/// The end that pushes. `Send`, neither `Sync` nor `Clone`.
#[derive(Debug)]
pub struct LineProducer {
    lines: Lines,
    seal: Seal,
    /// What the shared tail holds; only this end stores it.
    tail: u64,
    /// The last head seen, plus the capacity.
    limit: u64,
    not_sync: PhantomData<Cell<()>>,
}

impl LineProducer {
    /// Lines the ring can hold.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.lines.capacity
    }

    /// Position of the next line.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.tail
    }

    /// Free lines as last seen; none in a process that may not touch the ring.
    #[must_use]
    pub fn room(&self) -> u64 {
        if self.lines.words().is_some() { self.limit.wrapping_sub(self.tail) } else { 0 }
    }

    /// Looks at the consumer's progress (Acquire) and returns the free lines. A head that no consumer can have stored
    /// is ignored, so that nothing unread is overwritten.
    pub fn refresh(&mut self) -> u64 {
        if let Some(words) = self.lines.words() {
            let order = if planted!("relaxed_line_refresh") { Ordering::Relaxed } else { Ordering::Acquire };
            let head = words[HEAD_WORD].load(order);
            let known = self.limit.wrapping_sub(self.lines.capacity);
            if head.wrapping_sub(known) <= self.tail.wrapping_sub(known) {
                self.limit = head.wrapping_add(self.lines.capacity);
            }
        }
        self.room()
    }

    /// Publishes all of `payloads` with one store, or none of them if they do not fit as last seen.
    #[inline]
    pub fn push_all(&mut self, payloads: impl ExactSizeIterator<Item = Payload>) -> bool {
        let Some(words) = self.lines.words() else { return false };
        let end = self.tail.wrapping_add(payloads.len() as u64);
        if self.limit.wrapping_sub(self.tail) < payloads.len() as u64 {
            return false;
        }
        let mut position = self.tail;
        for payload in payloads {
            let at = self.lines.line_at(position);
            let line = self.seal.close(position, &payload);
            self.lines.sides.write(self.lines.place(position));
            for (word, value) in words[at..at + LINE_WORDS].iter().zip(line) {
                word.store(value, Ordering::Relaxed);
            }
            position = position.wrapping_add(1);
        }
        self.tail = end;
        let order = if planted!("relaxed_line_publish") { Ordering::Relaxed } else { Ordering::Release };
        words[TAIL_WORD].store(end, order);
        true
    }

    /// The seal of this ring's lines.
    #[must_use]
    pub fn seal(&self) -> Seal {
        self.seal
    }

    /// Stores notes from the one at index `first` on, as many as there is room for. They are for readers of the
    /// memory; the ring does not look at them.
    ///
    /// # Panics
    ///
    /// If `first` is beyond [`NOTE_WORDS`].
    pub fn note(&self, first: usize, notes: impl IntoIterator<Item = u64>) {
        let Some(words) = self.lines.words() else { return };
        for (word, note) in words[FIRST_NOTE_WORD..][..NOTE_WORDS][first..].iter().zip(notes) {
            word.store(note, Ordering::Relaxed);
        }
    }
}

/// The end that reads: look, get, release, as [`Consumer`](crate::Consumer).
#[derive(Debug)]
pub struct LineConsumer {
    lines: Lines,
    seal: Seal,
    /// What the shared head holds; only this end stores it.
    head: u64,
    /// The tail last seen.
    seen: u64,
    not_sync: PhantomData<Cell<()>>,
}

impl LineConsumer {
    /// Lines the ring can hold.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.lines.capacity
    }

    /// Position of the oldest line that was not released.
    #[must_use]
    pub fn head(&self) -> u64 {
        self.head
    }

    /// Position after the newest line that the last look saw.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Looks how far the producer has published (Acquire). A process that may not touch the ring sees nothing new.
    ///
    /// A tail that no producer can have stored says nothing: the lines themselves then tell how far they go.
    pub fn look(&mut self) -> u64 {
        if let Some(words) = self.lines.words() {
            let tail = words[TAIL_WORD].load(Ordering::Acquire);
            let published = tail.wrapping_sub(self.head);
            self.seen = if (self.seen.wrapping_sub(self.head)..=self.lines.capacity).contains(&published) {
                tail
            } else {
                self.end_of_whole_lines()
            };
        }
        self.seen
    }

    /// Position after the last whole line in a row.
    #[cold]
    fn end_of_whole_lines(&self) -> u64 {
        let whole = |position: &u64| self.line(*position).is_ok();
        let room = self.lines.capacity - self.seen.wrapping_sub(self.head);
        let rest = (0..room).map(|offset| self.seen.wrapping_add(offset));
        self.seen.wrapping_add(rest.take_while(whole).count() as u64)
    }

    /// The payload at `position`.
    ///
    /// # Errors
    ///
    /// [`Damaged`] if the line does not hold what the producer published there. The ring goes on: the line is
    /// released like any other.
    ///
    /// # Panics
    ///
    /// If `position` lies outside `[head, seen)`.
    #[inline]
    pub fn get(&self, position: u64) -> Result<Payload, Damaged> {
        let published = self.seen.wrapping_sub(self.head);
        assert!(position.wrapping_sub(self.head) < published, "position {position} was not published");
        let line = self.line(position);
        self.lines.sides.read(self.lines.place(position));
        line
    }

    #[inline]
    fn line(&self, position: u64) -> Result<Payload, Damaged> {
        let words = self.lines.words().ok_or(Damaged { position })?;
        let at = self.lines.line_at(position);
        let line = std::array::from_fn(|index| words[at + index].load(Ordering::Relaxed));
        match self.seal.open(&line) {
            Some((held, payload)) if held == position => Ok(payload),
            _ => Err(Damaged { position }),
        }
    }

    /// Gives the lines of `[head, position)` back to the producer.
    ///
    /// # Panics
    ///
    /// If `position` lies outside `[head, seen]`.
    pub fn release(&mut self, position: u64) {
        let published = self.seen.wrapping_sub(self.head);
        assert!(position.wrapping_sub(self.head) <= published, "cannot release up to {position}");
        self.head = position;
        if let Some(words) = self.lines.words() {
            let order = if planted!("relaxed_line_release") { Ordering::Relaxed } else { Ordering::Release };
            words[HEAD_WORD].store(position, order);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    fn memory(capacity: usize) -> Arc<Vec<AtomicU64>> {
        Arc::new((0..CONTROL_WORDS + capacity * LINE_WORDS).map(|_| AtomicU64::new(0)).collect())
    }

    fn payload(number: u64) -> Payload {
        std::array::from_fn(|index| number.wrapping_mul(index as u64 + 1))
    }

    #[test]
    fn lines_come_out_in_order_through_the_wrap_around() {
        let (mut producer, mut consumer) = line_ring(memory(4), Seal::new(7), u64::MAX - 5);
        let mut next = 0;
        for round in 0..6 {
            assert_eq!(producer.refresh(), 4);
            assert!(producer.push_all([payload(2 * round), payload(2 * round + 1)].into_iter()));
            consumer.look();
            while consumer.head() != consumer.seen() {
                assert_eq!(consumer.get(consumer.head()), Ok(payload(next)));
                consumer.release(consumer.head().wrapping_add(1));
                next += 1;
            }
        }
        assert_eq!(next, 12);
    }

    #[test]
    fn all_fit_or_none_are_pushed() {
        let (mut producer, mut consumer) = line_ring(memory(4), Seal::new(7), 0);
        assert!(producer.push_all((0..3).map(payload).collect::<Vec<_>>().into_iter()));
        assert!(!producer.push_all([payload(3), payload(4)].into_iter()));
        assert_eq!((consumer.look(), producer.room()), (3, 1));
    }

    #[test]
    fn a_line_with_any_bit_flipped_does_not_open() {
        let seal = Seal::new(0x1234_5678_9ABC_DEF0);
        for number in [0, 1, u64::MAX, 0x8200_0123_0000_0007] {
            let line = seal.close(number ^ 5, &payload(number));
            assert_eq!(seal.open(&line), Some((number ^ 5, payload(number))));
            assert_eq!(Seal::new(8).open(&line), None);
            for bit in 0..LINE_WORDS * 64 {
                let mut flipped = line;
                flipped[bit / 64] ^= 1 << (bit % 64);
                assert_eq!(seal.open(&flipped), None, "bit {bit}");
            }
        }
        assert_eq!(seal.open(&[0; LINE_WORDS]), None, "fresh memory holds no line");
    }

    #[test]
    fn a_line_that_was_overwritten_is_an_error_and_the_ring_goes_on() {
        let memory = memory(4);
        let (mut producer, mut consumer) = line_ring(memory.clone(), Seal::new(7), 0);
        assert!(producer.push_all((0..3).map(payload).collect::<Vec<_>>().into_iter()));
        memory[CONTROL_WORDS + LINE_WORDS + 2].fetch_xor(1, Ordering::Relaxed);
        assert_eq!(consumer.look(), 3);
        let read: Vec<_> = (0..3).map(|position| consumer.get(position)).collect();
        assert_eq!(read, [Ok(payload(0)), Err(Damaged { position: 1 }), Ok(payload(2))]);
        consumer.release(3);
        assert_eq!(producer.refresh(), 4);
    }

    #[test]
    fn a_head_or_a_tail_that_was_overwritten_is_not_believed() {
        let memory = memory(4);
        let (mut producer, mut consumer) = line_ring(memory.clone(), Seal::new(7), 100);
        assert!(producer.push_all((0..3).map(payload).collect::<Vec<_>>().into_iter()));
        for absurd in [0, 99, 105, u64::MAX] {
            memory[TAIL_WORD].store(absurd, Ordering::Relaxed);
            assert_eq!(consumer.look(), 103, "tail {absurd}");
            memory[HEAD_WORD].store(absurd, Ordering::Relaxed);
            assert_eq!(producer.refresh(), 1, "head {absurd}");
        }
        // Either end repairs its own word with its next step.
        consumer.release(103);
        assert!(producer.push_all([payload(3)].into_iter()));
        assert_eq!((producer.refresh(), consumer.look()), (3, 104));
    }

    #[derive(Debug)]
    struct Foreign(Vec<AtomicU64>, std::sync::atomic::AtomicBool);

    impl SharedWords for Foreign {
        fn words(&self) -> Option<&[AtomicU64]> {
            (!self.1.load(Ordering::Relaxed)).then_some(&self.0)
        }
    }

    #[test]
    fn a_process_that_may_not_touch_the_memory_has_no_room_and_sees_nothing() {
        let words = (0..CONTROL_WORDS + 4 * LINE_WORDS).map(|_| AtomicU64::new(0)).collect();
        let memory = Arc::new(Foreign(words, false.into()));
        let (mut producer, mut consumer) = line_ring(memory.clone(), Seal::new(1), 0);
        memory.1.store(true, Ordering::Relaxed);
        assert_eq!((producer.room(), producer.refresh()), (0, 0));
        assert!(!producer.push_all([payload(1)].into_iter()));
        producer.note(0, [9]);
        assert_eq!(consumer.look(), 0);
        assert!(memory.0.iter().all(|word| word.load(Ordering::Relaxed) == 0));
    }
}
