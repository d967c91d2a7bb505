//! Decides which lease a worker should ask for, from the leases as its process knows them.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use tokio::time::Instant;

use crate::SubscriptionName;
use crate::engine::{LeaseKey, StoredLease, StoredSubscription};

/// Separates the name of a process from the number of the worker, in the default name of a worker.
const BEFORE_NUMBER: char = '#';

/// The leases that the processes hold, as a process knows them, and those that it has asked for.
///
/// A worker without a lease asks for one of another worker. Two rules say when, so that leases come to rest:
/// - Workers of one subscription have numbers of partitions that differ by one at most.
/// - Where that holds either way, processes have numbers of leases, over all subscriptions, that differ by one at most.
///
/// Each hand-over lowers the sum of the squares of the first numbers, or keeps it and lowers that of the second. That
/// holds if the process knows the leases as they are. Two processes that have looked before either has asked may both
/// ask, and take one lease more than they should; it is asked back after the next look.
#[derive(Debug, Default)]
pub(super) struct Known {
    stored: Vec<StoredSubscription>,
    /// The leases that this process has asked for, and until when they are kept for it.
    asked: Vec<(LeaseKey, Instant)>,
}

/// Returns the default name of a worker.
pub(crate) fn worker_name(process: &str, number: u64) -> String {
    format!("{process}{BEFORE_NUMBER}{number}")
}

/// Returns the name of the process in the name of a worker. Workers whose names the user has set are each taken for a
/// process, unless they have the same name.
fn process(owner: &str) -> &str {
    owner.rsplit_once(BEFORE_NUMBER).map_or(owner, |(process, _)| process)
}

/// Returns the leases of a subscription, which may have ended.
fn leases(stored: &StoredSubscription) -> impl Iterator<Item = (LeaseKey, &StoredLease)> {
    (0..).zip(&stored.partitions).filter_map(|(partition, place)| {
        let lease = place.lease.as_ref()?;
        let subscription = stored.name.clone();
        Some((LeaseKey { subscription, partition, token: lease.token }, lease))
    })
}

impl Known {
    /// Takes note of the leases as they are stored.
    pub(super) fn saw(&mut self, stored: Vec<StoredSubscription>) {
        self.stored = stored;
        self.forget_answered();
    }

    /// Takes note that this process has asked for a lease, which is kept for it until `until`.
    pub(super) fn has_asked(&mut self, lease: LeaseKey, until: Instant) {
        self.asked.push((lease, until));
    }

    /// Forgets the leases that are no longer kept for this process.
    pub(super) fn forget_expired(&mut self, now: Instant) {
        self.asked.retain(|(_, until)| *until > now);
    }

    /// Returns the lease that another worker of the subscription should hand over to the worker `owner`, which has
    /// `mine` partitions; `None` if the shares are even.
    pub(super) fn surplus(
        &self,
        subscription: &SubscriptionName,
        owner: &str,
        mine: usize,
    ) -> Option<LeaseKey> {
        let stored = self.stored.iter().find(|stored| stored.name == *subscription)?;
        let mut owned: BTreeMap<&str, Vec<LeaseKey>> = BTreeMap::new();
        for (key, lease) in leases(stored) {
            if lease.wanted || self.has_asked_for(&key) {
                // Partitions move one at a time: this one has been asked for, so the shares are about to change.
                return None;
            }
            if lease.owner != owner && !lease.ended {
                owned.entry(&lease.owner).or_default().push(key);
            }
        }
        let most = owned.values().map(Vec::len).max()?;
        if most >= mine + 2 {
            return owned.into_values().max_by_key(Vec::len)?.pop();
        }
        // A lease of another process that has at least two more than this one, and no fewer of this subscription.
        let by_process = self.leases_by_process(process(owner));
        let of = |name: &str| by_process.get(name).copied().unwrap_or(0);
        let (other, mut leases) = owned
            .into_iter()
            .filter(|(_, leases)| leases.len() > mine)
            .max_by_key(|(other, _)| of(process(other)))?;
        (of(process(other)) >= of(process(owner)) + 2).then(|| leases.pop()).flatten()
    }

    /// Returns the numbers of leases of the processes, over all subscriptions. A lease that has been asked for counts for
    /// `me` if this process has asked for it, and otherwise for none.
    fn leases_by_process<'a>(&'a self, me: &'a str) -> BTreeMap<&'a str, usize> {
        let mut by_process = BTreeMap::new();
        for (key, lease) in self.stored.iter().flat_map(leases) {
            if !(lease.ended || lease.wanted || self.has_asked_for(&key)) {
                *by_process.entry(process(&lease.owner)).or_default() += 1;
            }
        }
        *by_process.entry(me).or_default() += self.asked.len();
        by_process
    }

    /// Forgets the leases that this process has asked for and that have been followed by another one: its own, or that
    /// of another process. A partition that was given up for this process and not taken yet still counts for it.
    fn forget_answered(&mut self) {
        let Self { stored, asked, .. } = self;
        asked.retain(|(key, _)| {
            let stored = stored.iter().find(|stored| stored.name == key.subscription);
            let partition = usize::try_from(key.partition).unwrap_or(usize::MAX);
            let place = stored.and_then(|stored| stored.partitions.get(partition));
            let lease = place.and_then(|place| place.lease.as_ref());
            lease.is_none_or(|lease| lease.token == key.token || lease.ended)
        });
    }

    fn has_asked_for(&self, lease: &LeaseKey) -> bool {
        self.asked.iter().any(|(asked, _)| asked == lease)
    }
}
