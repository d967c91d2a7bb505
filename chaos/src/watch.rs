//! Watches the cursors, which must never move back.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::environment::Environment;
use crate::violation::MovedBack;

/// Reads the cursors, as an operator does, until it is stopped. Returns early with the first cursor that moves back.
pub(crate) async fn cursors(
    environment: Arc<Environment>,
    stop: CancellationToken,
) -> Option<MovedBack> {
    let mut last: HashMap<(String, u32), i64> = HashMap::new();
    while !stop.is_cancelled() {
        // While the database is away, the list is empty.
        for info in environment.store().subscriptions().list().await.unwrap_or_default() {
            for place in info.partitions {
                let became = place.cursor.get();
                let key = (info.name.to_string(), place.index);
                if let Some(was) = last.insert(key, became).filter(|&was| was > became) {
                    let (subscription, partition) = (info.name.to_string(), place.index.into());
                    return Some(MovedBack { subscription, partition, was, became });
                }
            }
        }
        sleep(Duration::from_millis(10)).await;
    }
    None
}
