//! Knows the workers that run in this process, and what they have ended with.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{Position, SubscriptionName};

/// The workers of a store, by the subscription that they run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Workers(Arc<Mutex<BTreeMap<SubscriptionName, Here>>>);

/// The workers that a store has started for one subscription.
#[derive(Clone, Debug, Default)]
pub(crate) struct Here {
    /// The number of workers that have not ended.
    pub(crate) running: usize,
    /// The number of those that have not stored the subscription yet.
    pub(crate) starting: usize,
    /// The failure of the last worker that ended, unless another one was started since.
    pub(crate) failure: Option<Failed>,
    /// The tokens of the leases that the last dropped worker held. No worker works under them.
    pub(crate) abandoned: Vec<i64>,
}

/// The failure of a worker.
#[derive(Clone, Debug)]
pub(crate) struct Failed {
    pub(crate) failure: Arc<str>,
    /// The position that the worker had reached. `None` if it never had a partition.
    pub(crate) position: Option<Position>,
}

impl Workers {
    pub(crate) fn of(&self, name: &SubscriptionName) -> Here {
        self.lock().get(name).cloned().unwrap_or_default()
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, BTreeMap<SubscriptionName, Here>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
