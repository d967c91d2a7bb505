mod on_postgres;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use evercore::{Error, EventStore, RetryPolicy};
use evercore_memory::MemoryEngine;

use crate::SAMPLE;
use crate::domain::{ApplicationStep, Lifecycle};
use crate::figures::{Figures, Span};
use crate::log::{Activity, Case, Log};
use crate::read_model::{NAME, ReadModel};
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
    let folder = tempfile::tempdir()?;
    let url = format!("sqlite://{}", folder.path().join("loans.db").display());
    let store = EventStore::connect(&url).await?;
    let cases = cases(log);
    replay(&store, &cases, 1_000, |_| {}).await?;
    let totals = Totals::of(&store).await?;
    assert_published(&totals);
    ReadModel::Sqlite.catch_up(&store, |_| {}).await?;
    let figures = ReadModel::Sqlite.read(&store).await?;
    assert_eq!(figures, in_the_log(&cases));
    assert_eq!(figures.activities, totals.activities);
    Ok(())
}

#[tokio::test]
async fn the_read_model_says_what_the_log_says_after_each_run() -> anyhow::Result<()> {
    let store = EventStore::connect("sqlite::memory:").await?;
    let mut half = Log::read(SAMPLE.as_bytes())?;
    half.cases.truncate(2);
    half.cases[1].entries.truncate(3);
    let whole = cases(Log::read(SAMPLE.as_bytes())?);
    for log in [cases(half), Arc::clone(&whole), whole] {
        replay(&store, &log, 7, |_| {}).await?;
        ReadModel::Sqlite.catch_up(&store, |_| {}).await?;
        assert_eq!(ReadModel::Sqlite.read(&store).await?, in_the_log(&log));
        let stored = store.subscriptions().find(NAME).await?.expect("it was run");
        assert_eq!((stored.lag, stored.cursor), (0, store.head().await?));
    }
    Ok(())
}

/// Returns the figures of the CSV.
fn in_the_log(cases: &[Case]) -> Figures {
    let mut figures = Figures::default();
    for case in cases {
        let spans = case.entries.iter().map(|entry| Span::of(entry.time));
        figures.add_case(spans.reduce(Span::and).expect("a case has an entry"));
        for entry in &case.entries {
            let (name, lifecycle) = match &entry.activity {
                Activity::Submitted { .. } => {
                    (ApplicationStep::Submitted.to_string(), Lifecycle::Completed)
                }
                Activity::Application(step) => (step.to_string(), Lifecycle::Completed),
                Activity::Offer(step) => (step.to_string(), Lifecycle::Completed),
                Activity::Work(item, lifecycle) => (item.to_string(), *lifecycle),
            };
            *figures.activities.entry((name, lifecycle)).or_default() += 1;
        }
    }
    figures
}

#[test]
fn a_chart_shows_every_figure() -> anyhow::Result<()> {
    let figures = Figures {
        activities: BTreeMap::from([
            (("A_SUBMITTED".to_owned(), Lifecycle::Completed), 80),
            (("W_Afhandelen leads".to_owned(), Lifecycle::Started), 1),
            (("W_Afhandelen leads".to_owned(), Lifecycle::Completed), 39),
        ]),
        durations: BTreeMap::new(),
    };
    let bars: Vec<_> = figures.to_string().lines().skip(1).take(2).map(str::to_owned).collect();
    assert_eq!(
        bars,
        [
            format!("{:<32} {:>9}  {}", "A_SUBMITTED", 80, "█".repeat(40)),
            format!("{:<32} {:>9}  {}", "W_Afhandelen leads", 40, "█".repeat(20)),
        ]
    );
    Ok(())
}

/// Returns the real log, if it exists beside the checkout. If it is missing, a message is written that the test runner
/// does not capture.
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
