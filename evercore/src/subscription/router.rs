//! Routes each event to a handler for its type.

use std::any::TypeId;
use std::collections::HashMap;
use std::fmt;
use std::ops::{Deref, Range};
use std::pin::Pin;
use std::sync::Arc;

use super::handler::{Batch, Handler, HandlerError, one_by_one};
use super::interrupt::Interrupt;
use crate::evolution::retired::Part;
use crate::recorded::page::PageEvent;
use crate::registry::KnownEvent;
use crate::{Aggregate, BoxError, Error, Event, EventType, RecordedEvent, RetiredType};

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
///     .on(async |opened: Received<Opened>| {
///         println!("{} has an account", opened.owner);
///         Ok::<_, Error>(())
///     })
///     .on(async |set: Received<BalanceSet>| {
///         println!("account {} holds {}", set.recorded().aggregate_id(), set.balance);
///         Ok::<_, Error>(())
///     });
/// ```
#[derive(Clone, Default)]
pub struct Router {
    routes: Arc<HashMap<TypeId, Arc<Route>>>,
    /// The same routes by the names of the aggregate and of the event, one for each range of versions.
    names: HashMap<(&'static str, &'static str), Vec<Arc<Route>>>,
    unknown: Unknown,
}

/// An event as its Rust type, together with its record in the log. Derefs to the event.
#[derive(Clone, Debug)]
pub struct Received<E> {
    event: E,
    recorded: PageEvent,
}

/// The route to one closure.
struct Route {
    event_type: TypeId,
    is_for: fn(&RecordedEvent) -> bool,
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
        let route = Arc::new(Route {
            event_type: TypeId::of::<E>(),
            is_for: RecordedEvent::is::<E>,
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
        for aggregate in E::Aggregate::ALIASES.iter().chain([&E::Aggregate::NAME]) {
            for name in E::ALIASES.iter().chain([&E::NAME]) {
                let routes = self.names.entry((aggregate, name)).or_default();
                routes.retain(|former| former.event_type != route.event_type);
                routes.push(Arc::clone(&route));
            }
        }
        Arc::make_mut(&mut self.routes).insert(route.event_type, route);
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
    /// let router = Router::new().on_unknown(async |event: RecordedEvent| {
    ///     println!("what is `{}`?", event.event_type());
    ///     Ok::<_, Error>(())
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
    fn handling(&self, batch: &Batch, events: Range<usize>) -> Option<HandleEvents> {
        let first = &batch[events.start];
        let named = self.names.get(&(first.aggregate_type(), first.event_type()));
        if let Some(route) = named.into_iter().flatten().find(|route| (route.is_for)(first)) {
            return Some(Arc::clone(&route.events));
        }
        match batch.registry().known_event(first) {
            Some(KnownEvent::Current(_)) => None,
            Some(KnownEvent::Retired(retired)) => self.handling_of_parts(*retired),
            None => match &self.unknown {
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

    fn handling_of_parts(&self, retired: RetiredType) -> Option<HandleEvents> {
        let is_routed = |part: &EventType| self.routes.contains_key(&part.type_id());
        if !retired.into_events().iter().any(is_routed) {
            return None;
        }
        let routes = Arc::clone(&self.routes);
        Some(Arc::new(move |batch, events, interrupt| {
            let routes = Arc::clone(&routes);
            Box::pin(one_by_one(batch, events, interrupt, move |event| {
                let routes = Arc::clone(&routes);
                async move {
                    for part in event.parts(&retired)? {
                        if let Some(route) = routes.get(&part.event_type()) {
                            (route.part)(event.clone(), part).await?;
                        }
                    }
                    Ok::<_, BoxError>(())
                }
            }))
        }))
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
        self.handle_until(batch, &Interrupt::new()).await.map(drop)
    }

    async fn handle_until(
        &mut self,
        batch: Batch,
        interrupt: &Interrupt,
    ) -> Result<usize, HandlerError> {
        let mut next = 0;
        while let Some(first) = batch.get(next) {
            let alike = batch[next..].iter().take_while(|event| event.is_like(first)).count();
            let events = next..next + alike;
            next = events.end;
            if let Some(handle) = self.handling(&batch, events.clone()) {
                let handled = handle(batch.clone(), events, interrupt.clone()).await?;
                if handled < next {
                    return Ok(handled);
                }
            }
        }
        Ok(next)
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names: Vec<_> = self.names.keys().collect();
        names.sort();
        f.debug_struct("Router").field("routes", &names).finish_non_exhaustive()
    }
}
