//! The ring, its two ends, and the argument for each unsafe block.
//!
//! Invariants, in positions (`u64`, wrapping):
//!
//! - `head <= tail <= head + capacity`.
//! - The slots of `[head, tail)` hold published records and belong to the consumer; all others belong to the
//!   producer.
//! - Only the producer stores `tail`, only the consumer stores `head`.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::mem::MaybeUninit;

use crossbeam_utils::CachePadded;

use crate::shim::{Arc, AtomicU64, Ordering, UnsafeCell};

type Slot<T> = UnsafeCell<MaybeUninit<T>>;

struct Ring<T> {
    /// Position after the newest published record. Written by the producer (Release), read by the consumer
    /// (Acquire).
    tail: CachePadded<AtomicU64>,
    /// Position of the oldest record not yet released. Written by the consumer (Release), read by the producer
    /// (Acquire).
    head: CachePadded<AtomicU64>,
    /// Length is a power of two.
    slots: Box<[Slot<T>]>,
}

// SAFETY: the slots are the only part that is not `Sync` by itself. A slot is written only by the producer while
// it lies outside `[head, tail)` and read only by the consumer while it lies inside. It changes sides through the
// Release store of `tail` or `head` and the Acquire load of the other end, so a write and a read of one slot are
// always ordered by happens-before. There is one producer and one consumer because `ring_from` makes one of each
// and neither is `Clone`. `T: Send` because records cross threads by value.
unsafe impl<T: Send> Sync for Ring<T> {}

// SAFETY: a ring owns its slots; sending it sends records, hence `T: Send`.
unsafe impl<T: Send> Send for Ring<T> {}

impl<T> Ring<T> {
    #[inline(always)]
    fn slot(&self, position: u64) -> &Slot<T> {
        // The length is a power of two, so the mask keeps the index in bounds; the compiler cannot know it and
        // keeps its check, which is one predictable branch of two instructions.
        &self.slots[(position as usize) & (self.slots.len() - 1)]
    }
}

/// Makes a ring of at least `capacity` records, rounded up to a power of two, and returns its two ends.
///
/// # Panics
///
/// If `capacity` is 0, or so large that the memory cannot be had.
pub fn ring<T: Copy + Send>(capacity: usize) -> (Producer<T>, Consumer<T>) {
    ring_from(capacity, 0)
}

/// Like [`ring`], with the position of the first record given, so that tests can stand close to the wrap-around.
///
/// # Panics
///
/// As [`ring`].
pub fn ring_from<T: Copy + Send>(capacity: usize, position: u64) -> (Producer<T>, Consumer<T>) {
    assert!(capacity > 0, "a ring needs room for at least one record");
    let capacity = capacity.next_power_of_two();
    let slots = (0..capacity).map(|_| UnsafeCell::new(MaybeUninit::uninit())).collect();
    let ring = Arc::new(Ring {
        tail: CachePadded::new(AtomicU64::new(position)),
        head: CachePadded::new(AtomicU64::new(position)),
        slots,
    });
    let producer = Producer {
        tail: position,
        limit: position.wrapping_add(capacity as u64),
        ring: ring.clone(),
        not_sync: PhantomData,
    };
    let consumer = Consumer { head: position, seen: position, ring, not_sync: PhantomData };
    (producer, consumer)
}

/// The ring had no room; the record comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full<T>(pub T);

impl<T> fmt::Display for Full<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the ring is full")
    }
}

impl<T: fmt::Debug> std::error::Error for Full<T> {}

/// The end that pushes. `Send`, neither `Sync` nor `Clone`.
pub struct Producer<T> {
    ring: Arc<Ring<T>>,
    /// What the shared `tail` holds; only this end stores it.
    tail: u64,
    /// The last `head` seen, plus the capacity: pushing may go on up to here without a look at the consumer.
    limit: u64,
    /// One thread at a time: `Send`, not `Sync`.
    not_sync: PhantomData<Cell<()>>,
}

impl<T: Copy + Send> Producer<T> {
    /// The end of a ring without slots: always full. It stands in for a producer that is still to come.
    #[must_use]
    pub fn detached() -> Self {
        let ring = Arc::new(Ring {
            tail: CachePadded::new(AtomicU64::new(0)),
            head: CachePadded::new(AtomicU64::new(0)),
            slots: Box::default(),
        });
        Self { tail: 0, limit: 0, ring, not_sync: PhantomData }
    }

    /// Records the ring can hold.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.ring.slots.len() as u64
    }

    /// Position of the next record.
    #[must_use]
    #[inline]
    pub fn position(&self) -> u64 {
        self.tail
    }

    /// Free slots as last seen; there may be more by now.
    #[must_use]
    #[inline(always)]
    pub fn room(&self) -> u64 {
        self.limit.wrapping_sub(self.tail)
    }

    /// Looks at the consumer's progress and returns the free slots.
    #[inline]
    pub fn refresh(&mut self) -> u64 {
        self.limit = self.ring.head.load(Ordering::Acquire).wrapping_add(self.capacity());
        self.room()
    }

    /// Forgets the room that was seen, so that nothing can be pushed before the next [`refresh`](Self::refresh).
    pub fn forget_room(&mut self) {
        self.limit = self.tail;
    }

    /// Pushes one record.
    ///
    /// # Errors
    ///
    /// [`Full`] with the record, if there is no free slot.
    #[inline]
    pub fn push(&mut self, record: T) -> Result<(), Full<T>> {
        if self.room() == 0 && self.refresh() == 0 {
            return Err(Full(record));
        }
        self.push_with(0, || record);
        Ok(())
    }

    /// If more than `keep` slots are free *as last seen*, pushes the record that `make` returns and says `true`.
    /// Otherwise `make` is not called. The recording path: no look at the consumer's cache line.
    #[inline(always)]
    pub fn push_with(&mut self, keep: u64, make: impl FnOnce() -> T) -> bool {
        if self.room() <= keep {
            return false;
        }
        let record = make();
        self.write(0, record);
        self.publish(1);
        true
    }

    /// Publishes all of `records` with one store, or none of them if they do not fit as last seen.
    pub fn push_all(&mut self, records: &[T]) -> bool {
        let count = records.len() as u64;
        if self.room() < count {
            return false;
        }
        for (offset, record) in (0..).zip(records) {
            self.write(offset, *record);
        }
        self.publish(count);
        true
    }

    /// Writes a record `offset` slots past the tail. Callers have seen more than `offset` free slots.
    #[inline(always)]
    fn write(&mut self, offset: u64, record: T) {
        debug_assert!(offset < self.room());
        self.ring.slot(self.tail.wrapping_add(offset)).with_mut(|slot| {
            // SAFETY: `tail + offset < limit`, which the callers checked, so the slot lies outside `[head, tail)`:
            // the consumer does not touch it. `limit` comes from an Acquire load of `head`, so the consumer's last
            // read of this slot happened before. `&mut self` excludes another write.
            unsafe { slot.write(MaybeUninit::new(record)) }
        });
    }

    /// Hands the next `count` written slots to the consumer.
    #[inline(always)]
    fn publish(&mut self, count: u64) {
        self.tail = self.tail.wrapping_add(count);
        self.ring.tail.store(self.tail, Ordering::Release);
    }
}

impl<T> fmt::Debug for Producer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer")
            .field("tail", &self.tail)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

/// The end that reads. `Send`, neither `Sync` nor `Clone`.
///
/// Reading has three steps: [`look`](Consumer::look) at how far the producer has published,
/// [`get`](Consumer::get) records below that, [`release`](Consumer::release) their slots.
pub struct Consumer<T> {
    ring: Arc<Ring<T>>,
    /// What the shared `head` holds; only this end stores it.
    head: u64,
    /// The `tail` last seen.
    seen: u64,
    /// One thread at a time: `Send`, not `Sync`.
    not_sync: PhantomData<Cell<()>>,
}

impl<T: Copy + Send> Consumer<T> {
    /// Records the ring can hold.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.ring.slots.len() as u64
    }

    /// Position of the oldest record that was not released.
    #[must_use]
    pub fn head(&self) -> u64 {
        self.head
    }

    /// Position after the newest record that the last look saw.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Looks how far the producer has published (Acquire) and returns that position.
    pub fn look(&mut self) -> u64 {
        self.seen = self.ring.tail.load(Ordering::Acquire);
        self.seen
    }

    /// The record at `position`.
    ///
    /// # Panics
    ///
    /// If `position` lies outside `[head, seen)`.
    #[must_use]
    #[inline]
    pub fn get(&self, position: u64) -> T {
        assert!(
            position.wrapping_sub(self.head) < self.seen.wrapping_sub(self.head),
            "position {position} is not between head {} and the last look {}",
            self.head,
            self.seen
        );
        self.ring.slot(position).with(|slot| {
            // SAFETY: `head <= position < seen`, just checked. The producer wrote the slot before its Release
            // store of a tail beyond `position`, which `look` read with Acquire, so the slot is initialised and
            // the write happened before. The producer does not write it again until this end releases it, and
            // `release` takes `&mut self`.
            unsafe { (*slot).assume_init() }
        })
    }

    /// Gives the slots of `[head, position)` back to the producer.
    ///
    /// # Panics
    ///
    /// If `position` lies outside `[head, seen]`.
    pub fn release(&mut self, position: u64) {
        assert!(
            position.wrapping_sub(self.head) <= self.seen.wrapping_sub(self.head),
            "cannot release up to {position}: head {}, last look {}",
            self.head,
            self.seen
        );
        self.head = position;
        self.ring.head.store(position, Ordering::Release);
    }

    /// Looks, and takes the oldest record if there is one.
    pub fn pop(&mut self) -> Option<T> {
        if self.look() == self.head {
            return None;
        }
        let record = self.get(self.head);
        self.release(self.head.wrapping_add(1));
        Some(record)
    }
}

impl<T> fmt::Debug for Consumer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").field("head", &self.head).field("seen", &self.seen).finish_non_exhaustive()
    }
}
