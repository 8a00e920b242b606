//! The queues alone: push and read on one thread, and a stream from one thread to another.

use std::thread;
use std::time::{Duration, Instant};

use criterion::{
    BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};

use benches::pushers::{
    Crossbeam, Nothing32, Nothing40, Nothing48, Plain, Pusher, Reader, RingBuf, Rtrb, check,
};

/// Slots of the queues in this group.
const CAPACITY: usize = 1 << 14;

fn push_and_read<P: Pusher<Taker: Reader>>(group: &mut BenchmarkGroup<'_, WallTime>) {
    check::<P>();
    let (mut pusher, mut taker) = P::pair(CAPACITY, &[4]);
    let mut cycle = 0;
    group.bench_function(P::NAME, |b| {
        b.iter(|| {
            cycle += 1;
            pusher.push(4, cycle);
            taker.read_all()
        });
    });
}

/// Time for `records` to pass from one thread to another. The sender never overruns the queue: it waits, by the
/// receiver's count, while the queue is more than half full.
fn stream<P: Pusher<Taker: Reader> + Send>(records: u64) -> Duration {
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
        let (mut count, mut cycles) = (0, 0u64);
        while count < records {
            let some = taker.read_all();
            if some.records == 0 {
                thread::yield_now();
            }
            count += some.records;
            cycles = some.cycles.wrapping_add(cycles);
            received.store(count, order);
        }
        assert_eq!(count, records, "{} loses nothing", P::NAME);
        let all = u128::from(records) * u128::from(records.saturating_sub(1)) / 2;
        assert_eq!(cycles, all as u64, "{} gives back what was pushed", P::NAME);
    });
    begin.elapsed()
}

fn streams<P: Pusher<Taker: Reader> + Send>(group: &mut BenchmarkGroup<'_, WallTime>) {
    group.bench_function(P::NAME, |b| b.iter_custom(|records| stream::<P>(records)));
}

fn one_thread(c: &mut Criterion) {
    let mut group = c.benchmark_group("ring/push and read");
    group.throughput(Throughput::Elements(1));
    push_and_read::<Plain<4, Nothing32>>(&mut group);
    push_and_read::<Plain<5, Nothing40>>(&mut group);
    push_and_read::<Plain<6, Nothing48>>(&mut group);
    push_and_read::<Rtrb>(&mut group);
    push_and_read::<RingBuf>(&mut group);
    push_and_read::<Crossbeam>(&mut group);
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
