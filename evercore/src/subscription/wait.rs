//! Waiting for a subscription: read-your-writes, and tests.

use std::time::Duration;

use super::name::SubscriptionName;
use crate::engine::{SubscriptionStorage, WhichParked};
use crate::{Error, EventStore, Position, Result};

/// How often to look, where nobody of this process tells.
const LOOK_EVERY: Duration = Duration::from_millis(20);

impl EventStore {
    /// Waits until a durable subscription has handled everything up to a position, wherever it runs: what it keeps, a
    /// read model say, then shows what was committed there. Events that it has parked count as handled.
    ///
    /// It waits for as long as that takes; put a bound around it with `tokio::time::timeout`.
    ///
    /// # Errors
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
        self.wait_until(&name, async |cursor, _head| Ok(cursor >= position)).await
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
        self.wait_until(&name, async |cursor, head| {
            if cursor < head {
                return Ok(false);
            }
            let request = crate::engine::ParkedRequest {
                subscription: name.clone(),
                after: Position::START,
                limit: 1,
                partition: crate::Partition::WHOLE,
                which: WhichParked::ToRedrive,
            };
            Ok(self.inner.engine.parked_events(&request).await?.is_empty())
        })
        .await
    }

    async fn wait_until(
        &self,
        name: &SubscriptionName,
        is_reached: impl AsyncFn(Position, Position) -> Result<bool>,
    ) -> Result<()> {
        let engine: &dyn SubscriptionStorage = &*self.inner.engine;
        let mut settled = self.inner.settled.watch(LOOK_EVERY);
        loop {
            // Asked first: it may be stored between the two.
            let is_starting = self.inner.starting.contains(name);
            match engine.subscriptions(Some(name)).await?.into_iter().next() {
                Some(stored) => {
                    let cursor = stored.partitions.iter().map(|place| place.cursor).min();
                    if is_reached(cursor.unwrap_or_default(), stored.head).await? {
                        return Ok(());
                    }
                }
                None if is_starting => {}
                None => return Err(Error::UnknownSubscription { name: name.to_string() }),
            }
            tokio::select! {
                () = settled.notified() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }
}
