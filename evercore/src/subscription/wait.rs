//! Waiting for a subscription: read-your-writes, and tests.

use std::time::Duration;

use tokio::time::Instant;

use super::name::SubscriptionName;
use crate::engine::{ParkedRequest, StoredPartition, StoredSubscription, WhichParked};
use crate::retry::pause;
use crate::shared::workers::{Failed, Here};
use crate::{Error, EventStore, Partition, Position, Result};

/// How often to look, where nobody of this process tells.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long another worker has to take over from one of another process that has failed: longer than those that stand by
/// take to look for a lease.
const TAKE_OVER_WITHIN: Duration = Duration::from_secs(2);

/// What is waited for.
#[derive(Clone, Copy, Debug)]
enum Until {
    /// Everything up to a position is handled.
    Handled(Position),
    /// Everything in the log is handled, and there is nothing to redrive.
    Idle,
}

/// What a subscription has failed with that no worker runs.
#[derive(Clone, Copy, Debug)]
enum Failure<'a> {
    /// In a worker of this store.
    Here(&'a str),
    /// In a worker of another one, as it has stored it.
    Elsewhere(&'a str),
}

impl EventStore {
    /// Waits until a durable subscription has handled everything up to a position, wherever it runs: what it keeps, a
    /// read model say, then shows what was committed there. Events that it has parked count as handled.
    ///
    /// It waits for as long as that takes; put a bound around it with `tokio::time::timeout`. It does not wait for a
    /// subscription that has failed: see the errors.
    ///
    /// # Errors
    /// - [`Error::SubscriptionFailed`] with the cause, if the last worker that this store has started for it has failed
    ///   or was dropped, none of this store runs it, and no worker of another process holds a lease of it. A handler that
    ///   failed in another process is seen by what that worker has stored, once nobody has taken over for two seconds.
    /// - [`Error::UnknownSubscription`] if there is none of this name, and none was started from this store.
    /// - What the engine says.
    ///
    /// # Example
    /// ```standalone_crate
    /// # use evercore::{Aggregate, Batch, Error, EventStore, state_event};
    /// # use evercore_memory as _;
    /// # #[derive(Aggregate, Default)]
    /// # struct Account { balance: i64 }
    /// # #[state_event(aggregate = Account)]
    /// # struct BalanceSet { balance: i64 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> evercore::Result<()> {
    /// # let store = EventStore::connect("memory:").await?;
    /// # let _worker = store.subscription("balances").spawn(async |_: Batch| Ok::<_, Error>(()))?;
    /// let (_, commit) = store
    ///     .with_context_committed(async |ctx| {
    ///         let mut account = ctx.create::<Account>().await?;
    ///         ctx.apply(&mut account, BalanceSet { balance: 7 })
    ///     })
    ///     .await?;
    /// if let Some(position) = commit.position() {
    ///     store.wait_for("balances", position).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn wait_for(
        &self,
        subscription: impl TryInto<SubscriptionName, Error: Into<Error>>,
        position: Position,
    ) -> Result<()> {
        let name = subscription.try_into().map_err(Into::into)?;
        self.wait_until(&name, Until::Handled(position)).await
    }

    /// Waits until a durable subscription has handled all that is in the log, and has nothing to redrive. For tests.
    /// One that was just spawned from this store counts, before it is stored.
    ///
    /// # Errors
    /// As [`wait_for`](Self::wait_for).
    pub async fn wait_until_idle(
        &self,
        subscription: impl TryInto<SubscriptionName, Error: Into<Error>>,
    ) -> Result<()> {
        let name = subscription.try_into().map_err(Into::into)?;
        self.wait_until(&name, Until::Idle).await
    }

    async fn wait_until(&self, name: &SubscriptionName, until: Until) -> Result<()> {
        let failed = |failure: &str| {
            Err(Error::SubscriptionFailed { name: name.to_string(), failure: failure.to_owned() })
        };
        let mut settled = self.inner.settled.watch(LOOK_EVERY);
        let mut left_since = None;
        loop {
            // Asked first: it may be stored between the two, and a worker may end.
            let here = self.inner.workers.of(name);
            match self.inner.engine.subscriptions(Some(name)).await?.into_iter().next() {
                Some(stored) => {
                    if self.has_reached(&stored, until).await? {
                        return Ok(());
                    }
                    match Failure::of(&here, &stored) {
                        Some(Failure::Here(failure)) => return failed(failure),
                        Some(Failure::Elsewhere(failure)) => {
                            let since = *left_since.get_or_insert_with(Instant::now);
                            if since.elapsed() >= TAKE_OVER_WITHIN {
                                return failed(failure);
                            }
                        }
                        None => left_since = None,
                    }
                }
                None if here.starting > 0 => {}
                None => {
                    return match here.failure {
                        Some(here) => failed(&here.failure),
                        None => Err(Error::UnknownSubscription { name: name.to_string() }),
                    };
                }
            }
            tokio::select! {
                () = settled.notified() => {}
                () = pause(LOOK_EVERY) => {}
            }
        }
    }

    async fn has_reached(&self, stored: &StoredSubscription, until: Until) -> Result<bool> {
        let cursor = stored.cursor();
        match until {
            Until::Handled(position) => Ok(cursor >= position),
            Until::Idle if cursor < stored.head => Ok(false),
            Until::Idle => {
                let request = ParkedRequest {
                    subscription: stored.name.clone(),
                    after: Position::START,
                    limit: 1,
                    partition: Partition::WHOLE,
                    which: WhichParked::ToRedrive,
                };
                Ok(self.inner.engine.parked_events(&request).await?.is_empty())
            }
        }
    }
}

impl<'a> Failure<'a> {
    /// What it has failed with, if no worker is known to run it.
    fn of(here: &'a Here, stored: &'a StoredSubscription) -> Option<Self> {
        let is_held = |place: &StoredPartition| {
            let lease = place.lease.as_ref();
            lease.is_some_and(|lease| !lease.ended && !here.abandoned.contains(&lease.token))
        };
        if here.running > 0 || stored.paused || stored.partitions.iter().any(is_held) {
            return None;
        }
        let elsewhere = || stored.partitions.iter().find_map(|place| place.failure.as_deref());
        // Where it stands further on, a worker of another process has worked on it since.
        let has_gone_on = |failed: &Failed| stored.cursor() > failed.position;
        match &here.failure {
            Some(failed) if !has_gone_on(failed) => Some(Self::Here(&failed.failure)),
            _ => elsewhere().map(Self::Elsewhere),
        }
    }
}
