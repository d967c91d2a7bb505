//! Configures and opens a store.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tracing::{info, instrument};

use super::EventStore;
use super::waiting::Waiting;
use crate::engine::{self, LogSignal, StorageEngine};
use crate::format::round_trip::RoundTrips;
use crate::metadata::MetadataSource;
use crate::observer::Observer;
use crate::shared::cache::Cache;
use crate::shared::declared::LastRead;
use crate::shared::heartbeat::Heartbeats;
use crate::shared::id_pool::IdPool;
use crate::shared::shares::Shares;
use crate::shared::workers::Workers;
use crate::shared::{Shared, StoredNames, Writing};
use crate::{
    Clock, Codec, CommandLog, Error, Limits, Metadata, OpenProblem, Registry, Result, RetryPolicy,
    SystemClock,
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
    observer: Option<Arc<dyn Observer>>,
    migrate: Migrate,
    command_log: CommandLog,
    patience: Duration,
    default_metadata: Option<MetadataSource>,
}

/// When a store brings its schema up to date.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Migrate {
    /// When the store is opened.
    #[default]
    OnOpen,
    /// Only when [`EventStore::migrate`] is called, or by other means. Until then, calls fail with
    /// [`OpenProblem::SchemaOutdated`](crate::error::OpenProblem::SchemaOutdated).
    Manually,
}

impl EventStoreBuilder {
    /// Sets the types that the store knows. Default: [`Registry::linked`].
    pub fn registry(mut self, registry: Registry) -> Self {
        self.registry = Some(registry);
        self
    }

    /// Sets the clock of the store. Default: [`SystemClock`].
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Sets the bounds of contexts, commits and pages.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Keeps the states of about this many aggregates in memory, those that commits of this store touched last. A
    /// context that finds all its aggregates there costs one round trip, that of its commit. Default: 0, no cache.
    ///
    /// Other processes may have written meanwhile, so a cached state counts only once a commit has checked it. Every
    /// aggregate that is read from the cache is [guarded](crate::Context::guard), even if it is only read. A closure or
    /// a command that fails, conflicts or writes nothing runs again at once on stored states, whatever the
    /// [`RetryPolicy`] says, and only that run counts. So every result is as correct as without a cache.
    ///
    /// The cache pays off where one process has most of the writes of an aggregate. Note that:
    /// - [`with_context_once`](EventStore::with_context_once), transactions, transactional handlers and read contexts
    ///   always read from storage: they run once, or need one consistent view.
    /// - A context that writes nothing runs twice if it finds an aggregate in memory: use
    ///   [`with_readonly_context`](EventStore::with_readonly_context) instead.
    /// - Guards cause conflicts: if many contexts read an aggregate beside the ones that they write to, they conflict
    ///   with its writers.
    ///
    /// Only states that can be [copied](crate::Aggregate::CLONE) are cached: derive `Clone`. A log entry at level info
    /// names the types that are not.
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

    /// Sets the codec for new payloads, except for event types that have a codec of their own. Stored payloads stay as
    /// they are and are still readable. Default: [`Codec::Json`].
    pub fn codec(mut self, codec: Codec) -> Self {
        self.writing.codec = codec;
        self
    }

    /// Compresses payloads of more than this many bytes with Zstandard, if that makes them smaller. Default: no
    /// compression. Requires the feature `zstd`.
    ///
    /// Compression pays off for payloads of a few hundred bytes and more. [`Limits::max_payload_bytes`] applies to the
    /// size before compression.
    pub fn compress_above(mut self, bytes: usize) -> Self {
        self.writing.compress_above = Some(bytes);
        self
    }

    /// Chains the events of each aggregate by hashes (SHA-256), so that [`EventStore::verify`] finds changes that were
    /// not made through the store. Default: events are not chained.
    ///
    /// Each event takes 32 more bytes, for its hash. Events that are stored already stay as they are: the chain of an
    /// aggregate begins with its next event. Either all programs that write to a database chain events, or none: an
    /// event without a hash after one that has a hash is a finding. Programs that do not chain can read chained events.
    ///
    /// A chain reveals changes within it. It reveals neither that its end was cut off nor that the whole chain was
    /// rebuilt: for that, keep its [digest](crate::verify::VerifyReport::digest) elsewhere.
    ///
    /// With chaining, [`EventStore::append`] reads the last event first. An append without an expected sequence is
    /// retried if another writer gets in between, as the [`RetryPolicy`] says.
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

    /// Reads every event and every snapshot back before it is written, and compares it with the original. An event that
    /// its codec would not restore is [`Error::NotRoundTrip`](crate::Error::NotRoundTrip); such a snapshot is omitted.
    ///
    /// Debug builds and scenarios always do so. A release build without this setting checks only for what the codec
    /// itself may lose: numbers that JSON cannot represent, map keys that JSON stores as strings, and options whose
    /// content is written as null. The check costs about as much as decoding the event: see the
    /// [guide](https://github.com/evercore-rs/evercore/blob/main/docs/codecs.md).
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

    /// Sets a source of default metadata. It is called whenever an event is staged, in the task that stages it, to
    /// supply metadata from the environment, such as the task's current trace (`evercore-opentelemetry`). Metadata that
    /// is [set elsewhere](crate::with_metadata) takes precedence.
    pub fn metadata_source(
        mut self,
        source: impl Fn() -> Metadata + Send + Sync + 'static,
    ) -> Self {
        self.default_metadata = Some(MetadataSource::new(source));
        self
    }

    /// Sets how often and after which waits contexts run again after a conflict.
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// Sets how long the outcomes of commands that were sent are kept. Default: a week.
    pub fn command_log(mut self, log: CommandLog) -> Self {
        self.command_log = log;
        self
    }

    /// Sets the observer, which receives what this store and its engine do, for metrics. Default: none, which costs
    /// nothing.
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }

    /// Sets the seed of the jitter between attempts, for tests that need the same waits each time. Default: random.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Sets when the schema is brought up to date.
    pub fn migrate(mut self, migrate: Migrate) -> Self {
        self.migrate = migrate;
        self
    }

    /// Waits up to this long for a database that is not there yet: a server that is down or still starting, a host name
    /// that does not resolve yet. For services that may start before their database. Default: no wait.
    ///
    /// An error that may pass ([`Error::is_retryable`]) is logged at level warn with its cause, and opening tries again
    /// after 100 ms at first and 2 s at most. Any other error is returned at once, such as a wrong password or a missing
    /// database. When the time is used up, the last error is returned; an attempt that has begun is not cut short, but
    /// the engine bounds it.
    ///
    /// # Example
    /// ```no_run
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> evercore::Result<()> {
    /// use std::time::Duration;
    ///
    /// use evercore::EventStore;
    ///
    /// let store = EventStore::builder()
    ///     .wait_for_database(Duration::from_secs(60))
    ///     .connect("postgres://app@db/bank")
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait_for_database(mut self, time: Duration) -> Self {
        self.patience = time;
        self
    }

    /// Opens the store at a URL, whose scheme selects the engine.
    ///
    /// # Errors
    /// - As [`EventStore::connect`].
    /// - [`Error::MissingCodec`](crate::Error::MissingCodec) if this build lacks the feature for the codec or the
    ///   compression.
    /// - [`Error::InvalidDeclaration`](crate::Error::InvalidDeclaration) if an event type cannot be written in the
    ///   codec.
    #[instrument(level = "debug", skip_all, err(level = "debug"))]
    pub async fn connect(self, url: impl AsRef<str>) -> Result<EventStore> {
        let mut waiting = Waiting::new(self.patience);
        let url = url.as_ref();
        let engine = waiting.until_done(|| engine::connect(url)).await?;
        self.open_within(engine, waiting).await
    }

    /// Opens the store on an existing engine.
    ///
    /// # Errors
    /// As [`connect`](Self::connect), except for those about the URL.
    pub async fn open(self, engine: impl StorageEngine) -> Result<EventStore> {
        self.open_shared(Arc::new(engine)).await
    }

    /// Opens the store on an engine that is shared with other owners.
    ///
    /// # Errors
    /// As [`connect`](Self::connect), except for those about the URL.
    pub async fn open_shared(self, engine: Arc<dyn StorageEngine>) -> Result<EventStore> {
        let waiting = Waiting::new(self.patience);
        self.open_within(engine, waiting).await
    }

    async fn open_within(
        self,
        engine: Arc<dyn StorageEngine>,
        mut waiting: Waiting,
    ) -> Result<EventStore> {
        let registry = self.registry.map_or_else(Registry::linked, Ok)?;
        self.writing.check(&registry)?;
        if self.migrate == Migrate::OnOpen {
            waiting.until_done(|| engine.migrate()).await?;
        }
        if self.cached_aggregates > 0 {
            for aggregate in registry.aggregates().filter(|kind| !kind.can_be_copied()) {
                info!(
                    aggregate = aggregate.name(),
                    "the aggregate type is not `Clone`, so its states are not cached"
                );
            }
        }
        if let Some(observer) = &self.observer {
            engine.observe(Arc::clone(observer));
        }
        let random = self.seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
        let inner = Shared {
            engine,
            registry: Arc::new(registry),
            names: StoredNames::default(),
            declared: LastRead::default(),
            clock: self.clock.unwrap_or_else(|| Arc::new(SystemClock)),
            limits: self.limits,
            cache: (self.cached_aggregates > 0).then(|| Cache::of(self.cached_aggregates)),
            ids: IdPool::new(),
            heartbeats: Heartbeats::default(),
            workers: Workers::default(),
            shares: Shares::default(),
            process: process_name(),
            last_worker: AtomicU64::new(0),
            settled: LogSignal::new(),
            writing: self.writing,
            warned: Mutex::default(),
            default_metadata: self.default_metadata,
            retry: self.retry,
            turns: Arc::default(),
            random: Mutex::new(random),
            command_log: self.command_log,
            observer: self.observer,
        };
        let look_up = async || {
            inner.look_up_names().await?;
            inner.open_declared().await
        };
        match waiting.until_done(look_up).await {
            // There is no schema to read yet. The names are looked up again when they are needed.
            Err(Error::CannotOpen { problem: OpenProblem::SchemaOutdated, .. })
                if self.migrate == Migrate::Manually => {}
            looked_up => looked_up?,
        }
        Ok(EventStore::of(Arc::new(inner)))
    }
}

/// Returns a name for this process: its id, and a random part, since another machine may have the same id.
fn process_name() -> String {
    let random = uuid::Uuid::now_v7().simple().to_string();
    format!("{}-{}", std::process::id(), &random[random.len() - 8..])
}
