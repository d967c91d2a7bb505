//! Delivers batches to a handler, with or without a transaction around each.

use std::sync::Arc;
use std::time::Duration;

use super::handler::{Batch, Handler, HandlerError, caught};
use super::interrupt::Interrupt;
use crate::TransactionContext;
use crate::engine::{Completion, Settlement, Transactor};
use crate::shared::Shared;
use crate::shared::nesting;
use crate::{BoxError, Error};

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
    Handler(HandlerError),
    /// The store failed to commit the handler's effects.
    Store(Error),
}

/// A handler whose effects are outside of the store's transactions: it may be given a batch twice.
#[derive(Clone, Debug)]
pub(super) struct Plain<H> {
    pub(super) handler: H,
}

/// A handler whose effects are committed in one transaction with the record.
#[derive(Debug)]
pub(super) struct Transactional<'a, X, F> {
    pub(super) handler: F,
    pub(super) transactor: &'a X,
    pub(super) store: Arc<Shared>,
    pub(super) most_idle: Duration,
}

impl<H: Handler> Deliver for Plain<H> {
    async fn deliver(
        &mut self,
        batch: Batch,
        _: Settlement,
        interrupt: &Interrupt,
    ) -> Result<Recorded, Undelivered> {
        Ok(Recorded::NotYet(handle(&mut self.handler, batch, interrupt).await?))
    }
}

impl<X, F, E> Deliver for Transactional<'_, X, F>
where
    X: Transactor,
    F: AsyncFnOnce(&mut TransactionContext<X::Transaction>, Batch) -> Result<(), E> + Clone,
    E: Into<BoxError>,
{
    async fn deliver(
        &mut self,
        batch: Batch,
        settlement: Settlement,
        _: &Interrupt,
    ) -> Result<Recorded, Undelivered> {
        let most_idle = Some(self.most_idle);
        let began = TransactionContext::begin(&self.store, self.transactor, most_idle).await;
        let mut context = began.map_err(Undelivered::Store)?;
        let handler = self.handler.clone();
        let handled = async { handler(&mut context, batch).await.map_err(HandlerError::new) };
        let handled = caught(nesting::within(&self.store, handled));
        if let Err(error) = handled.await.and_then(std::convert::identity) {
            if context.has_failed(self.transactor, error.source()).await {
                return Err(Undelivered::Store(Error::Unavailable { source: error.into_source() }));
            }
            return Err(Undelivered::Handler(error));
        }
        let (context, transaction) = context.into_parts();
        let completes = vec![Completion::Settlement(settlement)];
        let landed = context.finish_in(self.transactor, transaction, completes).await;
        landed.map_err(|refused| unlanded(refused.error))?;
        Ok(Recorded::WithItsEffects)
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
        | Error::Closed => Undelivered::Store(error),
        error if error.is_retryable() => Undelivered::Store(error),
        error => Undelivered::Handler(HandlerError::new(error)),
    }
}

impl<X, F: Clone> Clone for Transactional<'_, X, F> {
    fn clone(&self) -> Self {
        Self {
            handler: self.handler.clone(),
            transactor: self.transactor,
            store: Arc::clone(&self.store),
            most_idle: self.most_idle,
        }
    }
}

impl From<HandlerError> for Undelivered {
    fn from(error: HandlerError) -> Self {
        Self::Handler(error)
    }
}

/// Gives a batch to a handler, and returns how many of its events are handled, at least one.
pub(super) async fn handle<H: Handler>(
    handler: &mut H,
    batch: Batch,
    interrupt: &Interrupt,
) -> Result<usize, HandlerError> {
    let count = batch.len();
    let handled = caught(handler.handle_until(batch, interrupt)).await;
    handled.and_then(std::convert::identity).map(|handled| handled.clamp(1, count))
}
