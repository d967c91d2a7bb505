//! Looks at the stored subscriptions and queues, within a time.

use std::time::Duration;

use evercore::engine::timeout;
use evercore::subscription::SubscriptionInfo;
use evercore::task::QueueStatus;
use evercore::{Error, EventStore, Report, Result};

/// Lists the subscriptions. An error is a failure in words: the database cannot be reached, or has not answered in time.
pub(crate) async fn stored(
    store: &EventStore,
    within: Duration,
) -> std::result::Result<Vec<SubscriptionInfo>, String> {
    in_time(within, store.subscriptions().list()).await
}

/// Lists the queues of tasks; none if the engine has no tasks. Errors as [`stored`].
pub(crate) async fn queues(
    store: &EventStore,
    within: Duration,
) -> std::result::Result<Vec<QueueStatus>, String> {
    let list = async {
        match store.queues().list().await {
            Err(Error::Unsupported { .. }) => Ok(Vec::new()),
            listed => listed,
        }
    };
    in_time(within, list).await
}

async fn in_time<T>(
    within: Duration,
    look: impl Future<Output = Result<T>>,
) -> std::result::Result<T, String> {
    match timeout(within, look).await {
        Ok(found) => found.map_err(|error| Report::new(&error).to_string()),
        Err(_) => Err(format!("the database has not answered within {within:?}")),
    }
}
