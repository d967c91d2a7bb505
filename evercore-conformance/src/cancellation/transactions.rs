//! User code in a transaction of the engine.

use std::sync::Arc;
use std::time::Duration;

use evercore::{Batch, BoxError, Error, Position, Start, TransactionContext};
use tokio_util::sync::CancellationToken;

use super::halting::Halting;
use super::{CancellationHarness, Cut, Outcome, Subject};
use crate::SqlHarness;
use crate::transactional::SqlTransaction;

/// A subject on an engine with transactions, with a table beside the log.
#[derive(Debug)]
pub struct WithRows<H: SqlHarness> {
    pub(super) subject: Subject,
    harness: Arc<H>,
    engine: Arc<H::Engine>,
    halting: Halting<H::Engine>,
}

/// An error of the harness or of the store.
struct Failed(BoxError);

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self(error.into())
    }
}

impl<H: SqlHarness + CancellationHarness> WithRows<H> {
    pub(super) async fn new(
        subject: Subject,
        harness: Arc<H>,
        engine: Arc<H::Engine>,
    ) -> Result<Self, BoxError> {
        let halting = Halting::new(Arc::clone(&engine));
        let rows = Self { subject, harness, engine, halting };
        let create = format!("CREATE TABLE {} (position BIGINT)", rows.harness.table());
        let created = rows.subject.witness.with_context_in(&*rows.engine, async |ctx| {
            rows.harness.execute(ctx.transaction(), &create).await.map_err(Failed)
        });
        created.await.map_err(|Failed(error)| error)?;
        Ok(rows)
    }

    fn insert(&self, number: i64) -> String {
        format!("INSERT INTO {} VALUES ({number})", self.harness.table())
    }

    /// Returns the rows with this number or a higher one.
    async fn rows(&self, from: i64) -> Result<Vec<i64>, BoxError> {
        let sql = format!(
            "SELECT position FROM {} WHERE position >= {from} ORDER BY position",
            self.harness.table()
        );
        let read = self.subject.witness.with_context_in(&*self.engine, async |ctx| {
            self.harness.numbers(ctx.transaction(), &sql).await.map_err(Failed)
        });
        read.await.map_err(|Failed(error)| error)
    }
}

/// Checks that the row and the events are both stored or both missing.
pub async fn with_context_in<H>(subject: &WithRows<H>, cut: &mut Cut) -> Outcome
where
    H: SqlHarness + CancellationHarness,
{
    let WithRows { subject: store, halting, .. } = subject;
    let mark = Subject::mark();
    // Above all positions.
    let number = i64::MAX / 2 + store.witness.head().await?.get();
    let work = store.store.with_context_in(halting, async |ctx| {
        let insert = subject.insert(number);
        subject.harness.execute(ctx.transaction(), &insert).await.map_err(Failed)?;
        Ok::<_, Failed>(store.add_to_both(ctx, &mark).await?)
    });
    let done = cut.short(work).await.transpose().map_err(|Failed(error)| error)?;
    // If the dropped transaction still commits, the next transaction waits for it.
    let rows = subject.rows(number).await?;
    store.check_whole(&mark, 2, done.is_some() || !rows.is_empty()).await?;
    let events = store.witness.read_correlated(&mark, Position::START).await?.events.len();
    match (events, rows.len()) {
        (2, 1) | (0, 0) => Ok(()),
        (events, rows) => Err(format!("{rows} rows beside {events} events").into()),
    }
}

/// Drops the worker while it handles, settles or waits. Events handled before and after take effect exactly once.
pub async fn run_in<H>(subject: &WithRows<H>, cut: &mut Cut) -> Outcome
where
    H: SqlHarness + CancellationHarness,
{
    let (name, start) = prepare(subject).await?;
    let stop = CancellationToken::new();
    let run = run_until(subject, &name, start, &stop);
    let last = subject.subject.witness.head().await?;
    let stopping = async {
        loop {
            match subject.subject.witness.wait_for(name.as_str(), last).await {
                Err(Error::UnknownSubscription { .. }) => tokio::task::yield_now().await,
                waited => {
                    waited?;
                    stop.cancel();
                    return Ok::<_, Error>(());
                }
            }
        }
    };
    cut.short(async { tokio::try_join!(run, stopping) }).await.transpose()?;
    check_once(subject, &name, start, last).await
}

/// Drops the worker while it releases its lease.
pub async fn run_in_that_stops<H>(subject: &WithRows<H>, cut: &mut Cut) -> Outcome
where
    H: SqlHarness + CancellationHarness,
{
    let (name, start) = prepare(subject).await?;
    let last = subject.subject.witness.head().await?;
    let stop = CancellationToken::new();
    let worker = subject.subject.store.subscription(name.as_str());
    let worker = worker.start(Start::After(start)).batch_size(1).stop_on(stop.clone());
    let run = worker.run_in(
        &subject.halting,
        async |ctx: &mut TransactionContext<SqlTransaction<H>>, batch: Batch| {
            for event in &batch {
                let insert = subject.insert(event.position().get());
                subject.harness.execute(ctx.transaction(), &insert).await?;
            }
            stop.cancel();
            Ok::<_, BoxError>(())
        },
    );
    cut.short(run).await.transpose()?;
    check_once(subject, &name, start, last).await
}

async fn prepare<H>(subject: &WithRows<H>) -> Result<(String, Position), BoxError>
where
    H: SqlHarness + CancellationHarness,
{
    let name = Subject::mark();
    let start = subject.subject.prepare(&name).await?;
    Ok((name, start))
}

async fn run_until<H>(
    subject: &WithRows<H>,
    name: &str,
    start: Position,
    stop: &CancellationToken,
) -> evercore::Result<()>
where
    H: SqlHarness + CancellationHarness,
{
    let worker = subject.subject.store.subscription(name).lease(Duration::from_secs(60));
    let worker = worker.start(Start::After(start)).batch_size(1).stop_on(stop.clone());
    worker
        .run_in(
            &subject.halting,
            async |ctx: &mut TransactionContext<SqlTransaction<H>>, batch: Batch| {
                for event in &batch {
                    let insert = subject.insert(event.position().get());
                    subject.harness.execute(ctx.transaction(), &insert).await?;
                }
                Ok::<_, BoxError>(())
            },
        )
        .await
}

async fn check_once<H>(
    subject: &WithRows<H>,
    name: &str,
    start: Position,
    last: Position,
) -> Outcome
where
    H: SqlHarness + CancellationHarness,
{
    let store = &subject.subject.witness;
    // The next transaction waits for one that is still being rolled back or committed.
    let rows = subject.rows(start.get() + 1).await?;
    let subscriptions = store.subscriptions();
    if let Some(stored) = subscriptions.find(name).await? {
        let expected: Vec<_> = (start.get() + 1..=stored.cursor.get()).collect();
        if below(&rows, last) != expected {
            return Err(format!("the rows are {rows:?}, the cursor {}", stored.cursor).into());
        }
        subscriptions.reset(name, Start::After(stored.cursor)).await?;
    }
    let stop = CancellationToken::new();
    let waiting = async {
        loop {
            match store.wait_for(name, last).await {
                Err(Error::UnknownSubscription { .. }) => tokio::task::yield_now().await,
                waited => {
                    stop.cancel();
                    return waited;
                }
            }
        }
    };
    tokio::try_join!(run_until(subject, name, start, &stop), waiting)?;
    let rows = subject.rows(start.get() + 1).await?;
    let expected: Vec<_> = (start.get() + 1..=last.get()).collect();
    if below(&rows, last) != expected {
        return Err(format!("an event took effect more than once, or never: {rows:?}").into());
    }
    Ok(subscriptions.delete(name).await?)
}

/// Returns the rows of events up to this position.
fn below(rows: &[i64], last: Position) -> Vec<i64> {
    rows.iter().copied().filter(|row| *row <= last.get()).collect()
}
