//! Opens a store.

use std::sync::{Arc, Mutex};

use tracing::instrument;

use super::{EventStore, Inner, Writing};
use crate::engine::{self, LogSignal, StorageEngine};
use crate::ids::IdPool;
use crate::subscription::{Hub, Starting};
use crate::{Clock, Codec, Limits, Registry, Result, RetryPolicy, SystemClock};

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
#[must_use]
pub struct EventStoreBuilder {
    registry: Option<Registry>,
    clock: Option<Arc<dyn Clock>>,
    limits: Limits,
    writing: Writing,
    retry: RetryPolicy,
    seed: Option<u64>,
    migrate: Migrate,
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
        let random = self.seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
        let inner = Inner {
            engine,
            registry,
            clock: self.clock.unwrap_or_else(|| Arc::new(SystemClock)),
            limits: self.limits,
            ids: IdPool::new(),
            hub: Hub::default(),
            starting: Starting::default(),
            settled: LogSignal::new(),
            writing: self.writing,
            retry: self.retry,
            random: Mutex::new(random),
        };
        Ok(EventStore { inner: Arc::new(inner) })
    }
}
