//! A handler for each type of event.

use std::collections::HashMap;
use std::fmt;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;

use super::handler::{Batch, Handler, HandlerError, one_by_one};
use crate::{Aggregate, BoxError, Event, RecordedEvent};

/// Hands each event to the closure for its type, one at a time and in order.
///
/// An event for whose name there is no closure is passed over: name what is to be handled in the filter as well, so that
/// it is not read for nothing. An event that has the name and cannot be decoded fails, as
/// [`FailurePolicy`](super::FailurePolicy) has it.
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
    routes: HashMap<(&'static str, &'static str), Route>,
}

/// An event as its type, and as the log has it. Derefs to the event.
#[derive(Clone, Debug)]
pub struct Received<E> {
    event: E,
    recorded: RecordedEvent,
}

type Route = Arc<dyn Fn(RecordedEvent) -> Handling + Send + Sync>;
type Handling = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

impl Router {
    /// A router that passes everything over.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Handles the events of a type, under all names that they were written as. A second closure for a type takes the
    /// place of the first.
    #[must_use]
    pub fn on<E, F, Fut, Failure>(mut self, handle: F) -> Self
    where
        E: Event,
        F: FnOnce(Received<E>) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<(), Failure>> + Send,
        Failure: Into<BoxError>,
    {
        let route: Route = Arc::new(move |recorded| {
            let handle = handle.clone();
            Box::pin(async move {
                let event = recorded.decode()?;
                handle(Received { event, recorded }).await.map_err(Into::into)
            })
        });
        for name in E::ALIASES.iter().chain([&E::NAME]) {
            self.routes.insert((E::Aggregate::NAME, name), Arc::clone(&route));
        }
        self
    }
}

impl<E> Received<E> {
    /// The event as the log has it.
    #[must_use]
    pub const fn recorded(&self) -> &RecordedEvent {
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
        one_by_one(&batch, |event| {
            let route = self.routes.get(&(event.aggregate_type(), event.event_type()))?;
            Some(route(event.clone()))
        })
        .await
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut routes: Vec<_> = self.routes.keys().collect();
        routes.sort();
        f.debug_struct("Router").field("routes", &routes).finish()
    }
}
