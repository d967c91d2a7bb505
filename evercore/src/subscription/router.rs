//! A handler for each type of event.

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

/// Hands each event to the closure for its type, one at a time and in order.
///
/// An event comes in its present shape, whatever it was written as. A [retired](crate::RetiredEvent) one comes as what
/// has become of it, part after part, each with the same [`recorded`](Received::recorded) event: it is handled when all
/// of its parts are, and if one of them fails, all come again.
///
/// An event for whose type there is no closure is passed over: name what is to be handled in the filter as well, so that
/// it is not read for nothing. An event that cannot be decoded fails, as [`FailurePolicy`](super::FailurePolicy) has it.
/// So does one of a type that the program does not know, unless the router is told to [skip](Self::skip_unknown) such
/// events or [what to do](Self::on_unknown) with them.
///
/// Events that a closure writes carry the correlation of the one that it handles, and name it as their cause.
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
    /// The same by the names of the aggregate and of the event, one for each range of versions.
    names: HashMap<(&'static str, &'static str), Vec<Arc<Route>>>,
    unknown: Unknown,
}

/// An event as its type, and as the log has it. Derefs to the event.
#[derive(Clone, Debug)]
pub struct Received<E> {
    event: E,
    recorded: PageEvent,
}

/// The way to one closure.
struct Route {
    event_type: TypeId,
    is_for: fn(&RecordedEvent) -> bool,
    events: HandleEvents,
    part: HandlePart,
}

/// What to do with an event of a type that the program does not know.
#[derive(Clone, Default)]
enum Unknown {
    #[default]
    Fail,
    Skip,
    HandOver(HandleEvents),
}

/// Handles events of a batch that are alike: what is to be looked up and boxed, is so once for all of them.
type HandleEvents = Arc<
    dyn Fn(Batch, Range<usize>, Interrupt) -> Handling<Result<usize, HandlerError>> + Send + Sync,
>;
type HandlePart = Arc<dyn Fn(PageEvent, Part) -> Handling<Result<(), BoxError>> + Send + Sync>;
type Handling<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl Router {
    /// A router that passes over everything that the program knows.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Handles the events of a type, under all names and in all versions that they were written as. A second closure for
    /// a type takes the place of the first.
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

    /// Passes over events of types that the program does not know: those of a newer one, or of another that shares the
    /// log. Default: such an event fails with [`Error::UnknownEvent`].
    #[must_use]
    pub fn skip_unknown(mut self) -> Self {
        self.unknown = Unknown::Skip;
        self
    }

    /// Handles events of types that the program does not know, as they are stored.
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

    /// How to handle events that are like their first.
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
    /// The event as the log has it.
    #[must_use]
    pub fn recorded(&self) -> &RecordedEvent {
        &self.recorded
    }

    /// The event alone.
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
