//! Defines the handlers of a worker: one for each type of task.

use std::any::TypeId;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use foldhash::HashMap;
use futures_util::future::BoxFuture;

use super::TaskBody;
use super::body::TaskBodies;
use super::claimed::{About, Claimed, TaskError};
use super::slots::Slot;
use crate::context::Reading;
use crate::engine::{Completion, StoredTask};
use crate::evolution::unreadable::Unreadable;
use crate::evolution::upcast;
use crate::registry::KnownEvent;
use crate::store::attempt::Attempt;
use crate::{Aggregate, Context, Error, EventStore, RetiredType};

/// The handlers of a worker, one for each type of task.
///
/// # Example
/// ```
/// use evercore::task::{Claimed, Handlers, TaskError};
/// use evercore::task;
///
/// #[task(queue = "mail")]
/// struct SendReceipt { order: u32, to: String }
///
/// let handlers = Handlers::new().on(async |task: Claimed<SendReceipt>| -> Result<(), TaskError> {
///     println!("to {}: thank you for order {}", task.to, task.order);
///     Ok(())
/// });
/// ```
#[derive(Clone, Default)]
#[must_use = "handlers do nothing until a worker is given them"]
pub struct Handlers {
    by_type: HashMap<TypeId, Handle>,
    upkeep: Option<Upkeep>,
}

/// Does tasks of the type `T` in a context: what it writes and the completion of the task are one commit.
///
/// # Example
/// ```standalone_crate
/// use evercore::task::{Claimed, TaskError, Work};
/// use evercore::{Aggregate, Context, state_event, task};
///
/// #[derive(Aggregate, Default)]
/// struct Order { receipt: Option<String> }
///
/// #[state_event(aggregate = Order)]
/// struct CardCharged { receipt: String }
///
/// #[task(queue = "charges")]
/// struct ChargeCard { order: String, card: String }
///
/// #[derive(Clone)]
/// struct Bank;
/// # impl Bank {
/// #     async fn charge(&self, card: &str, once: impl ToString) -> std::io::Result<String> {
/// #         Ok(format!("{card} {}", once.to_string()))
/// #     }
/// # }
///
/// impl Work<ChargeCard> for Bank {
///     async fn work(&self, ctx: &mut Context, task: &Claimed<ChargeCard>) -> Result<(), TaskError> {
///         // The bank charges once for each id, however often it is asked.
///         let receipt = self.charge(&task.card, task.id()).await?;
///         let mut order = ctx.load_by_key::<Order>(&task.order).await?;
///         Ok(ctx.apply(&mut order, CardCharged { receipt })?)
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot do the task `{T}`",
    label = "`impl Work<{T}> for {Self}` is missing",
    note = "a closure is given to `Handlers::on`, without a context; one that writes is a type with `impl Work<{T}>`"
)]
pub trait Work<T>: Send + Sync + 'static {
    /// Does a task. After a conflict it is called again, in a new context.
    ///
    /// If a commit of its context is refused with [`Error::IdempotencyKeyUsed`], an earlier attempt has done the work,
    /// and the task is completed alone.
    ///
    /// # Errors
    /// [`TaskError`], which any error converts to. Nothing is written then, and the task is given again later.
    fn work(
        &self,
        ctx: &mut Context,
        task: &Claimed<T>,
    ) -> impl Future<Output = Result<(), TaskError>> + Send;
}

/// What a worker does now and then beside its tasks. Returns the time until the next time.
pub(crate) type Upkeep = fn(EventStore) -> BoxFuture<'static, Duration>;

/// Handles the tasks of one type.
pub(crate) type Handle =
    Arc<dyn Fn(EventStore, Delivery) -> BoxFuture<'static, Handled> + Send + Sync>;

pub(crate) type Handled = Result<Completed, TaskError>;

/// Whether a task that was done is recorded as such.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Completed {
    /// By the commit of its effects.
    WithItsEffects,
    NotYet,
}

/// A claimed task on its way to its handler.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(super) task: StoredTask,
    pub(crate) about: Arc<About>,
    pub(crate) slot: Slot,
}

impl Delivery {
    pub(crate) fn read<T: TaskBody>(self) -> Result<Claimed<T>, TaskError> {
        let StoredTask { payload, version, .. } = &self.task;
        match upcast::read::<T>(payload, *version) {
            Ok(body) => Ok(Claimed::new(body, self.about)),
            Err(unreadable) => Err(self.unreadable(&unreadable)),
        }
    }

    fn unreadable(&self, why: &Unreadable) -> TaskError {
        let StoredTask { id, queue, task_type, version, .. } = &self.task;
        Error::UnreadableTask {
            queue: queue.to_string(),
            id: *id,
            task_type: task_type.to_string(),
            version: *version,
            problem: why.explain(),
        }
        .into()
    }
}

impl Handlers {
    /// Makes an empty set, which no worker accepts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the closure for the tasks of a type, in whatever version they were enqueued. A second handler of a type
    /// replaces the first.
    ///
    /// The task is completed after the closure. If the process is gone in between, the task is given again, so make the
    /// closure's effects harmless to repeat. What is to be written exactly once is for a [`Work`].
    pub fn on<T, F, Fut, E>(mut self, handle: F) -> Self
    where
        T: TaskBody,
        F: FnOnce(Claimed<T>) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send,
        E: Into<TaskError>,
    {
        self.insert(
            TypeId::of::<T>(),
            Arc::new(move |_, delivery| {
                let handle = handle.clone();
                Box::pin(async move {
                    let task = delivery.read::<T>()?;
                    handle(task).await.map_err(Into::into)?;
                    Ok(Completed::NotYet)
                })
            }),
        );
        self
    }

    /// Sets the [`Work`] that does the tasks of a type, in whatever version they were enqueued. A second handler of a
    /// type replaces the first.
    pub fn work<T: TaskBody + Sync>(mut self, work: impl Work<T>) -> Self {
        let work = Arc::new(work);
        self.insert(
            TypeId::of::<T>(),
            Arc::new(move |store, delivery| {
                let work = Arc::clone(&work);
                Box::pin(async move {
                    let (lease, slot) = (delivery.about.lease.clone(), delivery.slot.clone());
                    let task = delivery.read::<T>()?;
                    in_contexts(&store, &Completion::Task(lease), &slot, &*work, &task).await
                })
            }),
        );
        self
    }

    /// Sets what handles the tasks of a type.
    pub(crate) fn insert(&mut self, type_id: TypeId, handle: Handle) {
        self.by_type.insert(type_id, handle);
    }

    /// Sets what the worker does now and then beside its tasks.
    pub(crate) fn keep_up(&mut self, upkeep: Upkeep) {
        self.upkeep = Some(upkeep);
    }

    pub(super) const fn upkeep(&self) -> Option<Upkeep> {
        self.upkeep
    }

    /// Gives a task to the handler of its type.
    pub(super) async fn handle(&self, store: &EventStore, delivery: Delivery) -> Handled {
        let StoredTask { task_type, version, .. } = &delivery.task;
        match store.inner.registry.find(TaskBodies::NAME, task_type, *version) {
            Some(KnownEvent::Current(known)) => match self.by_type.get(&known.type_id()) {
                Some(handle) => handle(store.clone(), delivery).await,
                None => Err(delivery.unhandled(true)),
            },
            Some(KnownEvent::Retired(retired)) => delivery.retired(retired),
            None => Err(delivery.unhandled(false)),
        }
    }

    /// Returns whether there is no handler.
    pub(super) fn is_empty(&self) -> bool {
        self.by_type.is_empty()
    }
}

impl Delivery {
    fn unhandled(&self, is_known: bool) -> TaskError {
        let StoredTask { id, queue, task_type, version, .. } = &self.task;
        let problem = if is_known {
            "this worker has no handler for its type; add one with `Handlers::on`, `Handlers::work` or `Handlers::command`"
        } else {
            "no type of this program reads it; link the crate that defines it"
        };
        Error::UnreadableTask {
            queue: queue.to_string(),
            id: *id,
            task_type: task_type.to_string(),
            version: *version,
            problem: problem.to_owned(),
        }
        .into()
    }

    /// Completes a task of a retired type, which needs no work any more.
    fn retired(&self, retired: &RetiredType) -> Handled {
        if retired.into_events().is_empty() {
            return Ok(Completed::NotYet);
        }
        let why = "a retired task cannot be split; declare it without `into`, or upcast it";
        Err(self.unreadable(&Unreadable::Split { source: why.into() }))
    }
}

/// Does a task in a context, and commits what it writes together with the completion; again after each conflict.
async fn in_contexts<T: Send + Sync>(
    store: &EventStore,
    completion: &Completion,
    slot: &Slot,
    work: &impl Work<T>,
    task: &Claimed<T>,
) -> Handled {
    let mut reruns = store.begin(Reading::Cache)?;
    loop {
        let attempt = store.attempt(&mut reruns, async |ctx: &mut Context| {
            slot.hold().await;
            ctx.complete(completion.clone());
            let worked = work.work(ctx, task).await;
            slot.give_back();
            worked
        });
        match attempt.await {
            Ok(_) => return Ok(Completed::WithItsEffects),
            Err(failure) if is_repetition(&failure) => return Ok(Completed::NotYet),
            Err(failure) => store.wait_to_rerun(&mut reruns, failure).await?,
        }
    }
}

fn is_repetition(failure: &Attempt<TaskError>) -> bool {
    matches!(failure, Attempt::Commit(refused) if matches!(refused.error, Error::IdempotencyKeyUsed { .. }))
}

impl fmt::Debug for Handlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handlers").field("types", &self.by_type.len()).finish_non_exhaustive()
    }
}
