//! Defines the state that all clones of a store share, and how it prepares events and sends commits.

pub(crate) mod cache;
pub(crate) mod declared;
pub(crate) mod heartbeat;
pub(crate) mod id_pool;
pub(crate) mod known_tags;
pub(crate) mod nesting;
pub(crate) mod observed;
pub(crate) mod shares;
pub(crate) mod state;
pub(crate) mod stored_names;
mod turn_key;
pub(crate) mod unique_names;
pub(crate) mod workers;

use std::collections::BTreeSet;
use std::future::ready;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use tokio::time::Instant;
use tracing::warn;

use crate::clock::to_stored_precision;
use crate::engine::{
    Commit, Due, LONGEST_WAIT, LoadRequest, LoadedAggregate, LogSignal, NewEvent, Reader,
    StorageEngine, require,
};
use crate::format::compression::{self, MISSING};
use crate::format::error::MissingFeature;
use crate::format::round_trip::RoundTrips;
use crate::metadata::{MetadataSource, check_label};
use crate::observer::{Observation, Observer};
use crate::retry::pause;
use crate::shared::cache::Cache;
use crate::shared::declared::LastRead;
use crate::shared::id_pool::IdPool;
use crate::shared::observed::Observed;
use crate::shared::state::State;
use crate::time_range::{check_recorded_at, check_time};
use crate::{
    Aggregate, AggregateId, BoxError, Clock, Codec, CommandLog, CommitId, CommitOutcome, Committed,
    Error, EventMeta, EventOptions, EventType, Limits, Metadata, Payload, Registry, Report, Result,
    RetryPolicy, Sequence, Tags, Turns,
};
use heartbeat::Heartbeats;
use shares::Shares;
pub(crate) use stored_names::StoredNames;
pub(crate) use turn_key::TurnKey;
use workers::Workers;

/// The longest time to keep asking for the outcome of a commit while the database cannot be reached.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) engine: Arc<dyn StorageEngine>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) names: StoredNames,
    pub(crate) declared: LastRead,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) limits: Limits,
    pub(crate) cache: Option<Cache>,
    pub(crate) ids: IdPool,
    pub(crate) heartbeats: Heartbeats,
    pub(crate) workers: Workers,
    pub(crate) shares: Shares,
    /// Names the process in the names of its workers.
    pub(crate) process: String,
    pub(crate) last_worker: AtomicU64,
    /// Signaled when a subscription of this process has moved its cursor, or has given back a lease.
    pub(crate) settled: LogSignal,
    pub(crate) writing: Writing,
    /// The aggregate types for which a warning about missing snapshots has been logged.
    pub(super) warned: Mutex<BTreeSet<&'static str>>,
    /// Supplies default metadata for every event (`EventStoreBuilder::metadata_source`).
    pub(crate) default_metadata: Option<MetadataSource>,
    pub(super) retry: RetryPolicy,
    /// Queues in which attempts wait for each other after a conflict.
    pub(crate) turns: Arc<Turns<TurnKey>>,
    pub(super) random: Mutex<fastrand::Rng>,
    pub(crate) command_log: CommandLog,
    pub(crate) observer: Option<Arc<dyn Observer>>,
}

/// The parts of a task that were checked and encoded.
#[derive(Debug)]
pub(crate) struct PreparedTask {
    pub(crate) payload: Payload,
    pub(crate) metadata: Metadata,
    pub(crate) metadata_column: Option<String>,
}

/// The settings for writing payloads.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Writing {
    pub(crate) codec: Codec,
    /// Payloads longer than this many bytes are compressed.
    pub(super) compress_above: Option<usize>,
    /// Whether events are chained by hashes.
    pub(crate) chained: bool,
    /// Which payloads are read back before they are written.
    pub(crate) round_trips: RoundTrips,
}

impl Writing {
    /// Checks that this build and the registered types support the settings.
    pub(super) fn check(&self, registry: &Registry) -> Result<()> {
        let codec = (!self.codec.is_built()).then(|| self.codec.missing());
        let compression =
            (self.compress_above.is_some() && !compression::is_built()).then_some(MISSING);
        if let Some(MissingFeature { format, feature }) = codec.or(compression) {
            return Err(Error::MissingCodec { event: None, format, feature });
        }
        registry.check_codec(self.codec)
    }
}

impl Shared {
    pub(super) fn wait_after(&self, failed: u32) -> Option<Duration> {
        self.retry.wait_after(failed, self.random())
    }

    /// The longest wait of the retry policy.
    pub(crate) const fn longest_wait(&self) -> Duration {
        self.retry.longest_wait()
    }

    /// Returns a default name for a worker.
    pub(crate) fn worker_name(&self) -> String {
        let number = self.last_worker.fetch_add(1, Ordering::Relaxed) + 1;
        shares::worker_name(&self.process, number)
    }

    /// Returns a random number from 0 to 1, for jitter.
    pub(crate) fn random(&self) -> f64 {
        self.random.lock().unwrap_or_else(PoisonError::into_inner).f64()
    }

    pub(crate) fn observe(&self, observation: &Observation<'_>) {
        if let Some(observer) = &self.observer {
            observer.observe(observation);
        }
    }

    /// Loads an aggregate from a reader.
    pub(crate) fn load<'a>(
        &'a self,
        reader: &'a dyn Reader,
        request: LoadRequest,
    ) -> BoxFuture<'a, Result<Option<LoadedAggregate>>> {
        Observed::load(self.observer.as_deref(), reader.load(request))
    }

    /// Wraps a state for a handle. It can be shared if there is a cache to share it with.
    pub(crate) fn held<T: Aggregate>(&self, state: T) -> State<T> {
        let state = State::Own(state);
        if self.cache.is_some() { state.shareable() } else { state }
    }

    /// Removes aggregates from the cache that were written without their state being known.
    pub(crate) fn forget(&self, written: impl IntoIterator<Item = AggregateId>) {
        if let Some(cache) = &self.cache {
            written.into_iter().for_each(|id| cache.forget(id));
        }
    }

    /// Warns, once per aggregate type, that a state has no snapshot. Loads replay its events instead.
    pub(crate) fn warn_without_snapshot(&self, aggregate: &'static str, error: &BoxError) {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.insert(aggregate) {
            warn!(
                aggregate,
                error = %Report::new(&**error),
                "the state is replayed from its events, since a snapshot would not restore it; further states of this type are not logged"
            );
        }
    }

    /// Returns the codec for events that have none of their own.
    pub(crate) const fn codec(&self) -> Codec {
        self.writing.codec
    }

    /// Returns which events are read back before they are written.
    pub(crate) const fn round_trips(&self) -> RoundTrips {
        self.writing.round_trips.up_to(self.limits.max_payload_bytes)
    }

    /// Checks and encodes an event that will have this sequence.
    pub(crate) fn prepare(
        &self,
        event_type: &EventType,
        encode: impl FnOnce(Codec, RoundTrips) -> Result<Vec<u8>, BoxError>,
        tags: Result<Tags>,
        options: EventOptions,
        (aggregate_id, sequence): (AggregateId, Sequence),
        context_metadata: Option<&Metadata>,
    ) -> Result<NewEvent> {
        let EventOptions { event_time, reference, metadata } = options;
        let metadata =
            Metadata::of_event(metadata, context_metadata, self.default_metadata.as_ref());
        let event_time = event_time.unwrap_or_else(|| self.clock.now());
        let meta = EventMeta {
            aggregate_id,
            sequence,
            event_time: to_stored_precision(event_time),
            reference,
            metadata: metadata.map(Box::new),
        };
        let codec = event_type.codec_in(self.writing.codec);
        let encoded = encode(codec, self.round_trips());
        let payload = encoded.map(|bytes| Payload::from_encoded(codec, bytes));
        self.check(event_type, payload, tags, meta)
    }

    /// Checks an event that is encoded and has its place.
    pub(crate) fn check(
        &self,
        event_type: &EventType,
        encoded: Result<Payload, BoxError>,
        tags: Result<Tags>,
        meta: EventMeta,
    ) -> Result<NewEvent> {
        check_time("event time", meta.event_time)?;
        let payload = self.check_payload(event_type, encoded)?;
        check_label("reference", meta.reference())?;
        let metadata_column = meta.metadata.as_ref().map_or(Ok(None), |own| own.check())?;
        let (name, version) = (event_type.name(), event_type.version());
        Ok(NewEvent { event_type: name, version, payload, meta, metadata_column, tags: tags? })
    }

    /// Checks the payload of a registered type, and compresses it if it is large.
    fn check_payload(
        &self,
        event_type: &EventType,
        encoded: Result<Payload, BoxError>,
    ) -> Result<Payload> {
        self.registry.check(event_type)?;
        let name = event_type.name();
        let encoded = encoded.map_err(|source| Error::unencodable(name, source))?;
        let (bytes, limit) = (encoded.bytes().len(), self.limits.max_payload_bytes);
        if bytes > limit {
            return Err(Error::PayloadTooLarge { event: name.to_owned(), bytes, limit });
        }
        Ok(encoded.compressed_above(self.writing.compress_above))
    }

    /// Checks and encodes a task.
    pub(crate) fn prepare_task(
        &self,
        task_type: &EventType,
        encode: impl FnOnce(Codec, RoundTrips) -> Result<Vec<u8>, BoxError>,
        due: Due,
        metadata: Option<Metadata>,
        context_metadata: Option<&Metadata>,
    ) -> Result<PreparedTask> {
        match due {
            Due::At(time) => check_time("due time of a task", time)?,
            Due::After(wait) if wait > LONGEST_WAIT => {
                let time = DateTime::<Utc>::MAX_UTC;
                return Err(Error::TimeOutOfRange { what: "due time of a task", time });
            }
            Due::After(_) => {}
        }
        let codec = task_type.codec_in(self.writing.codec);
        let encoded = encode(codec, self.round_trips());
        let encoded = encoded.map(|bytes| Payload::from_encoded(codec, bytes));
        let payload = self.check_payload(task_type, encoded)?;
        let metadata =
            Metadata::of_event(metadata, context_metadata, self.default_metadata.as_ref());
        let metadata = metadata.unwrap_or_default();
        let metadata_column = metadata.check()?;
        Ok(PreparedTask { payload, metadata, metadata_column })
    }

    /// Commits. If the answer is lost, asks for the outcome before it returns.
    pub(crate) async fn send(&self, commit: Commit) -> Result<Committed> {
        self.settle(self.commit(commit)).await
    }

    /// Sends a commit to the engine, unless the store's clock returns a time that not every engine can store.
    pub(crate) fn commit(&self, mut commit: Commit) -> BoxFuture<'_, Result<Committed>> {
        let checked = check_recorded_at(&commit).and_then(|()| {
            commit.requires().iter().try_for_each(|needed| require(&*self.engine, needed))
        });
        let events = commit.events.len();
        let answer = match checked.map(|()| self.name_version(&mut commit)) {
            Ok(Some(Ok(()))) => self.engine.commit(commit),
            Ok(None) => Box::pin(async move {
                self.declared().await?.admit(&mut commit)?;
                self.engine.commit(commit).await
            }),
            Ok(Some(Err(error))) | Err(error) => return Box::pin(ready(Err(error))),
        };
        Observed::commit(self.observer.as_deref(), events, answer)
    }

    /// Waits for the answer to a commit. If it is lost, asks the engine for the outcome, for a while.
    pub(crate) async fn settle(
        &self,
        answer: impl Future<Output = Result<Committed>>,
    ) -> Result<Committed> {
        match answer.await {
            Err(Error::OutcomeUnknown { commit, source }) => {
                Box::pin(self.find_out(commit, source)).await
            }
            Err(changed @ Error::DeclarationsChanged) => {
                self.forget_declared();
                Err(changed)
            }
            answer => answer,
        }
    }

    async fn find_out(&self, commit: CommitId, source: BoxError) -> Result<Committed> {
        warn!(%commit, error = %Report::new(&*source), "the answer to a commit was lost; looking up its outcome");
        let asked = Instant::now();
        let mut failed = 0;
        loop {
            let error = match self.engine.find_commit(commit).await {
                Ok(CommitOutcome::Landed(committed)) => return Ok(committed),
                Ok(CommitOutcome::NeverLands) => return Err(Error::Unavailable { source }),
                Err(error) => error,
            };
            failed += 1;
            // The failure that lost the answer may have broken more connections, so asking is retried.
            let is_lost = matches!(error, Error::Unavailable { .. });
            let wait = RetryPolicy::default().wait_after(failed, self.random());
            match wait.filter(|_| is_lost && asked.elapsed() < PATIENCE) {
                Some(wait) => pause(wait).await,
                None => {
                    warn!(%commit, error = %Report::new(&error), "the outcome of the commit cannot be looked up");
                    return Err(Error::OutcomeUnknown { commit, source });
                }
            }
        }
    }
}
