//! The small parts by the instructions that they take, for machines without a quiet clock. With valgrind on the machine:
//!
//! ```sh
//! cargo install gungraun-runner
//! cargo bench -p evercore-benches --features instructions --bench instructions
//! ```

#![expect(missing_docs, reason = "the macros write modules without")]

use std::hint::black_box;

use gungraun::{library_benchmark, library_benchmark_group, main};

#[path = "../src/domain.rs"]
#[expect(dead_code, reason = "the domain of all that is measured")]
mod domain;
mod parts;

use domain::MoneyDeposited;
use parts::Parts;

#[library_benchmark(setup = Parts::new)]
#[bench::event()]
fn decode(parts: Parts) -> (Parts, MoneyDeposited) {
    let event = black_box(parts.decode());
    (parts, event)
}

#[library_benchmark(setup = Parts::new)]
#[bench::event()]
fn look_up(parts: Parts) -> (Parts, bool) {
    let known = black_box(parts.look_up());
    (parts, known)
}

#[library_benchmark(setup = Parts::new)]
#[bench::events()]
fn stage(parts: Parts) -> Parts {
    parts.stage();
    parts
}

#[library_benchmark(setup = Parts::new)]
#[bench::events()]
fn stage_checked(parts: Parts) -> Parts {
    parts.stage_checked();
    parts
}

#[library_benchmark(setup = Parts::new)]
#[bench::events()]
fn replay(parts: Parts) -> (Parts, i64) {
    let deposits = black_box(parts.replay());
    (parts, deposits)
}

library_benchmark_group!(
    name = small_parts,
    benchmarks = [decode, look_up, stage, stage_checked, replay]
);

main!(library_benchmark_groups = small_parts);
