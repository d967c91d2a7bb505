//! Runs one attempt of a unit of work, and decides after a failure whether and when the next one runs.

use std::mem::replace;
use std::sync::Arc;

use tracing::{debug, info};

use super::EventStore;
use crate::context::{PendingCommit, Queueing, Reading, Refused};
use crate::observer::Observation;
use crate::retry::pause;
use crate::shared::id_pool::Ids;
use crate::shared::{TurnKey, nesting};
use crate::{Committed, Context, Error, FromError, Report, Result};

/// The stage at which an attempt failed.
pub(crate) enum Attempt<E> {
    /// The attempt was decided on cached states, and no commit has confirmed them. If the commit was refused with a
    /// conflict, the queue in which to wait for a turn.
    Unproven(Option<Box<TurnKey>>),
    Work(E),
    Commit(Box<Refused>),
}

/// State that is kept from one attempt to the next.
#[derive(Debug)]
pub(crate) struct Reruns {
    pub(crate) reading: Reading,
    failed: u32,
    /// Whether an attempt was refused because the declarations had changed.
    met_changes: bool,
    pub(crate) queueing: Queueing,
    is_nested: bool,
}

impl EventStore {
    /// Prepares the first attempt; fails inside the closure of a context of the same store, unless the store is
    /// detached.
    pub(crate) fn begin(&self, reading: Reading) -> Result<Reruns> {
        let is_nested = nesting::is_within(&self.inner);
        if is_nested && !self.is_detached {
            return Err(Error::NestedCommit);
        }
        // The turn to wait for may be held by the enclosing context, which would be a deadlock.
        let queueing = if is_nested { Queueing::Passes } else { Queueing::Joins };
        Ok(Reruns { reading, failed: 0, met_changes: false, queueing, is_nested })
    }

    /// Waits before the next attempt, which reads from storage. Returns the last attempt's error if there is to be no
    /// other.
    ///
    /// After the first conflict on an aggregate, the attempt waits for its turn among the writers of this process that
    /// want the same aggregate, and holds the turn until its commit is answered. An attempt that conflicts while it
    /// holds a turn has met a writer that takes no turns, such as another process, so that it waits for a random time
    /// as well.
    pub(crate) async fn wait_to_rerun<E: FromError>(
        &self,
        reruns: &mut Reruns,
        failure: Attempt<E>,
    ) -> Result<(), E> {
        reruns.reading = Reading::Storage;
        let (conflict, turn_key) = match failure {
            Attempt::Unproven(turn_key) => {
                debug!("the closure runs again on stored states");
                if turn_key.is_some() {
                    Box::pin(self.take_turn(reruns, turn_key)).await;
                }
                return Ok(());
            }
            Attempt::Commit(refused)
                if matches!(refused.error, Error::DeclarationsChanged) && !reruns.met_changes =>
            {
                // No other writer was faster, so this is not one of the attempts that the policy counts.
                reruns.met_changes = true;
                info!(
                    "the closure runs again, since other programs have declared tags or unique values"
                );
                return Ok(());
            }
            Attempt::Commit(refused) if refused.error.is_conflict() => {
                (refused.error, refused.turn_key)
            }
            failure => return Err(failure.into_error()),
        };
        reruns.failed += 1;
        let Some(wait) = self.inner.wait_after(reruns.failed) else {
            return Err(conflict.into());
        };
        self.inner.observe(&Observation::Rerun { failed: reruns.failed, wait });
        debug!(attempt = reruns.failed, ?wait, error = %Report::new(&conflict), "rerunning the context after a conflict");
        let had_turn = reruns.queueing.has_turn();
        // Boxed, as are the other futures that are seldom needed, to keep them out of the size of every command's
        // future.
        Box::pin(self.take_turn(reruns, turn_key)).await;
        if had_turn || !reruns.queueing.has_turn() {
            pause(wait).await;
        }
        Ok(())
    }

    /// Waits for a turn in a queue, unless the attempt still holds it. An attempt whose turn was overtaken queues again.
    async fn take_turn(&self, reruns: &mut Reruns, turn_key: Option<Box<TurnKey>>) {
        if let (Queueing::Holds(turn), Some(turn_key)) = (&reruns.queueing, &turn_key)
            && *turn.key() == **turn_key
            && !turn.is_over()
        {
            return;
        }
        // The old turn is given back first: holding one turn while waiting for another could deadlock.
        drop(replace(&mut reruns.queueing, Queueing::Passes));
        if let Some(turn_key) = turn_key.filter(|_| !reruns.is_nested) {
            reruns.queueing = self.inner.queue(*turn_key).await;
        }
    }

    /// Waits for a turn in a queue if others already queue in it.
    pub(crate) async fn join(&self, reruns: &mut Reruns, turn_key: &TurnKey) {
        if matches!(reruns.queueing, Queueing::Joins) && self.inner.turns.has_queue(turn_key) {
            self.take_turn(reruns, Some(Box::new(turn_key.clone()))).await;
        }
    }

    pub(crate) async fn attempt<F, T, E>(
        &self,
        reruns: &mut Reruns,
        work: F,
    ) -> Result<(T, Option<Committed>), Attempt<E>>
    where
        F: AsyncFnOnce(&mut Context) -> Result<T, E>,
    {
        self.attempt_then(reruns, work, |_, value| Ok(value)).await
    }

    /// Does the same as [`attempt`](Self::attempt), and turns the closure's value into the answer with `complete`,
    /// which may stage more.
    pub(crate) async fn attempt_then<F, T, U, E>(
        &self,
        reruns: &mut Reruns,
        work: F,
        complete: impl FnOnce(&mut Context, T) -> Result<U>,
    ) -> Result<(U, Option<Committed>), Attempt<E>>
    where
        F: AsyncFnOnce(&mut Context) -> Result<T, E>,
    {
        let mut context = reruns.context(self);
        let worked = nesting::within(&self.inner, work(&mut context)).await.map_err(Attempt::Work);
        reruns.queueing = context.take_queueing();
        let has_cached = context.has_cached();
        let completed =
            worked.and_then(|value| complete(&mut context, value).map_err(Attempt::from));
        let completed = match completed {
            Ok(value) if context.has_unplaced() => {
                // Boxed, as it is seldom needed, to keep it out of the size of other futures.
                Box::pin(context.place_facts()).await.map(|()| value).map_err(Attempt::from)
            }
            completed => completed,
        };
        let answer = match completed {
            Ok(value) => {
                committed(context.finish(&self.inner)).await.map(|committed| (value, committed))
            }
            Err(failure) => Err(failure),
        };
        proven(has_cached, answer)
    }
}

impl Reruns {
    /// Creates the context of the next attempt. The context takes the turn, and returns it by
    /// [`Context::take_queueing`].
    pub(crate) fn context(&mut self, store: &EventStore) -> Context {
        let queueing = replace(&mut self.queueing, Queueing::Passes);
        Context::new(Arc::clone(&store.inner), Ids::Pool, self.reading, queueing)
    }
}

impl<E> Attempt<E> {
    pub(crate) fn conflict(error: Error, turn_key: &TurnKey) -> Self {
        Self::Commit(Box::new(Refused { error, turn_key: Some(Box::new(turn_key.clone())) }))
    }

    /// Returns whether the attempt may have failed because the same idempotency key was committed before: after an
    /// error of the closure, a conflict, or another error that a retry would not change.
    pub(crate) const fn may_be_known(&self) -> bool {
        match self {
            Self::Unproven(_) => false,
            Self::Work(_) => true,
            Self::Commit(refused) => {
                let error = &refused.error;
                error.is_conflict()
                    || (!error.is_retryable() && !matches!(error, Error::OutcomeUnknown { .. }))
            }
        }
    }

    /// Returns the error for the caller.
    pub(crate) fn into_error(self) -> E
    where
        E: FromError,
    {
        match self {
            Self::Unproven(_) => unreachable!("BUG: nothing was read in the cache"),
            Self::Work(error) => error,
            Self::Commit(refused) => refused.error.into(),
        }
    }
}

impl<E> From<Error> for Attempt<E> {
    fn from(error: Error) -> Self {
        Self::Commit(Box::new(Refused { error, turn_key: None }))
    }
}

pub(crate) async fn committed<E>(
    sent: Option<PendingCommit<'_>>,
) -> Result<Option<Committed>, Attempt<E>> {
    let Some(pending) = sent else { return Ok(None) };
    pending.committed().await.map(Some).map_err(Attempt::Commit)
}

/// Lets an answer that was decided on cached states count only if a commit has confirmed those states, or if the answer
/// does not depend on them.
pub(crate) fn proven<T, E>(
    has_cached: bool,
    answer: Result<(T, Option<Committed>), Attempt<E>>,
) -> Result<(T, Option<Committed>), Attempt<E>> {
    let counts = match &answer {
        Ok((_, committed)) => committed.is_some(),
        Err(Attempt::Commit(refused)) => {
            matches!(refused.error, Error::OutcomeUnknown { .. } | Error::IdempotencyKeyUsed { .. })
        }
        Err(Attempt::Work(_) | Attempt::Unproven(_)) => false,
    };
    match answer {
        answer if counts || !has_cached => answer,
        Err(Attempt::Commit(refused)) => Err(Attempt::Unproven(refused.turn_key)),
        _ => Err(Attempt::Unproven(None)),
    }
}
