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
use std::ptr::NonNull;

use crossbeam_utils::CachePadded;

use crate::hot;
use crate::planted;
use crate::shim::{Arc, AtomicU64, Ordering, UnsafeCell, Written};

/// How the tail is stored: whoever reads it with Acquire sees the slots below it.
const PUBLISH: Ordering = if planted!("relaxed_publish") { Ordering::Relaxed } else { Ordering::Release };

type Slot<T> = UnsafeCell<MaybeUninit<T>>;

struct Ring<T> {
    /// Position after the newest published record. Written by the producer (Release), read by the consumer
    /// (Acquire).
    tail: CachePadded<Written>,
    /// Position of the oldest record not yet released. Written by the consumer (Release), read by the producer
    /// (Acquire).
    head: CachePadded<AtomicU64>,
    /// A power of two of them, or none.
    slots: Box<[Slot<T>]>,
    /// One less than their number, or 0.
    mask: usize,
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
    fn new(capacity: usize, position: u64) -> Self {
        assert!(capacity == 0 || capacity.is_power_of_two());
        Self {
            tail: CachePadded::new(Written::new(position)),
            head: CachePadded::new(AtomicU64::new(position)),
            slots: (0..capacity).map(|_| UnsafeCell::new(MaybeUninit::uninit())).collect(),
            mask: capacity.saturating_sub(1),
        }
    }

    /// The slot of a position.
    ///
    /// # Safety
    ///
    /// The ring has slots. Whoever has seen room in it, or a published record, knows that.
    #[inline(always)]
    unsafe fn slot(&self, position: u64) -> &Slot<T> {
        let index = self.index(position);
        debug_assert!(index < self.slots.len());
        // SAFETY: there are slots, by this function's contract. Their number is a power of two and the mask one less
        // (`new` sees to both and nothing changes either), so the masked index is below that number.
        unsafe { self.slots.get_unchecked(index) }
    }

    /// The place of a position among the slots, 0 if there are none.
    #[inline(always)]
    fn index(&self, position: u64) -> usize {
        position as usize & self.mask
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
    const { assert!(size_of::<T>() > 0, "addresses of records without a size are all the same") };
    assert!(capacity > 0, "a ring needs room for at least one record");
    let capacity = capacity.next_power_of_two();
    let ring = Arc::new(Ring::new(capacity, position));
    let producer = Producer::new(ring.clone(), position.wrapping_add(capacity as u64));
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
///
/// Everyday records need two addresses only: where the next one goes, and where to stop and look again. Between them lie
/// slots of the ring, one after the other, all of them free: at most up to the limit without the reserve, and at most
/// up to the last slot, so that once a round at least somebody sees to where the next record goes.
pub struct Producer<T> {
    ring: Arc<Ring<T>>,
    /// The slot of the tail, unless it is `stop`.
    next: NonNull<Slot<T>>,
    /// Where everyday records stop: an address within the slots, or that behind the last one.
    stop: NonNull<Slot<T>>,
    /// The last `head` seen, plus the capacity: pushing may go on up to here without a look at the consumer.
    limit: u64,
    /// Slots that everyday records leave free.
    reserve: u64,
}

// SAFETY: the two addresses are what keeps this from being `Send` by itself. They point into slots that the ring, which
// is kept alive by this end, owns and never moves; whoever has this end, on whatever thread, is their only user. It
// stays not `Sync`. `T: Send` because records cross threads by value.
unsafe impl<T: Send> Send for Producer<T> {}

impl<T: Copy + Send> Producer<T> {
    /// The end of a ring without slots: always full. It stands in for a producer that is still to come.
    #[must_use]
    pub fn detached() -> Self {
        Self::new(Arc::new(Ring::new(0, 0)), 0)
    }

    fn new(ring: Arc<Ring<T>>, limit: u64) -> Self {
        let next = NonNull::from(&*ring.slots).cast();
        let mut producer = Self { ring, next, stop: next, limit, reserve: 0 };
        producer.aim();
        producer
    }

    /// Records the ring can hold.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.ring.slots.len() as u64
    }

    /// Position of the next record.
    #[must_use]
    #[inline(always)]
    pub fn position(&self) -> u64 {
        self.ring.tail.own()
    }

    /// Free slots as last seen; there may be more by now.
    #[must_use]
    #[inline]
    pub fn room(&self) -> u64 {
        self.limit.wrapping_sub(self.position())
    }

    /// Keeps the last `slots` free slots for [`push_reserved_with`](Self::push_reserved_with) and
    /// [`push_all`](Self::push_all).
    pub fn set_reserve(&mut self, slots: u64) {
        self.reserve = slots;
        self.aim();
    }

    /// Looks at the consumer's progress and returns the free slots.
    #[inline]
    pub fn refresh(&mut self) -> u64 {
        let order = if planted!("relaxed_refresh") { Ordering::Relaxed } else { Ordering::Acquire };
        let capacity = self.capacity() + u64::from(planted!("off_by_one_full"));
        self.limit = self.ring.head.load(order).wrapping_add(capacity);
        self.aim();
        self.room()
    }

    /// Forgets the room that was seen, so that nothing can be pushed before the next [`refresh`](Self::refresh).
    pub fn forget_room(&mut self) {
        self.limit = self.position();
        self.aim();
    }

    /// Sets where everyday records go on, and where they stop.
    fn aim(&mut self) {
        let index = self.ring.index(self.position());
        let everyday = self.room().saturating_sub(self.reserve);
        let run = (self.ring.slots.len() - index).min(everyday as usize);
        let first = NonNull::from(&*self.ring.slots).cast::<Slot<T>>();
        // SAFETY: the index is below the number of slots, or 0 where there are none, and the run ends behind the last
        // slot at most. So both addresses are within the allocation of the slots or at its end.
        (self.next, self.stop) = unsafe {
            let next = first.add(index);
            (next, next.add(run))
        };
    }

    /// Pushes one record, looking at the consumer if no room is known.
    ///
    /// # Errors
    ///
    /// [`Full`] with the record, if there is no free slot beyond the reserve.
    #[inline]
    pub fn push(&mut self, record: T) -> Result<(), Full<T>> {
        if self.push_with(|| record) {
            return Ok(());
        }
        self.refresh();
        if self.push_with(|| record) { Ok(()) } else { Err(Full(record)) }
    }

    /// Says that a record is likely to be pushed soon: the slots of the next one or two are brought into the cache.
    #[inline(always)]
    pub fn fetch(&self) {
        let next = self.next.as_ptr().cast::<u8>();
        hot::fetch_line(next);
        hot::fetch_line(next.wrapping_add(64));
    }

    /// If there is room beyond the reserve *as last seen*, pushes the record that `make` returns and says `true`. Says
    /// `false` without calling `make` if there is none, and at the end of each round even if there is: then
    /// [`refresh`](Self::refresh) and try again. The recording path: no look at the consumer's cache line.
    #[inline(always)]
    pub fn push_with(&mut self, make: impl FnOnce() -> T) -> bool {
        let next = self.next;
        if next == self.stop {
            return false;
        }
        let record = make();
        // SAFETY: `aim` leaves slots of the ring between the two addresses and nothing else changes them but this
        // function, which moves the first towards the second: so this is a slot, and the address behind it is one or
        // the end. The slot is that of the tail and below the limit.
        unsafe {
            write(next.as_ref(), record);
            self.next = next.add(1);
        }
        self.ring.tail.store(self.position().wrapping_add(1), PUBLISH);
        true
    }

    /// Pushes a record that may use the reserve; says `false` only if no room is known.
    #[inline(always)]
    pub fn push_reserved_with(&mut self, make: impl FnOnce() -> T) -> bool {
        if self.next != self.stop {
            return self.push_with(make);
        }
        let tail = self.position();
        if tail == self.limit {
            return false;
        }
        let record = make();
        // SAFETY: `tail <= limit` and `tail != limit`, so the ring has slots, and that of `tail` is free.
        unsafe { write(self.ring.slot(tail), record) };
        self.publish(tail, 1);
        true
    }

    /// Publishes all of `records` with one store, or none of them if they do not fit as last seen. They may use the
    /// reserve.
    pub fn push_all(&mut self, records: &[T]) -> bool {
        let (tail, count) = (self.position(), records.len() as u64);
        if self.limit.wrapping_sub(tail) < count {
            return false;
        }
        for (offset, record) in (0..).zip(records) {
            // SAFETY: `offset < count`, and at least `count` slots are free.
            unsafe { write(self.ring.slot(tail.wrapping_add(offset)), *record) };
        }
        self.publish(tail, count);
        true
    }

    /// Hands the `count` written slots from `tail` on to the consumer.
    #[inline(always)]
    fn publish(&mut self, tail: u64, count: u64) {
        self.ring.tail.store(tail.wrapping_add(count), PUBLISH);
        self.aim();
    }
}

/// Reads a record.
///
/// # Safety
///
/// The slot is that of a position in `[head, seen)` of a consumer that the caller borrows or owns, so that it releases
/// nothing meanwhile.
#[inline(always)]
unsafe fn read<T: Copy>(slot: &Slot<T>) -> T {
    slot.with(|slot| {
        // SAFETY: the producer wrote the slot before its Release store of a tail beyond the position, which `look` read
        // with Acquire, so the slot is initialised and the write happened before. The producer does not write it again
        // until the consumer releases it, which takes `&mut`.
        unsafe { (*slot).assume_init() }
    })
}

/// Writes a record.
///
/// # Safety
///
/// The slot is that of a position in `[tail, limit)`, and the caller has its producer.
#[inline(always)]
unsafe fn write<T>(slot: &Slot<T>, record: T) {
    slot.with_mut(|slot| {
        // SAFETY: the slot lies outside `[head, tail)` by the contract: the consumer does not touch it. `limit` comes
        // from an Acquire load of `head`, so the consumer's last read of this slot happened before. There is one
        // producer, which excludes another write.
        unsafe { slot.write(MaybeUninit::new(record)) }
    });
}

impl<T: Copy + Send> fmt::Debug for Producer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer")
            .field("tail", &self.position())
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
        // SAFETY: just checked: so a record was published, and there are slots. `release` takes `&mut self`.
        unsafe { read(self.ring.slot(position)) }
    }

    /// All records that the last look saw, oldest first, with their positions.
    #[inline]
    pub fn records(&self) -> impl Iterator<Item = (u64, T)> {
        let seen = self.seen.wrapping_sub(self.head) as usize;
        // Read once, not again for each record.
        let (head, slots, mask) = (self.head, &*self.ring.slots, self.ring.mask);
        (0..seen).map(move |offset| {
            let position = head.wrapping_add(offset as u64);
            let index = position as usize & mask;
            debug_assert!(index < slots.len());
            // SAFETY: `offset` is below the distance from `head` to `seen`, so this is the position of a published record:
            // there are slots, a power of two of them, and the mask is one less. Nothing is released while this borrows the
            // consumer.
            (position, unsafe { read(slots.get_unchecked(index)) })
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
