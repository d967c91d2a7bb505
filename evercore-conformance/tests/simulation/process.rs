//! The process of a worker, which is started, stalled, killed, and started again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use evercore::engine::StorageEngine;
use evercore::subscription::{SubscriptionBuilder, SubscriptionProgress};
use evercore::{Batch, Error, EventStore, FailurePolicy, HandlerRetry, Position, Result, Start};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::database::{Database, Ending};
use crate::domain::registry;
use crate::network::Network;
use crate::plan::Handling;
use crate::transactor::Effects;

/// The subscription that all workers run.
pub(crate) const NAME: &str = "followers";

/// The condition of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Awake,
    /// Does nothing, and later continues where it was.
    Frozen,
    /// Does nothing ever again.
    Dead,
}

/// The condition of a process, on which all of its actions depend.
#[derive(Clone, Debug)]
pub(crate) struct Health {
    name: Arc<str>,
    turns: Arc<Turns>,
    /// Cancelled once no more faults are injected.
    calm: CancellationToken,
}

/// The current condition. A channel would wake its waiters in an order that does not depend on the seed.
#[derive(Debug)]
struct Turns {
    condition: Mutex<Condition>,
    changed: Notify,
}

impl Health {
    pub(crate) fn new(name: &str, calm: &CancellationToken) -> Self {
        let turns = Turns { condition: Mutex::new(Condition::Awake), changed: Notify::new() };
        Self { name: name.into(), turns: Arc::new(turns), calm: calm.clone() }
    }

    pub(crate) fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    pub(crate) fn is_troubled(&self) -> bool {
        !self.calm.is_cancelled()
    }

    /// Waits until the process is awake; forever, if it is dead.
    pub(crate) async fn awake(&self) {
        while *self.condition() != Condition::Awake {
            self.turns.changed.notified().await;
        }
    }

    fn turn(&self, condition: Condition) {
        *self.condition() = condition;
        self.turns.changed.notify_waiters();
    }

    fn condition(&self) -> MutexGuard<'_, Condition> {
        self.turns.condition.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running worker.
struct Process {
    network: Network,
    progress: SubscriptionProgress,
    stop: CancellationToken,
    running: AbortOnDropHandle<Result<()>>,
}

impl Process {
    async fn start(database: &Arc<Database>, health: Health) -> Result<Self> {
        let network = Network::new(database, health, Ending::Commits, true);
        let engine: Arc<dyn StorageEngine> = Arc::new(network.clone());
        let seed = database.random().u64(..);
        let store = EventStore::builder().registry(registry()).seed(seed);
        let store = store.open_shared(engine).await?;
        let stop = CancellationToken::new();
        let subscription = subscription(&store, &network, &stop);
        let progress = subscription.progress();
        let running = tokio::spawn(run(subscription, network.clone()));
        Ok(Self { network, progress, stop, running: AbortOnDropHandle::new(running) })
    }

    fn turn(&self, condition: Condition) {
        let Network { database, health, .. } = &self.network;
        let at = database.clock.elapsed();
        database.observer().note(at, || format!("{} is {condition:?}", health.name));
        database.observer().is_in(&health.name, condition);
        health.turn(condition);
    }

    /// Checks that the worker reports the partitions it owns, once it has had time to find out.
    async fn check_what_it_owns(&self) {
        let Network { database, health, .. } = &self.network;
        let name = NAME.try_into().expect("it is a name");
        let owned = || {
            let stored = database.stored(&name).map_or_else(Vec::new, |stored| stored.partitions);
            let owners = stored.into_iter().map(|place| Some(place.lease?.owner));
            (0..)
                .zip(owners)
                .filter(|(_, owner)| owner.as_deref() == Some(&*health.name))
                .map(|(partition, _)| partition)
                .collect::<Vec<u32>>()
        };
        let lease = database.plan.lease;
        sleep(lease * 2).await;
        let is_known = async {
            while self.progress.status().partitions != owned() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        if timeout(lease * 50, is_known).await.is_err() {
            let (says, owned) = (self.progress.status().partitions, owned());
            let violation = format!("{} owns {owned:?} and says {says:?}", health.name);
            database.observer().found(violation);
        }
    }

    async fn shut_down(self) -> Result<()> {
        self.stop.cancel();
        self.end().await
    }

    async fn end(self) -> Result<()> {
        match self.running.await.expect("a worker does not panic") {
            // The network was so slow at the beginning that the worker considered the lease too short.
            Err(Error::InvalidSubscription { .. }) if !self.network.database.plan.is_calm() => {
                Ok(())
            }
            ended => ended,
        }
    }
}

fn subscription(
    store: &EventStore,
    network: &Network,
    stop: &CancellationToken,
) -> SubscriptionBuilder {
    let plan = &network.database.plan;
    let hasty =
        HandlerRetry::default().base(Duration::from_millis(2)).longest(Duration::from_millis(250));
    let retry = hasty.attempts(if plan.handling == Handling::Parking { 2 } else { 100_000 });
    let policy = match plan.handling {
        Handling::Parking => FailurePolicy::park().redrive(hasty.attempts(3)),
        Handling::Plain | Handling::Transactional => FailurePolicy::stop(),
    };
    store
        .subscription(NAME)
        .start(Start::Beginning)
        .partitions(plan.partitions)
        .batch_size(plan.batch_size)
        .lease(plan.lease)
        .owner(&*network.health.name)
        .on_failure(policy.retry(retry))
        .stop_on(stop.clone())
}

async fn run(subscription: SubscriptionBuilder, network: Network) -> Result<()> {
    if network.database.plan.handling == Handling::Transactional {
        let handler = async |ctx: &mut evercore::TransactionContext<Effects>, batch: Batch| {
            work(&network, &batch).await?;
            ctx.transaction().0.extend(positions(&batch));
            Ok::<_, String>(())
        };
        return subscription.run_in(&network, handler).await;
    }
    let network = network.clone();
    let handler = async move |batch: Batch| {
        work(&network, &batch).await?;
        network.database.observer().handled(&positions(&batch));
        Ok::<_, String>(())
    };
    subscription.run(handler).await
}

/// Takes some time, and sometimes fails.
async fn work(network: &Network, batch: &Batch) -> Result<(), String> {
    let Network { database, health, .. } = network;
    health.awake().await;
    let plan = &database.plan;
    let (pause, fails) = {
        let mut random = database.random();
        let lease = u64::try_from(plan.lease.as_millis()).expect("short");
        // Sometimes longer than the lease lasts.
        let longest = if random.u32(..12) == 0 { 2 * lease } else { 20 };
        (random.u64(0..=longest), random.u32(..1_000) < plan.failing)
    };
    sleep(Duration::from_millis(pause)).await;
    health.awake().await;
    if fails && health.is_troubled() {
        let first = batch[0].position();
        return Err(format!("the handler does not like {first}"));
    }
    Ok(())
}

fn positions(batch: &Batch) -> Vec<Position> {
    batch.iter().map(evercore::RecordedEvent::position).collect()
}

/// Runs a worker, and restarts it after each fault, until no more faults are injected; then shuts it down.
pub(crate) async fn live(
    database: Arc<Database>,
    number: u64,
    calm: CancellationToken,
) -> Result<()> {
    let mut life = 0;
    while !calm.is_cancelled() {
        life += 1;
        let health = Health::new(&format!("worker {number}.{life}"), &calm);
        let process = Process::start(&database, health).await?;
        process.turn(Condition::Awake);
        loop {
            tokio::select! {
                biased;
                () = calm.cancelled() => {}
                () = pause(&database, 20..=400) => {}
            }
            if process.running.is_finished() {
                process.end().await?;
                break;
            }
            let fate = database.random().u32(..4);
            match fate {
                _ if calm.is_cancelled() => {
                    process.turn(Condition::Awake);
                    process.check_what_it_owns().await;
                    return process.shut_down().await;
                }
                0 => {
                    process.turn(Condition::Dead);
                    break;
                }
                1 => {
                    process.shut_down().await?;
                    break;
                }
                2 => {
                    process.turn(Condition::Frozen);
                    pause(&database, 20..=700).await;
                    process.turn(Condition::Awake);
                }
                _ => {}
            }
        }
        pause(&database, 0..=150).await;
    }
    Ok(())
}

/// Runs one worker without faults until it has handled everything.
pub(crate) async fn finish(
    database: &Arc<Database>,
    calm: &CancellationToken,
) -> Result<(), String> {
    let failed = |error: Error| format!("the last worker has failed: {error}");
    let process = Process::start(database, Health::new("last", calm)).await.map_err(failed)?;
    let name = NAME.try_into().map_err(failed)?;
    let last = database.observer().last_event();
    let mut patience = 2_000;
    loop {
        let is_through = database.stored(&name).is_some_and(|stored| {
            stored.partitions.iter().all(|place| place.cursor >= last) && stored.parked == Some(0)
        });
        if is_through {
            break;
        }
        patience -= 1;
        if patience == 0 || process.running.is_finished() {
            return Err(format!("it does not go on: {:?}", database.stored(&name)));
        }
        let redrive = evercore::engine::Control::Redrive;
        // A delayed settlement may have parked events only now.
        crate::database::at_once(evercore::engine::SubscriptionStorage::control(
            &database.memory,
            &name,
            &redrive,
        ))
        .or_else(|error| match error {
            Error::UnknownSubscription { .. } => Ok(()),
            error => Err(failed(error)),
        })?;
        sleep(Duration::from_millis(10)).await;
    }
    process.shut_down().await.map_err(failed)
}

async fn pause(database: &Database, millis: std::ops::RangeInclusive<u64>) {
    let millis = database.random().u64(millis);
    sleep(Duration::from_millis(millis)).await;
}
