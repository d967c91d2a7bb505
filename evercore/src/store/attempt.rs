//! Runs a unit of work, and says what its failure means for a further attempt.

use std::sync::Arc;

use tracing::debug;

use super::{EventStore, Landed};
use crate::context::{Reading, Sending};
use crate::ids::Ids;
use crate::retry::pause;
use crate::{Context, Error, Report, Result};

/// Where an attempt failed.
pub(super) enum Attempt<E> {
    /// It was decided on cached states, and no commit says that they are true.
    Unproven,
    Work(E),
    Commit(Error),
}

/// What is kept from one attempt to the next.
#[derive(Debug)]
pub(super) struct Reruns {
    pub(super) reading: Reading,
    failed: u32,
}

impl Reruns {
    pub(super) const fn reading(reading: Reading) -> Self {
        Self { reading, failed: 0 }
    }
}

impl EventStore {
    /// Waits before the next attempt, which reads what is stored. If there is to be none, fails as the last one did.
    pub(super) async fn wait_to_rerun<E: From<Error>>(
        &self,
        reruns: &mut Reruns,
        failure: Attempt<E>,
    ) -> Result<(), E> {
        reruns.reading = Reading::Storage;
        let conflict = match failure {
            Attempt::Unproven => {
                debug!("running on what is stored");
                return Ok(());
            }
            Attempt::Commit(conflict) if conflict.is_conflict() => conflict,
            Attempt::Commit(error) => return Err(error.into()),
            Attempt::Work(error) => return Err(error),
        };
        reruns.failed += 1;
        let Some(wait) = self.inner.wait_after(reruns.failed) else {
            return Err(conflict.into());
        };
        debug!(attempt = reruns.failed, ?wait, error = %Report::new(&conflict), "running the context again");
        pause(wait).await;
        Ok(())
    }

    pub(super) async fn attempt<F, T, E>(
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
    pub(super) async fn attempt_then<F, T, U, E>(
        &self,
        reruns: &mut Reruns,
        work: F,
        complete: impl FnOnce(&mut Context, T) -> Result<U>,
    ) -> Result<(U, Landed), Attempt<E>>
    where
        F: AsyncFnOnce(&mut Context) -> Result<T, E>,
    {
        let mut context = Context::new(Arc::clone(&self.inner), Ids::Pool, reruns.reading);
        let worked = work(&mut context).await.map_err(Attempt::Work);
        let has_cached = context.has_cached();
        let completed =
            worked.and_then(|value| complete(&mut context, value).map_err(Attempt::Commit));
        let answer = match completed {
            Ok(value) => landed(context.finish(&self.inner)).await.map(|landed| (value, landed)),
            Err(failure) => Err(failure),
        };
        proven(has_cached, answer)
    }
}

impl<E> Attempt<E> {
    /// Whether trying again changes nothing, unless the same has landed meanwhile.
    pub(super) const fn is_final(&self) -> bool {
        match self {
            Self::Unproven => false,
            Self::Work(_) => true,
            Self::Commit(error) => {
                !error.is_retryable() && !matches!(error, Error::OutcomeUnknown { .. })
            }
        }
    }

    /// What the caller is told.
    pub(super) fn into_error(self) -> E
    where
        E: From<Error>,
    {
        match self {
            Self::Unproven => unreachable!("BUG: nothing was read in the cache"),
            Self::Work(error) => error,
            Self::Commit(error) => error.into(),
        }
    }
}

pub(super) async fn landed<E>(sent: Option<Sending<'_>>) -> Result<Landed, Attempt<E>> {
    let Some(sending) = sent else { return Ok(Landed::nowhere()) };
    sending.landed().await.map(Landed::of).map_err(Attempt::Commit)
}

/// Lets the answer of an attempt that has read in the cache count only if it does not depend on that.
pub(super) fn proven<T, E>(
    has_cached: bool,
    answer: Result<(T, Landed), Attempt<E>>,
) -> Result<(T, Landed), Attempt<E>> {
    let counts = match &answer {
        Ok((_, landed)) => landed.commit().is_some(),
        Err(Attempt::Commit(error)) => {
            matches!(error, Error::OutcomeUnknown { .. } | Error::IdempotencyKeyUsed { .. })
        }
        Err(Attempt::Work(_) | Attempt::Unproven) => false,
    };
    if counts || !has_cached { answer } else { Err(Attempt::Unproven) }
}
