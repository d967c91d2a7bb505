//! The small parts by the clock: `cargo bench -p evercore-benches`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

#[path = "../src/domain.rs"]
#[expect(dead_code, reason = "the domain of all that is measured")]
mod domain;
mod parts;

use parts::{EVENTS, Parts};

fn measure(criterion: &mut Criterion) {
    let parts = Parts::new();
    let mut one = criterion.benchmark_group("one event");
    one.bench_function("decode", |bencher| bencher.iter(|| black_box(parts.decode())));
    one.bench_function("look up", |bencher| bencher.iter(|| black_box(parts.look_up())));
    one.finish();

    let mut many = criterion.benchmark_group("a hundred events");
    many.throughput(Throughput::Elements(EVENTS.unsigned_abs()));
    many.bench_function("stage", |bencher| bencher.iter(|| parts.stage()));
    many.bench_function("stage, each read back", |bencher| {
        bencher.iter(|| parts.stage_checked());
    });
    many.bench_function("replay", |bencher| bencher.iter(|| black_box(parts.replay())));
    many.finish();
}

criterion_group!(small_parts, measure);
criterion_main!(small_parts);
