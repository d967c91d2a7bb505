//! How what a context has staged lands.

use super::Context;
use super::staging::{Base, Staging};
use crate::clock::to_stored_precision;
use crate::engine::{Committed, Idempotency, Settlement};
use crate::store::{Completed, Done, Happened, Transactor};
use crate::{Aggregate, IdempotencyKey, Result, StateAggregate};

impl Context {
    /// Whether something was read in the cache, so that nothing counts unless the commit lands.
    pub(crate) fn has_cached(&self) -> bool {
        self.staging.has_cached()
    }

    /// Sends what is staged. `None` if there is nothing to send.
    pub(crate) async fn finish(self) -> Result<Option<Committed>> {
        let Self { store, mut staging, .. } = self;
        if store.writing.chained {
            staging.chain_events();
        }
        let known = store.cache.as_ref().map(|_| staging.known());
        let (commit, refusal) = staging.into_commit(to_stored_precision(store.clock.now()));
        if commit.writes.is_empty() && commit.idempotency.is_none() {
            return Ok(None);
        }
        let committed = store.send(commit).await.map_err(|error| refusal.explain(error))?;
        if let (Some(cache), Some(known)) = (&store.cache, known) {
            cache.put_all(known);
        }
        Ok(Some(committed))
    }

    /// Sends what a command has brought about. If it has emitted nothing, that is at most the note of its idempotency
    /// key.
    pub(crate) async fn complete<T: Aggregate>(
        mut self,
        aggregate: &StateAggregate<T>,
        key: Option<IdempotencyKey>,
        command: &'static str,
    ) -> Result<Completed> {
        let events: Vec<_> = self.staging.events().iter().cloned().map(Happened::emitted).collect();
        if events.is_empty() {
            if key.is_none() {
                return Ok(Completed { committed: None, events });
            }
            let stream = self.staging.stream(aggregate.id);
            if stream.is_some_and(|stream| matches!(stream.base, Base::Loaded { .. })) {
                self.staging.guard(aggregate.id);
            } else {
                // What was to be created is not.
                self.staging = Staging::default();
            }
        }
        if let Some(key) = key {
            let (id, to) = (aggregate.id, aggregate.sequence);
            let from = events.first().map_or(to, |first| first.meta().sequence().previous());
            let result = Done { id, key: aggregate.key.clone(), from, to }.write();
            self.staging.set_idempotency(Idempotency { key, command: command.into(), result });
        }
        let committed = self.finish().await?;
        Ok(Completed { committed, events })
    }

    /// Lands what is staged in a transaction, and the transaction with it.
    pub(crate) async fn finish_in<X: Transactor>(
        self,
        transactor: &X,
        transaction: X::Transaction,
        settlement: Option<&Settlement>,
    ) -> Result<()> {
        let Self { store, mut staging, .. } = self;
        if store.writing.chained {
            staging.chain_events();
        }
        let (commit, refusal) = staging.into_commit(to_stored_precision(store.clock.now()));
        let written: Vec<_> = commit.writes.iter().map(|write| write.id).collect();
        let answer = transactor.finish(transaction, commit, settlement).await;
        // A settlement that was recorded before has undone the commit, so that it is not known what there is.
        store.forget(written);
        let landed = store.settle(answer).await;
        landed.map(drop).map_err(|error| refusal.explain(error))
    }
}
