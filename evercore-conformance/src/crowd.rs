//! Runs many concurrent clients on an engine and checks their history.

mod client;
mod operations;

use std::sync::Arc;
use std::time::Duration;

use evercore::engine::StorageEngine;
use evercore::{Batch, Error, EventStore, Report, Result, RetryPolicy};
use evercore_testing::history::{Check, Follower, Recorder, Verdict};

use crate::Harness;
use crate::case::{SEED_VARIABLE, number, runtime, seed};
use crate::domain::registry;
use crate::domain::tally::Tally;
use crate::fixture::{ROOM, Setting};
use client::Client;
use operations::Shared;

/// The number of operations per client, unless `EVERCORE_OPERATIONS` is set.
const OPERATIONS: u32 = 40;

/// The environment variable that overrides [`OPERATIONS`].
const OPERATIONS_VARIABLE: &str = "EVERCORE_OPERATIONS";

/// The number of concurrent clients.
const CLIENTS: u32 = 8;

/// The subscription to the clients' events, in two partitions, with a worker in each of the two processes.
const SUBSCRIPTION: &str = "crowd";

const PARTITIONS: u32 = 2;

/// The time limit beyond [`TIME_FOR_AN_OPERATION`] per operation, enough for a slow disk. Exceeding it means a hang.
const TIME_LIMIT: Duration = Duration::from_secs(60);

const TIME_FOR_AN_OPERATION: Duration = Duration::from_millis(100);

/// Runs eight concurrent clients, in two processes, that do random operations on few aggregates and keys: they write to
/// several aggregates, guard others, decide on events found by their tags with and without events of their own, create,
/// change keys, append, repeat requests with an idempotency key, and are dropped midway. Two workers follow the events.
/// The combined history is then [checked](evercore_testing::history::check).
///
/// [`concurrent_histories!`](crate::concurrent_histories) generates tests from it.
#[derive(Clone, Debug)]
#[must_use = "run it"]
pub struct Crowd {
    operations: u32,
    seed: u64,
    setting: Setting,
}

impl Default for Crowd {
    fn default() -> Self {
        Self::new()
    }
}

impl Crowd {
    /// Creates a crowd whose clients do 40 operations each, or `EVERCORE_OPERATIONS` if set. The operations are drawn
    /// from the seed `EVERCORE_SEED`, if set; their interleaving is not reproducible.
    ///
    /// # Panics
    /// If one of these environment variables is set but is not a number.
    pub fn new() -> Self {
        let operations = number(OPERATIONS_VARIABLE).unwrap_or(OPERATIONS);
        Self { operations, seed: seed(), setting: Setting::Default }
    }

    /// Sets the number of operations per client.
    pub const fn operations(mut self, operations: u32) -> Self {
        self.operations = operations;
        self
    }

    /// Sets the seed of the random operations.
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Makes the stores [cache aggregates](evercore::EventStoreBuilder::cache_aggregates).
    pub const fn cached(mut self) -> Self {
        self.setting = Setting::Cached;
        self
    }

    /// Runs the clients on a runtime of its own and checks their history.
    ///
    /// # Errors
    /// A message if a client received an error other than an expected refusal, or if the run takes too long. Broken
    /// promises are reported in the verdict instead.
    pub fn run(&self, harness: impl Harness) -> Result<Verdict, String> {
        let runtime = runtime();
        let limit = TIME_LIMIT + TIME_FOR_AN_OPERATION * self.operations * CLIENTS;
        let verdict = runtime.block_on(async {
            let ended = tokio::time::timeout(limit, self.run_here(&harness)).await;
            ended.unwrap_or_else(|_| Err(format!("it did not end within {limit:?}")))
        });
        let cleaned = runtime.block_on(harness.clean_up());
        runtime.shutdown_background();
        let at_seed = |problem: String| format!("{problem} ({SEED_VARIABLE}={})", self.seed);
        let verdict = verdict.map_err(at_seed)?;
        cleaned.map_err(|error| format!("clean-up: {}", Report::new(&error)))?;
        Ok(verdict)
    }

    /// If the history shows a broken promise, returns it even if a client failed, and prints the failure, because either
    /// may explain the other.
    async fn run_here(&self, harness: &dyn Harness) -> Result<Verdict, String> {
        let recorder = Recorder::new();
        let told = |error: Error| Report::new(&error).to_string();
        let first = self.process(&recorder, harness).await.map_err(told)?;
        let second = self.process(&recorder, harness).await.map_err(told)?;
        let done = self.let_loose(&recorder, &first, &second).await;
        let verdict = Check::of(&recorder.history())
            .follower(Follower::new(SUBSCRIPTION).partitions(PARTITIONS))
            .states_of::<Tally>()
            .run(&first)
            .await;
        match (verdict, done) {
            (Ok(verdict), Err(error)) if !verdict.is_sound() => {
                println!("a client failed: {}", told(error));
                Ok(verdict)
            }
            (Ok(verdict), Ok(())) => Ok(verdict),
            (_, Err(error)) | (Err(error), Ok(())) => Err(told(error)),
        }
    }

    /// Runs clients and workers until all operations are done and all events are handled.
    async fn let_loose(
        &self,
        recorder: &Recorder,
        first: &EventStore,
        second: &EventStore,
    ) -> Result<()> {
        let mut workers = Vec::new();
        for store in [first, second] {
            let handler = recorder.handler(SUBSCRIPTION, async |_: Batch| Ok::<_, Error>(()));
            let subscription = store.subscription(SUBSCRIPTION).partitions(PARTITIONS);
            workers.push(subscription.batch_size(7).spawn(handler)?);
        }
        let shared = Arc::new(Shared::create(first).await?);
        let mut random = fastrand::Rng::with_seed(self.seed);
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let store = if number % 2 == 0 { first } else { second };
                let client = Client::new(store.clone(), Arc::clone(&shared), random.fork());
                tokio::spawn(client.run(self.operations))
            })
            .collect();
        // Waits for all clients, even if one failed: the history must not miss operations that end later.
        let mut done = Ok(());
        for client in clients {
            let client = client.await.map_err(|panic| Error::storage("run a client", panic));
            done = done.and(client.and_then(|done| done));
        }
        // The workers handle all events even if a client failed, so that the history shows no other problem than that.
        let handled = first.wait_until_idle(SUBSCRIPTION).await;
        for worker in workers {
            done = done.and(worker.shutdown().await.map(drop));
        }
        done.and(handled.map(drop))
    }

    /// Opens the store of another process.
    async fn process(&self, recorder: &Recorder, harness: &dyn Harness) -> Result<EventStore> {
        let engine: Arc<dyn StorageEngine> = recorder.observe(harness.open().await?);
        let hasty = RetryPolicy::default().attempts(3).longest(Duration::from_millis(2));
        let builder = EventStore::builder().registry(registry()).retry(hasty).seed(self.seed);
        let builder = match self.setting {
            Setting::Default => builder,
            Setting::Cached => builder.cache_aggregates(ROOM),
        };
        builder.open_shared(engine).await
    }
}

/// Generates tests that run many concurrent clients on an engine and check their history.
///
/// Like [`conformance!`](crate::conformance), it takes an expression that evaluates to a [`Harness`](crate::Harness).
/// `EVERCORE_OPERATIONS` sets the number of operations per client, `EVERCORE_SEED` the seed they are drawn from.
///
/// # Example: `tests/histories.rs` of an engine
/// ```
/// # use std::sync::Arc;
/// # use async_trait::async_trait;
/// # use evercore::{Result, engine::StorageEngine};
/// # use evercore_memory::MemoryEngine;
/// # use evercore_conformance::{Durability, Harness};
/// # #[derive(Debug)]
/// # struct Memory(MemoryEngine);
/// # #[async_trait]
/// # impl Harness for Memory {
/// #     async fn open(&self) -> Result<Arc<dyn StorageEngine>> { Ok(Arc::new(self.0.clone())) }
/// #     fn durability(&self) -> Durability { Durability::Process }
/// #     async fn clean_up(&self) -> Result<()> { Ok(()) }
/// # }
/// evercore_conformance::concurrent_histories!(Memory(MemoryEngine::new()));
/// ```
#[macro_export]
macro_rules! concurrent_histories {
    ($harness:expr) => {
        #[test]
        fn the_history_of_many_clients_is_sound() {
            let verdict = $crate::Crowd::new().run($harness);
            let verdict = verdict.unwrap_or_else(|problem| panic!("{problem}"));
            println!("{verdict}");
            verdict.assert_sound();
        }

        #[test]
        fn the_history_of_many_clients_is_sound_where_aggregates_are_cached() {
            let verdict = $crate::Crowd::new().cached().run($harness);
            let verdict = verdict.unwrap_or_else(|problem| panic!("{problem}"));
            println!("{verdict}");
            verdict.assert_sound();
        }
    };
}
