//! Subscriptions under a seeded simulation: workers that stall, die and come back, a network that delays, loses and
//! reorders, commits that appear late, and a clock that jumps. All of it in virtual time, on one thread, from one seed.
//!
//! `cargo test -p evercore-testing --test simulation -- --nocapture` runs the short form;
//! `EVERCORE_SIMULATIONS=100000` the long one, and `EVERCORE_SEED=17` a single run, with its trace.

mod clock;
mod database;
mod domain;
mod network;
mod observer;
mod plan;
mod process;
mod simulation;
mod transactor;

use std::time::{Duration, Instant};

use plan::{Handling, Plan, Sabotage};
use simulation::{Run, run};

/// Runs of the short form.
const RUNS: u64 = 400;

/// The most runs until a control has to be caught.
const RUNS_OF_A_CONTROL: u64 = 2_000;

#[test]
fn no_seed_breaks_a_promise() {
    if let Some(seed) = number("EVERCORE_SEED") {
        let run = run(&Plan::of(seed, Sabotage::None));
        println!("{}", run.trace.join("\n"));
        println!("{:?}", run.tally);
        run.verdict.unwrap_or_else(|violation| panic!("{violation}"));
        return;
    }
    let runs = number("EVERCORE_SIMULATIONS").unwrap_or(RUNS);
    let began = Instant::now();
    let mut total = simulation::Tally::default();
    for seed in 0..runs {
        let Run { verdict, tally, .. } = run(&Plan::of(seed, Sabotage::None));
        if let Err(violation) = verdict {
            panic!("{violation}\nrun it again with EVERCORE_SEED={seed}");
        }
        total.add(&tally);
    }
    let rate = per_second(runs, began.elapsed());
    println!("{runs} runs in {:?}, {rate} a second: {total:?}", began.elapsed());
    assert!(total.is_rough(), "nothing ever went wrong: {total:?}");
}

#[test]
fn a_seed_gives_the_same_run_again() {
    for seed in 0..20 {
        let plan = Plan::of(seed, Sabotage::None);
        let (first, again) = (run(&plan), run(&plan));
        assert_eq!(first.trace, again.trace, "seed {seed}");
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
    let began = Instant::now();
    for seed in 0..RUNS_OF_A_CONTROL {
        let mut plan = Plan::of(seed, sabotage);
        if let Some(handling) = handling {
            plan.handling = handling;
        }
        if let Err(violation) = run(&plan).verdict {
            println!(
                "{sabotage:?} is caught by seed {seed}, after {:?}: {violation}",
                began.elapsed()
            );
            assert!(violation.contains(words), "for another reason: {violation}");
            return;
        }
    }
    panic!("{sabotage:?} passes {RUNS_OF_A_CONTROL} runs");
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

fn per_second(runs: u64, took: Duration) -> u128 {
    u128::from(runs) * 1_000 / took.as_millis().max(1)
}
