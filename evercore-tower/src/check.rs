//! Refuses commands before the aggregate sees them: validation and authorization.

use std::fmt;
use std::future::ready;
use std::sync::Arc;
use std::task::{Context, Poll};

use evercore::command::Executed;
use evercore::{Aggregate, CommandError};
use tower_layer::Layer;
use tower_service::Service;

use crate::service::call_when_ready;
use crate::{CommandFuture, CommandRequest};

/// Refuses commands before the aggregate is loaded, on the basis of their requests.
///
/// A closure over a `&CommandRequest<C>` is a check on one type of command. Implement the trait for a check on several
/// types, or for one that asks another service: its method may be an `async fn`. A rule that depends on the state
/// belongs in the decision: the result of a check may be out of date when the command is decided on.
///
/// # Example: authorization of all commands, by asking
/// ```
/// use std::collections::HashSet;
/// use std::sync::Arc;
///
/// use evercore_tower::{Check, CommandRequest};
/// use tokio::sync::RwLock;
///
/// #[derive(Debug, PartialEq)]
/// enum BankError { NotAllowed }
///
/// /// Accepts clerks only.
/// struct ClerksOnly { clerks: Arc<RwLock<HashSet<String>>> }
///
/// impl<C: Sync> Check<C> for ClerksOnly {
///     type Error = BankError;
///
///     async fn check(&self, request: &CommandRequest<C>) -> Result<(), BankError> {
///         let principal = request.principal().ok_or(BankError::NotAllowed)?;
///         let clerks = self.clerks.read().await;
///         if clerks.contains(principal) { Ok(()) } else { Err(BankError::NotAllowed) }
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not check `{C}`",
    label = "not a check of `{C}`",
    note = "a closure that checks `{C}` takes `request: &CommandRequest<{C}>` and returns a `Result<(), _>`; for an `async` check, implement `Check<{C}>` for your own type"
)]
pub trait Check<C>: Send + Sync + 'static {
    /// The reason why a command is refused: the `Error` of the aggregate's [`Decide`](evercore::Decide).
    type Error;

    /// Checks a command, each time that it is sent, including repetitions with an idempotency key.
    ///
    /// # Errors
    /// The reason why the command is refused.
    fn check(
        &self,
        request: &CommandRequest<C>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// Puts a [`Check`] before the commands. A refusal is [`CommandError::Rejected`], as if the aggregate had rejected the
/// command.
///
/// # Example: validation of one command
/// ```standalone_crate
/// # use evercore::{Aggregate, Apply, Decide, Decision, EventMeta, EventStore, event};
/// # #[derive(Aggregate, Debug, Default)]
/// # struct Account { balance: i64 }
/// # #[event(aggregate = Account)]
/// # struct MoneyDeposited { amount: i64 }
/// # impl Apply<MoneyDeposited> for Account {
/// #     fn apply(&mut self, event: &MoneyDeposited, _: &EventMeta) { self.balance += event.amount }
/// # }
/// # struct Deposit { amount: i64 }
/// # #[derive(Debug, PartialEq)]
/// # enum BankError { NotAnAmount, NotAllowed }
/// # impl Decide<Deposit> for Account {
/// #     type Error = BankError;
/// #     fn decide(account: &mut Decision<'_, Self>, command: &Deposit) -> Result<(), BankError> {
/// #         account.emit(MoneyDeposited { amount: command.amount });
/// #         Ok(())
/// #     }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> evercore::Result<()> {
/// # let store = EventStore::builder().open(evercore_memory::MemoryEngine::new()).await?;
/// use evercore::Target;
/// use evercore_tower::{CheckLayer, CommandRequest, CommandService};
/// use tower::{ServiceBuilder, ServiceExt};
///
/// let validated = CheckLayer::new(|request: &CommandRequest<Deposit>| {
///     if request.command().amount > 0 { Ok(()) } else { Err(BankError::NotAnAmount) }
/// });
///
/// let accounts = ServiceBuilder::new()
///     .layer(validated)
///     .service(CommandService::<Account>::new(store));
/// let refused = accounts.oneshot(CommandRequest::new(Target::New, Deposit { amount: 0 })?).await;
/// assert_eq!(refused.unwrap_err().rejection(), Some(&BankError::NotAnAmount));
/// # Ok(())
/// # }
/// ```
///
/// # Example: authorization by the principal
/// ```standalone_crate
/// # use evercore::{Aggregate, Apply, Decide, Decision, EventMeta, EventStore, event};
/// # #[derive(Aggregate, Debug, Default)]
/// # struct Account { balance: i64 }
/// # #[event(aggregate = Account)]
/// # struct MoneyDeposited { amount: i64 }
/// # impl Apply<MoneyDeposited> for Account {
/// #     fn apply(&mut self, event: &MoneyDeposited, _: &EventMeta) { self.balance += event.amount }
/// # }
/// # struct Deposit { amount: i64 }
/// # #[derive(Debug, PartialEq)]
/// # enum BankError { NotAnAmount, NotAllowed }
/// # impl Decide<Deposit> for Account {
/// #     type Error = BankError;
/// #     fn decide(account: &mut Decision<'_, Self>, command: &Deposit) -> Result<(), BankError> {
/// #         account.emit(MoneyDeposited { amount: command.amount });
/// #         Ok(())
/// #     }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> evercore::Result<()> {
/// # let store = EventStore::builder().open(evercore_memory::MemoryEngine::new()).await?;
/// use evercore::{Metadata, Target};
/// use evercore_tower::{CheckLayer, CommandRequest, CommandService};
/// use tower::{Service, ServiceBuilder};
///
/// let by_ada = CheckLayer::new(|request: &CommandRequest<Deposit>| match request.principal() {
///     Some("ada") => Ok(()),
///     _ => Err(BankError::NotAllowed),
/// });
///
/// let mut accounts =
///     ServiceBuilder::new().layer(by_ada).service(CommandService::<Account>::new(store));
/// let deposit = || CommandRequest::new(Target::New, Deposit { amount: 30 });
///
/// let anonymous = accounts.call(deposit()?).await;
/// assert_eq!(anonymous.unwrap_err().rejection(), Some(&BankError::NotAllowed));
/// let adas = accounts.call(deposit()?.with_metadata(Metadata::new().principal("ada"))).await;
/// assert_eq!(adas.unwrap().state().balance, 30);
/// # Ok(())
/// # }
/// ```
pub struct CheckLayer<K> {
    check: Arc<K>,
}

/// A service whose commands are checked. Made by [`CheckLayer`].
///
/// It is always ready; after a command has passed the check, it waits until the inner service is ready.
pub struct Checked<S, K> {
    inner: S,
    check: Arc<K>,
}

impl<K> CheckLayer<K> {
    /// Checks commands with `check`.
    pub fn new(check: K) -> Self {
        Self { check: Arc::new(check) }
    }
}

impl<F, C, E> Check<C> for F
where
    F: Fn(&CommandRequest<C>) -> Result<(), E> + Send + Sync + 'static,
    E: Send,
{
    type Error = E;

    fn check(&self, request: &CommandRequest<C>) -> impl Future<Output = Result<(), E>> + Send {
        ready(self(request))
    }
}

impl<S, K> Layer<S> for CheckLayer<K> {
    type Service = Checked<S, K>;

    fn layer(&self, inner: S) -> Checked<S, K> {
        Checked { inner, check: Arc::clone(&self.check) }
    }
}

impl<S, K, C, T, E> Service<CommandRequest<C>> for Checked<S, K>
where
    S: Service<CommandRequest<C>, Response = Executed<T>, Error = CommandError<E>>,
    S: Clone + Send + 'static,
    S::Future: Send,
    K: Check<C, Error = E>,
    C: Send + Sync + 'static,
    T: Aggregate,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = CommandFuture<T, E>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: CommandRequest<C>) -> Self::Future {
        let (inner, check) = (self.inner.clone(), Arc::clone(&self.check));
        Box::pin(async move {
            check.check(&request).await.map_err(CommandError::Rejected)?;
            call_when_ready(inner, request).await
        })
    }
}

impl<K> Clone for CheckLayer<K> {
    fn clone(&self) -> Self {
        Self { check: Arc::clone(&self.check) }
    }
}

impl<S: Clone, K> Clone for Checked<S, K> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), check: Arc::clone(&self.check) }
    }
}

impl<K> fmt::Debug for CheckLayer<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckLayer").finish_non_exhaustive()
    }
}

impl<S: fmt::Debug, K> fmt::Debug for Checked<S, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checked").field("inner", &self.inner).finish_non_exhaustive()
    }
}
