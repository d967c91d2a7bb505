//! Executes commands: loads the aggregate, lets it decide, commits, and starts over after a conflict.

use std::any::type_name;
use std::fmt;
use std::future::ready;
use std::marker::PhantomData;
use std::pin::Pin;

use tracing::{Instrument, debug_span};

use super::executed::{Done, Executed, complete};
use super::executed_on::DoneOn;
use super::target::Target;
use crate::context::Reading;
use crate::engine::IdempotentOutcome;
use crate::store::attempt::{Attempt, Reruns, committed, proven};
use crate::{
    Aggregate, CommandError, Committed, Context, Decide, Error, EventStore, IdempotencyKey,
    Metadata, Result, StateAggregate,
};

/// A command that is executed when awaited. Created by [`EventStore::execute`].
#[must_use = "a command does nothing until it is awaited"]
pub struct Execute<'a, T, C> {
    store: &'a EventStore,
    target: Result<Target>,
    command: C,
    idempotency_key: Option<Result<IdempotencyKey>>,
    metadata: Option<Box<Metadata>>,
    aggregate: PhantomData<fn() -> T>,
}

impl EventStore {
    /// Executes a command: loads the aggregate, lets it [decide](Decide), and commits the events that it emits. After a
    /// conflict, all of this is repeated as the store's [`RetryPolicy`](crate::RetryPolicy) says. With
    /// [aggregates in memory](crate::EventStoreBuilder::cache_aggregates), the command is decided on the cached state
    /// first, and again on the stored state unless that commit succeeds.
    ///
    /// The target is an [`AggregateId`](crate::AggregateId), a natural key as text, or a [`Target`] that creates the
    /// aggregate. If a decision emits no event, no aggregate is changed or created.
    ///
    /// # Errors
    /// Awaiting it returns
    /// - [`CommandError::Rejected`] with the decision's error;
    /// - [`CommandError::Store`] as [`with_context`](Self::with_context), with [`Error::UnknownId`] or
    ///   [`Error::UnknownKey`] if there is no such aggregate, and [`Error::IdempotencyKeyReused`].
    ///
    /// # Example
    /// ```standalone_crate
    /// # use evercore::{Aggregate, Apply, CommandError, Decide, Decision, EventMeta, event};
    /// # #[derive(Aggregate, Default)]
    /// # struct Account { balance: i64 }
    /// # #[event(aggregate = Account)]
    /// # struct MoneyDeposited { amount: i64 }
    /// # impl Apply<MoneyDeposited> for Account {
    /// #     fn apply(&mut self, event: &MoneyDeposited, _: &EventMeta) { self.balance += event.amount }
    /// # }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), CommandError<String>> {
    /// # let store = evercore::EventStore::builder().open(evercore_memory::MemoryEngine::new()).await?;
    /// use evercore::Target;
    ///
    /// struct Deposit { amount: i64 }
    ///
    /// impl Decide<Deposit> for Account {
    ///     type Error = String;
    ///
    ///     fn decide(account: &mut Decision<'_, Self>, command: &Deposit) -> Result<(), String> {
    ///         if command.amount <= 0 {
    ///             return Err("an amount is more than nothing".to_owned());
    ///         }
    ///         account.emit(MoneyDeposited { amount: command.amount });
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let account = Target::key_or_new("NL91ABNA0417164300")?;
    /// let first = store.execute::<Account, _>(account, Deposit { amount: 30 }).await?;
    /// let again = store
    ///     .execute::<Account, _>("NL91ABNA0417164300", Deposit { amount: 12 })
    ///     .idempotency_key("request-17")
    ///     .await?;
    /// assert_eq!(again.id(), first.id());
    /// assert_eq!(again.state().balance, 42);
    /// # Ok(())
    /// # }
    /// ```
    pub fn execute<T, C>(
        &self,
        target: impl TryInto<Target, Error: Into<Error>>,
        command: C,
    ) -> Execute<'_, T, C>
    where
        T: Aggregate + Decide<C>,
    {
        Execute::new(self, target.try_into().map_err(Into::into), command)
    }

    /// Finds the commit that was made with an idempotency key, if there is one.
    ///
    /// # Errors
    /// - [`Error::InvalidIdempotencyKey`] if the text is not a valid key.
    /// - The engine's error if it cannot be asked.
    pub async fn find_by_idempotency_key(
        &self,
        key: impl TryInto<IdempotencyKey, Error: Into<Error>>,
    ) -> Result<Option<Committed>> {
        let key = key.try_into().map_err(Into::into)?;
        let first = self.inner.engine.find_by_idempotency_key(&key).await?;
        Ok(first.map(|first| first.committed))
    }
}

impl<'a, T, C> Execute<'a, T, C> {
    pub(super) const fn new(store: &'a EventStore, target: Result<Target>, command: C) -> Self {
        let aggregate = PhantomData;
        Self { store, target, command, idempotency_key: None, metadata: None, aggregate }
    }
}

impl<T, C> Execute<'_, T, C>
where
    T: Aggregate + Decide<C>,
{
    /// Makes the command take effect once, however often it is sent with this key: by this process or another, now or
    /// after a restart. A repetition writes nothing and returns the result of the first execution. A rejected command
    /// has not taken effect; it is decided on again.
    ///
    /// Keys are unique within the store. Give each request a key of its own: a key that was used for another command or
    /// another aggregate is [`Error::IdempotencyKeyReused`].
    pub fn idempotency_key(
        mut self,
        key: impl TryInto<IdempotencyKey, Error: Into<Error>>,
    ) -> Self {
        self.idempotency_key = Some(key.try_into().map_err(Into::into));
        self
    }

    /// Sets the metadata of the events. Precedence, field by field: the metadata that the decision sets, then this,
    /// then that of [`with_metadata`](crate::with_metadata), then that of the store's
    /// [`metadata_source`](crate::EventStoreBuilder::metadata_source).
    pub fn metadata(mut self, metadata: Metadata) -> Self {
        self.metadata = Some(Box::new(metadata));
        self
    }

    fn request(self) -> Result<Request<C>> {
        let Self { target, command, idempotency_key, metadata, .. } = self;
        let (target, idempotency_key) = (target?, idempotency_key.transpose()?);
        Ok(Request { target, command, idempotency_key, metadata })
    }
}

impl<'a, T, C> IntoFuture for Execute<'a, T, C>
where
    T: Aggregate + Decide<C, Error: Send>,
    C: Send + Sync + 'a,
{
    type Output = Result<Executed<T>, CommandError<T::Error>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        let store = self.store;
        let request = match self.request() {
            Ok(request) => request,
            Err(error) => return Box::pin(ready(Err(error.into()))),
        };
        let run = async move {
            let mut reruns = store.begin(Reading::Cache)?;
            loop {
                let failure = match store.attempt_command(&request, &mut reruns).await {
                    Ok(executed) => return Ok(executed),
                    Err(failure) => failure,
                };
                let key = request.idempotency_key.as_ref();
                let first = store.after_failure(key, &mut reruns, failure).await?;
                if let Some(first) = first {
                    return Ok(Box::pin(store.repetition(&request, *first)).await?);
                }
            }
        };
        Box::pin(run.instrument(debug_span!(
            "execute",
            aggregate = T::NAME,
            command = type_name::<C>()
        )))
    }
}

/// The first execution under an idempotency key.
pub(super) struct First {
    pub(super) key: IdempotencyKey,
    pub(super) outcome: IdempotentOutcome,
}

/// The parts of [`Execute`], validated.
struct Request<C> {
    target: Target,
    command: C,
    idempotency_key: Option<IdempotencyKey>,
    metadata: Option<Box<Metadata>>,
}

impl EventStore {
    /// Waits before the next attempt. If there is to be none, returns the first result of the idempotency key, if it
    /// has been committed before.
    pub(super) async fn after_failure<E>(
        &self,
        key: Option<&IdempotencyKey>,
        reruns: &mut Reruns,
        failure: Attempt<CommandError<E>>,
    ) -> Result<Option<Box<First>>, CommandError<E>> {
        let may_be_known = match &failure {
            Attempt::Work(CommandError::Store(error)) if error.is_retryable() => false,
            failure => failure.may_be_known(),
        };
        let Err(error) = self.wait_to_rerun(reruns, failure).await else { return Ok(None) };
        if let Some(key) = key.filter(|_| may_be_known)
            && let Some(first) = self.inner.engine.find_by_idempotency_key(key).await?
        {
            // Boxed, to keep it out of the size of every command's future.
            return Ok(Some(Box::new(First { key: key.clone(), outcome: first })));
        }
        Err(error)
    }

    async fn attempt_command<T, C>(
        &self,
        request: &Request<C>,
        reruns: &mut Reruns,
    ) -> Result<Executed<T>, Attempt<CommandError<T::Error>>>
    where
        T: Aggregate + Decide<C>,
    {
        let (context, decided) = self.decide(request, reruns).await;
        let has_cached = context.has_cached();
        let answer = match decided {
            Ok(aggregate) => {
                let (store, key) = (&*self.inner, request.idempotency_key.clone());
                let (events, sent) = complete(context, store, &aggregate, key, command_name::<C>);
                committed(sent).await.map(|committed| {
                    (Executed::new(aggregate, events, committed.clone()), committed)
                })
            }
            Err(error) => Err(Attempt::Work(error)),
        };
        proven(has_cached, answer).map(|(executed, _)| executed)
    }

    async fn decide<T, C>(
        &self,
        request: &Request<C>,
        reruns: &mut Reruns,
    ) -> (Context, Result<StateAggregate<T>, CommandError<T::Error>>)
    where
        T: Aggregate + Decide<C>,
    {
        let mut context = reruns.context(self);
        let decide = async {
            if let Some(metadata) = &request.metadata {
                context.set_metadata(Metadata::clone(metadata))?;
            }
            let mut aggregate = context.target(&request.target).await?;
            context.decide(&mut aggregate, &request.command)?;
            Ok(aggregate)
        };
        let decided = decide.await;
        reruns.queueing = context.take_queueing();
        (context, decided)
    }

    /// Returns the result of an idempotency key that was committed before, after checking that command and target are
    /// the same.
    async fn repetition<T, C>(
        &self,
        request: &Request<C>,
        First { key, outcome: first }: First,
    ) -> Result<Executed<T>>
    where
        T: Aggregate + Decide<C>,
    {
        let command = command_name::<C>();
        let reused = |used_for| Error::IdempotencyKeyReused {
            key: key.to_string(),
            used_for,
            wanted: format!("`{command}` on {}", request.target),
        };
        if *first.command != *command {
            return Err(reused(format!("`{}`", first.command)));
        }
        if let Ok(done) = DoneOn::read(&first) {
            return Err(reused(format!("`{}` on {}", first.command, done.on)));
        }
        let done = Done::read(&first)?;
        if !request.target.may_be(&done) {
            return Err(reused(format!("{done}")));
        }
        done.replay(&self.inner, first.committed).await
    }
}

/// Returns the name of a command in messages, traces and metrics, and beside its idempotency key: its type without the
/// path, which changes when code is moved, and without type parameters.
///
/// # Example
/// ```
/// struct Deposit;
///
/// assert_eq!(evercore::command::command_name::<Deposit>(), "Deposit");
/// ```
#[must_use]
pub fn command_name<C>() -> &'static str {
    let name = type_name::<C>();
    let path = name.split('<').next().unwrap_or(name);
    path.rsplit("::").next().unwrap_or(path)
}

impl<T, C> fmt::Debug for Execute<'_, T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Execute")
            .field("command", &type_name::<C>())
            .field("target", &self.target)
            .field("idempotency_key", &self.idempotency_key)
            .finish_non_exhaustive()
    }
}
