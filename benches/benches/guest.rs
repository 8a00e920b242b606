//! Whole emulator runs, by how they are audited: from the first guest instruction to the last.

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};

use benches::guests::{Audit, Guest};

fn runs(c: &mut Criterion) {
    let guests =
        [Guest::event_heavy(100_000), Guest::events_only(200_000), Guest::compute_heavy(100_000_000)];
    for guest in guests {
        let mut group = c.benchmark_group(format!("guest/{}", guest.name));
        for audit in Audit::ALL {
            let checked = guest.run(audit);
            group.bench_function(audit.name(), |b| {
                b.iter_custom(|n| Duration::from_secs_f64((0..n).map(|_| guest.run(audit).seconds).sum()));
            });
            let made = checked.recorded + checked.rejected;
            println!(
                "  {made} records, {:.2} million a second, {} of them rejected",
                made as f64 / checked.seconds / 1e6,
                checked.rejected
            );
        }
        group.finish();
    }
}

criterion_group! {
    name = guest;
    config = Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(3)).sample_size(10);
    targets = runs
}
criterion_main!(guest);
