//! Many clients at once, whose history is checked when all is over.

mod client;
mod deeds;

use std::sync::Arc;
use std::time::Duration;

use evercore::engine::StorageEngine;
use evercore::{Batch, Error, EventStore, Report, Result, RetryPolicy};

use crate::Harness;
use crate::case::{SEED_VARIABLE, number, runtime, seed};
use crate::domain::registry;
use crate::domain::tally::Tally;
use crate::fixture::{ROOM, Setting};
use crate::history::{Check, Follower, Recorder, Verdict};
use client::Client;
use deeds::Stage;

/// What each client does, unless `EVERCORE_OPERATIONS` says otherwise.
const OPERATIONS: u32 = 40;

/// The variable for it.
const OPERATIONS_VARIABLE: &str = "EVERCORE_OPERATIONS";

/// Clients that do something at the same time.
const CLIENTS: u32 = 8;

/// The subscription that follows them, in two partitions, with a worker in each of the two processes.
const SUBSCRIPTION: &str = "crowd";

const PARTITIONS: u32 = 2;

/// How long it may take beyond what so many operations take on a slow disk: longer means that something hangs.
const TIME_LIMIT: Duration = Duration::from_secs(60);

const TIME_FOR_AN_OPERATION: Duration = Duration::from_millis(100);

/// Lets eight clients, in two processes, do random things with few aggregates and keys at the same time: write to
/// several, guard others, create, change keys, append, repeat wishes, and be dropped in the middle. Two workers follow.
/// What all have seen is [checked](crate::history::check).
///
/// [`concurrent_histories!`](crate::concurrent_histories) makes tests of it.
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
    /// Clients that do 40 things each, or as many as `EVERCORE_OPERATIONS` says. What they do is random, from
    /// `EVERCORE_SEED` if it is set; how they get in each other's way is not the same again.
    ///
    /// # Panics
    /// If one of the variables is set and is no number.
    pub fn new() -> Self {
        let operations = number(OPERATIONS_VARIABLE).unwrap_or(OPERATIONS);
        Self { operations, seed: seed(), setting: Setting::Default }
    }

    /// Sets how much each client does.
    pub const fn operations(mut self, operations: u32) -> Self {
        self.operations = operations;
        self
    }

    /// Sets what is random.
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Has the stores [keep aggregates in memory](evercore::EventStoreBuilder::cache_aggregates).
    pub const fn cached(mut self) -> Self {
        self.setting = Setting::Cached;
        self
    }

    /// Runs it, on a runtime of its own.
    ///
    /// # Errors
    /// What a client was told that is neither a landing nor a refusal, or that it takes too long, in words. What the
    /// history shows is in the verdict.
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

    /// Where a promise was broken, clients may have been told anything: the history says more than they do.
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
            (Ok(verdict), Err(_)) if !verdict.is_sound() => Ok(verdict),
            (Ok(verdict), Ok(())) => Ok(verdict),
            (_, Err(error)) | (Err(error), Ok(())) => Err(told(error)),
        }
    }

    /// Has clients and workers do what they do, until all is done and handled.
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
            workers.push(subscription.batch_size(7).wait_for_lease().spawn(handler)?);
        }
        let stage = Arc::new(Stage::set(first).await?);
        let mut random = fastrand::Rng::with_seed(self.seed);
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let store = if number % 2 == 0 { first } else { second };
                let client = Client::new(store.clone(), Arc::clone(&stage), random.fork());
                tokio::spawn(client.run(self.operations))
            })
            .collect();
        // All of them, whatever one was told: what is done after the history was taken would be missing in it.
        let mut done = Ok(());
        for client in clients {
            let client = client.await.map_err(|panic| Error::storage("run a client", panic));
            done = done.and(client.and_then(|done| done));
        }
        done?;
        first.wait_until_idle(SUBSCRIPTION).await?;
        for worker in workers {
            worker.shutdown().await?;
        }
        Ok(())
    }

    /// What another process would open.
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

/// Makes tests that let many clients at an engine at once, and check their history.
///
/// As [`conformance!`](crate::conformance), it takes an expression that makes a [`Harness`](crate::Harness).
/// `EVERCORE_OPERATIONS` sets how much each client does, `EVERCORE_SEED` what.
///
/// # Example: `tests/histories.rs` of an engine
/// ```
/// # use std::sync::Arc;
/// # use async_trait::async_trait;
/// # use evercore::{Result, engine::StorageEngine};
/// # use evercore_memory::MemoryEngine;
/// # use evercore_testing::{Durability, Harness};
/// # #[derive(Debug)]
/// # struct Memory(MemoryEngine);
/// # #[async_trait]
/// # impl Harness for Memory {
/// #     async fn open(&self) -> Result<Arc<dyn StorageEngine>> { Ok(Arc::new(self.0.clone())) }
/// #     fn durability(&self) -> Durability { Durability::Process }
/// #     async fn clean_up(&self) -> Result<()> { Ok(()) }
/// # }
/// evercore_testing::concurrent_histories!(Memory(MemoryEngine::new()));
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
