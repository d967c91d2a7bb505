//! Replays a real loan-application log, case by case, and reports the outcomes of the applications.
//!
//! ```sh
//! cargo run --release --example loans -- --log bpic2012.csv.gz --db loans.db
//! ```
//!
//! The log is the BPI Challenge 2012 (doi:10.4121/uuid:3926db30-f712-4394-aebc-75976070e91f) as CSV. The program can be
//! stopped at any time: the next run continues where it was. Without `--log` it replays a small sample.
//!
//! In the end, a subscription counts the events of the store, in tables of its own in the same database
//! (`read_model.rs`), and the program draws the figures as charts.

mod domain;
mod figures;
mod log;
mod read_model;
mod replay;
mod report;

use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context;
use clap::Parser;
use evercore::EventStore;
use indicatif::{ProgressBar, ProgressStyle};

use log::Log;
use read_model::ReadModel;
use report::Totals;

/// A few cases in the format of the real log.
const SAMPLE: &str = include_str!("sample.csv");

/// Replays a loan-application log and reports the outcomes of the applications.
#[derive(Parser)]
struct Args {
    /// The log, as CSV, which may be compressed with gzip. If not given, a small sample.
    #[arg(long)]
    log: Option<PathBuf>,

    /// The database of the events: a file for SQLite, or a storage URL.
    #[arg(long, default_value = "loans.db")]
    db: String,

    /// The number of events after which a commit is full.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    batch: u32,

    /// The case to show; the log's first if not given.
    #[arg(long)]
    case: Option<String>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    run(Args::parse()).await
}

async fn run(args: Args) -> anyhow::Result<()> {
    let log = match &args.log {
        Some(path) => Log::open(path)?,
        None => Log::read(SAMPLE.as_bytes())?,
    };
    for broken in &log.broken {
        eprintln!("left out {broken}");
    }

    let url = if args.db.contains(':') { args.db } else { format!("sqlite://{}", args.db) };
    let read_model = ReadModel::at(&url);
    let store = EventStore::connect(url).await?;

    let bar = ProgressBar::new(u64::try_from(log.entries())?);
    bar.set_style(ProgressStyle::with_template("{wide_bar} {pos}/{len} events, {per_sec}, {eta}")?);
    let batch = usize::try_from(args.batch)?;
    let start = Instant::now();
    let cases = log.cases.into();
    let added = replay::replay(&store, &cases, batch, |entries| {
        bar.inc(entries.try_into().unwrap_or(u64::MAX));
    })
    .await
    .context("the replay stopped; run it again to resume from here")?;
    bar.finish_and_clear();
    let seconds = start.elapsed().as_secs_f64();
    let mut report = format!("{added} events added in {seconds:.1} s.\n\n");
    catch_up(read_model, &store).await?;

    report += &format!("{}\n", Totals::of(&store).await?);
    let first = cases.first().map(|case| case.id.clone());
    if let Some(case) = args.case.or(first) {
        report += &format!("\n{}\n", report::story(&store, &case).await?);
    }
    report += &format!("\nThe read model:\n\n{}", read_model.read(&store).await?);
    store.close().await?;
    print(&report)
}

/// Brings the read model up to date, with a progress bar.
async fn catch_up(read_model: ReadModel, store: &EventStore) -> anyhow::Result<()> {
    let bar = ProgressBar::no_length();
    bar.set_style(ProgressStyle::with_template("{wide_bar} {pos}/{len} {msg}")?);
    let counting = read_model.catch_up(store, |status| {
        bar.set_length(status.head.get().unsigned_abs());
        bar.set_position(status.position.get().unsigned_abs());
        bar.set_message(format!("positions counted, {:.0} events/s", status.rate));
    });
    counting.await.context("the read model is behind; run it again to resume from here")?;
    bar.finish_and_clear();
    Ok(())
}

/// Prints a text. A reader that has closed the pipe is no error.
fn print(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        outcome => Ok(outcome?),
    }
}

#[cfg(test)]
mod tests;
