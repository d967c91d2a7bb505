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

/// Looks at the log whenever it may have grown, renews leases when that is due, and sends the result to the members:
/// the running partitions and ephemeral subscriptions.
///
/// A task does this for as long as there are members.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    members: Mutex<Members>,
    /// Wakes the task for a look at once.
    wanted: Notify,
}

#[derive(Debug, Default)]
struct Members {
    by_number: BTreeMap<u64, Member>,
    last_number: u64,
    /// The task that looks. It may have ended with the runtime that it was started in.
    task: Option<AbortHandle>,
}

/// A running partition or ephemeral subscription that receives each heartbeat's result.
#[derive(Debug)]
struct Member {
    poll_interval: Option<Duration>,
    lease: Option<Renewing>,
    pulse: watch::Sender<Pulse>,
}

/// A lease that the heartbeat renews.
#[derive(Debug)]
struct Renewing {
    key: LeaseKey,
    lasts: Duration,
    renew_at: Instant,
}

/// The result of a heartbeat, for one member.
#[derive(Clone, Debug)]
pub(crate) struct Pulse {
    /// The position of the last event that can be read, as of the last look. A hint: the log may have grown since.
    pub(crate) head: Position,
    /// The status of the member's lease.
    pub(crate) status: LeaseStatus,
    /// The error of the look, if trying again is of no use.
    failure: Option<Arc<Error>>,
}

/// The registration of a member. Dropping it unregisters the member.
#[derive(Debug)]
pub(crate) struct Seat {
    shared: Arc<Shared>,
    number: u64,
    pub(crate) pulse: watch::Receiver<Pulse>,
}

const HELD: LeaseStatus = LeaseStatus::Held { paused: false, wanted: false, redrive: false };

impl Hub {
    /// Registers a member. It receives its first pulse soon, and then one with each look.
    pub(crate) fn join(
        &self,
        engine: &Arc<dyn StorageEngine>,
        lease: Option<(LeaseKey, Duration)>,
        poll_interval: Option<Duration>,
    ) -> Seat {
        let first = Pulse { head: Position::START, status: HELD, failure: None };
        let (sender, pulse) = watch::channel(first);
        let now = Instant::now();
        let lease =
            lease.map(|(key, lasts)| Renewing { key, lasts, renew_at: now + renew_after(lasts) });
        let mut members = self.shared.members();
        members.last_number += 1;
        let number = members.last_number;
        members.by_number.insert(number, Member { poll_interval, lease, pulse: sender });
        if members.task.as_ref().is_none_or(AbortHandle::is_finished) {
            let task = tokio::spawn(run(Arc::clone(&self.shared), Arc::clone(engine)));
            members.task = Some(task.abort_handle());
        }
        drop(members);
        self.shared.wanted.notify_one();
        Seat { shared: Arc::clone(&self.shared), number, pulse }
    }

    /// Makes the next look happen at once, if there are members.
    pub(crate) fn look_now(&self) {
        self.shared.wanted.notify_one();
    }
}

/// Returns a third of the lease, so that one renewal may fail.
fn renew_after(lasts: Duration) -> Duration {
    lasts / 3
}

/// Runs the task of a hub. A panic in it is an error for all members, since nothing would renew their leases any more.
async fn run(shared: Arc<Shared>, engine: Arc<dyn StorageEngine>) {
    let looking = AssertUnwindSafe(look(Arc::clone(&shared), engine));
    if let Err(panic) = looking.catch_unwind().await {
        let error = format!("a panic: {}", panic_message(&*panic));
        error!(error, "subscriptions cannot look at the log any more");
        shared.fail(Error::storage("look at the log", error));
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
                warn!(error = %Report::new(&error), ?wait, "subscriptions cannot look at the log; trying again");
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
    debug!("no subscription looks at the log any more");
}

impl Shared {
    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the leases to look at. `None` if there are no members left; then the task ends.
    fn next_beats(&self) -> Option<(Vec<u64>, Vec<Beat>)> {
        let mut members = self.members();
        if members.by_number.is_empty() {
            members.task = None;
            return None;
        }
        let now = Instant::now();
        let leases = members.by_number.iter().filter_map(|(number, member)| {
            let lease = member.lease.as_ref()?;
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
        let mut members = self.members();
        for ((number, beat), &status) in numbers.iter().zip(beats).zip(statuses) {
            let Some(member) = members.by_number.get_mut(number) else { continue };
            if let (Some(lease), Some(_)) = (&mut member.lease, beat.renew) {
                lease.renew_at = began + renew_after(lease.lasts);
            }
            member.pulse.send_replace(Pulse { head, status, failure: None });
        }
        for member in members.by_number.values().filter(|member| member.lease.is_none()) {
            member.pulse.send_replace(Pulse { head, status: HELD, failure: None });
        }
    }

    /// Sends an error to all members after which none of them can continue.
    fn fail(&self, error: Error) {
        let error = Arc::new(error);
        for member in self.members().by_number.values() {
            member.pulse.send_modify(|pulse| pulse.failure = Some(Arc::clone(&error)));
        }
    }

    /// Returns the time of the next look without a wake-up.
    fn next_look(&self, log: &LogWatch, last: Instant) -> Instant {
        let members = self.members();
        let polls = members
            .by_number
            .values()
            .map(|member| last + member.poll_interval.unwrap_or_else(|| log.poll_interval()));
        let renewals =
            members.by_number.values().filter_map(|member| Some(member.lease.as_ref()?.renew_at));
        polls.chain(renewals).min().unwrap_or(last)
    }
}

impl Pulse {
    /// Returns the error to end with, if the member cannot continue.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match &self.failure {
            None => Ok(()),
            Some(error) => Err(match **error {
                Error::Closed => Error::Closed,
                Error::NoRuntime { problem } => Error::NoRuntime { problem },
                _ => Error::storage("look at the log", Arc::clone(error)),
            }),
        }
    }
}

impl Seat {
    /// Waits until the member cannot continue, and returns the reason.
    pub(crate) async fn failed(&self) -> Error {
        let mut pulse = self.pulse.clone();
        loop {
            if let Err(error) = pulse.borrow_and_update().check() {
                return error;
            }
            pulse.changed().await.expect("BUG: a hub has let go of a member");
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.shared.members().by_number.remove(&self.number);
        // The task ends if this was the last member.
        self.shared.wanted.notify_one();
    }
}
