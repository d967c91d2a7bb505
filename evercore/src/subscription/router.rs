//! Routes each event to a handler for its type.

use std::fmt;
use std::ops::{Deref, Range};
use std::pin::Pin;
use std::sync::Arc;

use super::handler::{Batch, Handler, HandlerError, one_by_one};
use super::interrupt::Interrupt;
use super::routes::{Routed, Routes, runs};
use crate::evolution::retired::Part;
use crate::recorded::page::PageEvent;
use crate::{BoxError, Error, Event, RecordedEvent, RetiredType};

/// Passes each event to the closure for its type, one at a time and in order.
///
/// A closure is given its event in the present shape, in whatever shape it was written. A
/// [retired](crate::evolution::RetiredEvent) event is given as the events that have replaced it, one after the other,
/// each with the same [`recorded`](Received::recorded) event. It counts as handled once all of these are; if one of
/// them fails, all are given again.
///
/// Events of a known type without a closure are skipped: name the types to handle in the filter as well, so that others
/// are not read for nothing. An event that cannot be decoded is a failure, for [`FailurePolicy`](crate::FailurePolicy)
/// to deal with. So is an event of a type that the program does not know, unless the router [skips](Self::skip_unknown)
/// such events or has a [closure](Self::on_unknown) for them.
///
/// Events that a closure writes carry the correlation id of the event that it handles, and name that event as their
/// cause.
///
/// # Example
/// ```standalone_crate
/// # use evercore::{Aggregate, state_event};
/// # #[derive(Aggregate, Default)]
/// # struct Account { owner: String, balance: i64 }
/// # #[state_event(aggregate = Account)]
/// # struct Opened { owner: String }
/// # #[state_event(aggregate = Account)]
/// # struct BalanceSet { balance: i64 }
/// use evercore::{Error, Received, Router};
///
/// let router = Router::new()
///     .on(async |opened: Received<Opened>| -> Result<(), Error> {
///         println!("{} has an account", opened.owner);
///         Ok(())
///     })
///     .on(async |set: Received<BalanceSet>| -> Result<(), Error> {
///         println!("account {} holds {}", set.recorded().aggregate_id(), set.balance);
///         Ok(())
///     });
/// ```
#[derive(Clone, Default)]
pub struct Router {
    routes: Routes<HandleType>,
    unknown: Unknown,
}

/// An event as its Rust type, together with its record in the log. Derefs to the event.
#[derive(Clone, Debug)]
pub struct Received<E> {
    pub(super) event: E,
    pub(super) recorded: PageEvent,
}

/// Handles the events of one type.
struct HandleType {
    events: HandleEvents,
    part: HandlePart,
}

/// The reaction to an event of a type that the program does not know.
#[derive(Clone, Default)]
enum Unknown {
    #[default]
    Fail,
    Skip,
    HandOver(HandleEvents),
}

/// Handles a run of events of one kind, so that the look-up and the boxing are done once for all of them.
type HandleEvents = Arc<
    dyn Fn(Batch, Range<usize>, Interrupt) -> Handling<Result<usize, HandlerError>> + Send + Sync,
>;
type HandlePart = Arc<dyn Fn(PageEvent, Part) -> Handling<Result<(), BoxError>> + Send + Sync>;
type Handling<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl Router {
    /// Makes a router without closures, which skips all events of known types.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the closure for the events of a type, under all names and in all versions that they were written in. A
    /// second closure for a type replaces the first.
    #[must_use]
    pub fn on<E, F, Fut, Failure>(mut self, handle: F) -> Self
    where
        E: Event,
        F: FnOnce(Received<E>) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<(), Failure>> + Send,
        Failure: Into<BoxError>,
    {
        let handle_part = handle.clone();
        self.routes.insert::<E>(HandleType {
            events: Arc::new(move |batch, events, interrupt| {
                let handle = handle.clone();
                Box::pin(one_by_one(batch, events, interrupt, move |recorded| {
                    let handle = handle.clone();
                    async move {
                        let event = recorded.decode_known()?;
                        handle(Received { event, recorded }).await.map_err(Into::into)
                    }
                }))
            }),
            part: Arc::new(move |recorded, part| {
                let handle = handle_part.clone();
                Box::pin(async move {
                    let event = part.into_event().expect("BUG: a part goes by its type");
                    handle(Received { event, recorded }).await.map_err(Into::into)
                })
            }),
        });
        self
    }

    /// Skips events of types that the program does not know: those of a newer program, or of another one that shares
    /// the log. Default: such an event fails with [`Error::UnknownEvent`].
    #[must_use]
    pub fn skip_unknown(mut self) -> Self {
        self.unknown = Unknown::Skip;
        self
    }

    /// Sets the closure for events of types that the program does not know. It is given them as they are stored.
    ///
    /// # Example
    /// ```
    /// use evercore::{Error, RecordedEvent, Router};
    ///
    /// let router = Router::new().on_unknown(async |event: RecordedEvent| -> Result<(), Error> {
    ///     println!("what is `{}`?", event.event_type());
    ///     Ok(())
    /// });
    /// ```
    #[must_use]
    pub fn on_unknown<F, Fut, Failure>(mut self, handle: F) -> Self
    where
        F: FnOnce(RecordedEvent) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<(), Failure>> + Send,
        Failure: Into<BoxError>,
    {
        self.unknown = Unknown::HandOver(Arc::new(move |batch, events, interrupt| {
            let handle = handle.clone();
            Box::pin(one_by_one(batch, events, interrupt, move |event| {
                let handle = handle.clone();
                async move { handle(RecordedEvent::clone(&event)).await.map_err(Into::into) }
            }))
        }));
        self
    }

    /// Returns the handler for a run of events that are like the first; `None` if they are skipped.
    fn handling(&self, batch: &Batch, events: &Range<usize>) -> Option<HandleEvents> {
        match self.routes.find(batch, &batch[events.start]) {
            Routed::To(route) => Some(Arc::clone(&route.handler.events)),
            Routed::ToParts(retired) => Some(self.handling_of_parts(*retired)),
            Routed::Nowhere => None,
            Routed::Unknown => match &self.unknown {
                Unknown::Fail => Some(Arc::new(|batch, events, interrupt| {
                    Box::pin(one_by_one(batch, events, interrupt, async |event| {
                        Err(Error::UnknownEvent(Box::new(event.place())))
                    }))
                })),
                Unknown::Skip => None,
                Unknown::HandOver(handle) => Some(Arc::clone(handle)),
            },
        }
    }

    fn handling_of_parts(&self, retired: RetiredType) -> HandleEvents {
        let routes = Arc::clone(self.routes.by_type());
        Arc::new(move |batch, events, interrupt| {
            let routes = Arc::clone(&routes);
            Box::pin(one_by_one(batch, events, interrupt, move |event| {
                let routes = Arc::clone(&routes);
                async move {
                    for part in event.parts(&retired)? {
                        if let Some(route) = routes.get(&part.event_type()) {
                            (route.handler.part)(event.clone(), part).await?;
                        }
                    }
                    Ok::<_, BoxError>(())
                }
            }))
        })
    }
}

impl<E> Received<E> {
    /// Returns the event as it is recorded in the log.
    #[must_use]
    pub fn recorded(&self) -> &RecordedEvent {
        &self.recorded
    }

    /// Returns the event without its record.
    #[must_use]
    pub fn into_event(self) -> E {
        self.event
    }
}

impl<E> Deref for Received<E> {
    type Target = E;

    fn deref(&self) -> &E {
        &self.event
    }
}

impl Handler for Router {
    async fn handle(&mut self, batch: Batch) -> Result<(), HandlerError> {
        self.handle_until(batch.into_part(), &Interrupt::new()).await.map(drop)
    }

    async fn handle_until(
        &mut self,
        batch: Batch,
        interrupt: &Interrupt,
    ) -> Result<usize, HandlerError> {
        for events in runs(&batch) {
            let end = events.end;
            if let Some(handle) = self.handling(&batch, &events) {
                let handled = handle(batch.clone(), events, interrupt.clone()).await?;
                if handled < end {
                    return Ok(handled);
                }
            }
        }
        Ok(batch.len())
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router").field("routes", &self.routes).finish_non_exhaustive()
    }
}
