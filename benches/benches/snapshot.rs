//! Reading: what a snapshot takes, and what readers cost the fold.

use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};

use benches::feed::{self, Feed};
use benches::incumbent::{Dash, Incumbent};
use benches::workload::{Spread, events, handle};

fn filled(handles: u32) -> Feed {
    let events = events(handles, Spread::Uniform, 1 << 20);
    let count = events.len() as u64;
    let mut feed = Feed::new(handles, events);
    feed.fold(count);
    feed
}

fn whole(c: &mut Criterion) {
    let mut group = c.benchmark_group("snapshot");
    for handles in [1_000, 100_000] {
        let feed = filled(handles);
        let snapshot = feed.audit().snapshot().expect("the drain lives");
        assert_eq!(snapshot.trails.len(), handles as usize);
        group.bench_function(format!("all of {handles} handles"), |b| b.iter(|| feed.audit().snapshot()));
        group.bench_function(format!("one trail of {handles}"), |b| b.iter(|| feed.audit().trail(handle(7))));
        group.bench_function(format!("counts of one of {handles}"), |b| {
            b.iter(|| feed.audit().counts(handle(7)))
        });
    }
    group.finish();
}

/// The fold with and without a reader that looks at everything every millisecond: by the audit's snapshot, and by walking
/// the incumbent's map.
fn beside_a_reader(c: &mut Criterion) {
    let mut group = c.benchmark_group("snapshot/fold beside a reader");
    let mut feed = filled(1_000);
    let audit = feed.audit_handle();
    let mut fold = |n: u64| {
        let (time, events) = feed.fold(n);
        time.mul_f64(n as f64 / events as f64)
    };
    let snapshot = || drop(audit.snapshot().expect("the drain lives"));
    group.bench_function("no reader", |b| b.iter_custom(&mut fold));
    group.bench_function("a snapshot a millisecond", |b| {
        b.iter_custom(|n| feed::beside_a_reader(snapshot, || fold(n)));
    });

    let events = events(1_000, Spread::Uniform, 1 << 20);
    let map = Dash::with_handles((0..1_000).map(handle));
    events.iter().for_each(|event| map.append(event));
    assert_eq!(map.walk().len(), 1_000);
    let append = |n: u64| {
        let begin = Instant::now();
        events.iter().cycle().take(n as usize).for_each(|event| map.append(event));
        begin.elapsed()
    };
    group.bench_function("DashMap, no reader", |b| b.iter_custom(append));
    group.bench_function("DashMap, walked every millisecond", |b| {
        b.iter_custom(|n| feed::beside_a_reader(|| drop(map.walk()), || append(n)));
    });
    group.finish();
}

criterion_group! {
    name = snapshot;
    config = Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1)).sample_size(10);
    targets = whole, beside_a_reader
}
criterion_main!(snapshot);
