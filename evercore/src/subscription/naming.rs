//! Under which names a subscription is stored, and which it reads.

use std::sync::Arc;

use super::name::SubscriptionName;
use crate::store::Inner;
use crate::{EventFilter, Result};

/// What a subscription follows.
#[derive(Clone, Debug)]
pub(super) struct Followed {
    /// As it is stored and compared.
    pub(super) stored: Arc<EventFilter>,
    /// As the log is read: with the names that events were written under before their types were renamed.
    pub(super) read: Arc<EventFilter>,
}

impl Followed {
    /// What a filter names, before it is looked up.
    pub(super) fn as_named(filter: EventFilter) -> Self {
        let filter = Arc::new(filter);
        Self { stored: Arc::clone(&filter), read: filter }
    }

    /// What a filter follows. A subscription that is stored keeps the names that it is stored with, where they mean the
    /// same: so it is still what it was after a type was renamed, also to the older program.
    pub(super) async fn find(
        store: &Inner,
        name: &SubscriptionName,
        filter: &EventFilter,
    ) -> Result<Self> {
        filter.check(&store.registry)?;
        let read = store.registry.as_read(filter);
        if read == *filter {
            return Ok(Self::as_named(read));
        }
        let wanted = store.registry.by_present_names(filter);
        let found = store.engine.subscriptions(Some(name)).await?.into_iter().next();
        let stored = match found {
            Some(found) if store.registry.by_present_names(&found.filter) == wanted => found.filter,
            _ => store.by_stored_names(&wanted).await?,
        };
        Ok(Self { stored: Arc::new(stored), read: Arc::new(read) })
    }
}
