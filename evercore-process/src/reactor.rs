//! Reactors: processes without a state.

use std::any::{Any, TypeId};
use std::fmt;
use std::sync::Arc;

use evercore::command::Command;
use evercore::subscription::{Interrupt, SubscriptionBuilder};
use evercore::task::{Task, TaskBody};
use evercore::{
    Batch, Context, Error, Event, EventStore, Handler, HandlerError, RecordedEvent, Registry,
    Result, each,
};
use tracing::debug;

use crate::reactions::{Input, follow, read};
use crate::worker::{Taking, once};

/// Turns events into commands and tasks, without a state.
///
/// # Example
/// ```standalone_crate
/// use evercore::{Aggregate, EventStore, state_event, task};
/// use evercore_memory as _;
/// use evercore_process::{Processes, Reactor};
///
/// #[derive(Aggregate, Default)]
/// struct Order { mail: String }
///
/// #[state_event(aggregate = Order)]
/// struct OrderPlaced { mail: String }
///
/// #[task(queue = "mail")]
/// struct SendReceipt { to: String }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> evercore::Result<()> {
/// let store = EventStore::connect("memory:").await?;
/// let receipts = Reactor::new().on(|reaction, placed: &OrderPlaced| {
///     reaction.enqueue(SendReceipt { to: placed.mail.clone() });
/// });
/// let reactor = store.reactor("receipts", receipts).spawn()?;
///
/// store
///     .with_context(async |ctx| {
///         let mut order = ctx.create::<Order>().await?;
///         ctx.apply(&mut order, OrderPlaced { mail: "ada@example.com".to_owned() })
///     })
///     .await?;
/// store.wait_until_idle("receipts").await?;
/// assert_eq!(store.queues().get("mail").await?.due, 1);
/// reactor.shutdown().await
/// # }
/// ```
#[derive(Default)]
#[must_use = "a reactor does nothing until it is run"]
pub struct Reactor {
    routes: Vec<Route>,
}

struct Route {
    event: TypeId,
    follow: fn(SubscriptionBuilder) -> SubscriptionBuilder,
    read: fn(&Registry, &RecordedEvent) -> Result<Vec<Input>>,
    react: React,
}

type React = Box<dyn Fn(&mut Reaction<'_>, &dyn Any) + Send + Sync>;

/// What a reactor does about an event: all of it lands in one commit, once for each event.
pub struct Reaction<'a> {
    ctx: &'a mut Context,
    does_anything: bool,
    failure: Option<Error>,
}

/// Hands the events of a subscription to a [`Reactor`], one at a time.
#[derive(Clone)]
pub struct Reacting {
    store: EventStore,
    name: Arc<str>,
    routes: Arc<[Route]>,
}

/// The reason why a reaction was not stored.
enum NotTaken {
    DoesNothing,
    Store(Error),
}

impl From<Error> for NotTaken {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl Reactor {
    /// Makes a reactor without reactions, which cannot be run.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reacts to the events of a type. A second closure for a type replaces the first.
    pub fn on<E: Event>(
        mut self,
        react: impl Fn(&mut Reaction<'_>, &E) + Send + Sync + 'static,
    ) -> Self {
        let event = TypeId::of::<E>();
        self.routes.retain(|route| route.event != event);
        let react: React = Box::new(move |reaction, event| {
            react(reaction, event.downcast_ref().expect("BUG: a route goes by its type"));
        });
        self.routes.push(Route { event, follow: follow::<E>, read: read::<E>, react });
        self
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    pub(crate) fn follow(&self, subscription: SubscriptionBuilder) -> SubscriptionBuilder {
        self.routes.iter().fold(subscription, |subscription, route| (route.follow)(subscription))
    }
}

impl Reaction<'_> {
    /// Sends a command, which may have the options of a [`Task`].
    pub fn send<C: Command>(&mut self, command: impl Into<Task<C>>) {
        let task = command.into();
        self.act(|ctx| ctx.send(task).map(drop));
    }

    /// Enqueues a task, with or without options.
    pub fn enqueue<T: TaskBody>(&mut self, task: impl Into<Task<T>>) {
        let task = task.into();
        self.act(|ctx| ctx.enqueue(task).map(drop));
    }

    /// Cancels the task with this key in the queue of its type, as [`Context::cancel`] does.
    pub fn cancel<T: TaskBody>(&mut self, key: &str) {
        self.act(|ctx| ctx.cancel::<T>(key));
    }

    fn act(&mut self, act: impl FnOnce(&mut Context) -> Result<()>) {
        if self.failure.is_none() {
            self.does_anything = true;
            self.failure = act(self.ctx).err();
        }
    }
}

impl Reacting {
    pub(crate) fn new(store: EventStore, name: &str, reactor: Reactor) -> Self {
        Self { store, name: name.into(), routes: reactor.routes.into() }
    }

    /// Reacts in one commit, which lands once for each event.
    async fn react(&self, event: &RecordedEvent) -> Result<()> {
        let mut inputs = Vec::new();
        for route in &*self.routes {
            for input in (route.read)(self.store.registry(), event)? {
                inputs.push((route, input));
            }
        }
        if inputs.is_empty() {
            return Ok(());
        }
        let key = once("reactor", &self.name, event);
        let (inputs, key) = (&*inputs, &*key);
        let reacted = self
            .store
            .with_context(async move |ctx: &mut Context| {
                ctx.set_idempotency_key(key)?;
                let mut reaction = Reaction { ctx, does_anything: false, failure: None };
                for (route, input) in inputs {
                    (route.react)(&mut reaction, &**input);
                }
                match reaction {
                    Reaction { failure: Some(error), .. } => Err(NotTaken::Store(error)),
                    Reaction { does_anything: false, .. } => Err(NotTaken::DoesNothing),
                    Reaction { .. } => Ok(()),
                }
            })
            .await;
        match reacted {
            // Without a state, a reaction that does nothing never does anything.
            Ok(()) | Err(NotTaken::DoesNothing) => Ok(()),
            Err(NotTaken::Store(Error::IdempotencyKeyUsed { .. })) => {
                debug!(reactor = %self.name, position = %event.position(), "the reactor has reacted to the event before");
                Ok(())
            }
            Err(NotTaken::Store(error)) => Err(error),
        }
    }

    fn one_by_one(&self) -> impl Handler + use<> {
        let this = self.clone();
        each(move |event: RecordedEvent| -> Taking {
            Box::pin(async move { this.react(&event).await })
        })
    }
}

impl Handler for Reacting {
    async fn handle(&mut self, batch: Batch) -> Result<(), HandlerError> {
        self.one_by_one().handle(batch).await
    }

    async fn handle_until(
        &mut self,
        batch: Batch,
        interrupt: &Interrupt,
    ) -> Result<usize, HandlerError> {
        self.one_by_one().handle_until(batch, interrupt).await
    }
}

impl fmt::Debug for Reactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reactor").field("types", &self.routes.len()).finish()
    }
}

impl fmt::Debug for Reacting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reacting").field("name", &self.name).finish_non_exhaustive()
    }
}

impl fmt::Debug for Reaction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reaction").field("failure", &self.failure).finish_non_exhaustive()
    }
}
