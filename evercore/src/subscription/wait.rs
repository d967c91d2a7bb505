//! Waits until a subscription has handled a position, to read one's own writes and for tests.

use std::time::Duration;

use tokio::time::Instant;

use super::name::SubscriptionName;
use crate::engine::{Detail, ParkedRequest, StoredPartition, StoredSubscription, WhichParked};
use crate::retry::pause;
use crate::shared::workers::{Failed, Here};
use crate::{Error, EventStore, Partition, Position, Result};

/// The longest time between two looks at the stored subscription. Workers of other processes send no wake-ups.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The time that other workers have to take over from a failed worker of another process: longer than the interval at
/// which workers that stand by look for a free lease.
const TAKE_OVER_WITHIN: Duration = Duration::from_secs(2);

/// The condition that a call waits for.
#[derive(Clone, Copy, Debug)]
enum Until {
    /// Everything up to a position is handled.
    Handled(Position),
    /// Everything in the log is handled, and no event is to be redriven.
    Idle,
}

/// The failure of a subscription that no worker runs.
#[derive(Clone, Copy, Debug)]
enum Failure<'a> {
    /// The failure of a worker of this store.
    Here(&'a str),
    /// The failure of a worker of another store, as that worker has recorded it.
    Elsewhere(&'a str),
}

impl EventStore {
    /// Waits until a durable subscription has handled everything up to a position, in whichever process it runs. What
    /// it maintains, such as a read model, then includes the commit at that position. Parked events count as handled.
    ///
    /// The call waits without a limit; put `tokio::time::timeout` around it to set one. It does not wait for a
    /// subscription that has failed: see the errors.
    ///
    /// # Errors
    /// - [`Error::SubscriptionFailed`] with the cause, if the last worker that this store started for it has failed or
    ///   was dropped, no other worker of this store runs it, and no worker of another process holds a lease of it. A
    ///   failure that a worker of another process has recorded is returned if no worker takes over within two seconds.
    /// - [`Error::UnknownSubscription`] if no subscription has this name, and this store has started no worker for it.
    /// - The engine's errors.
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
    /// # let _worker = store.subscription("balances").spawn(async |_: Batch| -> Result<(), Error> { Ok(()) })?;
    /// let (_, commit) = store
    ///     .with_context_committed(async |ctx| {
    ///         let mut account = ctx.create::<Account>().await?;
    ///         ctx.apply(&mut account, BalanceSet { balance: 7 })
    ///     })
    ///     .await?;
    /// if let Some(position) = commit.and_then(|commit| commit.position()) {
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

    /// Waits until a durable subscription has handled everything in the log and has nothing to redrive. For tests. A
    /// subscription that this store has just spawned is waited for even before it is stored.
    ///
    /// # Errors
    /// Those of [`wait_for`](Self::wait_for).
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
            // Read before the stored subscription: between the two reads, the subscription may be stored and its worker
            // may end.
            let here = self.inner.workers.of(name);
            match self
                .inner
                .engine
                .subscriptions(Some(name), Detail::Places)
                .await?
                .into_iter()
                .next()
            {
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
    /// Returns the failure of a subscription that no worker is known to run.
    fn of(here: &'a Here, stored: &'a StoredSubscription) -> Option<Self> {
        let is_held = |place: &StoredPartition| {
            let lease = place.lease.as_ref();
            lease.is_some_and(|lease| !lease.ended && !here.abandoned.contains(&lease.token))
        };
        if here.running > 0 || stored.paused || stored.partitions.iter().any(is_held) {
            return None;
        }
        let elsewhere = || stored.partitions.iter().find_map(|place| place.failure.as_deref());
        // If the cursor is further on, a worker of another process has worked on it since the failure.
        let has_gone_on =
            |failed: &Failed| failed.position.is_some_and(|position| stored.cursor() > position);
        match &here.failure {
            Some(failed) if !has_gone_on(failed) => Some(Self::Here(&failed.failure)),
            _ => elsewhere().map(Self::Elsewhere),
        }
    }
}
