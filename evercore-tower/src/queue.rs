//! Executes one command at a time on each aggregate.

use std::sync::Arc;
use std::task::{Context, Poll};

use evercore::command::{Executed, Turns};
use evercore::{Aggregate, AggregateId, CommandError, Error, NaturalKey, Target};
use tower_layer::Layer;
use tower_service::Service;

use crate::service::call_when_ready;
use crate::{CommandFuture, CommandRequest};

/// Queues the commands of each aggregate, so that writers of this process wait for each other instead of causing
/// conflicts.
///
/// A store by itself makes writers take turns from the first conflict on. This layer does so before any conflict, and
/// bounds how many commands wait.
///
/// A command joins the queue when its future is first polled, and has its turn when those before it have been answered,
/// including their reruns. Dropping the future leaves the queue, whether the command waits or has its turn. A waiting
/// command takes no place in limits below the queue. A command that creates an aggregate without a natural key does not
/// queue.
///
/// The queue only saves work; the store keeps writes apart. Conflicts are still possible, and handled as usual,
/// - with other processes, and with writes that bypass this layer;
/// - between commands that name an aggregate by its id and by its natural key: these are two queues;
/// - with the commit of a command whose future was dropped, which may still be on its way.
///
/// All services that one layer and its clones are put around share the queues.
///
/// # Example
/// ```standalone_crate
/// # use evercore::{Aggregate, Apply, Decide, Decision, EventMeta, EventStore, event};
/// # #[derive(Aggregate, Default)]
/// # struct Account { balance: i64 }
/// # #[event(aggregate = Account)]
/// # struct MoneyDeposited { amount: i64 }
/// # impl Apply<MoneyDeposited> for Account {
/// #     fn apply(&mut self, event: &MoneyDeposited, _: &EventMeta) { self.balance += event.amount }
/// # }
/// # struct Deposit { amount: i64 }
/// # impl Decide<Deposit> for Account {
/// #     type Error = String;
/// #     fn decide(account: &mut Decision<'_, Self>, command: &Deposit) -> Result<(), String> {
/// #         account.emit(MoneyDeposited { amount: command.amount });
/// #         Ok(())
/// #     }
/// # }
/// # #[tokio::main]
/// # async fn main() -> Result<(), evercore::CommandError<String>> {
/// use evercore::{RetryPolicy, Target};
/// use evercore_memory::MemoryEngine;
/// use evercore_tower::{CommandRequest, CommandService, QueueLayer};
/// use tower::{ServiceBuilder, ServiceExt};
///
/// let store = EventStore::builder().retry(RetryPolicy::none()).open(MemoryEngine::new()).await?;
/// let accounts = ServiceBuilder::new()
///     .layer(QueueLayer::new().max_waiting(100))
///     .service(CommandService::<Account>::new(store));
///
/// let mut deposits = tokio::task::JoinSet::new();
/// for _ in 0..50 {
///     let till = Target::key_or_new("till")?;
///     deposits.spawn(accounts.clone().oneshot(CommandRequest::new(till, Deposit { amount: 1 })?));
/// }
/// let mut most = 0;
/// while let Some(deposited) = deposits.join_next().await {
///     let deposited = deposited.expect("no deposit panics")?;
///     most = most.max(deposited.state().balance);
/// }
/// assert_eq!(most, 50);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct QueueLayer {
    turns: Arc<Turns<Lane>>,
    max_waiting: usize,
}

/// A service whose commands queue. Made by [`QueueLayer`].
///
/// It is always ready; when a command has its turn, it waits until the inner service is ready.
#[derive(Clone, Debug)]
pub struct Queued<S> {
    inner: S,
    turns: Arc<Turns<Lane>>,
    max_waiting: usize,
}

/// The key of a queue.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Lane {
    Id(AggregateId),
    Key { aggregate: &'static str, key: NaturalKey },
}

impl Lane {
    /// Returns the queue for a target. A new aggregate without a key needs none: no other command names it.
    fn of<T: Aggregate>(target: &Target) -> Option<Self> {
        match target {
            Target::Id(id) => Some(Self::Id(*id)),
            Target::Key(key) | Target::NewWithKey(key) | Target::KeyOrNew(key) => {
                Some(Self::Key { aggregate: T::NAME, key: key.clone() })
            }
            Target::New => None,
        }
    }
}

impl QueueLayer {
    /// Creates a queue for each aggregate, in which 1,000 commands may wait.
    #[must_use]
    pub fn new() -> Self {
        Self { turns: Arc::default(), max_waiting: 1_000 }
    }

    /// Sets how many commands may wait for one aggregate, besides the one that has its turn. The next one fails with
    /// [`Error::QueueFull`] at once. Default: 1,000.
    #[must_use]
    pub fn max_waiting(mut self, commands: usize) -> Self {
        self.max_waiting = commands;
        self
    }
}

impl Default for QueueLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for QueueLayer {
    type Service = Queued<S>;

    fn layer(&self, inner: S) -> Queued<S> {
        Queued { inner, turns: Arc::clone(&self.turns), max_waiting: self.max_waiting }
    }
}

impl<S, C, T, E> Service<CommandRequest<C>> for Queued<S>
where
    S: Service<CommandRequest<C>, Response = Executed<T>, Error = CommandError<E>>,
    S: Clone + Send + 'static,
    S::Future: Send,
    C: Send + 'static,
    T: Aggregate,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = CommandFuture<T, E>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: CommandRequest<C>) -> Self::Future {
        let (inner, turns, max_waiting) =
            (self.inner.clone(), Arc::clone(&self.turns), self.max_waiting);
        Box::pin(async move {
            let _turn = match Lane::of::<T>(request.target()) {
                None => None,
                Some(lane) => match turns.enter(lane, max_waiting) {
                    Some(place) => Some(place.turn().await),
                    None => {
                        let target = request.target().to_string();
                        return Err(Error::QueueFull { target, waiting: max_waiting }.into());
                    }
                },
            };
            call_when_ready(inner, request).await
        })
    }
}
