//! Measures evercore on this machine. Figures of different machines, or of different runs, do not compare.
//!
//! `cargo xtask bench --workload wake-up`: how long it takes from the moment a commit was acknowledged until the handler
//! of a subscription has its event.

mod engines;
mod wake_up;

use clap::{Parser, ValueEnum};

use engines::Kind;

#[derive(Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench")]
struct Options {
    /// What to measure.
    #[arg(long, value_enum)]
    workload: Workload,
    /// The engine; all if it is left out.
    #[arg(long, value_enum)]
    engine: Option<Kind>,
    /// How many commits to measure.
    #[arg(long, default_value_t = 300)]
    commits: u32,
}

#[derive(Clone, Copy, ValueEnum)]
enum Workload {
    /// From the acknowledged commit to the handler.
    WakeUp,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let kinds = options.engine.map_or_else(|| Kind::value_variants().to_vec(), |kind| vec![kind]);
    match options.workload {
        Workload::WakeUp => wake_up::run(&kinds, options.commits).await,
    }
}
