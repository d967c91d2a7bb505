//! The chaos test as a program: `cargo xtask chaos`.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, Subcommand};
use evercore_chaos::{Duty, Engine, Plan, conduct, work};

/// Kills, stops and restarts what follows a log, and checks that nothing was lost.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Program {
    /// For how long there is writing and trouble, on each engine.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Only this engine.
    #[arg(long)]
    engine: Option<Engine>,
    /// What the random choices come from.
    #[arg(long)]
    seed: Option<u64>,
    /// The control: the checks of the transactional handler are taken away, so that promises are broken.
    #[arg(long)]
    without_fence: bool,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Subcommand)]
enum Part {
    /// Work, as one of several.
    #[command(hide = true)]
    Worker(Duty),
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let Program { seconds, engine, seed, without_fence, part } = Program::parse();
    if let Some(Part::Worker(duty)) = part {
        let ended = work(duty).await;
        if let Err(error) = &ended {
            eprintln!("a worker cannot go on: {error:?}");
        }
        // Not to wait for the thread that reads the input: nothing wakes it.
        std::process::exit(i32::from(ended.is_err()));
    }
    let program = std::env::current_exe().context("cannot find this program")?;
    let engines = match engine {
        Some(engine) => vec![engine],
        None if without_fence => vec![Engine::Sqlite, Engine::Postgres],
        None => vec![Engine::Memory, Engine::Sqlite, Engine::Postgres],
    };
    let mut broken = 0;
    for engine in engines {
        let seed = seed.unwrap_or_else(|| fastrand::u64(..));
        let mut plan = Plan::new(engine, &program).length(Duration::from_secs(seconds)).seed(seed);
        if without_fence {
            plan = plan.without_fence();
        }
        eprintln!("{engine}: {seconds} s, seed {seed}");
        let report = conduct(&plan).await.with_context(|| format!("on {engine}, seed {seed}"))?;
        println!("{report}");
        broken += report.violations().len();
    }
    Ok(if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
