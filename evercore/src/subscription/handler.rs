//! What handles the events of a subscription.

use std::any::Any;
use std::fmt;
use std::ops::Deref;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;

use crate::{BoxError, Metadata, RecordedEvent, with_metadata};

/// Handles the events that a subscription follows.
///
/// Closures over a [`Batch`] are handlers; [`each`] makes one of a closure over single events, and
/// [`Router`](super::Router) one of a closure for each type of event. Implement the trait for a handler with a state of
/// its own: each partition works on a clone, made anew whenever its lease is taken.
///
/// A handler is given every event **at least once**. One that was given a batch and fell over before it was recorded is
/// given it again, so keep what it does harmless to repeat, or use
/// [`run_in`](super::SubscriptionBuilder::run_in): what it writes in its transaction takes effect exactly once.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot handle events",
    label = "not a handler of events",
    note = "a closure that handles events takes a `Batch` by value, can be cloned, and its future is `Send`: `async move |batch: Batch| {{ …; Ok::<_, Error>(()) }}`"
)]
pub trait Handler: Clone + Send + 'static {
    /// Handles a batch. The next one comes when this one is done and recorded.
    ///
    /// # Errors
    /// [`HandlerError`], which any error converts to. The batch comes again, as the subscription's
    /// [`FailurePolicy`](super::FailurePolicy) says.
    fn handle(&mut self, batch: Batch) -> impl Future<Output = Result<(), HandlerError>> + Send;
}

/// Events that a handler is given together: one at least, in position order.
#[derive(Clone, Debug)]
pub struct Batch(Arc<[RecordedEvent]>);

/// Why a batch was not handled.
#[derive(Debug)]
pub struct HandlerError {
    failed_at: Option<usize>,
    source: BoxError,
}

/// A handler of single events. Made by [`each`].
#[derive(Clone)]
pub struct Each<F>(F);

/// A handler that is given one event at a time. What such an event causes is linked to it: events that the handler
/// writes carry its correlation, and name it as their cause.
///
/// # Example
/// ```standalone_crate
/// use evercore::{Error, RecordedEvent, each};
///
/// let print = each(async |event: RecordedEvent| {
///     println!("{}: {}", event.position(), event.event_type());
///     Ok::<_, Error>(())
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
    pub(crate) fn new(events: &[RecordedEvent]) -> Self {
        Self(events.into())
    }
}

impl Deref for Batch {
    type Target = [RecordedEvent];

    fn deref(&self) -> &[RecordedEvent] {
        &self.0
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
    /// A failure of the batch as a whole.
    pub fn new(source: impl Into<BoxError>) -> Self {
        Self { failed_at: None, source: source.into() }
    }

    /// A failure at the event with this index in the batch. Those before it are handled and do not come again.
    pub fn at(index: usize, source: impl Into<BoxError>) -> Self {
        Self { failed_at: Some(index), source: source.into() }
    }

    pub(crate) const fn failed_at(&self) -> Option<usize> {
        self.failed_at
    }

    pub(crate) fn cause(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.source()
    }

    pub(crate) fn into_source(self) -> BoxError {
        self.source
    }
}

/// `?` makes one of any error.
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

impl<F, Fut, E> Handler for F
where
    F: FnOnce(Batch) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Result<(), E>> + Send,
    E: Into<BoxError>,
{
    async fn handle(&mut self, batch: Batch) -> Result<(), HandlerError> {
        let linked = match &*batch {
            [event] => Some(Metadata::caused_by(event)),
            _ => None,
        };
        let handled = self.clone()(batch);
        let result = match linked {
            Some(metadata) => with_metadata(metadata, handled).await,
            None => handled.await,
        };
        result.map_err(HandlerError::new)
    }
}

impl<F, Fut, E> Handler for Each<F>
where
    F: FnOnce(RecordedEvent) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Result<(), E>> + Send,
    E: Into<BoxError>,
{
    async fn handle(&mut self, batch: Batch) -> Result<(), HandlerError> {
        let handle = self.0.clone();
        one_by_one(&batch, move |event| Some(handle.clone()(event.clone()))).await
    }
}

impl<F> fmt::Debug for Each<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Each").finish_non_exhaustive()
    }
}

/// Hands single events of a batch to `handle`, each with the metadata of what it causes.
pub(super) async fn one_by_one<Fut, E>(
    batch: &Batch,
    mut handle: impl FnMut(&RecordedEvent) -> Option<Fut> + Send,
) -> Result<(), HandlerError>
where
    Fut: Future<Output = Result<(), E>> + Send,
    E: Into<BoxError>,
{
    for (index, event) in batch.iter().enumerate() {
        let Some(handling) = handle(event) else { continue };
        let linked = with_metadata(Metadata::caused_by(event), handling);
        match caught(linked).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(HandlerError::at(index, error)),
            Err(panic) => return Err(HandlerError::at(index, panic.into_source())),
        }
    }
    Ok(())
}

/// A panic of user code is a failure like any other.
pub(super) async fn caught<T>(handling: impl Future<Output = T>) -> Result<T, HandlerError> {
    AssertUnwindSafe(handling).catch_unwind().await.map_err(|panic| {
        let message = said(&*panic);
        HandlerError::new(format!("the handler panicked: {message}"))
    })
}

fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a word")
}
