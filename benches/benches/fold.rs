//! What one event costs the drain: taken from the ring, put in order, folded into its trail.

use std::time::{Duration, Instant};

use criterion::{
    BatchSize, BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};

use benches::feed::{BATCH, Feed, warm_up};
use benches::incumbent::{Bare, Dash, Incumbent, assert_same};
use benches::workload::{Event, Spread, events, handle, unpaired};

/// Events that go round: enough to touch most of the handles.
const EVENTS: usize = 1 << 21;

/// Folds the same events in the audit and in a map, and compares what both hold.
fn check(handles: u32, spread: Spread) {
    let events = events(handles, spread, 1 << 16);
    let mut feed = Feed::new(handles, events.clone());
    let mut map = Bare::with_handles((0..handles).map(handle));
    feed.fold(events.len() as u64);
    events.iter().for_each(|event| map.append(event));
    for event in &events[..200] {
        assert_same(feed.audit(), event.handle, map.trail(event.handle).expect("it was made"));
    }
    assert_eq!(feed.audit().losses().expect("the drain lives").rejected(), 0);
}

fn scaled(iterations: u64, run: impl FnOnce(u64) -> (Duration, u64)) -> Duration {
    let (time, events) = run(iterations);
    time.mul_f64(iterations as f64 / events as f64)
}

/// A map as a fold on one thread would use it: batches of events, appended one by one.
fn fold_into(
    events: &[Event],
    next: &mut usize,
    iterations: u64,
    mut append: impl FnMut(&Event),
) -> (Duration, u64) {
    let batches = iterations.div_ceil(BATCH as u64);
    let mut time = Duration::ZERO;
    for _ in 0..batches {
        if *next + BATCH > events.len() {
            *next = 0;
        }
        let begin = Instant::now();
        events[*next..*next + BATCH].iter().for_each(&mut append);
        time += begin.elapsed();
        *next += BATCH;
    }
    (time, batches * BATCH as u64)
}

fn one(group: &mut BenchmarkGroup<'_, WallTime>, handles: u32, spread: Spread) {
    check(handles, spread);
    let label = |name: &str| format!("{name}, {handles} handles, {spread:?}");
    let events = events(handles, spread, EVENTS);
    let before = warm_up(handles) as u64;
    let mut feed = Feed::new(handles, events.clone());
    feed.fold(before);
    group.bench_function(label("audit"), |b| b.iter_custom(|n| scaled(n, |n| feed.fold(n))));
    drop(feed);
    let mut feed = Feed::new(handles, unpaired(handles, spread, EVENTS));
    feed.fold(before);
    let unpaired = label("audit, wakes that end no wait");
    group.bench_function(unpaired, |b| b.iter_custom(|n| scaled(n, |n| feed.fold(n))));
    drop(feed);
    let mut bare = Bare::with_handles((0..handles).map(handle));
    let mut next = 0;
    fold_into(&events, &mut next, before, |event| bare.append(event));
    group.bench_function(label("HashMap + VecDeque"), |b| {
        b.iter_custom(|n| scaled(n, |n| fold_into(&events, &mut next, n, |event| bare.append(event))));
    });
    drop(bare);
    let dash = Dash::with_handles((0..handles).map(handle));
    fold_into(&events, &mut next, before, |event| dash.append(event));
    group.bench_function(label("DashMap + VecDeque"), |b| {
        b.iter_custom(|n| scaled(n, |n| fold_into(&events, &mut next, n, |event| dash.append(event))));
    });
}

fn uniform_and_zipf(c: &mut Criterion) {
    let mut group = c.benchmark_group("fold");
    group.throughput(Throughput::Elements(1));
    for handles in [1_000, 100_000, 1_000_000] {
        for spread in [Spread::Uniform, Spread::Zipf] {
            one(&mut group, handles, spread);
        }
    }
    group.finish();
}

/// Creates of handles that are known, each of which makes a summary of the generation before.
fn creates(c: &mut Criterion) {
    let mut group = c.benchmark_group("fold/creates of known handles");
    group.throughput(Throughput::Elements(BATCH as u64));
    group.sample_size(20);
    let events = events(1_000, Spread::Uniform, 1 << 16);
    group.bench_function("4096 creates", |b| {
        b.iter_batched(
            || {
                let mut feed = Feed::new(1_000, events.clone());
                feed.fold(events.len() as u64);
                feed.record_creates();
                feed
            },
            |feed| {
                feed.audit().pump().expect("the drain lives");
                feed
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

criterion_group! {
    name = fold;
    config = Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1)).sample_size(10);
    targets = uniform_and_zipf, creates
}
criterion_main!(fold);
