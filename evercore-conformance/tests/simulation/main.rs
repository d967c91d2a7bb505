//! Subscriptions in a seeded simulation: workers that stall, die and come back, a network that delays, loses and
//! reorders calls, commits that become visible late, and a clock that jumps. Everything runs in virtual time, on one
//! thread, from one seed.
//!
//! `cargo test -p evercore-conformance --test simulation -- --nocapture` runs the short form. `cargo xtask simulate` runs
//! the long form, optimized: `--seed 17` runs a single seed and prints its trace, `--controls` counts how often each
//! control is detected.

mod clock;
mod database;
mod domain;
mod network;
mod observer;
mod plan;
mod process;
mod series;
mod simulation;
mod tally;
mod transactor;

use std::time::Duration;

use plan::{Handling, Plan, Sabotage};
use series::{AfterViolation, Length, Series, Violation};
use simulation::run;

/// The number of runs in the short form.
const RUNS: u64 = 300;

/// The number of runs within which a control must be detected.
const RUNS_OF_A_CONTROL: u64 = 2_000;

#[test]
fn no_seed_breaks_a_promise() {
    if let Some(seed) = number("EVERCORE_SEED") {
        let run = run(&Plan::of(seed, Sabotage::None).traced());
        println!("{}\n{}", run.trace.join("\n"), run.tally);
        run.verdict.unwrap_or_else(|violation| panic!("{violation}"));
        return;
    }
    let runs = number("EVERCORE_SIMULATIONS").unwrap_or(RUNS);
    let length = number("EVERCORE_SIMULATION_SECONDS")
        .map_or(Length::Runs(runs), |seconds| Length::Time(Duration::from_secs(seconds)));
    let from = number("EVERCORE_FIRST_SEED").unwrap_or(0);
    let series = Series { from, length, after_violation: AfterViolation::Stop };
    let outcome = series.run(|seed| Plan::of(seed, Sabotage::None));
    println!("from seed {from}: {outcome}");
    if let Some((seed, Violation { what, .. })) = outcome.violations.first_key_value() {
        panic!("{what}\nagain, with its trace: cargo xtask simulate --seed {seed}");
    }
    assert!(outcome.tally.is_rough(), "nothing ever went wrong: {:?}", outcome.tally);
}

#[test]
fn a_seed_gives_the_same_run_again() {
    for seed in 0..20 {
        let plan = Plan::of(seed, Sabotage::None).traced();
        let (first, again) = (run(&plan), run(&plan));
        assert_eq!(first.trace, again.trace, "seed {seed}");
        assert_eq!(first.tally, run(&Plan::of(seed, Sabotage::None)).tally, "seed {seed}");
    }
}

macro_rules! controls {
    ($($sentence:ident: $sabotage:ident $(with $handling:ident)? => $words:literal;)+) => {
        $(
            #[test]
            fn $sentence() {
                let handling: &[Handling] = &[$(Handling::$handling)?];
                assert_caught(Sabotage::$sabotage, handling.first().copied(), $words);
            }
        )+
    };
}

controls! {
    a_reader_without_a_frontier_is_caught: NaiveFrontier => "event";
    a_frontier_of_one_snapshot_is_caught: FrontierOfOneSnapshot => "without";
    a_cursor_that_anybody_moves_is_caught: UnconditionalCursor with Plain => "moved";
    a_fence_without_token_and_place_is_caught: UnconditionalCursor with Transactional => "";
    a_fence_without_a_token_is_caught: NoToken => "moved";
    a_fence_without_a_place_is_caught: NoPlace with Transactional => "twice";
    a_lease_that_is_not_renewed_is_caught: NoRenewal => "taken";
    a_parked_event_that_is_dropped_is_caught: DropsParked with Parking => "";
}

fn assert_caught(sabotage: Sabotage, handling: Option<Handling>, words: &str) {
    let plan = |seed| {
        let plan = Plan::of(seed, sabotage);
        Plan { handling: handling.unwrap_or(plan.handling), ..plan }
    };
    let long = number("EVERCORE_SIMULATIONS");
    let length = Length::Runs(long.unwrap_or(RUNS_OF_A_CONTROL));
    let after_violation = if long.is_some() { AfterViolation::GoOn } else { AfterViolation::Stop };
    let outcome = Series { from: 0, length, after_violation }.run(plan);
    let Some((seed, Violation { what, after })) = outcome.violations.first_key_value() else {
        panic!("{sabotage:?} passes: {outcome}");
    };
    let (caught, runs) = (outcome.violations.len(), outcome.tally.runs);
    println!(
        "{sabotage:?} is caught by seed {seed}, after {after:.1?}: {what} ({caught} of {runs} runs)"
    );
    assert!(what.contains(words), "for another reason: {what}");
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}
