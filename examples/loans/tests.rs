mod on_postgres;

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use evercore::{Error, EventStore, RetryPolicy};
use evercore_memory::MemoryEngine;

use crate::SAMPLE;
use crate::log::{Case, Log};
use crate::replay::replay;
use crate::report::Totals;

async fn memory() -> Result<EventStore, Error> {
    EventStore::builder().retry(RetryPolicy::none()).open(MemoryEngine::new()).await
}

fn cases(log: Log) -> Arc<[Case]> {
    log.cases.into()
}

#[tokio::test]
async fn a_second_run_adds_nothing() -> anyhow::Result<()> {
    let store = memory().await?;
    let log = Log::read(SAMPLE.as_bytes())?;
    let entries = u64::try_from(log.entries())?;
    let cases = cases(log);

    let first = replay(&store, &cases, 7, |_| {}).await?;
    let totals = Totals::of(&store).await?;
    let second = replay(&store, &cases, 7, |_| {}).await?;

    assert_eq!(first, entries);
    assert_eq!(second, 0);
    assert_eq!(Totals::of(&store).await?, totals);
    Ok(())
}

#[tokio::test]
async fn a_run_that_was_stopped_is_completed_by_the_next() -> anyhow::Result<()> {
    let log = cases(Log::read(SAMPLE.as_bytes())?);
    let whole = memory().await?;
    replay(&whole, &log, 7, |_| {}).await?;

    let stopped = memory().await?;
    let mut half = Log::read(SAMPLE.as_bytes())?;
    half.cases.truncate(2);
    half.cases[1].entries.truncate(3);
    replay(&stopped, &cases(half), 7, |_| {}).await?;
    replay(&stopped, &log, 7, |_| {}).await?;

    assert_eq!(Totals::of(&stopped).await?, Totals::of(&whole).await?);
    Ok(())
}

#[test]
fn a_broken_line_is_reported_with_its_number_and_stops_nothing_but_itself() -> anyhow::Result<()> {
    let mut lines: Vec<&[u8]> = SAMPLE.lines().map(str::as_bytes).collect();
    let whole = Log::read(SAMPLE.as_bytes())?;
    lines.insert(3, b"1,A_SUBMITTED,COMPLETE");
    lines.insert(5, b"1,A_DANCED,COMPLETE,2011-10-01T00:00:00Z,112,1");
    lines.insert(7, b"1,\"A_SUBMITTED,COMPLETE,yesterday,112,1");
    lines.insert(9, b"1,\xff,COMPLETE,2011-10-01T00:00:00Z,112,1");

    let log = Log::read(&*lines.join(&b'\n'))?;

    let broken: Vec<u64> = log.broken.iter().map(|broken| broken.line).collect();
    assert_eq!(broken, [4, 6, 8, 10]);
    assert_eq!(log.entries(), whole.entries());
    Ok(())
}

#[tokio::test]
async fn the_real_log_gives_its_published_totals() -> anyhow::Result<()> {
    let Some(path) = real_log() else { return Ok(()) };
    let log = Log::open(&path)?;
    assert_eq!(log.broken.len(), 0);
    let store = memory().await?;
    replay(&store, &cases(log), 1_000, |_| {}).await?;
    assert_published(&Totals::of(&store).await?);
    Ok(())
}

/// The real log, in a checkout that has it beside. Where it is missing, that is said past the capture of output.
fn real_log() -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data/bpic2012.csv.gz");
    let path = PathBuf::from(beside);
    if path.exists() {
        return Some(path);
    }
    let said = writeln!(std::io::stderr(), "skipped a test: {beside} is not there");
    said.expect("standard error takes a line");
    None
}

fn assert_published(totals: &Totals) {
    assert_eq!((totals.cases, totals.events), (13_087, 262_200));
    assert_eq!(totals.activities.len(), 36);
    let published = [
        ("A_DECLINED", 7_635),
        ("A_CANCELLED", 2_807),
        ("A_APPROVED", 2_246),
        ("A_ACTIVATED", 2_246),
        ("A_REGISTERED", 2_246),
        ("O_CREATED", 7_030),
        ("O_SENT", 7_030),
        ("O_CANCELLED", 3_655),
        ("O_ACCEPTED", 2_243),
        ("O_DECLINED", 802),
    ];
    for (activity, count) in published {
        assert_eq!(totals.count(activity), count, "{activity}");
    }
}
