//! One record, by every way of making one: back to back, between work, in short bursts.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{
    BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};

use benches::incumbent::{Dash, ParkingLot, StdMutex};
use benches::pushers::{
    Audited, Crossbeam, Direct, Nothing32, Nothing40, Nothing48, Plain, Pusher, Rdtsc, RingBuf, Rtrb,
    Striped, Taker, audit_for, check,
};
use benches::runs::{BURST, Bench, Short, ShortBursts, all_handles, shuffled_handles, work_alone};
use benches::subscribers::{self, IntoRing, NoOp, Traced};
use benches::workload::{Event, LR, work};
use handle_audit::{Frame, HandleKind, Operation, label};

type Group<'a> = BenchmarkGroup<'a, WallTime>;

/// Runs whole bursts and scales the time to the iterations that were asked for.
fn scaled(iterations: u64, run: impl FnOnce(usize) -> Duration) -> Duration {
    let bursts = iterations.div_ceil(BURST as u64);
    run(bursts as usize).mul_f64(iterations as f64 / (bursts * BURST as u64) as f64)
}

fn burst<P: Pusher>(group: &mut Group<'_>) {
    check::<P>();
    burst_unchecked::<P>(group);
}

/// For those that give nothing back: they have checks of their own.
fn burst_unchecked<P: Pusher>(group: &mut Group<'_>) {
    let mut bench = Bench::<P>::new();
    group.bench_function(P::NAME, |b| b.iter_custom(|n| scaled(n, |bursts| bench.burst(bursts))));
}

fn in_situ<P: Pusher>(group: &mut Group<'_>) {
    check::<P>();
    in_situ_unchecked::<P>(group);
}

fn in_situ_unchecked<P: Pusher>(group: &mut Group<'_>) {
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
    burst_unchecked::<Audited<false>>(&mut group);
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
    subscribers::check_no_op();
    burst_unchecked::<Traced<NoOp>>(group);
    burst::<Traced<IntoRing>>(group);
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

fn fastrace_between_work(bursts: usize) -> Duration {
    let (mut time, mut value) = (Duration::ZERO, 1);
    for _ in 0..bursts {
        subscribers::in_root(|| {
            let begin = Instant::now();
            for _ in 0..BURST {
                value = work(value);
                subscribers::fast_event();
            }
            time += begin.elapsed();
        });
        fastrace::flush();
    }
    black_box(value);
    time
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
    check_off();
    in_situ_unchecked::<Audited<false>>(&mut group);
    in_situ::<Direct<StdMutex>>(&mut group);
    in_situ::<Direct<ParkingLot>>(&mut group);
    in_situ::<Direct<Dash>>(&mut group);
    subscribers::check_no_op();
    in_situ_unchecked::<Traced<NoOp>>(&mut group);
    in_situ::<Traced<IntoRing>>(&mut group);
    group.bench_function("fastrace event", |b| b.iter_custom(|n| scaled(n, fastrace_between_work)));
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
        let figure = ShortBursts::of(&Short::<P>::new().turn(20_000));
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
    line::<Audited<false>>();
    line::<Traced<NoOp>>();
    line::<Traced<IntoRing>>();
    line::<Direct<StdMutex>>();
    line::<Direct<ParkingLot>>();
    line::<Direct<Dash>>();
}

criterion_group! {
    name = record;
    config = Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1)).sample_size(20);
    targets = bursts, between_work, by_operation, percentiles
}
criterion_main!(record);
