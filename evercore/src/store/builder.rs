//! Opens a store.

use std::sync::{Arc, Mutex};

use tracing::{info, instrument};

use super::EventStore;
use crate::engine::{self, LogSignal, StorageEngine};
use crate::format::round_trip::RoundTrips;
use crate::metadata::MetadataSource;
use crate::shared::cache::Cache;
use crate::shared::heartbeat::Hub;
use crate::shared::id_pool::IdPool;
use crate::shared::workers::Workers;
use crate::shared::{Shared, StoredNames, Writing};
use crate::{
    Clock, Codec, Error, Limits, Metadata, OpenProblem, Registry, Result, RetryPolicy, SystemClock,
};

/// Sets what [`EventStore::connect`] leaves at its defaults.
///
/// # Example
/// ```standalone_crate
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> evercore::Result<()> {
/// use evercore::{EventStore, Limits, RetryPolicy};
/// use evercore_memory as _;
///
/// let store = EventStore::builder()
///     .limits(Limits::default().max_payload_bytes(16 * 1024))
///     .retry(RetryPolicy::default().attempts(3))
///     .connect("memory:")
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
#[must_use = "no store is opened before `connect`, `open` or `open_shared` is awaited"]
pub struct EventStoreBuilder {
    registry: Option<Registry>,
    clock: Option<Arc<dyn Clock>>,
    limits: Limits,
    cached_aggregates: usize,
    writing: Writing,
    retry: RetryPolicy,
    seed: Option<u64>,
    migrate: Migrate,
    surroundings: Option<MetadataSource>,
}

/// When a store brings its schema up to date.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Migrate {
    /// When it is opened.
    #[default]
    OnOpen,
    /// When [`EventStore::migrate`] is called, or by other means. Until then, calls fail with
    /// [`OpenProblem::SchemaOutdated`](crate::OpenProblem::SchemaOutdated).
    Manually,
}

impl EventStoreBuilder {
    /// Sets the types that the store knows. Default: [`Registry::linked`].
    pub fn registry(mut self, registry: Registry) -> Self {
        self.registry = Some(registry);
        self
    }

    /// Sets where the store takes the time from. Default: [`SystemClock`].
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Sets what contexts, commits and pages may hold.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Keeps the states of up to about so many aggregates in memory, those that commits of this store have touched last:
    /// a context that finds them there costs one round trip, that of its commit. Default: 0, none.
    ///
    /// Others may have written meanwhile, so that a state from memory holds only if a commit has checked it. Every
    /// aggregate that comes from there is [guarded](crate::Context::guard), also one that is only read. A closure or a
    /// command that fails, conflicts or writes nothing runs again at once on what is stored, whatever the
    /// [`RetryPolicy`] says, and only that counts. So all that is ever returned is as true as it is without a cache.
    ///
    /// It pays where one process has most of the writes of an aggregate. Three things to know:
    /// - [`with_context_once`](EventStore::with_context_once), transactions, transactional handlers and read contexts
    ///   always read what is stored: they run once, or want a view of one moment.
    /// - A context that writes nothing is run twice, if it finds an aggregate in memory: use
    ///   [`with_readonly_context`](EventStore::with_readonly_context) for it.
    /// - Since they are guarded, aggregates that many contexts read beside those that they write to let these conflict
    ///   with the writers of the former.
    ///
    /// Only states that can be [copied](crate::Aggregate::CLONE) are kept: derive `Clone`. A log entry at level info names
    /// the types that are not.
    ///
    /// # Example
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> evercore::Result<()> {
    /// use evercore::EventStore;
    /// use evercore_memory as _;
    ///
    /// let store = EventStore::builder().cache_aggregates(10_000).connect("memory:").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn cache_aggregates(mut self, aggregates: usize) -> Self {
        self.cached_aggregates = aggregates;
        self
    }

    /// Sets the codec that payloads are written in, but for those of event types that have a codec of their own. What is
    /// stored already stays as it is and is read as before. Default: [`Codec::Json`].
    pub fn codec(mut self, codec: Codec) -> Self {
        self.writing.codec = codec;
        self
    }

    /// Compresses payloads of more than so many bytes by Zstandard, if that makes them smaller. Default: none. Feature
    /// `zstd`.
    ///
    /// It pays for payloads of some hundred bytes and more. [`Limits::max_payload_bytes`] counts before it.
    pub fn compress_above(mut self, bytes: usize) -> Self {
        self.writing.compress_above = Some(bytes);
        self
    }

    /// Chains the events of each aggregate by hashes (SHA-256), so that [`EventStore::verify`] finds what was changed
    /// behind the store's back. Default: they are not.
    ///
    /// A hash is stored with each event, 32 bytes more. Events that are stored already stay as they are: the chain of an
    /// aggregate begins with the next one. All programs that write to a database have to chain, or none: an event without
    /// a hash after one that has it is a finding. Programs that do not chain read what others have chained.
    ///
    /// A chain shows what was changed in it, not that its end was cut off, nor that all of it was made anew: for that,
    /// keep its [digest](crate::VerifyReport::digest) elsewhere.
    ///
    /// [`EventStore::append`] has to know the last event, so that it reads what it does not read otherwise; and one that
    /// expects no sequence is tried again where another writer comes between, as the [`RetryPolicy`] says.
    ///
    /// # Example
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> evercore::Result<()> {
    /// use evercore::EventStore;
    /// use evercore_memory as _;
    ///
    /// let store = EventStore::builder().chain_events().connect("memory:").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn chain_events(mut self) -> Self {
        self.writing.chained = true;
        self
    }

    /// Reads every event and every snapshot back before it is written, and compares it with what it was. An event that its
    /// codec would not give back is [`Error::NotRoundTrip`](crate::Error::NotRoundTrip), and such a snapshot is left out.
    ///
    /// A debug build does so whatever is set here, and so do scenarios. A release build without it looks only at what the
    /// codec itself may have lost: numbers that JSON does not have, keys that it has as texts, and options that hold nothing.
    /// It costs about what it costs to read the event: see the [guide](https://github.com/evercore-rs/evercore/blob/main/docs/codecs.md).
    ///
    /// # Example
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> evercore::Result<()> {
    /// use evercore::EventStore;
    /// use evercore_memory as _;
    ///
    /// let store = EventStore::builder().check_round_trips().connect("memory:").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn check_round_trips(mut self) -> Self {
        self.writing.round_trips = RoundTrips::CHECKED;
        self
    }

    /// Asks `source` for metadata whenever an event is staged, in the task that stages it: for what the surroundings know,
    /// such as the trace that the task is in (`evercore-opentelemetry`). What is
    /// [set elsewhere](crate::with_metadata) counts before it.
    pub fn metadata_source(
        mut self,
        source: impl Fn() -> Metadata + Send + Sync + 'static,
    ) -> Self {
        self.surroundings = Some(MetadataSource::new(source));
        self
    }

    /// Sets how contexts are run again after a conflict.
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// Sets the seed of the jitter between attempts, for tests that want the same waits each time. Default: random.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Sets when the schema is brought up to date.
    pub fn migrate(mut self, migrate: Migrate) -> Self {
        self.migrate = migrate;
        self
    }

    /// Opens the store at a URL; the engine is found by its scheme.
    ///
    /// # Errors
    /// - As [`EventStore::connect`].
    /// - [`Error::MissingCodec`](crate::Error::MissingCodec) if it is to write in a codec, or to compress, and this build
    ///   lacks what that takes.
    /// - [`Error::InvalidDeclaration`](crate::Error::InvalidDeclaration) if an event type cannot be written in the codec.
    #[instrument(level = "debug", skip_all, err(level = "debug"))]
    pub async fn connect(self, url: impl AsRef<str>) -> Result<EventStore> {
        let engine = engine::connect(url.as_ref()).await?;
        self.open_shared(engine).await
    }

    /// Opens the store on an engine that is made already.
    ///
    /// # Errors
    /// As [`connect`](Self::connect), but for those about the URL.
    pub async fn open(self, engine: impl StorageEngine) -> Result<EventStore> {
        self.open_shared(Arc::new(engine)).await
    }

    /// Opens the store on an engine that others use as well.
    ///
    /// # Errors
    /// As [`connect`](Self::connect), but for those about the URL.
    pub async fn open_shared(self, engine: Arc<dyn StorageEngine>) -> Result<EventStore> {
        let registry = self.registry.map_or_else(Registry::linked, Ok)?;
        self.writing.check(&registry)?;
        if self.migrate == Migrate::OnOpen {
            engine.migrate().await?;
        }
        if self.cached_aggregates > 0 {
            for aggregate in registry.aggregates().filter(|kind| !kind.can_be_copied()) {
                info!(aggregate = aggregate.name(), "is not `Clone`, and so not kept in memory");
            }
        }
        let random = self.seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
        let inner = Shared {
            engine,
            registry: Arc::new(registry),
            names: StoredNames::default(),
            clock: self.clock.unwrap_or_else(|| Arc::new(SystemClock)),
            limits: self.limits,
            cache: (self.cached_aggregates > 0).then(|| Cache::of(self.cached_aggregates)),
            ids: IdPool::new(),
            hub: Hub::default(),
            workers: Workers::default(),
            settled: LogSignal::new(),
            writing: self.writing,
            warned: Mutex::default(),
            surroundings: self.surroundings,
            retry: self.retry,
            turns: Arc::default(),
            random: Mutex::new(random),
        };
        match inner.look_up_names().await {
            // The names are looked up again where they are needed.
            Err(Error::CannotOpen { problem: OpenProblem::SchemaOutdated, .. })
                if self.migrate == Migrate::Manually => {}
            looked_up => looked_up?,
        }
        Ok(EventStore::of(Arc::new(inner)))
    }
}
