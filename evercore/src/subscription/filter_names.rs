//! Finds the names that a subscription is stored with, and those that it reads. They differ once a type was renamed.

use std::sync::Arc;

use super::name::SubscriptionName;
use crate::engine::{Detail, IfDifferent};
use crate::shared::Shared;
use crate::{EventFilter, Result};

/// The filter of a subscription, in the forms that it is stored and read in.
#[derive(Clone, Debug)]
pub(super) struct ResolvedFilter {
    /// The filter as it is stored and compared.
    pub(super) stored: Arc<EventFilter>,
    /// The filter as the log is read: with the names that events were written under before their types were renamed.
    pub(super) read: Arc<EventFilter>,
    /// Whether the stored filter has names that were given up since.
    is_renamed: bool,
}

impl ResolvedFilter {
    /// Takes a filter with the names that it was given, before they are looked up.
    pub(super) fn as_named(filter: EventFilter) -> Self {
        let filter = Arc::new(filter);
        Self { stored: Arc::clone(&filter), read: filter, is_renamed: false }
    }

    /// Looks up the names of a filter: those that the database and the program know its types by.
    pub(super) async fn find(
        store: &Shared,
        name: &SubscriptionName,
        partitions: u32,
        filter: &EventFilter,
    ) -> Result<Self> {
        store.check_filter(filter)?;
        store.check_filter_is_complete(filter).await?;
        let read = store.registry.as_read(filter);
        if read == *filter {
            return Ok(Self::as_named(read));
        }
        let wanted = store.registry.by_present_names(filter);
        let stored = store.by_stored_names(&wanted).await?;
        let found =
            store.engine.subscriptions(Some(name), Detail::Places).await?.into_iter().next();
        let is_renamed = found.is_some_and(|found| {
            found.filter != stored
                && store.registry.by_present_names(&found.filter) == wanted
                && u32::try_from(found.partitions.len()) == Ok(partitions)
        });
        Ok(Self { stored: Arc::new(stored), read: Arc::new(read), is_renamed })
    }

    /// Returns what to do if another filter is stored. The same filter under older names does not count as another: it
    /// is replaced, so that a worker which knows only the older names stops, and does not skip events that are written
    /// under the new ones.
    pub(super) const fn if_different(&self, wanted: IfDifferent) -> IfDifferent {
        if self.is_renamed { IfDifferent::Replace } else { wanted }
    }
}
