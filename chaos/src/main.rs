//! The chaos test as a program: `cargo xtask chaos`.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, Subcommand};
use evercore_chaos::{
    Acknowledge, CommitterDuty, Duty, Engine, Kills, Plan, commit, run_plan, work,
};

/// Kills, stops and restarts the workers of subscriptions, and checks that no event was lost.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Program {
    /// The duration of writing and faults on each engine, in seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Run on this engine only.
    #[arg(long)]
    engine: Option<Engine>,
    /// The seed of the random choices.
    #[arg(long)]
    seed: Option<u64>,
    /// Run the control: remove the checks of the transactional handler, so that promises are broken.
    #[arg(long)]
    without_fence: bool,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Subcommand)]
enum Part {
    /// Run as one of several workers.
    #[command(hide = true)]
    Worker(Duty),
    /// Write and follow the log until killed.
    #[command(hide = true)]
    Committer(CommitterDuty),
    /// Kill a process that writes, again and again, and check each time that its answers were true.
    Kills(KillsWanted),
}

#[derive(clap::Args)]
struct KillsWanted {
    /// The number of kills on each engine.
    #[arg(long, default_value_t = 300)]
    number: usize,
    /// Run on this engine only.
    #[arg(long)]
    engine: Option<Engine>,
    /// The seed of the random choices.
    #[arg(long)]
    seed: Option<u64>,
    /// When a commit counts as acknowledged: `beforehand` is the control.
    #[arg(long, default_value = "afterwards")]
    acknowledge: Acknowledge,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let Program { seconds, engine, seed, without_fence, part } = Program::parse();
    let program = std::env::current_exe().context("cannot find this program")?;
    match part {
        Some(Part::Worker(duty)) => leave(work(duty).await),
        Some(Part::Committer(duty)) => leave(commit(duty).await),
        Some(Part::Kills(wanted)) => return kill(&program, wanted).await,
        None => {}
    }
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
        let report = run_plan(&plan).await.with_context(|| format!("on {engine}, seed {seed}"))?;
        println!("{report}");
        broken += report.violations().len();
    }
    Ok(if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn kill(program: &Path, wanted: KillsWanted) -> anyhow::Result<ExitCode> {
    let engines = match wanted.engine {
        Some(engine) => vec![engine],
        None => vec![Engine::Sqlite, Engine::Postgres],
    };
    let mut broken = 0;
    for engine in engines {
        let seed = wanted.seed.unwrap_or_else(|| fastrand::u64(..));
        let kills = Kills::new(engine, program, wanted.number);
        let report = kills.seed(seed).acknowledge(wanted.acknowledge).run().await;
        let report = report.with_context(|| format!("on {engine}, seed {seed}"))?;
        println!("{report}");
        broken += report.violations().len();
    }
    Ok(if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Exits a process that works for another one.
fn leave(ended: anyhow::Result<()>) -> ! {
    if let Err(error) = &ended {
        eprintln!("a worker has failed: {error:?}");
    }
    // Exits at once, because nothing wakes the thread that reads the input.
    std::process::exit(i32::from(ended.is_err()))
}
