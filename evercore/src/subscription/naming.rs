//! Under which names a subscription is stored, and which it reads.

use std::sync::Arc;

use super::name::SubscriptionName;
use crate::engine::IfDifferent;
use crate::shared::Shared;
use crate::{EventFilter, Result};

/// What a subscription follows.
#[derive(Clone, Debug)]
pub(super) struct Followed {
    /// As it is stored and compared.
    pub(super) stored: Arc<EventFilter>,
    /// As the log is read: with the names that events were written under before their types were renamed.
    pub(super) read: Arc<EventFilter>,
    /// Whether it is stored by names that have been given up since.
    is_renamed: bool,
}

impl Followed {
    /// What a filter names, before it is looked up.
    pub(super) fn as_named(filter: EventFilter) -> Self {
        let filter = Arc::new(filter);
        Self { stored: Arc::clone(&filter), read: filter, is_renamed: false }
    }

    /// What a filter follows, by the names that types have now.
    pub(super) async fn find(
        store: &Shared,
        name: &SubscriptionName,
        partitions: u32,
        filter: &EventFilter,
    ) -> Result<Self> {
        filter.check(&store.registry)?;
        let read = store.registry.as_read(filter);
        if read == *filter {
            return Ok(Self::as_named(read));
        }
        let wanted = store.registry.by_present_names(filter);
        let stored = store.by_stored_names(&wanted).await?;
        let found = store.engine.subscriptions(Some(name)).await?.into_iter().next();
        let is_renamed = found.is_some_and(|found| {
            found.filter != stored
                && store.registry.by_present_names(&found.filter) == wanted
                && u32::try_from(found.partitions.len()) == Ok(partitions)
        });
        Ok(Self { stored: Arc::new(stored), read: Arc::new(read), is_renamed })
    }

    /// What to do if something else is stored. The same under older names is not: it is stored anew, so that a worker
    /// that knows but the older names stops, and does not pass over what is written under the new ones.
    pub(super) const fn if_different(&self, wanted: IfDifferent) -> IfDifferent {
        if self.is_renamed { IfDifferent::Replace } else { wanted }
    }
}
