//! The soak as a program: `cargo xtask soak`.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use evercore_soak::{Engine, Leak, Length, Plan, soak};

/// Works for a long time and checks that no resource use grows.
#[derive(Parser)]
struct Program {
    /// The duration on each engine, in minutes.
    #[arg(long, default_value_t = 30)]
    minutes: u64,
    /// The number of rounds, in place of a duration.
    #[arg(long)]
    rounds: Option<usize>,
    /// Run on this engine only.
    #[arg(long)]
    engine: Option<Engine>,
    /// The seed of the random choices.
    #[arg(long)]
    seed: Option<u64>,
    /// Run the control: leak this resource in each round.
    #[arg(long)]
    leak: Option<Leak>,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> anyhow::Result<ExitCode> {
    let Program { minutes, rounds, engine, seed, leak } = Program::parse();
    let length = rounds.map_or_else(
        || Length::Time(Duration::from_secs(minutes.saturating_mul(60))),
        Length::Rounds,
    );
    let engines = match engine {
        Some(engine) => vec![engine],
        None => vec![Engine::Memory, Engine::Sqlite, Engine::Postgres],
    };
    let mut is_flat = true;
    for engine in engines {
        let seed = seed.unwrap_or_else(|| fastrand::u64(..));
        eprintln!("{engine}, seed {seed}");
        let plan = Plan { engine, length, seed, leak };
        let report = soak(&plan).await.with_context(|| format!("on {engine}, seed {seed}"))?;
        println!("{report}");
        anyhow::ensure!(report.is_long_enough(), "too few rounds for a result");
        is_flat &= report.growths().is_empty();
    }
    Ok(if is_flat { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
