//! Executes commands in a store: the innermost service of every stack.

use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use evercore::command::Executed;
use evercore::{Aggregate, CommandError, Decide, EventStore};
use tower_service::Service;

use crate::CommandRequest;

/// The future of the answer to a command on an aggregate `T` that rejects with an `E`.
pub type CommandFuture<T, E> =
    Pin<Box<dyn Future<Output = Result<Executed<T>, CommandError<E>>> + Send>>;

/// Executes commands on aggregates of one type, as [`EventStore::execute`] does: one service for all commands that the
/// aggregate [decides](Decide) on.
///
/// It is always ready. Cheap to clone; the clones share one store.
///
/// # Example
/// ```standalone_crate
/// # use evercore::{Aggregate, Apply, Decide, Decision, EventMeta, event};
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
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), evercore::CommandError<String>> {
/// # let store = evercore::EventStore::builder().open(evercore_memory::MemoryEngine::new()).await?;
/// use evercore::Target;
/// use evercore_tower::{CommandRequest, CommandService};
/// use tower::ServiceExt;
///
/// let accounts = CommandService::<Account>::new(store);
/// let account = Target::key_or_new("NL91ABNA0417164300")?;
/// let deposited = accounts.oneshot(CommandRequest::new(account, Deposit { amount: 30 })?).await?;
/// assert_eq!(deposited.state().balance, 30);
/// # Ok(())
/// # }
/// ```
pub struct CommandService<T> {
    store: EventStore,
    aggregate: PhantomData<fn() -> T>,
}

impl<T: Aggregate> CommandService<T> {
    /// Creates a service that executes commands in this store.
    #[must_use]
    pub const fn new(store: EventStore) -> Self {
        Self { store, aggregate: PhantomData }
    }
}

impl<T, C> Service<CommandRequest<C>> for CommandService<T>
where
    T: Aggregate + Decide<C, Error: Send>,
    C: Send + Sync + 'static,
{
    type Response = Executed<T>;
    type Error = CommandError<T::Error>;
    type Future = CommandFuture<T, T::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: CommandRequest<C>) -> Self::Future {
        let store = self.store.clone();
        Box::pin(async move {
            let CommandRequest { target, command, idempotency_key, metadata } = request;
            let mut execute = store.execute::<T, C>(target, command);
            if let Some(key) = idempotency_key {
                execute = execute.idempotency_key(key);
            }
            if let Some(metadata) = metadata {
                execute = execute.metadata(metadata);
            }
            execute.await
        })
    }
}

impl<T> Clone for CommandService<T> {
    fn clone(&self) -> Self {
        Self { store: self.store.clone(), aggregate: PhantomData }
    }
}

impl<T: Aggregate> fmt::Debug for CommandService<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommandService").field("aggregate", &T::NAME).finish_non_exhaustive()
    }
}

/// Waits until the service is ready, and calls it. For layers that delay a command: while they do, it takes no place in
/// a limit below them.
pub(crate) async fn call_when_ready<S, R>(
    mut service: S,
    request: R,
) -> Result<S::Response, S::Error>
where
    S: Service<R>,
{
    poll_fn(|context| service.poll_ready(context)).await?;
    service.call(request).await
}
