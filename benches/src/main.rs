//! Measures evercore on this machine, beside the drivers that it uses. Figures of different machines, or of different
//! runs, cannot be compared; the ratios of one run can.
//!
//! `cargo xtask bench --help` lists the workloads. The sides take turns within one run, so that other activity on the
//! machine affects all of them.

mod contest;
mod cpu;
mod crew;
mod domain;
mod engines;
mod machine;
mod peers;
mod raw;
mod report;
mod sample;
mod workloads;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, ValueEnum};

use contest::Plan;
use engines::Kind;
use machine::Machine;
use peers::Peers;
use report::Report;
use workloads::{Sizes, Workload, size, tasks, wake_up};

#[derive(Clone, Debug, Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench")]
struct Options {
    /// The workloads to measure; all by default.
    #[arg(long, value_enum)]
    workload: Vec<Workload>,
    /// The engines to measure; all by default.
    #[arg(long, value_enum)]
    engine: Vec<Kind>,
    /// Measure only the sides whose names contain this text, for profiling. Ratios are relative to the first of them.
    #[arg(long, default_value = "")]
    side: String,
    /// Measure only the comparisons whose descriptions contain this text, such as `64 tasks`.
    #[arg(long, default_value = "")]
    case: String,
    /// The length of a round of a side, in seconds.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// The number of rounds of each side.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Events of the log that W5 reads, in whole thousands.
    #[arg(long, default_value_t = 200_000)]
    log_events: i64,
    /// Events of W7's large store. The small one has 100,000.
    #[arg(long, default_value_t = 1_000_000)]
    large_store: i64,
    /// Events of W13's large store: measures decisions on it, compared with one of 100,000 events, in place of the usual
    /// contests of W13. 3,000,000 take some minutes to be written. For W14, tasks beside those that are claimed.
    #[arg(long)]
    preload: Option<i64>,
    /// Commits of W6, and of the latencies of W14.
    #[arg(long, default_value_t = 300)]
    commits: u32,
    /// Include other frameworks.
    #[arg(long)]
    peers: bool,
    /// Also write the results to this file, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Also write the tables to this file, as Markdown.
    #[arg(long)]
    markdown: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    anyhow::ensure!(options.seconds > 0.0 && options.rounds > 0, "measure for some time");
    anyhow::ensure!(
        options.log_events > 0 && options.log_events % 1_000 == 0,
        "W5's log has whole thousands of events"
    );
    let runtime = tokio::runtime::Runtime::new()?;
    // Not on the main thread, which the other threads would have to wake for every answer.
    runtime.block_on(async { tokio::spawn(measure(options)).await? })
}

async fn measure(options: Options) -> anyhow::Result<()> {
    let mut report = Report {
        machine: Machine::look()?,
        seconds: options.seconds,
        rounds: options.rounds,
        command: std::env::args().skip(1).collect::<Vec<_>>().join(" "),
        rows: Vec::new(),
        latencies: Vec::new(),
        sizes: Vec::new(),
        notes: Vec::new(),
    };
    let mut peers = Peers::new(options.peers);
    let round = Duration::from_secs_f64(options.seconds);
    let (only, case) = (options.side, options.case);
    let plan = Plan { warm_up: round / 2, round, rounds: options.rounds, only, case };
    let sizes =
        Sizes { log: options.log_events, large: options.large_store, preload: options.preload };
    for kind in all_if_none(&options.engine) {
        let bed = kind.bed().await?;
        report.machine.engines.extend(bed.describe().await?);
        for workload in all_if_none(&options.workload) {
            if !workload.runs_on(kind) {
                continue;
            }
            eprintln!("{workload:?} on {}", kind.name());
            match workload {
                Workload::W6 => report.latencies.extend(wake_up::run(&bed, options.commits).await?),
                Workload::W14 => {
                    report.rows.extend(workload.run(&bed, &mut peers, sizes, &plan).await?);
                    if sizes.preload.is_none() {
                        report.latencies.extend(tasks::latencies(&bed, options.commits).await?);
                    }
                }
                Workload::W10 => report.sizes.extend(size::run(&bed).await?),
                _ => report.rows.extend(workload.run(&bed, &mut peers, sizes, &plan).await?),
            }
        }
    }
    report.machine.look_again();
    report.notes = peers.notes;
    print!("{}", report.markdown());
    if let Some(file) = &options.json {
        std::fs::write(file, serde_json::to_vec_pretty(&report)?)
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    if let Some(file) = &options.markdown {
        std::fs::write(file, report.document())
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

fn all_if_none<T: ValueEnum + Clone>(chosen: &[T]) -> Vec<T> {
    if chosen.is_empty() { T::value_variants().to_vec() } else { chosen.to_vec() }
}
