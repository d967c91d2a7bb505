//! Tests the take-over by another worker, on both engines.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use evercore::{EventStore, Position, Start};
use evercore_examples::Program;
use futures_util::TryStreamExt;
use tokio_util::sync::CancellationToken;

use crate::worker::{Balance, MoneyDeposited, NAME, Options, ReadModel, run};

/// The variable that holds the database URL of [`program`].
const DB: &str = "SUBSCRIPTION_TEST_DB";

/// The name of the worker that is killed.
const FIRST: &str = "the first";

/// The name of the worker that stands by.
const SECOND: &str = "the second";

fn options(owner: &str, deposits: Option<u32>, pause: u64) -> Options {
    Options { owner: Some(owner.to_owned()), deposits, pause, lease: 2 }
}

/// Takes deposits without end, in a process of its own.
pub(crate) async fn program(read_model: &impl ReadModel) -> anyhow::Result<()> {
    let Ok(url) = std::env::var(DB) else { return Ok(()) };
    let store = EventStore::connect(url).await?;
    run(&store, read_model, options(FIRST, None, 5), CancellationToken::new()).await?;
    Ok(())
}

pub(crate) async fn run_to_the_end(read_model: &impl ReadModel, url: &str) -> anyhow::Result<()> {
    let store = EventStore::connect(url).await?;
    let stop = CancellationToken::new();
    let outcome = run(&store, read_model, options("the only", Some(20), 0), stop).await?;
    assert_eq!(outcome.handled, 20);
    assert_eq!(outcome.balances, in_the_log(&store).await?);
    let stored = store.subscriptions().find(NAME).await?.expect("it was run");
    assert_eq!((stored.lag, &stored.partitions[0].owner), (0, &None), "the lease was given back");
    Ok(())
}

pub(crate) async fn kill_one(read_model: &impl ReadModel, url: &str) -> anyhow::Result<()> {
    let store = EventStore::connect(url).await?;
    let module = if url.starts_with("sqlite") { "tests" } else { "on_postgres" };
    let mut first = Program::start(&format!("{module}::program"), &[(DB, url)])?;
    let handles_some = async || {
        let stored = store.subscriptions().find(NAME).await?;
        anyhow::Ok(stored.is_some_and(|stored| {
            stored.cursor.get() >= 10 && stored.partitions[0].owner.as_deref() == Some(FIRST)
        }))
    };
    while !handles_some().await? {
        first.check_runs()?;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    // It takes deposits for longer than the first worker lives.
    let stop = CancellationToken::new();
    let second = run(&store, read_model, options(SECOND, Some(20), 50), stop);
    let (outcome, killed) = tokio::join!(second, async {
        let mut events = pin!(store.ephemeral().start(Start::Beginning).stream());
        while let Some(event) = events.try_next().await? {
            if event.metadata().principal_id() == Some(SECOND) {
                break;
            }
        }
        anyhow::Ok(first.kill()?)
    });
    killed?;
    let outcome = outcome?;
    assert!(outcome.handled > 0, "the second worker has taken over");
    assert_eq!(outcome.balances, in_the_log(&store).await?);
    Ok(())
}

/// Computes the balances from the events.
async fn in_the_log(store: &EventStore) -> anyhow::Result<Vec<Balance>> {
    let mut balances = BTreeMap::new();
    let mut after = Position::START;
    loop {
        let page = store.read_log(after, 1_000).await?;
        for event in &page.events {
            let MoneyDeposited { owner, amount } = event.decode()?;
            let (sum, deposits) = balances.entry(owner).or_insert((0, 0));
            (*sum, *deposits) = (*sum + amount, *deposits + 1);
        }
        if page.at_end {
            let rows = balances.into_iter().map(|(owner, (sum, count))| (owner, sum, count));
            return Ok(rows.collect());
        }
        after = page.end;
    }
}
