//! Turns what a context has staged into a commit, sends it, and updates the cache when it succeeds.

use std::future::ready;

use futures_util::future::BoxFuture;

use super::Context;
use super::staging::{Base, Refusal, Staging};
use crate::clock::to_stored_precision;
use crate::engine::{CommandOutcome, Completion, Idempotency, NewEvent, Transactor};
use crate::shared::cache::{Cache, Known};
use crate::shared::observed::Observed;
use crate::shared::{Shared, TurnKey};
use crate::time_range::check_recorded_at;
use crate::{AggregateId, Committed, Error, Result};

/// A commit that has been handed to the engine. Created before it is awaited, to keep its parts out of the awaiting
/// future's size.
pub(crate) struct PendingCommit<'a> {
    store: &'a Shared,
    answer: BoxFuture<'a, Result<Committed>>,
    /// Boxed, to keep it out of the size of commands' futures.
    refusal: Box<Refusal>,
    known: Option<(&'a Cache, Vec<Known>)>,
}

/// The reason why a commit failed.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) error: Error,
    /// After a conflict, the queue in which a rerun waits for its turn.
    pub(crate) turn_key: Option<Box<TurnKey>>,
}

impl PendingCommit<'_> {
    pub(crate) async fn committed(self) -> Result<Committed, Box<Refused>> {
        let Self { store, answer, refusal, known } = self;
        let landed = store.settle(answer).await;
        let committed = landed.map_err(|error| Box::new(refusal.explain(error)))?;
        if let Some((cache, known)) = known {
            cache.put_all(known);
        }
        Ok(committed)
    }
}

impl Context {
    /// Returns whether anything was read from the cache, so that results count only if the commit succeeds.
    pub(crate) fn has_cached(&self) -> bool {
        self.staging.has_cached()
    }

    /// Consumes the context and hands its commit to the engine. `None` if there is nothing to send.
    pub(crate) fn finish(mut self, store: &Shared) -> Option<PendingCommit<'_>> {
        if store.writing.chained {
            self.staging.chain_events();
        }
        let known = store.cache.as_ref().map(|cache| (cache, self.staging.known()));
        let (commit, refusal) = match self
            .staging
            .into_commit(to_stored_precision(store.clock.now()), false)
        {
            Ok(commit) => commit,
            Err(error) => {
                let answer = Box::pin(ready(Err(error)));
                return Some(PendingCommit { store, answer, refusal: Box::default(), known: None });
            }
        };
        if commit.is_empty() {
            return None;
        }
        let refusal = Box::new(refusal);
        Some(PendingCommit { store, answer: store.commit(commit), refusal, known })
    }

    /// The events that are staged.
    pub(crate) fn staged_events(&self) -> &[NewEvent] {
        self.staging.events()
    }

    /// Takes note that a command for an aggregate has emitted nothing: one that was to be created is not, and one that was
    /// loaded is guarded if the answer is to be kept. Returns whether the aggregate exists.
    pub(crate) fn emitted_nothing(&mut self, id: AggregateId, is_kept: bool) -> bool {
        let stream = self.staging.stream(id);
        let exists = stream.is_some_and(|stream| matches!(stream.base, Base::Loaded { .. }));
        if !exists {
            self.staging = Staging::default();
        } else if is_kept {
            self.staging.guard(id);
        }
        exists
    }

    /// Has the commit record the outcome of a command.
    pub(crate) fn record(&mut self, outcome: CommandOutcome) {
        self.staging.record(outcome);
    }

    /// Has the commit keep an answer under a key.
    pub(crate) fn keep(&mut self, answer: Idempotency) -> Result<()> {
        self.staging.set_idempotency(answer)
    }

    /// Writes what is staged in a transaction and commits it, together with the work that it completes.
    pub(crate) async fn finish_in<X: Transactor>(
        mut self,
        transactor: &X,
        transaction: X::Transaction,
        completes: Vec<Completion>,
    ) -> Result<(), Box<Refused>> {
        let placed = self.place_facts().await;
        placed.map_err(|error| Box::new(Refused { error, turn_key: None }))?;
        let Self { store, mut staging, .. } = self;
        if store.writing.chained {
            staging.chain_events();
        }
        let staged = staging.into_commit(to_stored_precision(store.clock.now()), true);
        let (mut commit, refusal) =
            staged.map_err(|error| Box::new(Refused { error, turn_key: None }))?;
        commit.completes.extend(completes);
        let written: Vec<_> = commit.writes.iter().map(|write| write.id).collect();
        let answer = async {
            check_recorded_at(&commit)?;
            store.declared().await?.admit(&mut commit)?;
            // A transaction that only records a batch is no commit of the context.
            let is_commit = !commit.writes.is_empty()
                || commit.idempotency.is_some()
                || !commit.tasks.is_empty();
            let events = commit.events.len();
            let observer = store.observer.as_deref().filter(|_| is_commit);
            let finished = transactor.finish(transaction, commit);
            let answer = Observed::commit(observer, events, finished).await;
            // If the settlement had been recorded before, the engine has rolled the commit back, so the stored state is
            // unknown.
            store.forget(written);
            answer
        };
        store.settle(answer).await.map(drop).map_err(|error| Box::new(refusal.explain(error)))
    }
}
