//! From the last event to the printed report: the snapshot, the diagnosis and the text of a hang among many handles.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

use benches::report::{HANDLES, Hang, RECORDS};
use handle_diagnosis::{Case, Layout, diagnose, report, write_json};

fn report_of_a_hang(c: &mut Criterion) {
    let hang = Hang::new(HANDLES, RECORDS);
    let snapshot = hang.snapshot();
    let case = Case::new(&snapshot, &hang.run).with_threads(&hang.threads);
    let diagnosis = diagnose(&case);
    hang.check(&report(&case, &diagnosis, &Layout::default()));
    let mut group = c.benchmark_group(format!("report/{HANDLES} handles, {RECORDS} records"));
    group.bench_function("snapshot", |b| b.iter_with_large_drop(|| hang.snapshot()));
    group.bench_function("diagnosis", |b| b.iter(|| diagnose(&case)));
    group.bench_function("text", |b| b.iter(|| report(&case, &diagnosis, &Layout::default())));
    group.bench_function("JSON", |b| b.iter(|| write_json(&case, &diagnosis, std::io::sink())));
    // The last records of a fresh hang still lie in their ring: to fold them is on the way, too.
    group.bench_function("last event to text", |b| {
        b.iter_batched(|| Hang::new(HANDLES, RECORDS), |hang| (hang.report(), hang), BatchSize::PerIteration);
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = report_of_a_hang
}
criterion_main!(benches);
