//! Follows the log with a cursor in memory, without storing anything.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, Stream, StreamExt};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::config::NO_TIME;
use super::failure::FailurePolicy;
use super::filter_options::following;
use super::handler::{Batch, Handler};
use super::interrupt::Interrupt;
use super::read_ahead::ReadAhead;
use crate::engine::{Backoff, LONGEST_WAIT, in_runtime};
use crate::recorded::page::PageEvents;
use crate::shared::Shared;
use crate::shared::heartbeat::Registration;
use crate::{
    Error, EventFilter, EventStore, LogPage, Partition, Position, RecordedEvent, Report, Result,
    Start,
};

/// The default number of events in a batch.
const BATCH_SIZE: u32 = 500;

/// The waits while the log cannot be read.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(10), Duration::from_secs(2));

/// Sets up an ephemeral subscription: its cursor is in memory, nothing of it is stored, and any number of processes can
/// follow the log side by side. Made by [`EventStore::ephemeral`].
///
/// It reads the log page by page, so a slow consumer costs the memory of two pages at most.
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
/// use std::pin::pin;
///
/// use evercore::{EventStore, Start};
/// use futures_util::StreamExt;
/// # use evercore_memory as _;
///
/// let store = EventStore::connect("memory:").await?;
/// # store.with_context(async |ctx| {
/// #     let mut account = ctx.create::<Account>().await?;
/// #     ctx.apply(&mut account, BalanceSet { balance: 7 })
/// # }).await?;
/// let mut events = pin!(store.ephemeral().event::<BalanceSet>().start(Start::Beginning).stream());
/// if let Some(event) = events.next().await {
///     println!("{}", event?.decode::<BalanceSet>()?.balance);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a subscription does nothing until `run` is awaited, or the `stream` is polled"]
pub struct EphemeralBuilder {
    store: Arc<Shared>,
    filter: EventFilter,
    start: Start,
    batch_size: u32,
    poll_interval: Option<Duration>,
    policy: FailurePolicy,
    handle_within: Option<Duration>,
    stop: CancellationToken,
}

/// Reads the log from a cursor in memory.
#[derive(Debug)]
struct Follower {
    pages: ReadAhead,
    cursor: Position,
    at_end: bool,
    registration: Registration,
}

impl EventStore {
    /// Sets up an ephemeral subscription.
    pub fn ephemeral(&self) -> EphemeralBuilder {
        EphemeralBuilder {
            store: Arc::clone(&self.inner),
            filter: EventFilter::new(),
            start: Start::End,
            batch_size: BATCH_SIZE,
            poll_interval: None,
            policy: FailurePolicy::stop(),
            handle_within: None,
            stop: CancellationToken::new(),
        }
    }
}

following!(EphemeralBuilder);

impl EphemeralBuilder {
    /// Sets where the subscription starts. Default: [`Start::End`], at the time when it is run.
    pub const fn start(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// Sets the policy for failures of the handler. Parking needs a durable subscription. Default:
    /// [`FailurePolicy::stop`].
    pub const fn on_failure(mut self, policy: FailurePolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Stops the subscription when the token is cancelled: [`run`](Self::run) stops after the batch that is being
    /// handled, and does not retry a failed one; a [`stream`](Self::stream) ends when it is asked for its next event.
    pub fn stop_on(mut self, token: CancellationToken) -> Self {
        self.stop = token;
        self
    }

    /// Returns a stream of the events from the start on, one by one, until the subscription is stopped
    /// ([`stop_on`](Self::stop_on)). Nothing is read while the stream is not polled, apart from one page ahead.
    ///
    /// An invalid start or filter is the error of the first item, and ends the stream. After an error that can be
    /// retried, such as an unreachable database, the next item is read from where the stream was; any other error ends
    /// the stream.
    pub fn stream(self) -> impl Stream<Item = Result<RecordedEvent>> + Send + 'static {
        enum State {
            Ready(EphemeralBuilder),
            Following(Follower, VecDeque<RecordedEvent>),
            Over,
        }
        let stop = self.stop.clone();
        let events = stream::unfold(State::Ready(self), async |mut state| {
            loop {
                state = match state {
                    State::Ready(builder) => match builder.follow().await {
                        Ok(follower) => State::Following(follower, VecDeque::new()),
                        Err(error) => return Some((Err(error), State::Over)),
                    },
                    State::Following(mut follower, mut page) => {
                        if let Some(event) = page.pop_front() {
                            return Some((Ok(event), State::Following(follower, page)));
                        }
                        match follower.next().await {
                            Ok(events) => State::Following(follower, events.into()),
                            Err(error) if error.is_retryable() => {
                                return Some((Err(error), State::Following(follower, page)));
                            }
                            Err(error) => return Some((Err(error), State::Over)),
                        }
                    }
                    State::Over => return None,
                };
            }
        });
        events.take_until(stop.cancelled_owned())
    }

    /// Passes the events to a handler until the subscription is stopped ([`stop_on`](Self::stop_on)) or cannot
    /// continue. Dropping the future stops it at once.
    ///
    /// # Errors
    /// - [`Error::HandlerFailed`] if the handler failed, and its retries are used up.
    /// - [`Error::InvalidSubscription`], [`Error::UnknownFilterName`], [`Error::StartBeyondEnd`] or
    ///   [`Error::StartAhead`] if it cannot be run as it is set up.
    /// - [`Error::NoRuntime`] outside of a tokio runtime.
    /// - The engine's errors. While the database cannot be reached, the subscription waits and tries again.
    pub async fn run<H: Handler>(self, handler: H) -> Result<()> {
        let stop = self.stop.clone();
        let result = self.handle(handler, &stop).await;
        if let Err(error) = &result {
            error!(error = %Report::new(error), "an ephemeral subscription has ended");
        }
        result
    }

    async fn handle<H: Handler>(self, mut handler: H, stop: &CancellationToken) -> Result<()> {
        let (policy, handle_within) = (self.policy, self.handle_within);
        let store = Arc::clone(&self.store);
        let Some(follower) = stop.run_until_cancelled(self.follow()).await else { return Ok(()) };
        let mut follower = follower?;
        while let Some(events) = stop.run_until_cancelled(follower.next_patiently()).await {
            let mut rest = PageEvents::from(events?);
            let mut failed = 0;
            while !rest.is_empty() && !stop.is_cancelled() {
                let batch = Batch::of(rest.clone(), &store.registry, handle_within);
                let interrupt = Interrupt::of(stop.clone());
                let handled = tokio::select! {
                    biased;
                    handled = super::deliver::handle(&mut handler, batch, &interrupt) => handled,
                    never = say_it_stops(stop) => match never {},
                };
                let error = match handled {
                    Ok(count) => {
                        (rest, failed) = (rest.split_at(count).1, 0);
                        continue;
                    }
                    Err(error) => error,
                };
                let index = error.failed_at().filter(|index| *index < rest.len()).unwrap_or(0);
                if index > 0 {
                    (rest, failed) = (rest.split_at(index).1, 0);
                }
                failed += 1;
                let (position, event) = (rest[0].position(), rest[0].event_type());
                let wait = policy.retry.and_then(|retry| retry.wait_after(failed, store.random()));
                let Some(wait) = wait else {
                    let (name, source) = ("an ephemeral one".to_owned(), error.into_source());
                    return Err(Error::HandlerFailed { name, position, source });
                };
                warn!(%position, event, error = %error.report(), ?wait, "a handler failed; retrying");
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return Ok(()),
                    error = follower.registration.failed() => return Err(error),
                    () = tokio::time::sleep(wait) => {}
                }
            }
        }
        Ok(())
    }

    async fn follow(self) -> Result<Follower> {
        in_runtime()?;
        self.start.check()?;
        self.store.check_filter(&self.filter)?;
        self.store.check_filter_is_complete(&self.filter).await?;
        let invalid = |problem: &str| {
            let (name, problem) = ("an ephemeral one".to_owned(), problem.to_owned());
            Err(Error::InvalidSubscription { name, problem })
        };
        if self.batch_size == 0 {
            return invalid("a batch of 0 events would never end; the minimum is 1");
        }
        if self.batch_size > self.store.limits.page_events {
            return invalid(
                "its batch size exceeds `Limits::page_events`; make it smaller, or raise the limit",
            );
        }
        if self.filter.lane_tag().is_some() {
            return invalid("only a durable subscription has lanes, since it alone has partitions");
        }
        if self.poll_interval.is_some_and(|interval| interval.is_zero()) {
            return invalid("a poll interval of zero would poll without a pause");
        }
        if self.handle_within.is_some_and(|limit| limit.is_zero()) {
            return invalid(NO_TIME);
        }
        if self.policy.at_last == super::failure::AtLast::Park {
            return invalid(
                "only a durable subscription can park events, since parked events are stored",
            );
        }
        self.start.check_reached(&*self.store.clock)?;
        let cursor = self.store.engine.resolve_start(self.start).await?;
        let Shared { engine, heartbeats, registry, .. } = &*self.store;
        let poll_interval = self.poll_interval.map(|interval| interval.min(LONGEST_WAIT));
        let registration = heartbeats.join(engine, None, poll_interval);
        let filter = Arc::new(registry.as_read(&self.filter));
        let pages = ReadAhead::new(engine, &filter, Partition::WHOLE, self.batch_size);
        Ok(Follower { pages, cursor, at_end: false, registration })
    }
}

/// Logs that the subscription is to stop while its handler is working.
async fn say_it_stops(stop: &CancellationToken) -> Infallible {
    stop.cancelled().await;
    info!("an ephemeral subscription is stopping, and waits for its handler");
    pending().await
}

impl Follower {
    /// Waits for the next events and returns them.
    async fn next(&mut self) -> Result<Vec<RecordedEvent>> {
        loop {
            let tick = self.registration.tick.borrow_and_update().clone();
            tick.check()?;
            if self.at_end && tick.head <= self.cursor {
                self.registration
                    .tick
                    .changed()
                    .await
                    .expect("BUG: the heartbeat has dropped a subscriber");
                continue;
            }
            let LogPage { events, end, at_end } = self.pages.next(self.cursor).await?;
            (self.cursor, self.at_end) = (end, at_end);
            if !events.is_empty() {
                return Ok(events);
            }
        }
    }

    /// Like [`next`](Self::next), but tries again while the database cannot be reached.
    async fn next_patiently(&mut self) -> Result<Vec<RecordedEvent>> {
        let mut failed = 0;
        loop {
            match self.next().await {
                Err(error) if error.is_retryable() => {
                    failed += 1;
                    let wait = BACKOFF.wait_after(failed, 1.0);
                    warn!(error = %Report::new(&error), ?wait, "cannot read the log; retrying");
                    tokio::time::sleep(wait).await;
                }
                result => return result,
            }
        }
    }
}
