//! Guest instructions a second.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

use benches::loops::{COPY, MIX, PLAIN};

fn instructions(c: &mut Criterion) {
    let mut group = c.benchmark_group("interpreter");
    for guest in [PLAIN, MIX, COPY] {
        let ready = guest.ready();
        group.throughput(Throughput::Elements(ready.instructions));
        group.bench_function(guest.name, |b| b.iter(|| ready.run()));
    }
    group.finish();
}

criterion_group!(benches, instructions);
criterion_main!(benches);
