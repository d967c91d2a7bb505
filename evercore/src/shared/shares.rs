//! Divides the leases of subscriptions evenly among the processes that run them.

mod known;

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::engine::{Detail, SubscriptionStorage};
use crate::{Result, SubscriptionName};
use known::Known;

pub(crate) use known::worker_name;

/// The leases that the processes hold, as a process knows them, and those that it has asked for.
#[derive(Debug, Default)]
pub(crate) struct Shares(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    known: Known,
    at: Option<Instant>,
}

/// A worker that asks for a lease.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker<'a> {
    pub(crate) subscription: &'a SubscriptionName,
    pub(crate) owner: &'a str,
    /// The number of partitions that it owns.
    pub(crate) partitions: usize,
    /// The time for which the partition is kept for it. If it is gone by then, others can take the partition.
    pub(crate) patience: Duration,
}

impl Shares {
    /// Asks another worker of the asker's subscription for a partition, if that worker has more than its share. Looks at
    /// the stored leases unless another worker of the process has done so within `recently`. Returns the partition that
    /// it has asked for.
    pub(crate) async fn ask(
        &self,
        engine: &dyn SubscriptionStorage,
        asker: Asker<'_>,
        recently: Duration,
    ) -> Result<Option<u32>> {
        // Workers of a process ask one after another, so that each sees what the others have asked for.
        let mut seen = self.0.lock().await;
        let now = Instant::now();
        if seen.at.is_none_or(|at| now.duration_since(at) >= recently) {
            let stored = engine.subscriptions(None, Detail::Places).await?;
            seen.known.saw(stored);
            seen.at = Some(now);
        }
        seen.known.forget_expired(now);
        let Asker { subscription, owner, partitions, patience } = asker;
        let surplus = seen.known.surplus(subscription, owner, partitions);
        let Some(lease) = surplus else { return Ok(None) };
        let partition = lease.partition;
        engine.ask_for(&lease, owner, patience).await?;
        seen.known.has_asked(lease, now + patience);
        Ok(Some(partition))
    }
}
