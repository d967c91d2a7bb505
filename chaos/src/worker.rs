//! A worker, which runs three subscriptions on one store.

use std::time::Duration;

use anyhow::{Context, Result};
use evercore::subscription::SubscriptionBuilder;
use evercore::{Batch, EventStore, FailurePolicy, Migrate, RecordedEvent, each};
use tokio_util::sync::CancellationToken;

use crate::domain::Entry;
use crate::environment::Files;
use crate::journal::Journal;
use crate::plan::{Engine, Fence};
use crate::{postgres, sqlite};

/// The subscription of the transactional handler.
pub(crate) const EXACTLY_ONCE: &str = "exactly-once";
/// The subscription of the plain handler.
pub(crate) const AT_LEAST_ONCE: &str = "at-least-once";
/// The subscription of a plain handler that fails on some events.
pub(crate) const PARKING: &str = "parking";

/// The duration of a lease.
pub(crate) const LEASE: Duration = Duration::from_millis(500);

const PARTITIONS: u32 = 4;

/// Small, so that there are many settlements.
const BATCH_SIZE: u32 = 20;

/// The time that a starting worker waits for the database.
const OPEN_WITHIN: Duration = Duration::from_secs(60);

/// A worker and its store.
#[derive(Clone, Debug)]
pub(crate) struct Worker {
    pub(crate) name: String,
    pub(crate) store: EventStore,
    pub(crate) files: Files,
    pub(crate) stop: CancellationToken,
}

/// Opens the store of a worker process. The database may still be starting.
pub(crate) async fn open(url: &str) -> Result<EventStore> {
    patiently(async || EventStore::builder().migrate(Migrate::Manually).connect(url).await).await
}

/// Retries opening for as long as the error is retryable.
pub(crate) async fn patiently<T>(open: impl AsyncFn() -> evercore::Result<T>) -> Result<T> {
    let opened = async {
        loop {
            match open().await {
                Err(error) if error.is_retryable() => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                opened => return opened,
            }
        }
    };
    let opened = tokio::time::timeout(OPEN_WITHIN, opened).await;
    Ok(opened.context("the database does not answer")??)
}

impl Worker {
    /// Works in a separate process until it is stopped.
    pub(crate) async fn run(&self, engine: Engine, fence: Fence) -> Result<()> {
        let (worker, plain) = (self.name.as_str(), self.run_plain());
        let transactional = self.again(EXACTLY_ONCE, async |subscription| match engine {
            Engine::Sqlite => sqlite::run(subscription, worker, fence).await,
            Engine::Postgres => postgres::run(subscription, worker).await,
            Engine::Memory => unreachable!("BUG: there are no processes on memory"),
        });
        tokio::try_join!(transactional, plain)?;
        Ok(())
    }

    /// Works without the transactional handler until it is stopped.
    pub(crate) async fn run_plain(&self) -> Result<()> {
        let journal = Journal::open(&self.files.at_least_once())?;
        let handle = async move |batch: Batch| {
            for event in &batch {
                journal.write(event.into())?;
                linger().await;
            }
            Ok::<_, std::io::Error>(())
        };
        let (journal, mended) = (Journal::open(&self.files.parking())?, self.files.mended());
        let handle_or_fail = each(async move |event: RecordedEvent| {
            let entry = Entry::from(&event);
            linger().await;
            if entry.is_bad() && !mended.exists() {
                return Err(std::io::Error::other("the event is marked as bad"));
            }
            journal.write(entry)
        });
        let at_least_once = self.again(AT_LEAST_ONCE, |subscription: SubscriptionBuilder| {
            subscription.run(handle.clone())
        });
        let parking = self.again(PARKING, |subscription: SubscriptionBuilder| {
            subscription.on_failure(FailurePolicy::park()).run(handle_or_fail.clone())
        });
        tokio::try_join!(at_least_once, parking)?;
        Ok(())
    }

    /// Runs a subscription until it is stopped, even if the database is away at the beginning.
    async fn again<R: Future<Output = evercore::Result<()>>>(
        &self,
        name: &'static str,
        run: impl Fn(SubscriptionBuilder) -> R,
    ) -> Result<()> {
        while !self.stop.is_cancelled() {
            match run(self.subscription(name)).await {
                Err(error) if error.is_retryable() => linger().await,
                ended => return ended.with_context(|| format!("the subscription `{name}`")),
            }
        }
        Ok(())
    }

    fn subscription(&self, name: &str) -> SubscriptionBuilder {
        self.store
            .subscription(name)
            .partitions(PARTITIONS)
            .batch_size(BATCH_SIZE)
            .lease(LEASE)
            .poll_interval(Duration::from_millis(50))
            .owner(&self.name)
            .stop_on(self.stop.clone())
    }
}

/// Simulates the time that handling takes, so that workers are often interrupted.
pub(crate) async fn linger() {
    tokio::time::sleep(Duration::from_micros(fastrand::u64(..3_000))).await;
}
