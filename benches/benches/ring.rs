//! The queues alone: push and pop on one thread, and a stream from one thread to another.

use std::thread;
use std::time::{Duration, Instant};

use criterion::{
    BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};

use benches::pushers::{
    Crossbeam, Nothing32, Nothing40, Nothing48, Plain, Pusher, RingBuf, Rtrb, Taker, check,
};

/// Slots of the queues in this group.
const CAPACITY: usize = 1 << 14;

fn push_and_empty<P: Pusher>(group: &mut BenchmarkGroup<'_, WallTime>) {
    check::<P>();
    let (mut pusher, mut taker) = P::pair(CAPACITY, &[4]);
    let mut cycle = 0;
    group.bench_function(P::NAME, |b| {
        b.iter(|| {
            cycle += 1;
            pusher.push(4, cycle);
            taker.drain()
        });
    });
}

/// Time for `records` to pass from one thread to another. The sender never overruns the queue: it waits, by the
/// receiver's count, while the queue is more than half full.
fn stream<P: Pusher + Send>(records: u64) -> Duration {
    let (mut pusher, mut taker) = P::pair(CAPACITY, &[4]);
    let received = std::sync::atomic::AtomicU64::new(0);
    let order = std::sync::atomic::Ordering::Relaxed;
    let begin = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| {
            for cycle in 0..records {
                if cycle % (CAPACITY as u64 / 4) == 0 {
                    while cycle - received.load(order) > CAPACITY as u64 / 2 {
                        thread::yield_now();
                    }
                }
                pusher.push(4, cycle);
            }
        });
        let mut count = 0;
        while count < records {
            match taker.drain() {
                0 => thread::yield_now(),
                some => count += some,
            }
            received.store(count, order);
        }
        assert_eq!(count, records, "{} loses nothing", P::NAME);
    });
    begin.elapsed()
}

fn streams<P: Pusher + Send>(group: &mut BenchmarkGroup<'_, WallTime>) {
    group.bench_function(P::NAME, |b| b.iter_custom(|records| stream::<P>(records)));
}

fn one_thread(c: &mut Criterion) {
    let mut group = c.benchmark_group("ring/push and empty");
    group.throughput(Throughput::Elements(1));
    push_and_empty::<Plain<4, Nothing32>>(&mut group);
    push_and_empty::<Plain<5, Nothing40>>(&mut group);
    push_and_empty::<Plain<6, Nothing48>>(&mut group);
    push_and_empty::<Rtrb>(&mut group);
    push_and_empty::<RingBuf>(&mut group);
    push_and_empty::<Crossbeam>(&mut group);
    group.finish();
}

fn two_threads(c: &mut Criterion) {
    let mut group = c.benchmark_group("ring/stream");
    group.throughput(Throughput::Elements(1));
    streams::<Plain<5, Nothing40>>(&mut group);
    streams::<Rtrb>(&mut group);
    streams::<RingBuf>(&mut group);
    streams::<Crossbeam>(&mut group);
    group.finish();
}

criterion_group! {
    name = ring;
    config = Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1)).sample_size(20);
    targets = one_thread, two_threads
}
criterion_main!(ring);
