//! One record, by every way of making one: back to back, between work, in short bursts.

use std::time::{Duration, Instant};

use criterion::{
    BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};

use benches::incumbent::{Dash, ParkingLot, StdMutex};
use benches::pushers::{
    Audited, Crossbeam, Direct, Nothing32, Nothing40, Nothing48, Plain, Pusher, Rdtsc, RingBuf, Rtrb,
    Striped, Taker, audit_for, check,
};
use benches::runs::{BURST, Bench, all_handles, short_bursts, shuffled_handles, work_alone};
use benches::subscribers::{self, IntoRing, NoOp};
use benches::workload::{Event, LR};
use handle_audit::{Frame, HandleKind, Operation, label};

type Group<'a> = BenchmarkGroup<'a, WallTime>;

/// Runs whole bursts and scales the time to the iterations that were asked for.
fn scaled(iterations: u64, run: impl FnOnce(usize) -> Duration) -> Duration {
    let bursts = iterations.div_ceil(BURST as u64);
    run(bursts as usize).mul_f64(iterations as f64 / (bursts * BURST as u64) as f64)
}

fn burst<P: Pusher>(group: &mut Group<'_>) {
    check::<P>();
    let mut bench = Bench::<P>::new();
    group.bench_function(P::NAME, |b| b.iter_custom(|n| scaled(n, |bursts| bench.burst(bursts))));
}

fn in_situ<P: Pusher>(group: &mut Group<'_>) {
    check::<P>();
    let mut bench = Bench::<P>::new();
    group.bench_function(P::NAME, |b| b.iter_custom(|n| scaled(n, |bursts| bench.in_situ(bursts))));
}

/// Off pushes nothing, so there is nothing to check but that.
fn check_off() {
    let (mut pusher, mut taker) = Audited::<false>::pair(64, &all_handles());
    pusher.push(all_handles()[0], 1);
    assert_eq!(taker.drain(), 0, "nothing is recorded while the audit is off");
}

fn bursts(c: &mut Criterion) {
    let mut group = c.benchmark_group("record/burst");
    group.throughput(Throughput::Elements(1));
    burst::<Plain<4, Nothing32>>(&mut group);
    burst::<Plain<5, Nothing40>>(&mut group);
    burst::<Plain<6, Nothing48>>(&mut group);
    burst::<Rtrb>(&mut group);
    burst::<RingBuf>(&mut group);
    burst::<Crossbeam>(&mut group);
    burst::<Plain<5, Rdtsc>>(&mut group);
    burst::<Plain<5, Striped>>(&mut group);
    check_off();
    let mut off = Bench::<Audited<false>>::new();
    group.bench_function("record_signal, off", |b| b.iter_custom(|n| scaled(n, |bursts| off.burst(bursts))));
    burst::<Audited<true>>(&mut group);
    burst::<Direct<StdMutex>>(&mut group);
    burst::<Direct<ParkingLot>>(&mut group);
    burst::<Direct<Dash>>(&mut group);
    tracing_bursts(&mut group);
    fastrace_bursts(&mut group);
    group.finish();
}

fn tracing_events(bursts: usize) -> Duration {
    let handles = shuffled_handles();
    let begin = Instant::now();
    for number in 0..bursts * BURST {
        subscribers::event(handles[number % handles.len()], number as u64);
    }
    begin.elapsed()
}

fn tracing_bursts(group: &mut Group<'_>) {
    group.bench_function("tracing, no subscriber", |b| b.iter_custom(|n| scaled(n, tracing_events)));
    tracing::subscriber::with_default(NoOp, || {
        group.bench_function("tracing, no-op subscriber", |b| b.iter_custom(|n| scaled(n, tracing_events)));
    });
    let (ring, mut taker) = IntoRing::pair(2 * BURST);
    tracing::subscriber::with_default(ring, || {
        tracing_events(1);
        assert_eq!(taker.take().len(), BURST, "every event reached the ring");
        group.bench_function("tracing, into a ring", |b| {
            b.iter_custom(|n| {
                scaled(n, |bursts| {
                    (0..bursts)
                        .map(|_| {
                            let time = tracing_events(1);
                            taker.drain();
                            time
                        })
                        .sum()
                })
            });
        });
    });
}

fn fastrace_bursts(group: &mut Group<'_>) {
    let counted = subscribers::fastrace_on();
    subscribers::in_root(|| (0..100).for_each(|_| subscribers::fast_event()));
    assert_eq!(counted.flushed(), 100, "every event was reported");
    let timed = |call: fn()| {
        move |bursts: usize| {
            let mut time = Duration::ZERO;
            for _ in 0..bursts {
                subscribers::in_root(|| {
                    let begin = Instant::now();
                    (0..BURST).for_each(|_| call());
                    time += begin.elapsed();
                });
                fastrace::flush();
            }
            time
        }
    };
    group.bench_function("fastrace event", |b| b.iter_custom(|n| scaled(n, timed(subscribers::fast_event))));
    group.bench_function("fastrace span", |b| b.iter_custom(|n| scaled(n, timed(subscribers::fast_span))));
}

fn between_work(c: &mut Criterion) {
    let mut group = c.benchmark_group("record/in situ, work included");
    group.throughput(Throughput::Elements(1));
    group.bench_function("the work alone", |b| b.iter_custom(|n| scaled(n, work_alone)));
    in_situ::<Plain<4, Nothing32>>(&mut group);
    in_situ::<Plain<5, Nothing40>>(&mut group);
    in_situ::<Plain<6, Nothing48>>(&mut group);
    in_situ::<Rtrb>(&mut group);
    in_situ::<RingBuf>(&mut group);
    in_situ::<Crossbeam>(&mut group);
    in_situ::<Plain<5, Rdtsc>>(&mut group);
    in_situ::<Plain<5, Striped>>(&mut group);
    in_situ::<Audited<true>>(&mut group);
    in_situ::<Direct<StdMutex>>(&mut group);
    group.finish();
}

/// Every operation, and creates with a stack.
fn by_operation(c: &mut Criterion) {
    let mut group = c.benchmark_group("record/by operation");
    group.throughput(Throughput::Elements(1));
    for operation in Operation::ALL {
        let (audit, mut recorder) = audit_for(BURST, &all_handles(), true);
        let handles = shuffled_handles();
        group.bench_function(operation.name(), |b| {
            b.iter_custom(|n| {
                scaled(n, |bursts| {
                    let mut time = Duration::ZERO;
                    for _ in 0..bursts {
                        let begin = Instant::now();
                        for (handle, cycle) in handles.iter().cycle().take(BURST).zip(0..) {
                            let event = Event { operation, handle: *handle, tid: 1, cycle };
                            recorder.record_any(
                                operation,
                                *handle,
                                HandleKind::EVENT_AUTO,
                                event.entry(label!("NtSetEvent")),
                            );
                        }
                        time += begin.elapsed();
                        audit.flush().expect("the drain lives");
                    }
                    time
                })
            });
        });
        assert_eq!(audit.losses().expect("the drain lives").rejected(), 0);
    }
    with_stack(&mut group);
    group.finish();
}

fn with_stack(group: &mut Group<'_>) {
    for depth in [4, 8, 16, 32] {
        let frames: Vec<Frame> =
            (0..depth).map(|n| Frame { frame: 0x7000_0000 + n * 96, lr: LR + n * 64 }).collect();
        let (audit, mut recorder) = audit_for(BURST * 9, &all_handles(), true);
        let handles = shuffled_handles();
        group.bench_function(format!("create, {depth} frames"), |b| {
            b.iter_custom(|n| {
                scaled(n, |bursts| {
                    let mut time = Duration::ZERO;
                    for _ in 0..bursts {
                        let begin = Instant::now();
                        for (handle, cycle) in handles.iter().cycle().take(BURST).zip(0..) {
                            let event =
                                Event { operation: Operation::Create, handle: *handle, tid: 1, cycle };
                            let entry = event.entry(label!("NtCreateEvent"));
                            recorder.record_create_with_stack(
                                *handle,
                                HandleKind::EVENT_AUTO,
                                entry,
                                &frames,
                            );
                        }
                        time += begin.elapsed();
                        audit.flush().expect("the drain lives");
                    }
                    time
                })
            });
        });
        let losses = audit.losses().expect("the drain lives");
        assert_eq!((losses.rejected(), losses.stacks_dropped()), (0, 0));
    }
}

/// Criterion has no percentiles; these are printed.
fn percentiles(_: &mut Criterion) {
    fn line<P: Pusher>() {
        let figure = short_bursts::<P>(20_000);
        println!(
            "record/bursts of 20, 20 us apart: {:34} p50 {:6.2} ns  p99.9 {:7.2} ns",
            P::NAME,
            figure.p50,
            figure.p999
        );
    }
    line::<Plain<5, Nothing40>>();
    line::<Rtrb>();
    line::<Plain<5, Rdtsc>>();
    line::<Plain<5, Striped>>();
    line::<Audited<true>>();
    line::<Direct<StdMutex>>();
}

criterion_group! {
    name = record;
    config = Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1)).sample_size(20);
    targets = bursts, between_work, by_operation, percentiles
}
criterion_main!(record);
