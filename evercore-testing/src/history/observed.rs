//! An engine that records the commits it passes on to another engine.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use evercore::engine::{
    AcquireRequest, Acquired, Beat, Commit, CommitOutcome, Committed, Control, DiscardedRequest,
    FirstOutcome, Heartbeat, HistoryRequest, IdBlock, Inspection, LeaseKey, LoadRequest,
    LoadedAggregate, LogPage, LogRequest, LogWatch, MatchRequest, Migration, NewSubscription,
    ParkedRequest, Reader, Settled, Settlement, StorageEngine, StoredSubscription,
    SubscriptionStorage, TypeName,
};
use evercore::{
    AggregateId, CommitId, DiscardedEvent, Error, IdempotencyKey, ParkedEvent, Position,
    RecordedEvent, Result, Start, SubscriptionName,
};

use super::observation::{CommitBegun, Observation, Refusal};
use super::recorder::Recorder;
use super::stamp::stamp;

#[derive(Debug)]
pub(super) struct Observed {
    engine: Arc<dyn StorageEngine>,
    recorder: Recorder,
}

impl Observed {
    pub(super) const fn new(engine: Arc<dyn StorageEngine>, recorder: Recorder) -> Self {
        Self { engine, recorder }
    }
}

#[async_trait]
impl StorageEngine for Observed {
    async fn migrate(&self) -> Result<()> {
        self.engine.migrate().await
    }

    fn migrations(&self) -> Vec<Migration> {
        self.engine.migrations()
    }

    fn inspection(&self) -> &dyn Inspection {
        self.engine.inspection()
    }

    async fn warmup(&self, types: &[TypeName]) -> Result<()> {
        self.engine.warmup(types).await
    }

    async fn aggregate_types(&self) -> Result<Vec<Arc<str>>> {
        self.engine.aggregate_types().await
    }

    async fn reserve_ids(&self, count: u32) -> Result<IdBlock> {
        self.engine.reserve_ids(count).await
    }

    async fn commit(&self, mut commit: Commit) -> Result<Committed> {
        let id = commit.id;
        for event in &mut commit.events {
            let is_its =
                |write: &&evercore::engine::AggregateWrite| write.id == event.meta.aggregate_id();
            let aggregate_type =
                commit.writes.iter().find(is_its).map(|write| write.aggregate_type);
            stamp(event, aggregate_type.unwrap_or_default(), id)?;
        }
        let begun = Observation::Begun(CommitBegun::of(&commit));
        self.recorder.note(begun).map_err(|error| Error::storage("note a commit", error))?;
        let answer = self.engine.commit(commit).await;
        // If the answer cannot be recorded, the history counts the outcome as unknown, which stays correct.
        let _ = self.recorder.note(Observation::answer(id, &answer));
        answer
    }

    async fn find_commit(&self, id: CommitId) -> Result<CommitOutcome> {
        let outcome = self.engine.find_commit(id).await?;
        let seen = match outcome {
            CommitOutcome::Landed(Committed { positions, .. }) => {
                Observation::Acknowledged { commit: id, positions }
            }
            CommitOutcome::NeverLands => {
                Observation::Refused { commit: id, reason: Refusal::NeverLands }
            }
        };
        let _ = self.recorder.note(seen);
        Ok(outcome)
    }

    async fn find_first(&self, key: &IdempotencyKey) -> Result<Option<FirstOutcome>> {
        self.engine.find_first(key).await
    }

    fn watch_log(&self) -> LogWatch {
        self.engine.watch_log()
    }

    async fn begin_read(&self) -> Result<Box<dyn Reader>> {
        self.engine.begin_read().await
    }

    async fn close(&self) -> Result<()> {
        self.engine.close().await
    }
}

#[async_trait]
impl Reader for Observed {
    async fn load(&self, request: LoadRequest) -> Result<Option<LoadedAggregate>> {
        self.engine.load(request).await
    }

    async fn read_history(&self, request: HistoryRequest) -> Result<Vec<RecordedEvent>> {
        self.engine.read_history(request).await
    }

    async fn read_log(&self, request: LogRequest) -> Result<LogPage> {
        self.engine.read_log(request).await
    }
}

#[async_trait]
impl SubscriptionStorage for Observed {
    async fn read_matching(&self, request: MatchRequest) -> Result<LogPage> {
        self.engine.read_matching(request).await
    }

    async fn resolve_start(&self, start: Start) -> Result<Position> {
        self.engine.resolve_start(start).await
    }

    async fn register(&self, subscription: &NewSubscription) -> Result<()> {
        self.engine.register(subscription).await
    }

    async fn subscriptions(
        &self,
        name: Option<&SubscriptionName>,
    ) -> Result<Vec<StoredSubscription>> {
        self.engine.subscriptions(name).await
    }

    async fn acquire(&self, request: &AcquireRequest) -> Result<Acquired> {
        self.engine.acquire(request).await
    }

    async fn ask_for(&self, lease: &LeaseKey, by: &str, patience: Duration) -> Result<()> {
        self.engine.ask_for(lease, by, patience).await
    }

    async fn heartbeat(&self, beats: &[Beat]) -> Result<Heartbeat> {
        self.engine.heartbeat(beats).await
    }

    async fn settle(&self, settlement: &Settlement) -> Result<Settled> {
        self.engine.settle(settlement).await
    }

    async fn release(&self, lease: &LeaseKey) -> Result<()> {
        self.engine.release(lease).await
    }

    async fn parked_aggregates(
        &self,
        subscription: &SubscriptionName,
        aggregates: &[AggregateId],
    ) -> Result<Vec<AggregateId>> {
        self.engine.parked_aggregates(subscription, aggregates).await
    }

    async fn discarded_events(&self, request: &DiscardedRequest) -> Result<Vec<DiscardedEvent>> {
        self.engine.discarded_events(request).await
    }

    async fn parked_events(&self, request: &ParkedRequest) -> Result<Vec<ParkedEvent>> {
        self.engine.parked_events(request).await
    }

    async fn control(&self, subscription: &SubscriptionName, control: &Control) -> Result<()> {
        self.engine.control(subscription, control).await
    }
}
