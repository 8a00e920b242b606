//! Reading: what a snapshot takes, and what readers cost the fold.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};

use benches::feed::Feed;
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

/// The fold with and without a reader that takes a snapshot every millisecond.
fn beside_a_reader(c: &mut Criterion) {
    let mut group = c.benchmark_group("snapshot/fold beside a reader");
    for reader in [false, true] {
        let mut feed = filled(1_000);
        let audit = feed.audit_handle();
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            if reader {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        audit.snapshot().expect("the drain lives");
                        thread::sleep(Duration::from_millis(1));
                    }
                });
            }
            let name = if reader { "a snapshot a millisecond" } else { "no reader" };
            group.bench_function(name, |b| {
                b.iter_custom(|n| {
                    let (time, events) = feed.fold(n);
                    time.mul_f64(n as f64 / events as f64)
                });
            });
            stop.store(true, Ordering::Relaxed);
        });
    }
    group.finish();
}

criterion_group! {
    name = snapshot;
    config = Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1)).sample_size(10);
    targets = whole, beside_a_reader
}
criterion_main!(snapshot);
