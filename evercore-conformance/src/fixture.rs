//! The store, the engine and the random numbers of a case.

use std::sync::Arc;
use std::time::Duration;

use evercore::engine::{Capability, LogQuery, Reader, StorageEngine};
use evercore::{
    Error, EventStore, EventStoreBuilder, Position, RecordedEvent, Result, RetryPolicy,
};

use crate::domain::registry;
use crate::{Durability, Harness};

/// The cache size of the cases that use one: more aggregates than any case creates.
pub(crate) const ROOM: usize = 1_000;

/// An empty, migrated store, and the harness that it was opened on.
#[derive(Debug)]
pub(crate) struct Fixture {
    harness: Arc<dyn Harness>,
    engine: Arc<dyn StorageEngine>,
    store: EventStore,
    setting: Setting,
    seed: u64,
}

/// The setup of the stores of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setting {
    Default,
    /// The stores cache aggregates.
    Cached,
}

/// The engine and the store that [`Fixture::successor`] returns.
#[derive(Debug)]
pub(crate) struct Successor {
    pub(crate) engine: Arc<dyn StorageEngine>,
    pub(crate) store: EventStore,
}

impl Fixture {
    pub(crate) async fn new(
        harness: Arc<dyn Harness>,
        setting: Setting,
        seed: u64,
    ) -> Result<Self> {
        let engine = harness.open().await?;
        let store = open(Arc::clone(&engine), setting, seed).await?;
        Ok(Self { harness, engine, store, setting, seed })
    }

    /// Returns a store that knows the whole domain and retries for as long as a case may last.
    pub(crate) fn store(&self) -> &EventStore {
        &self.store
    }

    /// Returns a store for a faster, competing writer: it commits at once, even within the closure of another context.
    pub(crate) fn rival(&self) -> EventStore {
        self.store.detached()
    }

    pub(crate) fn engine(&self) -> &dyn StorageEngine {
        &*self.engine
    }

    /// Leaves the case out if the engine does not declare a capability. For cases that do not pass the refusal on.
    pub(crate) fn needs(&self, operation: Capability) -> Result<()> {
        let (is_declared, engine) = (self.engine.capabilities().has(operation), self.engine.name());
        if is_declared { Ok(()) } else { Err(Error::Unsupported { operation, engine }) }
    }

    pub(crate) fn shared_engine(&self) -> Arc<dyn StorageEngine> {
        Arc::clone(&self.engine)
    }

    pub(crate) fn harness(&self) -> &dyn Harness {
        &*self.harness
    }

    /// Opens another store on the same engine.
    pub(crate) async fn store_with(&self, builder: EventStoreBuilder) -> Result<EventStore> {
        builder.open_shared(self.shared_engine()).await
    }

    /// Returns a builder with the settings of [`Fixture::store`].
    pub(crate) fn builder(&self) -> EventStoreBuilder {
        builder(self.setting, self.seed)
    }

    /// Returns how often a context runs that needs `on_storage` runs on stored state. With a cache, a run on cached
    /// aggregates comes first.
    pub(crate) fn runs(&self, on_storage: u32) -> u32 {
        match self.setting {
            Setting::Default => on_storage,
            Setting::Cached => on_storage + 1,
        }
    }

    /// Opens a store on its own engine, as another process would at the same time.
    pub(crate) async fn neighbour(&self) -> Result<EventStore> {
        open(self.harness.open().await?, self.setting, self.seed).await
    }

    /// Opens the store of the next process. If data outlive the engine, the first engine is closed before.
    pub(crate) async fn successor(&self) -> Result<Successor> {
        match self.harness.durability() {
            Durability::Disk => self.engine.close().await?,
            Durability::Process => {}
        }
        let engine = self.harness.open().await?;
        let store = open(Arc::clone(&engine), self.setting, self.seed).await?;
        Ok(Successor { engine, store })
    }

    /// Returns a random number generator that repeats for the same seed.
    pub(crate) fn random(&self) -> fastrand::Rng {
        fastrand::Rng::with_seed(self.seed)
    }

    /// Reads the whole log.
    pub(crate) async fn log(&self) -> Result<Vec<RecordedEvent>> {
        whole_log(self.engine()).await
    }
}

pub(crate) async fn whole_log(reader: &dyn Reader) -> Result<Vec<RecordedEvent>> {
    let mut log = Vec::new();
    let mut after = Position::START;
    loop {
        let page = reader.read_log(LogQuery::new(after, 500)).await?;
        log.extend(page.events);
        if page.at_end {
            return Ok(log);
        }
        assert!(page.end > after, "a page that is not the last has to lead on");
        after = page.end;
    }
}

pub(crate) async fn open(
    engine: Arc<dyn StorageEngine>,
    setting: Setting,
    seed: u64,
) -> Result<EventStore> {
    builder(setting, seed).open_shared(engine).await
}

fn builder(setting: Setting, seed: u64) -> EventStoreBuilder {
    let patient = RetryPolicy::default()
        .attempts(100_000)
        .base(Duration::from_micros(100))
        .longest(Duration::from_millis(5));
    let builder = EventStore::builder().registry(registry()).retry(patient).seed(seed);
    match setting {
        Setting::Default => builder,
        Setting::Cached => builder.cache_aggregates(ROOM),
    }
}
