//! Faults in reading events.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::SubsecRound;
use evercore::engine::{
    Capability, Commit, EventRow, HistoryRequest, LoadRequest, LoadedAggregate, LogQuery,
    NewSnapshot, Reader, StorageEngine, StoredSnapshot,
};
use evercore::format::Payload;
use evercore::{AggregateId, Codec, Committed, Error, LogPage, RecordedEvent, Result, Sequence};
use evercore_memory::MemoryEngine;

use crate::engine::Fault;

/// Skips a sequence.
#[derive(Debug)]
pub(crate) struct SkipsASequence;

impl Fault for SkipsASequence {
    fn show(&self, row: &mut EventRow) {
        if row.sequence.get() >= 3 {
            row.sequence = row.sequence.next();
        }
    }
}

/// Returns a snapshot together with an event that the snapshot already includes.
#[derive(Debug)]
pub(crate) struct AppliesTwice;

#[async_trait]
impl Fault for AppliesTwice {
    async fn load(
        &self,
        reader: &dyn Reader,
        request: LoadRequest,
    ) -> Result<Option<LoadedAggregate>> {
        let (up_to, limit) = (request.up_to, request.limit);
        let Some(mut loaded) = reader.load(request).await? else { return Ok(None) };
        if let Some(snapshot) = &mut loaded.snapshot {
            let after = Sequence::new(snapshot.sequence.get() - 1)?;
            snapshot.sequence = after;
            let tail = HistoryRequest { id: loaded.id, after, up_to, limit };
            loaded.events = reader.read_history(tail).await?;
        }
        Ok(Some(loaded))
    }
}

/// Returns the newest snapshot, whatever its fingerprint and however new it is.
#[derive(Debug, Default)]
pub(crate) struct GivesAnySnapshot(Mutex<HashMap<AggregateId, NewSnapshot>>);

#[async_trait]
impl Fault for GivesAnySnapshot {
    async fn commit(&self, engine: &MemoryEngine, commit: Commit) -> Result<Committed> {
        let snapshots = commit.snapshots.clone();
        let committed = engine.commit(commit).await?;
        let new = snapshots.into_iter().map(|snapshot| (snapshot.aggregate_id, snapshot));
        self.0.lock().expect("not poisoned").extend(new);
        Ok(committed)
    }

    async fn load(
        &self,
        reader: &dyn Reader,
        request: LoadRequest,
    ) -> Result<Option<LoadedAggregate>> {
        let (wanted, up_to, limit) = (request.snapshot, request.up_to, request.limit);
        let Some(mut loaded) = reader.load(request).await? else { return Ok(None) };
        let newest = self.0.lock().expect("not poisoned").get(&loaded.id).cloned();
        if let (Some(_), Some(NewSnapshot { sequence, state, .. })) = (wanted, newest) {
            loaded.snapshot = Some(StoredSnapshot::new(sequence, state));
            let tail = HistoryRequest { id: loaded.id, after: sequence, up_to, limit };
            loaded.events = reader.read_history(tail).await?;
        }
        Ok(Some(loaded))
    }
}

/// Makes views read the current state.
#[derive(Debug)]
pub(crate) struct SeesLaterCommits;

#[async_trait]
impl Fault for SeesLaterCommits {
    async fn begin_read(&self, engine: &MemoryEngine) -> Result<Box<dyn Reader>> {
        Ok(Box::new(engine.clone()))
    }
}

/// Ignores the limits of requests.
#[derive(Debug)]
pub(crate) struct IgnoresLimits;

#[async_trait]
impl Fault for IgnoresLimits {
    async fn load(
        &self,
        reader: &dyn Reader,
        request: LoadRequest,
    ) -> Result<Option<LoadedAggregate>> {
        reader.load(LoadRequest { limit: u32::MAX, ..request }).await
    }

    async fn read_history(
        &self,
        reader: &dyn Reader,
        request: HistoryRequest,
    ) -> Result<Vec<RecordedEvent>> {
        reader.read_history(HistoryRequest { limit: u32::MAX, ..request }).await
    }

    async fn read_log(&self, reader: &dyn Reader, query: LogQuery) -> Result<LogPage> {
        reader.read_log(LogQuery { limit: u32::MAX, ..query }).await
    }
}

/// Reports the end of the log as the end of each page.
#[derive(Debug)]
pub(crate) struct SkipsInTheLog;

#[async_trait]
impl Fault for SkipsInTheLog {
    async fn read_log(&self, reader: &dyn Reader, query: LogQuery) -> Result<LogPage> {
        let whole = LogQuery { limit: u32::MAX, ..query.clone() };
        let end = reader.read_log(whole).await?.end;
        let mut page = reader.read_log(query).await?;
        page.end = end;
        Ok(page)
    }
}

/// Returns the pages of the log backwards.
#[derive(Debug)]
pub(crate) struct ReversesTheLog;

#[async_trait]
impl Fault for ReversesTheLog {
    async fn read_log(&self, reader: &dyn Reader, query: LogQuery) -> Result<LogPage> {
        let mut page = reader.read_log(query).await?;
        page.events.reverse();
        Ok(page)
    }
}

/// Truncates times to milliseconds.
#[derive(Debug)]
pub(crate) struct RoundsTimes;

impl Fault for RoundsTimes {
    fn show(&self, row: &mut EventRow) {
        row.event_time = row.event_time.trunc_subsecs(3);
    }
}

/// Drops the metadata of events.
#[derive(Debug)]
pub(crate) struct DropsMetadata;

impl Fault for DropsMetadata {
    fn show(&self, row: &mut EventRow) {
        row.metadata = None;
    }
}

/// Treats every aggregate as one of the requested type.
#[derive(Debug)]
pub(crate) struct MistakesTypes;

#[async_trait]
impl Fault for MistakesTypes {
    async fn load(
        &self,
        reader: &dyn Reader,
        request: LoadRequest,
    ) -> Result<Option<LoadedAggregate>> {
        let aggregate_type = Arc::from(request.aggregate_type);
        Ok(reader.load(request).await?.map(|mut loaded| {
            loaded.aggregate_type = aggregate_type;
            loaded
        }))
    }
}

/// Keeps only the first 64 KiB of a payload.
#[derive(Debug)]
pub(crate) struct CutsPayloads;

impl Fault for CutsPayloads {
    fn show(&self, row: &mut EventRow) {
        let bytes = row.payload.bytes();
        row.payload =
            Payload::from_encoded(Codec::Json, bytes[..bytes.len().min(64 * 1024)].to_vec());
    }
}

/// Reads all payloads as JSON.
#[derive(Debug)]
pub(crate) struct ForgetsCodecs;

impl Fault for ForgetsCodecs {
    fn show(&self, row: &mut EventRow) {
        row.payload = Payload::from_encoded(Codec::Json, row.payload.bytes().to_vec());
    }
}

/// Reads compressed payloads as uncompressed ones.
#[derive(Debug)]
pub(crate) struct ForgetsCompression;

impl Fault for ForgetsCompression {
    fn show(&self, row: &mut EventRow) {
        row.payload = Payload::from_encoded(row.payload.codec(), row.payload.bytes().to_vec());
    }
}

/// Looks event types up by their name alone, without the aggregate's type.
#[derive(Debug)]
pub(crate) struct ConfusesEventTypes;

impl Fault for ConfusesEventTypes {
    fn show(&self, row: &mut EventRow) {
        if &*row.event_type == "added" {
            row.aggregate_type = "counter".into();
        }
    }
}

/// Uses one name for all events of an aggregate type.
#[derive(Debug)]
pub(crate) struct ForgetsEventNames;

impl Fault for ForgetsEventNames {
    fn show(&self, row: &mut EventRow) {
        if &*row.aggregate_type == "diary" {
            row.event_type = "noted".into();
        }
    }
}

/// Returns no stored aggregate types.
#[derive(Debug)]
pub(crate) struct ForgetsAggregateTypes;

#[async_trait]
impl Fault for ForgetsAggregateTypes {
    async fn aggregate_types(&self, _engine: &MemoryEngine) -> Result<Vec<Arc<str>>> {
        Ok(Vec::new())
    }
}

/// Drops the version of events.
#[derive(Debug)]
pub(crate) struct ForgetsVersions;

impl Fault for ForgetsVersions {
    fn show(&self, row: &mut EventRow) {
        row.version = 1;
    }
}

/// Declares views of the log, and has none.
#[derive(Debug)]
pub(crate) struct DeclaresViews;

#[async_trait]
impl Fault for DeclaresViews {
    async fn begin_read(&self, engine: &MemoryEngine) -> Result<Box<dyn Reader>> {
        Err(Error::Unsupported { operation: Capability::ReadViews, engine: engine.name() })
    }
}
