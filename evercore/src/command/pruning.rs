//! Removes old outcomes from the command log.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tracing::{debug, warn};

use crate::engine::{CommandLogStorage, LONGEST_WAIT, StorageEngine};
use crate::{EventStore, Report, Result};

/// The number of outcomes that are removed at a time.
const PAGE: u32 = 500;

/// The wait between two pages, so that other work is not held up.
const BETWEEN_PAGES: Duration = Duration::from_millis(100);

/// The longest wait between two looks for old outcomes.
const SELDOM: Duration = Duration::from_secs(600);

/// The shortest.
const OFTEN: Duration = Duration::from_secs(1);

/// Removes a page of outcomes that are older than the log keeps them. Returns the wait until the next page.
pub(super) fn keep_up(store: EventStore) -> BoxFuture<'static, Duration> {
    async move {
        let Some(keep) = store.inner.command_log.kept() else { return SELDOM };
        match remove_page(&*store.inner.engine, keep).await {
            Ok(removed) if removed >= u64::from(PAGE) => BETWEEN_PAGES,
            Ok(_) => keep.clamp(OFTEN, SELDOM),
            Err(error) => {
                warn!(error = %Report::new(&error), "cannot remove old outcomes from the command log; trying again later");
                SELDOM
            }
        }
    }
    .boxed()
}

async fn remove_page(engine: &dyn StorageEngine, keep: Duration) -> Result<u64> {
    let Some(log) = engine.command_log() else { return Ok(0) };
    let removed = log.prune(keep.min(LONGEST_WAIT), PAGE).await?;
    if removed > 0 {
        debug!(removed, "removed old outcomes from the command log");
    }
    Ok(removed)
}

/// Removes all outcomes that are older than this, page by page, and returns their number.
pub(super) async fn remove_all(log: &dyn CommandLogStorage, older_than: Duration) -> Result<u64> {
    let mut all = 0;
    loop {
        let removed = log.prune(older_than.min(LONGEST_WAIT), PAGE).await?;
        all += removed;
        if removed < u64::from(PAGE) {
            return Ok(all);
        }
    }
}
