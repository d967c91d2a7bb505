//! Delivers batches to a handler, with or without a transaction around each.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use super::handler::{Batch, Handler, HandlerError, caught};
use super::interrupt::Interrupt;
use super::time_limit::{TimeLimit, in_time};
use super::transaction_handler::TransactionHandler;
use crate::engine::{Completion, Settlement, Transaction, Transactor, within};
use crate::shared::Shared;
use crate::shared::nesting;
use crate::{Error, TransactionContext};

/// Delivers batches to a handler.
pub(super) trait Deliver: Clone {
    /// Delivers one batch. A transactional handler records `settlement` in its transaction; for a plain handler, the
    /// caller records it later.
    async fn deliver(
        &mut self,
        batch: Batch,
        settlement: Settlement,
        interrupt: &Interrupt,
    ) -> Result<Recorded, Undelivered>;
}

/// Says whether a handled batch is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recorded {
    /// It was recorded in one transaction with the handler's effects.
    WithItsEffects,
    /// It is not recorded. This many of its events are handled, and may be recorded together with later ones.
    NotYet(usize),
}

/// The reason why a batch was not handled.
#[derive(Debug)]
pub(super) enum Undelivered {
    /// The handler failed.
    Handler(HandlerFailure),
    /// The store failed to commit the handler's effects.
    Store(Error),
}

/// A failure of the handler.
#[derive(Debug)]
pub(super) struct HandlerFailure {
    pub(super) error: HandlerError,
    /// The number of events that are handled nevertheless: those before the failed one, unless their effects were
    /// undone.
    pub(super) handled: usize,
}

/// A handler whose effects are outside of the store's transactions: it may be given a batch twice.
#[derive(Clone, Debug)]
pub(super) struct Plain<H> {
    pub(super) handler: H,
}

/// A handler whose effects are committed in one transaction with the record. `T` refers to the transactor.
#[derive(Clone, Debug)]
pub(super) struct Transactional<T, H> {
    pub(super) handler: H,
    pub(super) transactor: T,
    pub(super) store: Arc<Shared>,
    pub(super) most_idle: Duration,
}

/// A handler that the engine knows to hold a transaction of it.
#[derive(Debug)]
pub(super) struct Within<X: Transaction, H> {
    pub(super) engine: Arc<X::Engine>,
    pub(super) handler: H,
}

impl<H: Handler> Deliver for Plain<H> {
    async fn deliver(
        &mut self,
        batch: Batch,
        _: Settlement,
        interrupt: &Interrupt,
    ) -> Result<Recorded, Undelivered> {
        let count = batch.len();
        let handled = handle(&mut self.handler, batch, interrupt).await;
        handled.map(Recorded::NotYet).map_err(|error| {
            let handled = error.failed_at().filter(|&index| index < count).unwrap_or(0);
            Undelivered::Handler(HandlerFailure { error, handled })
        })
    }
}

impl<T, H> Deliver for Transactional<T, H>
where
    T: Deref<Target: Transactor + Sized> + Clone,
    H: TransactionHandler<<T::Target as Transactor>::Transaction>,
{
    async fn deliver(
        &mut self,
        batch: Batch,
        settlement: Settlement,
        _: &Interrupt,
    ) -> Result<Recorded, Undelivered> {
        let transactor = &*self.transactor;
        let most_idle = Some(self.most_idle);
        let began = TransactionContext::begin(&self.store, transactor, most_idle).await;
        let mut context = began.map_err(Undelivered::Store)?;
        let limit = batch.time_limit().cloned();
        let handling = Box::pin(self.handler.handle(&mut context, batch));
        let handling = nesting::within(&self.store, handling);
        if let Err(error) = bounded(limit, handling).await {
            // A statement of the dropped handler may still run, and the connection would answer only after it.
            if !error.is_timeout() && context.has_failed(transactor, error.source()).await {
                return Err(Undelivered::Store(Error::Unavailable { source: error.into_source() }));
            }
            return Err(error.into());
        }
        let (context, transaction) = context.into_parts();
        let completes = vec![Completion::Settlement(settlement)];
        let landed = context.finish_in(transactor, transaction, completes).await;
        landed.map_err(|refused| unlanded(refused.error))?;
        Ok(Recorded::WithItsEffects)
    }
}

impl<X: Transaction, H: TransactionHandler<X>> TransactionHandler<X> for Within<X, H> {
    async fn handle(
        &mut self,
        ctx: &mut TransactionContext<X>,
        batch: Batch,
    ) -> Result<(), HandlerError> {
        within::<X, _>(&self.engine, self.handler.handle(ctx, batch)).await
    }
}

impl<X: Transaction, H: Clone> Clone for Within<X, H> {
    fn clone(&self) -> Self {
        Self { engine: Arc::clone(&self.engine), handler: self.handler.clone() }
    }
}

/// Tells whose failure it is that a batch was not committed: the store's, or that of the handler, which has applied
/// something that cannot be committed, or has ended the transaction.
fn unlanded(error: Error) -> Undelivered {
    match error {
        Error::LeaseLost { .. }
        | Error::OutcomeUnknown { .. }
        | Error::CannotOpen { .. }
        | Error::Standby { .. }
        | Error::Corrupt { .. }
        | Error::OlderProgram { .. }
        | Error::TagRetired { .. }
        | Error::Closed => Undelivered::Store(error),
        error if error.is_retryable() => Undelivered::Store(error),
        error => HandlerError::new(error).into(),
    }
}

/// Makes a failure whose effects were undone.
impl From<HandlerError> for Undelivered {
    fn from(error: HandlerError) -> Self {
        Self::Handler(HandlerFailure { error, handled: 0 })
    }
}

/// Gives a batch to a handler, and returns how many of its events are handled, at least one.
pub(super) async fn handle<H: Handler>(
    handler: &mut H,
    batch: Batch,
    interrupt: &Interrupt,
) -> Result<usize, HandlerError> {
    let (count, limit) = (batch.len(), batch.time_limit().cloned());
    let handled = bounded(limit, handler.handle_until(batch, interrupt)).await?;
    Ok(handled.clamp(1, count))
}

/// Awaits a handler, and turns a panic or an exceeded time limit into a failure like any other.
async fn bounded<T>(
    limit: Option<TimeLimit>,
    handling: impl Future<Output = Result<T, HandlerError>>,
) -> Result<T, HandlerError> {
    // Boxed, since each layer around a future may hold it twice.
    let handling = Box::pin(handling);
    in_time(limit, caught(handling)).await.map_err(HandlerError::timed_out)?.flatten()
}
