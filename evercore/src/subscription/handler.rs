//! Defines handlers, which handle the events of a subscription, and the batches that they are given.

use std::any::Any;
use std::fmt;
use std::ops::{Deref, Range};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;

use super::interrupt::Interrupt;
use super::time_limit::{Exceeded, TimeLimit};
use crate::metadata::with_cause;
use crate::recorded::page::{PageEvent, PageEvents};
use crate::report::{debug_error, panic_message};
use crate::{BoxError, Error, RecordedEvent, Registry, Report};

/// Handles the events that a subscription follows.
///
/// Closures over a [`Batch`] are handlers. [`each`] makes a handler of a closure over single events, and
/// [`Router`](crate::Router) one of a closure for each event type. Implement the trait for a handler with a state of
/// its own: each partition works on a clone, made anew whenever its lease is taken.
///
/// A handler is given every event **at least once**. Batches that were handled but not recorded before a crash are
/// given again, so make the handler's effects harmless to repeat, or use
/// [`run_in`](super::SubscriptionBuilder::run_in): writes in its transaction take effect exactly once.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot handle events",
    label = "not a handler of events",
    note = "a closure that handles events takes a `Batch` by value, can be cloned, and its future is `Send`: `async move |batch: Batch| -> Result<(), Error> {{ … }}`",
    note = "a `Router` takes a closure or function for each type of event; a `TransactionRouter` is run in transactions, by `handler_in_transaction`"
)]
pub trait Handler: Clone + Send + 'static {
    /// Handles a batch. The next batch is given once this call returns; this one is recorded by then, or soon after
    /// ([`record_within`](super::SubscriptionBuilder::record_within)).
    ///
    /// # Errors
    /// [`HandlerError`], which any error converts to. The batch is given again, or not, as the subscription's
    /// [`FailurePolicy`](crate::FailurePolicy) says.
    fn handle(&mut self, batch: Batch) -> impl Future<Output = Result<(), HandlerError>> + Send;

    /// Handles a batch until `interrupt` asks to return, and returns how many of its events are handled, at least one.
    /// Workers call this method, and give the rest of the batch later.
    ///
    /// By default, the batch is handled as a whole. [`each`] and [`Router`](crate::Router) can return between two
    /// events, so that a stop does not wait for the rest of a batch, and the events that a slow handler has handled are
    /// recorded within [`record_within`](super::SubscriptionBuilder::record_within). A handler that passes its batch on
    /// to several others calls their [`handle`](Self::handle).
    ///
    /// # Errors
    /// Those of [`handle`](Self::handle).
    fn handle_until(
        &mut self,
        batch: Batch,
        interrupt: &Interrupt,
    ) -> impl Future<Output = Result<usize, HandlerError>> + Send {
        let (_, count) = (interrupt, batch.len());
        async move { self.handle(batch).await.map(|()| count) }
    }
}

/// Events that a handler is given together: at least one, in position order, as they are stored.
///
/// An event that was written in an older shape or under an older name is given as it was written;
/// [`decode`](RecordedEvent::decode) returns it in its present shape. A [retired](crate::evolution::RetiredEvent) event
/// is also given as it was written; [`Registry::decode_all`] returns the events that have replaced it.
#[derive(Clone, Debug)]
pub struct Batch {
    events: PageEvents,
    registry: Arc<Registry>,
    time_limit: Option<TimeLimit>,
}

/// The reason why a batch was not handled.
pub struct HandlerError {
    failed_at: Option<usize>,
    source: BoxError,
}

/// A handler of single events. Made by [`each`].
#[derive(Clone)]
#[must_use = "a handler does nothing until a subscription runs it"]
pub struct Each<F>(F);

/// Makes a handler that is given one event at a time. Events that the handler writes are linked to the event that it
/// handles: they carry its correlation id, and name it as their cause.
///
/// # Example
/// ```standalone_crate
/// use evercore::{Error, RecordedEvent, each};
///
/// let print = each(async |event: RecordedEvent| -> Result<(), Error> {
///     println!("{}: {}", event.position(), event.event_type());
///     Ok(())
/// });
/// ```
pub fn each<F, Fut, E>(handle: F) -> Each<F>
where
    F: FnOnce(RecordedEvent) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Result<(), E>> + Send,
    E: Into<BoxError>,
{
    Each(handle)
}

impl Batch {
    /// For tests of handlers: makes a batch of these events, as a subscription of a store with this registry would give
    /// it.
    #[must_use]
    pub fn new(events: &[RecordedEvent], registry: &Arc<Registry>) -> Self {
        Self::of(events.to_vec().into(), registry, None)
    }

    pub(super) fn of(
        events: PageEvents,
        registry: &Arc<Registry>,
        handle_within: Option<Duration>,
    ) -> Self {
        let time_limit = handle_within.map(TimeLimit::new);
        Self { events, registry: Arc::clone(registry), time_limit }
    }

    /// Returns a batch of the event with this index alone, for a [`handle_until`](Handler::handle_until) that passes
    /// events on one by one. A [time limit](super::SubscriptionBuilder::handle_within) counts for this event from now
    /// on: if it is exceeded, the events before it are handled.
    ///
    /// # Panics
    /// If there is no such event.
    #[must_use]
    pub fn single(&self, index: usize) -> Self {
        let events = std::slice::from_ref(&self[index]).to_vec().into();
        self.begin(index);
        Self { events, registry: Arc::clone(&self.registry), time_limit: None }
    }

    /// Makes the time limit count for the event with this index from now on.
    fn begin(&self, index: usize) {
        if let Some(limit) = &self.time_limit {
            limit.begin(Some(index));
        }
    }

    /// Returns the batch for a handler that another one calls. How far it is says nothing of how far the other is, so
    /// the time limit goes on to count for the batch as a whole.
    pub(super) fn into_part(self) -> Self {
        Self { time_limit: None, ..self }
    }

    /// Returns the time that the handler of this batch may take.
    pub(super) const fn time_limit(&self) -> Option<&TimeLimit> {
        self.time_limit.as_ref()
    }

    /// Returns the event of a batch that has only one.
    pub(super) fn only_event(&self) -> Option<PageEvent> {
        (self.len() == 1).then(|| self.event(0))
    }

    /// Returns the event with this index.
    pub(super) fn event(&self, index: usize) -> PageEvent {
        self.events.event(index)
    }

    /// Returns the registry of the store, for [`Registry::decode_all`].
    #[must_use]
    pub const fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }
}

impl Deref for Batch {
    type Target = [RecordedEvent];

    fn deref(&self) -> &[RecordedEvent] {
        &self.events
    }
}

impl<'a> IntoIterator for &'a Batch {
    type Item = &'a RecordedEvent;
    type IntoIter = std::slice::Iter<'a, RecordedEvent>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl HandlerError {
    /// Makes a failure of the batch as a whole.
    pub fn new(source: impl Into<BoxError>) -> Self {
        Self { failed_at: None, source: source.into() }
    }

    /// Makes a failure at the event with this index in the batch. The events before it count as handled and are not
    /// given again, unless their effects were undone with a [transaction](crate::subscription::TransactionHandler).
    pub fn at(index: usize, source: impl Into<BoxError>) -> Self {
        Self { failed_at: Some(index), source: source.into() }
    }

    /// Makes a failure of a panic, as [`catch_unwind`](std::panic::catch_unwind) returns it. Subscriptions catch the
    /// panics of their handlers already; this is for handlers that call other handlers.
    #[must_use]
    pub fn panicked(panic: &(dyn Any + Send)) -> Self {
        Self::new(format!("the handler panicked: {}", panic_message(panic)))
    }

    /// Returns the index of the event that failed; `None` if the batch failed as a whole.
    #[must_use]
    pub const fn failed_at(&self) -> Option<usize> {
        self.failed_at
    }

    /// Makes the failure of a handler that was dropped because it took too long.
    pub(super) fn timed_out(Exceeded { limit, event }: Exceeded) -> Self {
        Self { failed_at: event, source: Error::HandlerTimedOut { limit }.into() }
    }

    /// Returns whether the handler was dropped because it took too long.
    pub(super) fn is_timeout(&self) -> bool {
        matches!(self.source.downcast_ref(), Some(Error::HandlerTimedOut { .. }))
    }

    pub(crate) fn source(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        &*self.source
    }

    /// Returns a display of the failure with all its causes.
    pub(crate) fn report(&self) -> Report<'_> {
        Report::new(&*self.source)
    }

    /// Returns the error that the handler failed with.
    #[must_use]
    pub fn into_source(self) -> BoxError {
        self.source
    }
}

/// Lets `?` convert any error.
impl<E: std::error::Error + Send + Sync + 'static> From<E> for HandlerError {
    fn from(error: E) -> Self {
        Self::new(error)
    }
}

impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

impl fmt::Debug for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_error(&*self.source, f, |f| {
            f.debug_struct("HandlerError")
                .field("failed_at", &self.failed_at)
                .field("source", &self.source)
                .finish()
        })
    }
}

impl<F, Fut, E> Handler for F
where
    F: FnOnce(Batch) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Result<(), E>> + Send,
    E: Into<BoxError>,
{
    async fn handle(&mut self, batch: Batch) -> Result<(), HandlerError> {
        let cause = batch.only_event();
        let handled = self.clone()(batch);
        with_only_cause(cause, handled).await.map_err(HandlerError::new)
    }
}

impl<F, Fut, E> Handler for Each<F>
where
    F: FnOnce(RecordedEvent) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Result<(), E>> + Send,
    E: Into<BoxError>,
{
    async fn handle(&mut self, batch: Batch) -> Result<(), HandlerError> {
        self.handle_until(batch.into_part(), &Interrupt::new()).await.map(drop)
    }

    async fn handle_until(
        &mut self,
        batch: Batch,
        interrupt: &Interrupt,
    ) -> Result<usize, HandlerError> {
        let (handle, all) = (self.0.clone(), 0..batch.len());
        let handle = move |event: PageEvent| handle.clone()(RecordedEvent::clone(&event));
        one_by_one(batch, all, interrupt.clone(), handle).await
    }
}

impl<F> fmt::Debug for Each<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Each").finish_non_exhaustive()
    }
}

/// Passes some events of a batch to `handle` one by one, until it is interrupted. Events that `handle` writes are
/// linked to the one that it handles. Returns the index of the first event that it has not handled.
pub(super) async fn one_by_one<Fut, E>(
    batch: Batch,
    events: Range<usize>,
    interrupt: Interrupt,
    mut handle: impl FnMut(PageEvent) -> Fut + Send,
) -> Result<usize, HandlerError>
where
    Fut: Future<Output = Result<(), E>> + Send,
    E: Into<BoxError>,
{
    let end = events.end;
    for index in events {
        if index > 0 && interrupt.is_requested() {
            return Ok(index);
        }
        let handling = handle(batch.event(index));
        one(&batch, index, handling).await?;
    }
    Ok(end)
}

/// Awaits the handling of the event with this index. Events that it writes are linked to that event.
pub(super) async fn one<E: Into<BoxError>>(
    batch: &Batch,
    index: usize,
    handling: impl Future<Output = Result<(), E>>,
) -> Result<(), HandlerError> {
    batch.begin(index);
    match caught(with_cause(batch.event(index), handling)).await {
        Ok(handled) => handled.map_err(|error| HandlerError::at(index, error)),
        Err(panic) => Err(HandlerError::at(index, panic.into_source())),
    }
}

/// Awaits the handling of a batch. Events that it writes are linked to the batch's event, if it has only one.
pub(super) async fn with_only_cause<T>(
    cause: Option<PageEvent>,
    handling: impl Future<Output = T>,
) -> T {
    match cause {
        Some(event) => with_cause(event, handling).await,
        None => handling.await,
    }
}

/// Runs user code, and turns a panic into a failure like any other.
pub(super) async fn caught<T>(handling: impl Future<Output = T>) -> Result<T, HandlerError> {
    AssertUnwindSafe(handling).catch_unwind().await.map_err(|panic| HandlerError::panicked(&*panic))
}
