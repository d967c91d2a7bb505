//! Subscriptions, and functions that wait for them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use evercore::service::{Lifecycle, Service as _, ServiceError};
use evercore::subscription::SubscriptionBuilder;
use evercore::{Batch, BoxError, Error, Handler, Position, Result, Start};
use futures_util::StreamExt;
use tokio_util::sync::CancellationToken;

use super::{Cut, Outcome, Subject};

/// Long enough not to expire during these tests.
const LEASE: Duration = Duration::from_secs(60);

/// The time limit for a wait that ends at once, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(8);

/// A subscription to the two events of a mark, one per batch, and the events that it has handled.
struct Follower<'a> {
    subject: &'a Subject,
    name: String,
    start: Position,
    last: Position,
    handled: Arc<Mutex<BTreeSet<Position>>>,
}

impl<'a> Follower<'a> {
    async fn new(subject: &'a Subject) -> Result<Self, BoxError> {
        let name = Subject::mark();
        let start = subject.prepare(&name).await?;
        let last = subject.witness.head().await?;
        Ok(Self { subject, name, start, last, handled: Arc::default() })
    }

    fn subscription(&self) -> SubscriptionBuilder {
        let subscription = self.subject.store.subscription(self.name.as_str());
        subscription.start(Start::After(self.start)).lease(LEASE).batch_size(1)
    }

    /// Returns a handler that records its events, has its own await point, and cancels `stop` after the last event.
    fn handler(&self, stop: CancellationToken) -> impl Handler + use<> {
        let (handled, last) = (Arc::clone(&self.handled), self.last);
        async move |batch: Batch| {
            tokio::task::yield_now().await;
            let positions = batch.iter().map(evercore::RecordedEvent::position);
            handled.lock().unwrap_or_else(PoisonError::into_inner).extend(positions);
            if batch.last().is_some_and(|event| event.position() >= last) {
                stop.cancel();
            }
            Ok::<_, Error>(())
        }
    }

    fn handled(&self) -> BTreeSet<Position> {
        self.handled.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Checks that the dropped worker skipped no event, and that a new worker handles the rest.
    async fn check(&self) -> Outcome {
        let subscriptions = self.subject.witness.subscriptions();
        let log = self.subject.witness.read_log(self.start, 2).await?;
        let followed: BTreeSet<_> = log.events.iter().map(|event| event.position()).collect();
        if let Some(stored) = subscriptions.find(self.name.as_str()).await? {
            let missed = followed.range(..=stored.cursor).any(|at| !self.handled().contains(at));
            if missed {
                return Err(format!("the cursor is at {} too early", stored.cursor).into());
            }
            // Resetting takes the lease away, which would otherwise expire much later.
            subscriptions.reset(self.name.as_str(), Start::After(stored.cursor)).await?;
        }
        let (stop, end) = (CancellationToken::new(), CancellationToken::new());
        let run = self.subscription().stop_on(end.clone()).run(self.handler(stop));
        let wait = async {
            let waited = async {
                loop {
                    match self.subject.witness.wait_for(self.name.as_str(), self.last).await {
                        Err(Error::UnknownSubscription { .. }) => tokio::task::yield_now().await,
                        waited => return waited,
                    }
                }
            };
            let waited = waited.await;
            end.cancel();
            waited
        };
        let (ran, waited) = tokio::join!(run, wait);
        ran?;
        waited?;
        if !self.handled().is_superset(&followed) {
            return Err(format!("of {followed:?} only {:?} were handled", self.handled()).into());
        }
        Ok(subscriptions.delete(self.name.as_str()).await?)
    }

    /// Does the same after a worker itself was dropped, which no call may wait for.
    async fn check_dropped(&self) -> Outcome {
        self.check_that_waits_end().await?;
        self.check().await
    }

    /// Checks that a call which waits for the subscription of a dropped worker ends long before a lease does.
    async fn check_that_waits_end(&self) -> Outcome {
        let wait = self.subject.store.wait_for(self.name.as_str(), self.last);
        match tokio::time::timeout(PATIENCE, wait).await {
            Ok(
                Ok(()) | Err(Error::SubscriptionFailed { .. } | Error::UnknownSubscription { .. }),
            ) => Ok(()),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err("a wait does not end: a lease is left of which no worker knows".into()),
        }
    }
}

/// Drops the worker while it acquires its lease, reads, handles, settles or waits.
pub async fn run(subject: &Subject, cut: &mut Cut) -> Outcome {
    let follower = Follower::new(subject).await?;
    let (seen, stop) = (CancellationToken::new(), CancellationToken::new());
    let run = follower.subscription().stop_on(stop.clone()).run(follower.handler(seen.clone()));
    let stopping = async {
        seen.cancelled().await;
        // The worker has reached the end of the log and waits.
        follower.subject.witness.wait_for(follower.name.as_str(), follower.last).await?;
        stop.cancel();
        Ok::<_, Error>(())
    };
    cut.short(async { tokio::try_join!(run, stopping) }).await.transpose()?;
    follower.check_dropped().await
}

/// Drops the worker while it releases its lease.
pub async fn run_that_stops(subject: &Subject, cut: &mut Cut) -> Outcome {
    let follower = Follower::new(subject).await?;
    let stop = CancellationToken::new();
    let run = follower.subscription().stop_on(stop.clone()).run(follower.handler(stop));
    cut.short(run).await.transpose()?;
    follower.check_dropped().await
}

/// Drops a service at each of its await points, as a supervisor does that stops waiting for it.
pub async fn run_a_service(subject: &Subject, cut: &mut Cut) -> Outcome {
    let follower = Follower::new(subject).await?;
    let (seen, stop) = (CancellationToken::new(), CancellationToken::new());
    let lifecycle = Lifecycle::new(stop.clone());
    let mut service = follower.subscription().handler(follower.handler(seen.clone()));
    let stopping = async {
        lifecycle.until_ready().await;
        seen.cancelled().await;
        stop.cancel();
        Ok(())
    };
    let running = cut.short(async { tokio::try_join!(service.run(&lifecycle), stopping) });
    running.await.transpose().map_err(ServiceError::into_source)?;
    follower.check_dropped().await
}

pub async fn shutdown(subject: &Subject, cut: &mut Cut) -> Outcome {
    let follower = Follower::new(subject).await?;
    let seen = CancellationToken::new();
    let worker = follower.subscription().spawn(follower.handler(seen.clone()))?;
    seen.cancelled().await;
    cut.short(worker.shutdown()).await.transpose()?;
    follower.check().await
}

pub async fn join(subject: &Subject, cut: &mut Cut) -> Outcome {
    let follower = Follower::new(subject).await?;
    let stop = CancellationToken::new();
    let subscription = follower.subscription().stop_on(stop.clone());
    let worker = subscription.spawn(follower.handler(stop))?;
    cut.short(worker.join()).await.transpose()?;
    follower.check().await
}

pub async fn run_ephemeral(subject: &Subject, cut: &mut Cut) -> Outcome {
    let follower = Follower::new(subject).await?;
    let stop = CancellationToken::new();
    let ephemeral = subject.store.ephemeral().start(Start::After(follower.start)).batch_size(1);
    cut.short(ephemeral.stop_on(stop.clone()).run(follower.handler(stop))).await.transpose()?;
    Ok(())
}

/// Drops only the future of the next event; the stream then still returns that event.
pub async fn stream(subject: &Subject, cut: &mut Cut) -> Outcome {
    let mark = Subject::mark();
    let start = subject.prepare(&mark).await?;
    let followed: Vec<_> = subject.witness.read_log(start, 2).await?.events;
    let stream = subject.store.ephemeral().start(Start::After(start)).batch_size(1).stream();
    let mut stream = std::pin::pin!(stream);
    let mut given = Vec::new();
    while given.len() < followed.len() {
        let next = match cut.short(stream.next()).await {
            Some(next) => next,
            None => stream.next().await,
        };
        given.push(next.ok_or("the stream has ended")??);
    }
    let positions = |events: &[evercore::RecordedEvent]| -> Vec<_> {
        events.iter().map(evercore::RecordedEvent::position).collect()
    };
    if positions(&given) == positions(&followed) {
        Ok(())
    } else {
        Err(format!("the stream has given {:?}", positions(&given)).into())
    }
}

pub async fn wait_for(subject: &Subject, cut: &mut Cut) -> Outcome {
    let follower = Follower::new(subject).await?;
    let worker = follower.subscription().spawn(follower.handler(CancellationToken::new()))?;
    let wait = subject.store.wait_for(follower.name.as_str(), follower.last);
    cut.short(wait).await.transpose()?;
    worker.shutdown().await?;
    follower.check().await
}

pub async fn wait_until_idle(subject: &Subject, cut: &mut Cut) -> Outcome {
    let follower = Follower::new(subject).await?;
    let worker = follower.subscription().spawn(follower.handler(CancellationToken::new()))?;
    cut.short(subject.store.wait_until_idle(follower.name.as_str())).await.transpose()?;
    worker.shutdown().await?;
    follower.check().await
}

/// A watch whose wait was dropped is notified of the next commit.
pub async fn notified(subject: &Subject, cut: &mut Cut) -> Outcome {
    let mut watch = subject.store.engine().watch_log();
    let told = async {
        tokio::join!(watch.notified(), async { subject.prepare(&Subject::mark()).await.map(drop) })
            .1
    };
    cut.short(told).await.transpose()?;
    subject.prepare(&Subject::mark()).await?;
    let patience = Duration::from_secs(10);
    let told = tokio::time::timeout(patience, watch.notified()).await;
    told.map_err(|_| "no watcher is told of a commit".into())
}
