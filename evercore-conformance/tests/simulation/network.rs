//! The engine as a process sees it: across a network.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use evercore::engine::{
    AcquireRequest, Acquired, Beat, Commit, Detail, DiscardedRequest, Forward, Heartbeat, Lane,
    LeaseKey, LogQuery, LogSignal, LogWatch, NewSubscription, ParkedRequest, Registered, Settled,
    Settlement, StorageEngine, StoredSubscription, SubscriptionStorage,
};
use evercore::subscription::{DiscardedEvent, ParkedEvent};
use evercore::{CommitId, CommitOutcome, Committed, Error, LogPage, Result, SubscriptionName};

use crate::clock::pause;
use crate::database::{Database, Ending, at_once};
use crate::process::Health;

/// The interval at which a store polls the log.
const POLL_INTERVAL: Duration = Duration::from_millis(80);

/// The connection of a process to the database. The database finishes a call even if its caller is gone.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    pub(crate) database: Arc<Database>,
    pub(crate) health: Health,
    pub(crate) ending: Ending,
    is_lossy: bool,
    /// A signal of this process alone, because a shared signal wakes its watchers in an order that does not depend on
    /// the seed.
    grown: LogSignal,
}

/// The delays and losses of a call.
struct Journey {
    there: Duration,
    back: Duration,
    is_lost_there: bool,
    is_lost_back: bool,
}

impl Network {
    pub(crate) fn new(
        database: &Arc<Database>,
        health: Health,
        ending: Ending,
        is_lossy: bool,
    ) -> Self {
        let grown = LogSignal::new();
        database.tell(grown.clone());
        Self { database: Arc::clone(database), health, ending, is_lossy, grown }
    }

    /// Runs a call at the database, with delays and losses.
    pub(crate) async fn call<T, F>(
        &self,
        name: &'static str,
        work: impl FnOnce(Arc<Database>) -> F,
    ) -> Result<T>
    where
        F: Future<Output = Result<T>> + Send + 'static,
        T: Send + 'static,
    {
        self.health.awake().await;
        let journey = self.journey();
        if journey.is_lost_there {
            pause(journey.there + journey.back).await;
            return Err(lost());
        }
        let work = work(Arc::clone(&self.database));
        let database = Arc::clone(&self.database);
        let owner = self.health.name();
        let done = tokio::spawn(async move {
            pause(journey.there).await;
            let answer = work.await;
            database.observer().trace(&owner, name, answer.is_ok(), database.clock.elapsed());
            answer
        });
        let answer = done.await.expect("the database does not panic");
        pause(journey.back).await;
        self.health.awake().await;
        if journey.is_lost_back { Err(lost()) } else { answer }
    }

    fn journey(&self) -> Journey {
        let plan = &self.database.plan;
        let mut random = self.database.random();
        let most = u64::try_from(plan.distance.as_millis()).expect("short");
        let is_troubled = self.health.is_troubled();
        // Mostly short, so that only a few calls are overtaken.
        let mut way = || {
            let is_long = is_troubled && random.u32(..4) == 0;
            let most = if is_long { most } else { most.min(3) };
            Duration::from_millis(random.u64(0..=most))
        };
        let (there, back) = (way(), way());
        let lost = if self.is_lossy && is_troubled { plan.lost } else { 0 };
        let (is_lost_there, is_lost_back) =
            (random.u32(..1_000) < lost, random.u32(..1_000) < lost);
        Journey { there, back, is_lost_there, is_lost_back }
    }
}

fn lost() -> Error {
    Error::Unavailable { source: "the network has lost it".into() }
}

#[async_trait]
impl Forward for Network {
    fn engine(&self) -> &dyn StorageEngine {
        &self.database.memory
    }

    async fn migrate(&self) -> Result<()> {
        Ok(())
    }

    async fn commit(&self, commit: Commit) -> Result<Committed> {
        let ending = self.ending;
        self.call("commit", move |at| async move { at.append(commit, ending).await }).await
    }

    async fn find_commit(&self, id: CommitId) -> Result<CommitOutcome> {
        self.call("find_commit", move |at| async move { at_once(at.memory.find_commit(id)) }).await
    }

    fn watch_log(&self) -> LogWatch {
        self.grown.watch(POLL_INTERVAL)
    }

    async fn close(&self) -> Result<()> {
        Ok(())
    }

    async fn read_log(&self, query: LogQuery) -> Result<LogPage> {
        self.call("read", move |at| async move { at.read_log(query).await }).await
    }

    async fn register(&self, subscription: &NewSubscription) -> Result<Registered> {
        let new = subscription.clone();
        self.call("register", move |at| async move { at_once(at.memory.register(&new)) }).await
    }

    async fn subscriptions(
        &self,
        name: Option<&SubscriptionName>,
        detail: Detail,
    ) -> Result<Vec<StoredSubscription>> {
        let name = name.cloned();
        let list = move |at: Arc<Database>| async move {
            at_once(at.memory.subscriptions(name.as_ref(), detail))
        };
        self.call("subscriptions", list).await
    }

    async fn acquire(&self, request: &AcquireRequest) -> Result<Acquired> {
        let request = request.clone();
        self.call("acquire", move |at| async move { at.acquire(&request) }).await
    }

    async fn ask_for(&self, lease: &LeaseKey, by: &str, patience: Duration) -> Result<()> {
        let (lease, by) = (lease.clone(), by.to_owned());
        let ask = move |at: Arc<Database>| async move {
            at_once(at.memory.ask_for(&lease, &by, patience))
        };
        self.call("ask_for", ask).await
    }

    async fn heartbeat(&self, beats: &[Beat]) -> Result<Heartbeat> {
        let beats = beats.to_vec();
        self.call("heartbeat", move |at| async move { at.heartbeat(beats).await }).await
    }

    async fn settle(&self, settlement: &Settlement) -> Result<Settled> {
        let settlement = settlement.clone();
        self.call("settle", move |at| async move { at.settle(&settlement, &[]) }).await
    }

    async fn release(&self, lease: &LeaseKey) -> Result<()> {
        let lease = lease.clone();
        self.call("release", move |at| async move { at_once(at.memory.release(&lease)) }).await
    }

    async fn parked_lanes(
        &self,
        subscription: &SubscriptionName,
        lanes: &[Lane],
    ) -> Result<Vec<Lane>> {
        let (name, ids) = (subscription.clone(), lanes.to_vec());
        let find =
            move |at: Arc<Database>| async move { at_once(at.memory.parked_lanes(&name, &ids)) };
        self.call("parked_lanes", find).await
    }

    async fn discarded_events(&self, request: &DiscardedRequest) -> Result<Vec<DiscardedEvent>> {
        let request = request.clone();
        let find =
            move |at: Arc<Database>| async move { at_once(at.memory.discarded_events(&request)) };
        self.call("discarded_events", find).await
    }

    async fn parked_events(&self, request: &ParkedRequest) -> Result<Vec<ParkedEvent>> {
        let request = request.clone();
        let find =
            move |at: Arc<Database>| async move { at_once(at.memory.parked_events(&request)) };
        self.call("parked_events", find).await
    }
}
