//! Runs a unit of work, and says what its failure means for a further attempt.

use std::mem::replace;
use std::sync::Arc;

use tracing::debug;

use super::EventStore;
use crate::Landed;
use crate::context::{Queueing, Reading, Refused, Sending};
use crate::retry::pause;
use crate::shared::Lane;
use crate::shared::id_pool::Ids;
use crate::shared::nesting;
use crate::{Context, Error, Report, Result};

/// Where an attempt failed.
pub(crate) enum Attempt<E> {
    /// It was decided on cached states, and no commit says that they are true. If one was refused, where to wait for a
    /// turn.
    Unproven(Option<Box<Lane>>),
    Work(E),
    Commit(Box<Refused>),
}

/// What is kept from one attempt to the next.
#[derive(Debug)]
pub(crate) struct Reruns {
    pub(crate) reading: Reading,
    failed: u32,
    pub(crate) queueing: Queueing,
    is_nested: bool,
}

impl EventStore {
    /// Before the first attempt, unless it is inside the closure of a context of the same store.
    pub(crate) fn begin(&self, reading: Reading) -> Result<Reruns> {
        let is_nested = nesting::is_within(&self.inner);
        if is_nested && !self.is_detached {
            return Err(Error::NestedCommit);
        }
        // The turn that it would wait for may be that of the context around it.
        let queueing = if is_nested { Queueing::Passes } else { Queueing::Joins };
        Ok(Reruns { reading, failed: 0, queueing, is_nested })
    }

    /// Waits before the next attempt, which reads what is stored. If there is to be none, fails as the last one did.
    ///
    /// After the first conflict on an aggregate, that is the turn among those of this process who want to write to it,
    /// held until the next attempt is answered. An attempt that has met a conflict in its turn has met a writer who takes
    /// none, such as another process, and waits at random besides.
    pub(crate) async fn wait_to_rerun<E: From<Error>>(
        &self,
        reruns: &mut Reruns,
        failure: Attempt<E>,
    ) -> Result<(), E> {
        reruns.reading = Reading::Storage;
        let (conflict, lane) = match failure {
            Attempt::Unproven(lane) => {
                debug!("running on what is stored");
                if lane.is_some() {
                    Box::pin(self.queue(reruns, lane)).await;
                }
                return Ok(());
            }
            Attempt::Commit(refused) if refused.error.is_conflict() => {
                (refused.error, refused.lane)
            }
            failure => return Err(failure.into_error()),
        };
        reruns.failed += 1;
        let Some(wait) = self.inner.wait_after(reruns.failed) else {
            return Err(conflict.into());
        };
        debug!(attempt = reruns.failed, ?wait, error = %Report::new(&conflict), "running the context again");
        let had_turn = reruns.queueing.has_turn();
        // In a box, as are the other futures of what is seldom needed: the future of a command has no room for it.
        Box::pin(self.queue(reruns, lane)).await;
        if had_turn || !reruns.queueing.has_turn() {
            pause(wait).await;
        }
        Ok(())
    }

    /// Waits for the turn in a lane, unless the attempt has had it and keeps it. One that was overtaken queues anew.
    async fn queue(&self, reruns: &mut Reruns, lane: Option<Box<Lane>>) {
        if let (Queueing::Holds(turn), Some(lane)) = (&reruns.queueing, &lane)
            && *turn.key() == **lane
            && !turn.is_over()
        {
            return;
        }
        // Given back before another one is waited for.
        drop(replace(&mut reruns.queueing, Queueing::Passes));
        if let Some(lane) = lane.filter(|_| !reruns.is_nested) {
            reruns.queueing = self.inner.queue(*lane).await;
        }
    }

    /// Waits for the turn in a lane if others queue in it.
    pub(crate) async fn join(&self, reruns: &mut Reruns, lane: &Lane) {
        if matches!(reruns.queueing, Queueing::Joins) && self.inner.turns.has_queue(lane) {
            self.queue(reruns, Some(Box::new(lane.clone()))).await;
        }
    }

    pub(crate) async fn attempt<F, T, E>(
        &self,
        reruns: &mut Reruns,
        work: F,
    ) -> Result<(T, Landed), Attempt<E>>
    where
        F: AsyncFnOnce(&mut Context) -> Result<T, E>,
    {
        self.attempt_then(reruns, work, |_, value| Ok(value)).await
    }

    /// As [`attempt`](Self::attempt). What the closure returns becomes the answer by `complete`, which may stage more.
    pub(crate) async fn attempt_then<F, T, U, E>(
        &self,
        reruns: &mut Reruns,
        work: F,
        complete: impl FnOnce(&mut Context, T) -> Result<U>,
    ) -> Result<(U, Landed), Attempt<E>>
    where
        F: AsyncFnOnce(&mut Context) -> Result<T, E>,
    {
        let mut context = reruns.context(self);
        let worked = nesting::within(&self.inner, work(&mut context)).await.map_err(Attempt::Work);
        reruns.queueing = context.take_queueing();
        let has_cached = context.has_cached();
        let completed =
            worked.and_then(|value| complete(&mut context, value).map_err(Attempt::from));
        let answer = match completed {
            Ok(value) => landed(context.finish(&self.inner)).await.map(|landed| (value, landed)),
            Err(failure) => Err(failure),
        };
        proven(has_cached, answer)
    }
}

impl Reruns {
    /// The context of the next attempt. It is given the turn, and gives it back by [`Context::take_queueing`].
    pub(crate) fn context(&mut self, store: &EventStore) -> Context {
        let queueing = replace(&mut self.queueing, Queueing::Passes);
        Context::new(Arc::clone(&store.inner), Ids::Pool, self.reading, queueing)
    }
}

impl<E> Attempt<E> {
    pub(crate) fn conflict(error: Error, lane: &Lane) -> Self {
        Self::Commit(Box::new(Refused { error, lane: Some(Box::new(lane.clone())) }))
    }

    /// Whether it may have failed because the same has landed before: what trying again does not change, and a conflict.
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

    /// What the caller is told.
    pub(crate) fn into_error(self) -> E
    where
        E: From<Error>,
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
        Self::Commit(Box::new(Refused { error, lane: None }))
    }
}

pub(crate) async fn landed<E>(sent: Option<Sending<'_>>) -> Result<Landed, Attempt<E>> {
    let Some(sending) = sent else { return Ok(Landed::nowhere()) };
    sending.landed().await.map(Landed::of).map_err(Attempt::Commit)
}

/// Lets the answer of an attempt that has read in the cache count only if it does not depend on that.
pub(crate) fn proven<T, E>(
    has_cached: bool,
    answer: Result<(T, Landed), Attempt<E>>,
) -> Result<(T, Landed), Attempt<E>> {
    let counts = match &answer {
        Ok((_, landed)) => landed.commit().is_some(),
        Err(Attempt::Commit(refused)) => {
            matches!(refused.error, Error::OutcomeUnknown { .. } | Error::IdempotencyKeyUsed { .. })
        }
        Err(Attempt::Work(_) | Attempt::Unproven(_)) => false,
    };
    match answer {
        answer if counts || !has_cached => answer,
        Err(Attempt::Commit(refused)) => Err(Attempt::Unproven(refused.lane)),
        _ => Err(Attempt::Unproven(None)),
    }
}
