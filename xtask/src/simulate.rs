//! Runs workers, leases and the log under a seeded simulation, for a long time.

use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;

use crate::command::{Failure, cargo};

/// The number of runs of each control.
const RUNS_OF_A_CONTROL: u64 = 10_000;

#[derive(Args)]
pub(crate) struct Options {
    /// The seconds to run.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// The number of runs, instead of a time.
    #[arg(long)]
    runs: Option<u64>,
    /// The first seed. If it is not given, each call uses new seeds.
    #[arg(long)]
    from: Option<u64>,
    /// Run this seed alone, with its trace.
    #[arg(long, conflicts_with_all = ["runs", "from", "controls"])]
    seed: Option<u64>,
    /// Measure how often a database that is broken on purpose is caught, for each way to break it.
    #[arg(long, conflicts_with = "from")]
    controls: bool,
}

pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let Options { seconds, runs, from, seed, controls } = *options;
    let what = if controls { "is_caught" } else { "--exact no_seed_breaks_a_promise" };
    let words = "test --release --quiet --package evercore-conformance --test simulation";
    // The tests run one after the other, since each uses all processors.
    let simulation = cargo(&format!("{words} -- --nocapture --test-threads 1 {what}"));
    let simulation = match (seed, runs) {
        (Some(seed), _) => simulation.env("EVERCORE_SEED", &seed.to_string()),
        (None, None) if !controls => {
            simulation.env("EVERCORE_SIMULATION_SECONDS", &seconds.to_string())
        }
        (None, runs) => {
            let runs = runs.unwrap_or(RUNS_OF_A_CONTROL);
            simulation.env("EVERCORE_SIMULATIONS", &runs.to_string())
        }
    };
    simulation.env("EVERCORE_FIRST_SEED", &from.unwrap_or_else(unused).to_string()).run()
}

/// Returns a seed that, like the million after it, has not been used before.
fn unused() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() * 1_000_000
}
