//! What can go wrong where events are read.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::SubsecRound;
use evercore::engine::{
    Commit, Committed, EventRow, HistoryRequest, LoadRequest, LoadedAggregate, LogPage, LogRequest,
    NewSnapshot, Reader, StorageEngine, StoredSnapshot,
};
use evercore::{AggregateId, Codec, Payload, RecordedEvent, Result, Sequence};
use evercore_memory::MemoryEngine;

use crate::engine::Fault;

/// Leaves a number out.
#[derive(Debug)]
pub(crate) struct SkipsASequence;

impl Fault for SkipsASequence {
    fn show(&self, row: &mut EventRow) {
        if row.sequence.get() >= 3 {
            row.sequence = row.sequence.next();
        }
    }
}

/// Gives a snapshot together with the event that it contains already.
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

/// Gives the newest snapshot there is, of whatever shape and however new.
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
            loaded.snapshot = Some(StoredSnapshot { sequence, state });
            let tail = HistoryRequest { id: loaded.id, after: sequence, up_to, limit };
            loaded.events = reader.read_history(tail).await?;
        }
        Ok(Some(loaded))
    }
}

/// Has views show what is there when they are asked.
#[derive(Debug)]
pub(crate) struct SeesLaterCommits;

#[async_trait]
impl Fault for SeesLaterCommits {
    async fn begin_read(&self, engine: &MemoryEngine) -> Result<Box<dyn Reader>> {
        Ok(Box::new(engine.clone()))
    }
}

/// Answers with all there is.
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

    async fn read_log(&self, reader: &dyn Reader, request: LogRequest) -> Result<LogPage> {
        reader.read_log(LogRequest { limit: u32::MAX, ..request }).await
    }
}

/// Has a page of the log end at the end of the log.
#[derive(Debug)]
pub(crate) struct SkipsInTheLog;

#[async_trait]
impl Fault for SkipsInTheLog {
    async fn read_log(&self, reader: &dyn Reader, request: LogRequest) -> Result<LogPage> {
        let whole = LogRequest { limit: u32::MAX, ..request.clone() };
        let end = reader.read_log(whole).await?.end;
        Ok(LogPage { end, ..reader.read_log(request).await? })
    }
}

/// Gives pages of the log backwards.
#[derive(Debug)]
pub(crate) struct ReversesTheLog;

#[async_trait]
impl Fault for ReversesTheLog {
    async fn read_log(&self, reader: &dyn Reader, request: LogRequest) -> Result<LogPage> {
        let mut page = reader.read_log(request).await?;
        page.events.reverse();
        Ok(page)
    }
}

/// Keeps times to the millisecond.
#[derive(Debug)]
pub(crate) struct RoundsTimes;

impl Fault for RoundsTimes {
    fn show(&self, row: &mut EventRow) {
        row.event_time = row.event_time.trunc_subsecs(3);
    }
}

/// Has no column for what is said beside an event.
#[derive(Debug)]
pub(crate) struct DropsMetadata;

impl Fault for DropsMetadata {
    fn show(&self, row: &mut EventRow) {
        row.metadata = None;
    }
}

/// Takes every aggregate for one of the type that was asked for.
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
        Ok(reader.load(request).await?.map(|loaded| LoadedAggregate { aggregate_type, ..loaded }))
    }
}

/// Keeps the first 64 KiB of a payload.
#[derive(Debug)]
pub(crate) struct CutsPayloads;

impl Fault for CutsPayloads {
    fn show(&self, row: &mut EventRow) {
        let bytes = row.payload.bytes();
        row.payload = Payload::from_encoded(Codec::Json, bytes.slice(..bytes.len().min(64 * 1024)));
    }
}

/// Takes all payloads for JSON.
#[derive(Debug)]
pub(crate) struct ForgetsCodecs;

impl Fault for ForgetsCodecs {
    fn show(&self, row: &mut EventRow) {
        row.payload = Payload::from_encoded(Codec::Json, row.payload.bytes().clone());
    }
}

/// Takes compressed payloads for others.
#[derive(Debug)]
pub(crate) struct ForgetsCompression;

impl Fault for ForgetsCompression {
    fn show(&self, row: &mut EventRow) {
        row.payload = Payload::from_encoded(row.payload.codec(), row.payload.bytes().clone());
    }
}

/// Looks event types up by their name, whatever the aggregate's type.
#[derive(Debug)]
pub(crate) struct ConfusesEventTypes;

impl Fault for ConfusesEventTypes {
    fn show(&self, row: &mut EventRow) {
        if &*row.event_type == "added" {
            row.aggregate_type = "counter".into();
        }
    }
}

/// Has one name for all events of a type.
#[derive(Debug)]
pub(crate) struct ForgetsEventNames;

impl Fault for ForgetsEventNames {
    fn show(&self, row: &mut EventRow) {
        if &*row.aggregate_type == "diary" {
            row.event_type = "noted".into();
        }
    }
}

/// Says only what it was told when it was warmed up, which is nothing for most.
#[derive(Debug)]
pub(crate) struct ForgetsAggregateTypes;

#[async_trait]
impl Fault for ForgetsAggregateTypes {
    async fn aggregate_types(&self, _engine: &MemoryEngine) -> Result<Vec<Arc<str>>> {
        Ok(Vec::new())
    }
}

/// Has no column for the version.
#[derive(Debug)]
pub(crate) struct ForgetsVersions;

impl Fault for ForgetsVersions {
    fn show(&self, row: &mut EventRow) {
        row.version = 1;
    }
}
