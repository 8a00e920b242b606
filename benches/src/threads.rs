//! Several threads that record at the same time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use handle_audit::{Operation, Recorder, label};

use crate::incumbent::Incumbent;
use crate::pushers::{TID, audit_for};
use crate::runs::{BURST, HANDLES};
use crate::workload::{Event, handle};

/// Bursts of each thread.
const BURSTS: usize = 20;

/// The handles of each of so many threads: no handle is in use by two.
#[must_use]
pub fn own_handles(threads: usize) -> Vec<Vec<u32>> {
    let own = |thread| (0..HANDLES).map(move |index| handle((index + thread * HANDLES) as u32)).collect();
    (0..threads).map(own).collect()
}

/// The audit's stripe of a handle, as docs/capture-format.md tells it.
const fn stripe(handle: u32) -> usize {
    (handle.wrapping_mul(0x9E37_79B1) >> 24) as usize
}

/// The same with no stripe of stamps in common either.
#[must_use]
pub fn own_stripes(threads: usize) -> Vec<Vec<u32>> {
    let is_own = |thread: usize, handle: u32| stripe(handle) * threads / 256 == thread;
    let own =
        |thread| (0..).map(handle).filter(|handle| is_own(thread, *handle)).take(HANDLES).collect::<Vec<_>>();
    (0..threads).map(own).collect()
}

/// Where threads wait for each other. It spins: what the kernel wakes begins only when the others have made their
/// bursts, which take some microseconds.
struct Gate {
    threads: usize,
    arrived: AtomicUsize,
    /// Not every thread has a processor, so those that wait must make room.
    crowded: bool,
}

impl Gate {
    fn new(threads: usize) -> Self {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        Self { threads, arrived: AtomicUsize::new(0), crowded: threads > processors }
    }

    fn wait(&self) {
        let round = self.arrived.fetch_add(1, Ordering::AcqRel) / self.threads;
        while self.arrived.load(Ordering::Acquire) < (round + 1) * self.threads {
            if self.crowded {
                thread::yield_now();
            } else {
                std::hint::spin_loop();
            }
        }
    }
}

/// Nanoseconds per record of threads that each call `record` with a handle and a number, burst by burst at the same
/// time. After each burst of all, the first of them calls `empty`.
fn at_once<R: FnMut(u32, usize) + Send>(records: Vec<(R, &[u32])>, empty: impl Fn() + Sync) -> f64 {
    let threads = records.len();
    let gate = Gate::new(threads);
    let time: Duration = thread::scope(|scope| {
        let (gate, empty) = (&gate, &empty);
        let spawn = |(thread, (mut record, handles)): (usize, (R, &[u32]))| {
            // Handles of its own memory, so that threads share nothing by accident.
            let handles = handles.to_vec();
            scope.spawn(move || {
                let mut time = Duration::ZERO;
                for _ in 0..BURSTS {
                    gate.wait();
                    let begin = Instant::now();
                    for number in 0..BURST {
                        record(handles[number * 7 % handles.len()], number);
                    }
                    time += begin.elapsed();
                    gate.wait();
                    if thread == 0 {
                        empty();
                    }
                }
                time
            })
        };
        let running: Vec<_> = records.into_iter().enumerate().map(spawn).collect();
        running.into_iter().map(|thread| thread.join().expect("it does not panic")).sum()
    });
    time.as_nanos() as f64 / (BURSTS * BURST * threads) as f64
}

/// Nanoseconds per record of threads that have a ring each, and these handles.
///
/// # Panics
///
/// If a record is lost.
#[must_use]
pub fn producers(handles: &[Vec<u32>]) -> f64 {
    let (audit, first) = audit_for(BURST * handles.len(), &handles.concat(), true);
    let mut recorders = vec![first];
    recorders.extend((1..handles.len()).map(|ring| audit.claim(ring).expect("nobody has it")));
    let record = |mut recorder: Recorder| {
        move |handle: u32, number: usize| {
            let event = Event { operation: Operation::Signal, handle, tid: TID, cycle: number as u64 };
            recorder.record_signal(handle, event.entry(label!("NtSetEvent")));
        }
    };
    let records = recorders.into_iter().map(record).zip(handles.iter().map(Vec::as_slice)).collect();
    let figure = at_once(records, || {
        audit.flush().expect("the drain lives");
    });
    assert_eq!(audit.losses().expect("the drain lives").rejected(), 0);
    figure
}

/// Nanoseconds per record of threads that write one map.
#[must_use]
pub fn on_one_map<M: Incumbent>(handles: &[Vec<u32>]) -> f64 {
    let map = &M::with_handles(handles.concat().into_iter());
    let record = |_| {
        move |handle: u32, number: usize| {
            map.append(&Event { operation: Operation::Signal, handle, tid: TID, cycle: number as u64 });
        }
    };
    at_once(handles.iter().map(|handles| (record(()), handles.as_slice())).collect(), || ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incumbent::StdMutex;

    #[test]
    fn threads_have_handles_and_stripes_of_their_own() {
        let stripes = |handles: &[u32]| {
            let mut used = [false; 256];
            handles.iter().for_each(|handle| used[stripe(*handle)] = true);
            used
        };
        for threads in [1, 2, 6] {
            for handles in [own_handles(threads), own_stripes(threads)] {
                let mut all = handles.concat();
                assert_eq!(all.len(), threads * HANDLES);
                all.sort_unstable();
                all.dedup();
                assert_eq!(all.len(), threads * HANDLES);
            }
            let used: Vec<_> = own_stripes(threads).iter().map(|handles| stripes(handles)).collect();
            assert!((0..256).all(|stripe| used.iter().filter(|used| used[stripe]).count() <= 1));
        }
    }

    #[test]
    fn more_threads_than_processors_come_to_an_end() {
        assert!(producers(&own_handles(3)) > 0.0);
        assert!(on_one_map::<StdMutex>(&own_handles(3)) > 0.0);
    }
}
