//! Looks at the stored subscriptions, within a time.

use std::time::Duration;

use evercore::engine::timeout;
use evercore::subscription::SubscriptionInfo;
use evercore::{EventStore, Report};

/// Lists the subscriptions. An error is a failure in words: the database cannot be reached, or has not answered in time.
pub(crate) async fn stored(
    store: &EventStore,
    within: Duration,
) -> Result<Vec<SubscriptionInfo>, String> {
    match timeout(within, store.subscriptions().list()).await {
        Ok(listed) => listed.map_err(|error| Report::new(&error).to_string()),
        Err(_) => Err(format!("the database has not answered within {within:?}")),
    }
}
