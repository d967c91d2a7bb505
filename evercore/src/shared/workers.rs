//! Knows the workers that run in this process, and what they have ended with.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{Position, SubscriptionName};

/// The workers of a store, by the subscription that they run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Workers(Arc<Mutex<BTreeMap<SubscriptionName, Here>>>);

/// What the workers of a store do for one subscription.
#[derive(Clone, Debug, Default)]
pub(crate) struct Here {
    /// The workers that have not ended.
    pub(crate) running: usize,
    /// Those that have not stored the subscription yet.
    pub(crate) starting: usize,
    /// What the last one failed with, unless another one was started since.
    pub(crate) failure: Option<Failed>,
    /// The tokens of leases that the last worker which was dropped has held: nobody works under them.
    pub(crate) abandoned: Vec<i64>,
}

/// What a worker has failed with.
#[derive(Clone, Debug)]
pub(crate) struct Failed {
    pub(crate) failure: Arc<str>,
    /// How far it was.
    pub(crate) position: Position,
}

impl Workers {
    pub(crate) fn of(&self, name: &SubscriptionName) -> Here {
        self.lock().get(name).cloned().unwrap_or_default()
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, BTreeMap<SubscriptionName, Here>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
