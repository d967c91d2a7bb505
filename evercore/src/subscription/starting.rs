//! Subscriptions that were started and are not stored yet.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::name::SubscriptionName;

/// The subscriptions that workers of this process are about to store.
#[derive(Clone, Debug, Default)]
pub(crate) struct Starting(Arc<Mutex<Vec<SubscriptionName>>>);

/// One of them, until it is dropped.
#[derive(Debug)]
pub(super) struct IsStarting {
    all: Starting,
    name: SubscriptionName,
}

impl Starting {
    pub(super) fn add(&self, name: &SubscriptionName) -> IsStarting {
        self.names().push(name.clone());
        IsStarting { all: self.clone(), name: name.clone() }
    }

    pub(super) fn contains(&self, name: &SubscriptionName) -> bool {
        self.names().contains(name)
    }

    fn names(&self) -> MutexGuard<'_, Vec<SubscriptionName>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for IsStarting {
    fn drop(&mut self) {
        let mut names = self.all.names();
        if let Some(index) = names.iter().position(|name| *name == self.name) {
            names.swap_remove(index);
        }
    }
}
