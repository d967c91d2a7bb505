//! Sets up a durable subscription and runs it.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::config::{Config, WhenOwned};
use super::deliver::Plain;
use super::failure::FailurePolicy;
use super::filter_names::ResolvedFilter;
use super::filter_options::following;
use super::handle::SubscriptionHandle;
use super::handler::Handler;
use super::name::SubscriptionName;
use super::progress::{Progress, SubscriptionProgress};
use super::start::Start;
use super::worker;
use super::workers::Worker;
use crate::engine::{IfDifferent, LONGEST_WAIT, in_runtime};
use crate::service::Lifecycle;
use crate::shared::Shared;
use crate::{Error, EventFilter, EventStore, Report, Result};

/// The default number of events in a batch.
const BATCH_SIZE: u32 = 500;

/// The default time that a lease lasts without renewal.
const LEASE: Duration = Duration::from_secs(30);

/// The default time that handled batches may stay unrecorded while the subscription catches up.
const RECORD_WITHIN: Duration = Duration::from_millis(100);

/// Sets up a durable subscription and runs it. Made by [`EventStore::subscription`].
///
/// The subscription's cursor is stored, so a later run resumes where the last one ended. One worker at a time moves the
/// cursor, under a lease that it renews while it works; if that worker is gone, another one can take over. See
/// [`Handler`] for how often an event is handled.
///
/// # Example
/// ```standalone_crate
/// # use evercore::{Aggregate, state_event};
/// # #[derive(Aggregate, Default)]
/// # struct Account { balance: i64 }
/// # #[state_event(aggregate = Account)]
/// # struct BalanceSet { balance: i64 }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> evercore::Result<()> {
/// use evercore::{Error, EventStore, Received, Router};
/// # use evercore_memory as _;
///
/// let store = EventStore::connect("memory:").await?;
/// let worker = store
///     .subscription("printer")
///     .event::<BalanceSet>()
///     .spawn(Router::new().on(async |set: Received<BalanceSet>| -> Result<(), Error> {
///         println!("{}", set.balance);
///         Ok(())
///     }))?;
/// worker.shutdown().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a subscription does nothing until `run`, `spawn` or the like is called, or its service is run"]
pub struct SubscriptionBuilder {
    store: Arc<Shared>,
    name: Result<SubscriptionName>,
    filter: EventFilter,
    start: Start,
    partitions: u32,
    batch_size: u32,
    poll_interval: Option<Duration>,
    lease: Duration,
    record_within: Option<Duration>,
    owner: Option<String>,
    policy: FailurePolicy,
    handle_within: Option<Duration>,
    if_different: IfDifferent,
    when_owned: WhenOwned,
    stop: CancellationToken,
    progress: Arc<Progress>,
}

impl EventStore {
    /// Sets up a durable subscription with this name, of 1 to 128 bytes. An invalid name is reported when the
    /// subscription is run.
    pub fn subscription(
        &self,
        name: impl TryInto<SubscriptionName, Error: Into<crate::Error>>,
    ) -> SubscriptionBuilder {
        SubscriptionBuilder {
            store: Arc::clone(&self.inner),
            name: name.try_into().map_err(Into::into),
            filter: EventFilter::new(),
            start: Start::Beginning,
            partitions: 1,
            batch_size: BATCH_SIZE,
            poll_interval: None,
            lease: LEASE,
            record_within: None,
            owner: None,
            policy: FailurePolicy::stop(),
            handle_within: None,
            if_different: IfDifferent::Refuse,
            when_owned: WhenOwned::StandBy,
            stop: CancellationToken::new(),
            progress: Arc::new(Progress::new()),
        }
    }
}

following!(SubscriptionBuilder);

impl SubscriptionBuilder {
    /// Sets where the subscription starts when it is run for the first time. Later runs resume from the stored cursor.
    /// Default: the beginning.
    pub const fn start(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// Splits the subscription into this many partitions, each with a cursor of its own and a share of the aggregates.
    /// Any number of workers can run them: they divide the partitions evenly and stand by for more. The order of events
    /// is kept within each aggregate, or within each [lane](Self::lane). At least 1, at most
    /// [`MAX_PARTITIONS`](crate::limits::MAX_PARTITIONS). Default: 1.
    ///
    /// The number can be changed with [`replace_stored`](Self::replace_stored), while no worker runs and all partitions
    /// stand at the same position, such as the end of the log.
    pub const fn partitions(mut self, partitions: u32) -> Self {
        self.partitions = partitions;
        self
    }

    /// Keeps the order of the events that have the same value of a tag, in place of the order within each aggregate:
    /// with `lane("course")`, one worker at a time handles the events of a course, one after another, and an event that
    /// is [parked](FailurePolicy::park) parks the later events of its course, whatever aggregates they belong to.
    /// Without it, events that belong to no aggregate have no other order than that of one commit.
    ///
    /// Each event that is followed needs exactly one value of the tag. A registered type that does not declare it so is
    /// refused with [`Error::NoLane`](crate::Error::NoLane) when the subscription is started. A stored event without
    /// exactly one value is never given to the handler: it counts as one on which the handler has failed with this
    /// error, and is parked in the lane of its aggregate.
    ///
    /// The tag is stored with the filter, and is changed like it, with [`replace_stored`](Self::replace_stored), while no
    /// worker runs, all partitions stand at the same position, and no event is parked.
    ///
    /// # Example
    /// ```standalone_crate
    /// # use evercore::{Error, EventStore, FailurePolicy, RecordedEvent, each, event};
    /// # use evercore_memory as _;
    /// #[event(tags(course, student))]
    /// struct StudentSubscribed { course: String, student: String }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let store = EventStore::connect("memory:").await?;
    /// let print = each(async |event: RecordedEvent| -> Result<(), Error> {
    ///     println!("{:?}", event.tags());
    ///     Ok(())
    /// });
    /// let worker = store
    ///     .subscription("rosters")
    ///     .event::<StudentSubscribed>()
    ///     .lane("course")
    ///     .partitions(8)
    ///     .on_failure(FailurePolicy::park())
    ///     .spawn(print)?;
    /// # worker.shutdown().await
    /// # }
    /// ```
    pub fn lane(mut self, tag: impl Into<String>) -> Self {
        self.filter = self.filter.lane(tag);
        self
    }

    /// Sets how long the lease lasts without renewal. This is also how long other workers wait when this one is gone
    /// without giving its lease back. At least 50 ms, and not shorter than the poll interval. Default: 30 s.
    pub const fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// Sets how long handled batches may stay unrecorded while the subscription catches up. Each record costs a commit,
    /// so while the subscription is behind the end of the log, up to 32 batches are recorded together. Batches that are
    /// unrecorded when the worker crashes are handled again. `Duration::ZERO` records each batch before the next one is
    /// handled. At most as long as the lease. Default: 100 ms.
    ///
    /// At the end of the log, each batch is recorded at once. A batch that is handled in a transaction
    /// ([`run_in_transaction`](Self::run_in_transaction)) is always recorded in that transaction.
    pub const fn record_within(mut self, time: Duration) -> Self {
        self.record_within = Some(time);
        self
    }

    /// Sets the owner's name that other workers and [`Subscriptions`](crate::subscription::Subscriptions) show: 1 to
    /// 128 bytes. Default: the process id, a random part, and the number of the worker in the process, as in
    /// `4711-0c9f3a52#3`. Processes share subscriptions evenly if the names of their workers have this form: the same
    /// text in front of the last `#` for each worker of a process.
    pub fn owner(mut self, owner: impl Into<String>) -> Self {
        self.owner = Some(owner.into());
        self
    }

    /// Sets the policy for failures of the handler. Default: [`FailurePolicy::stop`].
    pub const fn on_failure(mut self, policy: FailurePolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Replaces the stored filter and number of partitions with those given here, if they differ. The subscription
    /// keeps its cursor and its parked events. A worker that runs it with the former settings stops.
    ///
    /// Without this, a difference is [`Error::SubscriptionDiffers`](crate::Error::SubscriptionDiffers).
    pub const fn replace_stored(mut self) -> Self {
        self.if_different = IfDifferent::Replace;
        self
    }

    /// Makes the worker fail with [`Error::SubscriptionOwned`](crate::Error::SubscriptionOwned) if another worker owns
    /// the subscription. Not for subscriptions of several partitions, which any number of workers share.
    ///
    /// Without this, the worker stands by, and takes over when the other worker stops or is gone.
    pub const fn fail_if_owned(mut self) -> Self {
        self.when_owned = WhenOwned::Refuse;
        self
    }

    /// Stops the worker when the token is cancelled: the batch that is being handled is finished and recorded first.
    pub fn stop_on(mut self, token: CancellationToken) -> Self {
        self.stop = token;
        self
    }

    /// Returns a watch on the progress of the subscription, whichever way it is run: for progress bars, and to see when
    /// it has caught up.
    ///
    /// # Example
    /// ```standalone_crate
    /// use evercore::subscription::SubscriptionState;
    /// use evercore::{Batch, Error, EventStore};
    /// use tokio_util::sync::CancellationToken;
    /// # use evercore_memory as _;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> evercore::Result<()> {
    /// let store = EventStore::connect("memory:").await?;
    /// let stop = CancellationToken::new();
    /// let subscription = store.subscription("totals").stop_on(stop.clone());
    /// let progress = subscription.progress();
    /// let until_caught_up = async {
    ///     while progress.status().state != SubscriptionState::Live {
    ///         let status = progress.status();
    ///         println!("{} of {}, {:.0} events/s", status.position, status.head, status.rate);
    ///         tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    ///     }
    ///     stop.cancel();
    /// };
    /// let running = subscription.run(async |_: Batch| -> Result<(), Error> { Ok(()) });
    /// let (ended, ()) = tokio::join!(running, until_caught_up);
    /// ended
    /// # }
    /// ```
    #[must_use]
    pub fn progress(&self) -> SubscriptionProgress {
        SubscriptionProgress::new(&self.progress)
    }

    /// Runs the subscription in the caller's task until it is stopped ([`stop_on`](Self::stop_on)) or cannot continue.
    /// Dropping the future stops it at once; its lease then stays taken until it expires.
    ///
    /// # Errors
    /// - [`Error::HandlerFailed`](crate::Error::HandlerFailed) if the handler failed and the policy says to stop.
    /// - [`Error::SubscriptionOwned`](crate::Error::SubscriptionOwned) if another worker owns it, after
    ///   [`fail_if_owned`](Self::fail_if_owned).
    /// - [`Error::SubscriptionDiffers`](crate::Error::SubscriptionDiffers) if it is stored with another filter or
    ///   number of partitions.
    /// - [`Error::InvalidSubscription`](crate::Error::InvalidSubscription),
    ///   [`Error::UnknownFilterName`](crate::Error::UnknownFilterName), [`Error::NoLane`](crate::Error::NoLane),
    ///   [`Error::StartBeyondEnd`](crate::Error::StartBeyondEnd) or
    ///   [`Error::StartAhead`](crate::Error::StartAhead) if it cannot be run as it is set up.
    /// - [`Error::UnknownSubscription`](crate::Error::UnknownSubscription) if it is deleted while it runs.
    /// - [`Error::NoRuntime`](crate::Error::NoRuntime) outside of a tokio runtime.
    /// - The engine's errors. While the database cannot be reached, the worker waits and tries again.
    pub async fn run<H: Handler>(mut self, handler: H) -> Result<()> {
        let (config, worker) = self.begin()?;
        worker::run(config, worker, Plain { handler }).await
    }

    /// Runs the subscription in a task of its own.
    ///
    /// # Errors
    /// [`Error::InvalidSubscription`](crate::Error::InvalidSubscription) for an invalid name, and
    /// [`Error::NoRuntime`](crate::Error::NoRuntime) outside of a tokio runtime. The handle returns all other errors.
    pub fn spawn<H: Handler>(self, handler: H) -> Result<SubscriptionHandle> {
        self.spawn_with(|config, worker| worker::run(config, worker, Plain { handler }))
    }

    /// Spawns what `run` makes of the subscription.
    pub(super) fn spawn_with<F>(
        mut self,
        run: impl FnOnce(Config, Worker) -> F,
    ) -> Result<SubscriptionHandle>
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        self.stop = self.stop.child_token();
        let (stop, progress) = (self.stop.clone(), self.progress());
        let (config, worker) = self.begin()?;
        let task = tokio::spawn(run(config, worker));
        Ok(SubscriptionHandle::new(task, stop, progress))
    }

    /// Returns the store that the subscription belongs to.
    #[must_use]
    pub fn store(&self) -> EventStore {
        EventStore::of(Arc::clone(&self.store))
    }

    /// Returns the name, or of an invalid one what its error shows.
    pub(super) fn given_name(&self) -> Option<&str> {
        match &self.name {
            Ok(name) => Some(name.as_str()),
            Err(Error::InvalidSubscription { name, .. }) => Some(name),
            Err(_) => None,
        }
    }

    /// Returns how long the lease lasts, without a time that cannot be computed with.
    pub(super) fn longest_lease(&self) -> Duration {
        self.lease.min(LONGEST_WAIT)
    }

    pub(super) const fn stop_token(&self) -> &CancellationToken {
        &self.stop
    }

    pub(super) fn begin(&mut self) -> Result<(Config, Worker)> {
        self.begin_run(self.stop.clone(), None)
    }

    /// Registers a worker of this process, and returns what it works by.
    pub(super) fn begin_run(
        &mut self,
        stop: CancellationToken,
        lifecycle: Option<Lifecycle>,
    ) -> Result<(Config, Worker)> {
        in_runtime()?;
        let name = match &self.name {
            Ok(name) => name.clone(),
            Err(_) => {
                let told = Error::InvalidSubscription {
                    name: self.given_name().unwrap_or_default().to_owned(),
                    problem: "its name is invalid".into(),
                };
                let error = std::mem::replace(&mut self.name, Err(told)).err();
                let error = error.expect("BUG: it was an error");
                self.progress.end(Some(&Report::new(&error).to_string()));
                return Err(error);
            }
        };
        let owner = self.owner.clone().unwrap_or_else(|| self.store.worker_name());
        let lease = self.longest_lease();
        let worker = self.store.workers.begin(&name, &self.progress, &self.store.settled);
        let config = Config {
            store: Arc::clone(&self.store),
            name,
            followed: ResolvedFilter::as_named(self.filter.clone()),
            start: self.start,
            partitions: self.partitions,
            batch_size: self.batch_size,
            poll_interval: self.poll_interval.map(|interval| interval.min(LONGEST_WAIT)),
            lease,
            record_within: self
                .record_within
                .map_or(RECORD_WITHIN.min(lease), |within| within.min(LONGEST_WAIT)),
            owner,
            policy: self.policy,
            handle_within: self.handle_within,
            if_different: self.if_different,
            when_owned: self.when_owned,
            stop,
            progress: Arc::clone(&self.progress),
            lifecycle,
        };
        Ok((config, worker))
    }
}
