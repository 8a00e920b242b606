//! The three ways in which a record is timed: back to back, between work, and in short bursts beside a drain.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use quanta::Clock;

use crate::measure::percentile;
use crate::pushers::{Pusher, Taker};
use crate::workload::{Spread, handle, indices, work};

/// Records between two drains of the one-threaded runs.
pub const BURST: usize = 2048;

/// Handles in use; a power of two.
pub const HANDLES: usize = 1024;

/// The handles, in the random order in which records name them.
#[must_use]
pub fn shuffled_handles() -> Vec<u32> {
    indices(HANDLES as u32, Spread::Uniform, HANDLES).into_iter().map(handle).collect()
}

/// All handles that the records name.
#[must_use]
pub fn all_handles() -> Vec<u32> {
    (0..HANDLES as u32).map(handle).collect()
}

/// A queue under test.
#[derive(Debug)]
pub struct Bench<P: Pusher> {
    pusher: P,
    taker: P::Taker,
    handles: Vec<u32>,
    cycle: u64,
}

impl<P: Pusher> Default for Bench<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P: Pusher> Bench<P> {
    /// A queue with room for one burst and no more than that.
    #[must_use]
    pub fn new() -> Self {
        let (pusher, taker) = P::pair(BURST, &all_handles());
        Self { pusher, taker, handles: shuffled_handles(), cycle: 0 }
    }

    /// Time that `bursts` times [`BURST`] records take, back to back. The queue is emptied in between, untimed.
    pub fn burst(&mut self, bursts: usize) -> Duration {
        let mut time = Duration::ZERO;
        for _ in 0..bursts {
            let begin = Instant::now();
            for index in 0..BURST {
                self.cycle += 1;
                self.pusher.push(self.handles[index % HANDLES], self.cycle);
            }
            time += begin.elapsed();
            self.taker.drain();
        }
        time
    }

    /// The same with about 100 ns of work before each record.
    pub fn in_situ(&mut self, bursts: usize) -> Duration {
        let mut time = Duration::ZERO;
        let mut value = 1;
        for _ in 0..bursts {
            let begin = Instant::now();
            for index in 0..BURST {
                value = work(value);
                self.cycle += 1;
                self.pusher.push(self.handles[index % HANDLES], self.cycle);
            }
            time += begin.elapsed();
            self.taker.drain();
        }
        black_box(value);
        time
    }
}

/// The work of [`Bench::in_situ`] without the records.
#[must_use]
pub fn work_alone(bursts: usize) -> Duration {
    let mut value = 1;
    let begin = Instant::now();
    for _ in 0..bursts * BURST {
        value = work(value);
    }
    black_box(value);
    begin.elapsed()
}

/// Nanoseconds a record, of bursts of 20 records 20 us apart while another thread empties the queue.
#[derive(Clone, Copy, Debug)]
pub struct ShortBursts {
    /// Half of the bursts took less.
    pub p50: f64,
    /// 99.9 % of the bursts took less.
    pub p999: f64,
}

impl ShortBursts {
    /// Of nanoseconds a record, one figure a burst.
    #[must_use]
    pub fn of(figures: &[f64]) -> Self {
        Self { p50: percentile(figures, 0.5), p999: percentile(figures, 0.999) }
    }
}

/// Records in a short burst.
pub const SHORT_BURST: usize = 20;

/// Records that the queue of short bursts holds.
const SHORT_BURSTS_RING: usize = 1 << 14;

/// Bursts at the beginning of a turn that do not count: the drain's thread starts, and another candidate's memory is
/// in the cache.
const SETTLE: usize = 20;

/// A queue under short bursts.
#[derive(Debug)]
pub struct Short<P: Pusher> {
    pusher: P,
    taker: P::Taker,
    handles: Vec<u32>,
    clock: Clock,
    number: usize,
}

impl<P: Pusher> Default for Short<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P: Pusher> Short<P> {
    /// A queue all of whose pages have been touched.
    #[must_use]
    pub fn new() -> Self {
        let (mut pusher, mut taker) = P::pair(SHORT_BURSTS_RING, &all_handles());
        let handles = shuffled_handles();
        for number in 0..2 * SHORT_BURSTS_RING {
            pusher.push(handles[number % HANDLES], number as u64);
            if number % BURST == 0 {
                taker.drain();
            }
        }
        Self { pusher, taker, handles, clock: Clock::new(), number: 2 * SHORT_BURSTS_RING }
    }

    /// Times so many bursts, in nanoseconds a record. The drain looks every 200 us.
    pub fn turn(&mut self, bursts: usize) -> Vec<f64> {
        let Self { pusher, taker, handles, clock, number } = self;
        let stop = AtomicBool::new(false);
        let mut figures = Vec::with_capacity(bursts);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    taker.drain();
                    thread::sleep(Duration::from_micros(200));
                }
            });
            let empty = clock_cost(clock);
            for burst in 0..SETTLE + bursts {
                let pause = Instant::now();
                while pause.elapsed() < Duration::from_micros(20) {
                    std::hint::spin_loop();
                }
                let begin = clock.raw();
                for _ in 0..SHORT_BURST {
                    pusher.push(handles[*number % HANDLES], *number as u64);
                    *number += 1;
                }
                let end = clock.raw();
                let time = clock.delta(begin, end).as_nanos() as f64 - empty;
                if burst >= SETTLE {
                    figures.push(time.max(0.0) / SHORT_BURST as f64);
                }
            }
            stop.store(true, Ordering::Relaxed);
        });
        figures
    }
}

/// Nanoseconds that two looks at the clock cost with nothing between them.
#[must_use]
pub fn clock_cost(clock: &Clock) -> f64 {
    let looks: Vec<f64> = (0..1000)
        .map(|_| {
            let begin = clock.raw();
            clock.delta(begin, clock.raw()).as_nanos() as f64
        })
        .collect();
    percentile(&looks, 0.5)
}
