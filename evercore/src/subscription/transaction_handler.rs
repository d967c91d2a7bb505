//! Defines handlers whose writes are committed together with the record of their batch.

use super::handler::{Batch, HandlerError, with_only_cause};
use crate::{BoxError, TransactionContext};

/// Handles the events of a subscription, each batch in a transaction of the store's database. `X` is the type of the
/// transaction: `SqliteTransaction` or `PostgresTransaction`.
///
/// Async closures and functions over a context and a [`Batch`] are such handlers;
/// [`TransactionRouter`](super::TransactionRouter) makes one of a closure or function for each event type. Implement
/// the trait for a handler with a state of its own: each partition works on a clone, made anew whenever its lease is
/// taken. The state is not part of the transaction.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot handle events in a transaction",
    label = "not a handler of events in a transaction",
    note = "a closure that handles events in a transaction takes a context by mutable reference and a `Batch` by value, both with their types; it can be cloned, and its future is `Send`: `async move |ctx: &mut SqliteContext, batch: Batch| -> Result<(), BoxError> {{ … }}`",
    note = "a `TransactionRouter` takes a closure or function for each type of event; a `Router` is run outside of transactions"
)]
pub trait TransactionHandler<X>: Clone + Send {
    /// Handles a batch. What it writes in the transaction, the events that it applies to the context and the record of
    /// the batch are committed together once this call returns, or not at all.
    ///
    /// # Errors
    /// [`HandlerError`], which any error converts to. All writes of the batch are undone, and it is given again, or
    /// not, as the subscription's [`FailurePolicy`](crate::FailurePolicy) says. An error [at](HandlerError::at) an
    /// event makes the subscription give the events before it in a batch of their own, and then that event alone.
    fn handle(
        &mut self,
        ctx: &mut TransactionContext<X>,
        batch: Batch,
    ) -> impl Future<Output = Result<(), HandlerError>> + Send;
}

/// An async closure or function over the context of a transaction and an `A`, with a future that is `Send`. `A` is a
/// [`Batch`] for a [`TransactionHandler`], and a single event for a [`TransactionRouter`](super::TransactionRouter).
///
/// Implemented for all such closures and functions. It is a trait of its own since the future borrows the context, and
/// no simpler bound can state that it is `Send`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot handle `{A}` in a transaction",
    label = "not an async closure over a context and an event",
    note = "it takes a context by mutable reference and an event by value, both with their types; it can be cloned, and its future is `Send`: `async move |ctx: &mut SqliteContext, opened: Received<AccountOpened>| -> Result<(), BoxError> {{ … }}`"
)]
pub trait TransactionFn<'a, X: 'a, A>:
    FnOnce(&'a mut TransactionContext<X>, A) -> Self::Handling + Clone + Send
{
    /// The future of a call.
    type Handling: Future<Output = Result<(), Self::Failure>> + Send;

    /// The error of a failed call.
    type Failure: Into<BoxError>;
}

impl<'a, X, A, F, Fut, E> TransactionFn<'a, X, A> for F
where
    X: 'a,
    F: FnOnce(&'a mut TransactionContext<X>, A) -> Fut + Clone + Send,
    Fut: Future<Output = Result<(), E>> + Send,
    E: Into<BoxError>,
{
    type Handling = Fut;
    type Failure = E;
}

impl<X, F> TransactionHandler<X> for F
where
    X: Send + 'static,
    F: for<'a> TransactionFn<'a, X, Batch>,
{
    async fn handle(
        &mut self,
        ctx: &mut TransactionContext<X>,
        batch: Batch,
    ) -> Result<(), HandlerError> {
        let cause = batch.only_event();
        // Boxed, since each layer around a future may hold it twice.
        let handled = Box::pin(self.clone()(ctx, batch));
        with_only_cause(cause, handled).await.map_err(HandlerError::new)
    }
}
