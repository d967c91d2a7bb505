//! Makes one heartbeat for all subscriptions of a store: a look at the end of the log and at every lease.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{debug, error, warn};

use crate::engine::{Backoff, Beat, LeaseKey, LeaseStatus, LogWatch, StorageEngine};
use crate::report::panic_message;
use crate::{Error, Position, Report};

/// The least time between two looks, however many commits there are.
const GAP: Duration = Duration::from_millis(1);

/// The waits after failed looks.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(40), Duration::from_secs(2));

/// Looks at the log whenever it may have grown, renews leases when that is due, and sends the result to the subscribers:
/// the running partitions and ephemeral subscriptions.
///
/// A task does this for as long as there are subscribers.
#[derive(Debug, Default)]
pub(crate) struct Heartbeats {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    subscribers: Mutex<Subscribers>,
    /// Wakes the task for a look at once.
    wanted: Notify,
}

#[derive(Debug, Default)]
struct Subscribers {
    by_number: BTreeMap<u64, Subscriber>,
    last_number: u64,
    /// The task that looks. It may have ended with the runtime that it was started in.
    task: Option<AbortHandle>,
}

/// A running partition or ephemeral subscription that receives each heartbeat's result.
#[derive(Debug)]
struct Subscriber {
    poll_interval: Option<Duration>,
    lease: Option<Renewing>,
    tick: watch::Sender<Tick>,
}

/// A lease that the heartbeat renews.
#[derive(Debug)]
struct Renewing {
    key: LeaseKey,
    lasts: Duration,
    renew_at: Instant,
}

/// The result of a heartbeat, for one subscriber.
#[derive(Clone, Debug)]
pub(crate) struct Tick {
    /// The position of the last event that can be read, as of the last look. A hint: the log may have grown since.
    pub(crate) head: Position,
    /// The status of the subscriber's lease.
    pub(crate) status: LeaseStatus,
    /// The error of the look, if trying again is of no use.
    failure: Option<Arc<Error>>,
}

/// The registration of a subscriber. Dropping it unregisters the subscriber.
#[derive(Debug)]
pub(crate) struct Registration {
    shared: Arc<Shared>,
    number: u64,
    pub(crate) tick: watch::Receiver<Tick>,
}

/// The status of a lease that asks for nothing but to work on the partition.
pub(crate) const UNDISTURBED: LeaseStatus =
    LeaseStatus::Held { paused: false, wanted: false, redrive: false };

impl Heartbeats {
    /// Registers a subscriber. It receives its first tick soon, and then one with each look.
    pub(crate) fn join(
        &self,
        engine: &Arc<dyn StorageEngine>,
        lease: Option<(LeaseKey, Duration)>,
        poll_interval: Option<Duration>,
    ) -> Registration {
        let first = Tick { head: Position::START, status: UNDISTURBED, failure: None };
        let (sender, tick) = watch::channel(first);
        let now = Instant::now();
        let lease =
            lease.map(|(key, lasts)| Renewing { key, lasts, renew_at: now + renew_after(lasts) });
        let mut subscribers = self.shared.subscribers();
        subscribers.last_number += 1;
        let number = subscribers.last_number;
        subscribers.by_number.insert(number, Subscriber { poll_interval, lease, tick: sender });
        if subscribers.task.as_ref().is_none_or(AbortHandle::is_finished) {
            let task = tokio::spawn(run(Arc::clone(&self.shared), Arc::clone(engine)));
            subscribers.task = Some(task.abort_handle());
        }
        drop(subscribers);
        self.shared.wanted.notify_one();
        Registration { shared: Arc::clone(&self.shared), number, tick }
    }

    /// Makes the next look happen at once, if there are subscribers.
    pub(crate) fn look_now(&self) {
        self.shared.wanted.notify_one();
    }
}

/// Returns a third of the lease, so that one renewal may fail.
fn renew_after(lasts: Duration) -> Duration {
    lasts / 3
}

/// Runs the task of a heartbeat. A panic in it is an error for all subscribers, since nothing would renew their leases any more.
async fn run(shared: Arc<Shared>, engine: Arc<dyn StorageEngine>) {
    let looking = AssertUnwindSafe(look(Arc::clone(&shared), engine));
    if let Err(panic) = looking.catch_unwind().await {
        let error = format!("a panic: {}", panic_message(&*panic));
        error!(error, "subscriptions can no longer read the log");
        shared.fail(Error::storage("read the log", error));
    }
}

async fn look(shared: Arc<Shared>, engine: Arc<dyn StorageEngine>) {
    let mut log = engine.watch_log();
    let mut failed = 0;
    while let Some((numbers, beats)) = shared.next_beats() {
        let began = Instant::now();
        match engine.heartbeat(&beats).await {
            Ok(heartbeat) => {
                failed = 0;
                shared.tell(&numbers, &beats, heartbeat.head, &heartbeat.leases, began);
            }
            Err(error) => {
                failed += 1;
                let wait = BACKOFF.wait_after(failed, 1.0);
                warn!(error = %Report::new(&error), ?wait, "subscriptions cannot read the log; retrying");
                if !error.is_retryable() {
                    shared.fail(error);
                }
                sleep(wait).await;
                continue;
            }
        }
        sleep_until(began + GAP).await;
        let next = shared.next_look(&log, began);
        tokio::select! {
            biased;
            () = log.notified() => {}
            () = shared.wanted.notified() => {}
            () = sleep_until(next) => {}
        }
    }
    debug!("no subscription reads the log any more");
}

impl Shared {
    fn subscribers(&self) -> MutexGuard<'_, Subscribers> {
        self.subscribers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the leases to look at. `None` if there are no subscribers left; then the task ends.
    fn next_beats(&self) -> Option<(Vec<u64>, Vec<Beat>)> {
        let mut subscribers = self.subscribers();
        if subscribers.by_number.is_empty() {
            subscribers.task = None;
            return None;
        }
        let now = Instant::now();
        let leases = subscribers.by_number.iter().filter_map(|(number, subscriber)| {
            let lease = subscriber.lease.as_ref()?;
            let renew = (lease.renew_at <= now).then_some(lease.lasts);
            Some((*number, Beat { lease: lease.key.clone(), renew }))
        });
        Some(leases.unzip())
    }

    fn tell(
        &self,
        numbers: &[u64],
        beats: &[Beat],
        head: Position,
        statuses: &[LeaseStatus],
        began: Instant,
    ) {
        let mut subscribers = self.subscribers();
        for ((number, beat), &status) in numbers.iter().zip(beats).zip(statuses) {
            let Some(subscriber) = subscribers.by_number.get_mut(number) else { continue };
            if let (Some(lease), Some(_)) = (&mut subscriber.lease, beat.renew) {
                lease.renew_at = began + renew_after(lease.lasts);
            }
            subscriber.tick.send_replace(Tick { head, status, failure: None });
        }
        for subscriber in
            subscribers.by_number.values().filter(|subscriber| subscriber.lease.is_none())
        {
            subscriber.tick.send_replace(Tick { head, status: UNDISTURBED, failure: None });
        }
    }

    /// Sends an error to all subscribers after which none of them can continue.
    fn fail(&self, error: Error) {
        let error = Arc::new(error);
        for subscriber in self.subscribers().by_number.values() {
            subscriber.tick.send_modify(|tick| tick.failure = Some(Arc::clone(&error)));
        }
    }

    /// Returns the time of the next look without a wake-up.
    fn next_look(&self, log: &LogWatch, last: Instant) -> Instant {
        let subscribers = self.subscribers();
        let polls = subscribers.by_number.values().map(|subscriber| {
            last + subscriber.poll_interval.unwrap_or_else(|| log.poll_interval())
        });
        let renewals = subscribers
            .by_number
            .values()
            .filter_map(|subscriber| Some(subscriber.lease.as_ref()?.renew_at));
        polls.chain(renewals).min().unwrap_or(last)
    }
}

impl Tick {
    /// Returns the error to end with, if the subscriber cannot continue.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match &self.failure {
            None => Ok(()),
            Some(error) => Err(match **error {
                Error::Closed => Error::Closed,
                Error::NoRuntime { problem } => Error::NoRuntime { problem },
                _ => Error::storage("read the log", Arc::clone(error)),
            }),
        }
    }
}

impl Registration {
    /// Waits until the subscriber cannot continue, and returns the reason.
    pub(crate) async fn failed(&self) -> Error {
        let mut tick = self.tick.clone();
        loop {
            if let Err(error) = tick.borrow_and_update().check() {
                return error;
            }
            tick.changed().await.expect("BUG: the heartbeat has dropped a subscriber");
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.shared.subscribers().by_number.remove(&self.number);
        // The task ends if this was the last subscriber.
        self.shared.wanted.notify_one();
    }
}
