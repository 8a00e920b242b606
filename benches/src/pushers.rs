//! Ways to hand one record to another thread, all behind one trait: rulers, rivals and the audit.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_queue::ArrayQueue;
use crossbeam_utils::CachePadded;
use handle_audit::{AuditConfig, HandleAudit, HandleKind, Operation, Recorder, label};
use quanta::Clock;
use ringbuf::traits::{Consumer as _, Producer as _, Split as _};

use crate::incumbent::Incumbent;
use crate::workload::{Event, LR};

/// Guest thread of all pushes.
pub const TID: u32 = 7;

/// The end that is timed.
pub trait Pusher: Sized {
    /// Its name in the charts.
    const NAME: &'static str;

    /// The end that empties it.
    type Taker: Taker + 'static;

    /// Both ends of a queue of that many records, for these handles.
    fn pair(capacity: usize, handles: &[u32]) -> (Self, Self::Taker);

    /// Pushes a signal.
    fn push(&mut self, handle: u32, cycle: u64);
}

/// The end that empties a queue, on this thread or on another.
pub trait Taker: Send {
    /// Takes everything and returns how much it was.
    fn drain(&mut self) -> u64;

    /// Takes everything, as (handle, cycle); for the check, which pushes at most 8 records a handle.
    fn take(&mut self) -> Vec<(u32, u64)>;
}

/// What was read of a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Records.
    pub records: u64,
    /// The sum of their cycles.
    pub cycles: u64,
}

impl Sum {
    /// Counts a record in, after a look at every word of it.
    #[inline(always)]
    fn add<const WORDS: usize>(&mut self, words: &[u64; WORDS]) {
        black_box(words.iter().fold(0, |all, word| all ^ word));
        self.records += 1;
        self.cycles = self.cycles.wrapping_add(words[1]);
    }
}

/// The end that reads what it takes: to empty a queue, some only move a position, which is no work to compare.
pub trait Reader: Taker {
    /// Takes everything and reads every word of it.
    fn read_all(&mut self) -> Sum;
}

/// Checks that what is pushed comes out.
///
/// # Panics
///
/// If it does not.
pub fn check<P: Pusher>() {
    let handles = [0xF800_0010, 0xF800_0020, 0xF800_0030];
    let (mut pusher, mut taker) = P::pair(64, &handles);
    let mut pushed: Vec<_> = (0..24).map(|cycle| (handles[cycle as usize % 3], cycle)).collect();
    for (handle, cycle) in &pushed {
        pusher.push(*handle, *cycle);
    }
    let mut taken = taker.take();
    pushed.sort_unstable();
    taken.sort_unstable();
    assert_eq!(taken, pushed, "{} gives back what was pushed", P::NAME);
}

/// A record of `WORDS` words: the stamp if there is room for one, then what the audit's own record holds.
#[inline(always)]
fn words<const WORDS: usize>(stamp: u64, handle: u32, cycle: u64) -> [u64; WORDS] {
    let mut words = [0; WORDS];
    let meta = Operation::Signal as u64 | u64::from(handle) << 32;
    words[0] = meta;
    words[1] = cycle;
    words[2] = u64::from(TID) | u64::from(LR) << 32;
    words[3] = cycle;
    if WORDS > 4 {
        words[4] = stamp;
    }
    words
}

fn read<const WORDS: usize>(words: &[u64; WORDS]) -> (u32, u64) {
    ((words[0] >> 32) as u32, words[1])
}

/// Where the stamp of a plain push comes from.
pub trait Stamp: Default + Send {
    /// The name of the push.
    const NAME: &'static str;

    /// The stamp of a record.
    fn next(&self, handle: u32) -> u64;
}

macro_rules! no_stamp {
    ($($(#[$doc:meta])* $type:ident = $name:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Default)]
        pub struct $type;

        impl Stamp for $type {
            const NAME: &'static str = $name;

            #[inline(always)]
            fn next(&self, _handle: u32) -> u64 {
                0
            }
        }
    )*};
}

no_stamp! {
    /// Nothing, in 48 bytes.
    Nothing48 = "plain push, 48 B";
    /// Nothing, in 40 bytes.
    Nothing40 = "plain push, 40 B";
    /// Nothing, in 32 bytes.
    Nothing32 = "plain push, 32 B";
}

/// The processor's time stamp counter, not ordered with its neighbours.
#[derive(Debug)]
pub struct Rdtsc(Clock);

impl Default for Rdtsc {
    fn default() -> Self {
        Self(Clock::new())
    }
}

impl Stamp for Rdtsc {
    const NAME: &'static str = "push stamped by rdtsc";

    #[inline(always)]
    fn next(&self, _handle: u32) -> u64 {
        self.0.raw()
    }
}

/// A counter for each of 256 stripes of handles.
#[derive(Debug)]
pub struct Striped(Box<[CachePadded<AtomicU64>; 256]>);

impl Default for Striped {
    fn default() -> Self {
        Self(Box::new(std::array::from_fn(|_| CachePadded::default())))
    }
}

impl Stamp for Striped {
    const NAME: &'static str = "push stamped by striped fetch_add";

    #[inline(always)]
    fn next(&self, handle: u32) -> u64 {
        self.0[(handle.wrapping_mul(0x9E37_79B1) >> 24) as usize].fetch_add(1, Ordering::Relaxed)
    }
}

/// A push into the audit's own ring, without the audit.
#[derive(Debug)]
pub struct Plain<const WORDS: usize, S> {
    producer: spsc_ring::Producer<[u64; WORDS]>,
    stamp: S,
}

impl<const WORDS: usize, S: Stamp> Pusher for Plain<WORDS, S> {
    const NAME: &'static str = S::NAME;
    type Taker = spsc_ring::Consumer<[u64; WORDS]>;

    fn pair(capacity: usize, _handles: &[u32]) -> (Self, Self::Taker) {
        let (producer, consumer) = spsc_ring::ring(capacity);
        (Self { producer, stamp: S::default() }, consumer)
    }

    #[inline(always)]
    fn push(&mut self, handle: u32, cycle: u64) {
        let full = self.producer.push(words(self.stamp.next(handle), handle, cycle)).is_err();
        debug_assert!(!full);
    }
}

impl<const WORDS: usize> Taker for spsc_ring::Consumer<[u64; WORDS]> {
    fn drain(&mut self) -> u64 {
        let end = self.look();
        let count = end.wrapping_sub(self.head());
        self.release(end);
        count
    }

    fn take(&mut self) -> Vec<(u32, u64)> {
        std::iter::from_fn(|| self.pop()).map(|words| read(&words)).collect()
    }
}

impl<const WORDS: usize> Reader for spsc_ring::Consumer<[u64; WORDS]> {
    fn read_all(&mut self) -> Sum {
        let end = self.look();
        let mut sum = Sum::default();
        self.records().for_each(|(_, words)| sum.add(&words));
        self.release(end);
        sum
    }
}

/// `rtrb`, 40 bytes.
#[derive(Debug)]
pub struct Rtrb(rtrb::Producer<[u64; 5]>);

impl Pusher for Rtrb {
    const NAME: &'static str = "rtrb";
    type Taker = rtrb::Consumer<[u64; 5]>;

    fn pair(capacity: usize, _handles: &[u32]) -> (Self, Self::Taker) {
        let (producer, consumer) = rtrb::RingBuffer::new(capacity);
        (Self(producer), consumer)
    }

    #[inline(always)]
    fn push(&mut self, handle: u32, cycle: u64) {
        let full = self.0.push(words(0, handle, cycle)).is_err();
        debug_assert!(!full);
    }
}

impl Taker for rtrb::Consumer<[u64; 5]> {
    fn drain(&mut self) -> u64 {
        let count = self.slots();
        self.read_chunk(count).expect("as many as there are").commit_all();
        count as u64
    }

    fn take(&mut self) -> Vec<(u32, u64)> {
        std::iter::from_fn(|| self.pop().ok()).map(|words| read(&words)).collect()
    }
}

impl Reader for rtrb::Consumer<[u64; 5]> {
    fn read_all(&mut self) -> Sum {
        let chunk = self.read_chunk(self.slots()).expect("as many as there are");
        let mut sum = Sum::default();
        let (first, second) = chunk.as_slices();
        first.iter().chain(second).for_each(|words| sum.add(words));
        chunk.commit_all();
        sum
    }
}

/// `ringbuf`, 40 bytes.
#[expect(missing_debug_implementations, reason = "ringbuf's ends have none")]
pub struct RingBuf(ringbuf::HeapProd<[u64; 5]>);

impl Pusher for RingBuf {
    const NAME: &'static str = "ringbuf";
    type Taker = ringbuf::HeapCons<[u64; 5]>;

    fn pair(capacity: usize, _handles: &[u32]) -> (Self, Self::Taker) {
        let (producer, consumer) = ringbuf::HeapRb::new(capacity).split();
        (Self(producer), consumer)
    }

    #[inline(always)]
    fn push(&mut self, handle: u32, cycle: u64) {
        let full = self.0.try_push(words(0, handle, cycle)).is_err();
        debug_assert!(!full);
    }
}

impl Taker for ringbuf::HeapCons<[u64; 5]> {
    fn drain(&mut self) -> u64 {
        self.clear() as u64
    }

    fn take(&mut self) -> Vec<(u32, u64)> {
        std::iter::from_fn(|| self.try_pop()).map(|words| read(&words)).collect()
    }
}

impl Reader for ringbuf::HeapCons<[u64; 5]> {
    fn read_all(&mut self) -> Sum {
        let mut sum = Sum::default();
        self.pop_iter().for_each(|words| sum.add(&words));
        sum
    }
}

/// `crossbeam_queue::ArrayQueue`, 40 bytes.
#[derive(Debug)]
pub struct Crossbeam(Arc<ArrayQueue<[u64; 5]>>);

impl Pusher for Crossbeam {
    const NAME: &'static str = "crossbeam ArrayQueue";
    type Taker = Arc<ArrayQueue<[u64; 5]>>;

    fn pair(capacity: usize, _handles: &[u32]) -> (Self, Self::Taker) {
        let queue = Arc::new(ArrayQueue::new(capacity));
        (Self(queue.clone()), queue)
    }

    #[inline(always)]
    fn push(&mut self, handle: u32, cycle: u64) {
        let full = self.0.push(words(0, handle, cycle)).is_err();
        debug_assert!(!full);
    }
}

impl Taker for Arc<ArrayQueue<[u64; 5]>> {
    fn drain(&mut self) -> u64 {
        std::iter::from_fn(|| self.pop()).count() as u64
    }

    fn take(&mut self) -> Vec<(u32, u64)> {
        std::iter::from_fn(|| self.pop()).map(|words| read(&words)).collect()
    }
}

impl Reader for Arc<ArrayQueue<[u64; 5]>> {
    fn read_all(&mut self) -> Sum {
        let mut sum = Sum::default();
        std::iter::from_fn(|| self.pop()).for_each(|words| sum.add(&words));
        sum
    }
}

/// The audit: `record_signal` with its switch, its exact-order stamp and its accounts.
#[derive(Debug)]
pub struct Audited<const ON: bool>(Recorder);

/// The audit's own drain, one pass at a time.
#[derive(Debug)]
pub struct Pump(HandleAudit, Vec<u32>);

/// An audit without a thread, with a trail for each of the handles.
#[must_use]
pub fn audit_for(capacity: usize, handles: &[u32], on: bool) -> (HandleAudit, Recorder) {
    // An eighth of a ring is kept for creates, and no rival has such a reserve: the ring is larger by that much.
    let config = AuditConfig::default().ring_capacity(capacity * 8 / 7 + 1).enabled(true).manual();
    let audit = HandleAudit::new(config).expect("a small ring");
    let mut recorder = audit.claim(0).expect("nobody has it");
    for chunk in handles.chunks(capacity) {
        for handle in chunk {
            let entry = Event { operation: Operation::Create, handle: *handle, tid: TID, cycle: 0 }
                .entry(label!("NtCreateEvent"));
            recorder.record_create(*handle, HandleKind::EVENT_AUTO, entry);
        }
        audit.flush().expect("the drain lives");
    }
    if !on {
        audit.disable().expect("the drain lives");
    }
    (audit, recorder)
}

impl<const ON: bool> Pusher for Audited<ON> {
    const NAME: &'static str = if ON { "record_signal, on" } else { "record_signal, off" };
    type Taker = Pump;

    fn pair(capacity: usize, handles: &[u32]) -> (Self, Self::Taker) {
        let (audit, recorder) = audit_for(capacity, handles, ON);
        (Self(recorder), Pump(audit, handles.to_vec()))
    }

    #[inline(always)]
    fn push(&mut self, handle: u32, cycle: u64) {
        let event = Event { operation: Operation::Signal, handle, tid: TID, cycle };
        self.0.record_signal(handle, event.entry(label!("NtSetEvent")));
    }
}

impl Pump {
    /// The audit.
    #[must_use]
    pub fn audit(&self) -> &HandleAudit {
        &self.0
    }
}

impl Taker for Pump {
    fn drain(&mut self) -> u64 {
        self.0.pump().expect("the drain lives") as u64
    }

    fn take(&mut self) -> Vec<(u32, u64)> {
        self.drain();
        let trails = self.1.iter().map(|handle| self.0.trail(*handle).expect("it was created"));
        trails
            .flat_map(|trail| {
                trail.signals.iter().map(|signal| (trail.handle, signal.entry.cycle)).collect::<Vec<_>>()
            })
            .collect()
    }
}

/// No queue: the incumbent's map, written by the call itself.
#[derive(Debug)]
pub struct Direct<M>(Arc<M>);

/// The same map, from the other side.
#[derive(Debug)]
pub struct Shelf<M>(Arc<M>, Vec<u32>);

impl<M: Incumbent + Send + 'static> Pusher for Direct<M> {
    const NAME: &'static str = M::NAME;
    type Taker = Shelf<M>;

    fn pair(_capacity: usize, handles: &[u32]) -> (Self, Self::Taker) {
        let map = Arc::new(M::with_handles(handles.iter().copied()));
        (Self(map.clone()), Shelf(map, handles.to_vec()))
    }

    #[inline(always)]
    fn push(&mut self, handle: u32, cycle: u64) {
        self.0.append(&Event { operation: Operation::Signal, handle, tid: TID, cycle });
    }
}

impl<M: Incumbent + Send> Taker for Shelf<M> {
    fn drain(&mut self) -> u64 {
        0
    }

    fn take(&mut self) -> Vec<(u32, u64)> {
        let trails = self.1.iter().filter_map(|handle| Some((*handle, self.0.trail(*handle)?)));
        trails
            .flat_map(|(handle, trail)| {
                trail.signals.into_iter().map(|signal| (handle, signal.cycle)).collect::<Vec<_>>()
            })
            .collect()
    }
}
