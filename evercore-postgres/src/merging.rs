//! Merges reads by tags that wait at the same time into one statement.
//!
//! A look at the frontier costs the server more than the events of a small boundary, and so does a statement by itself.
//! Reads that come while others are under way therefore wait together, and share both. Each still has a frontier that
//! was looked up after it was asked for, on the connection that reads its events.
//!
//! Merged reads run in tasks of their own: a caller that stops polling must not hold up the others.

use std::sync::Arc;

use evercore::engine::{TagPage, TagRequest};
use evercore::{Report, Result};
use tracing::debug;

use crate::shared::Shared;
use crate::tagged_reads::Waiting;
use crate::tags;

/// A task that executes waiting reads.
struct Task {
    shared: Arc<Shared>,
    is_counted: bool,
}

/// Reads a page for each request, at once or together with other reads.
pub(crate) async fn read_tagged(
    shared: &Arc<Shared>,
    requests: Vec<TagRequest>,
) -> Result<Vec<TagPage>> {
    let reads = &shared.tagged_reads;
    if let Some(_counted) = reads.alone() {
        return execute(shared, &requests).await;
    }
    let most_tasks = shared.options.readers as usize;
    let (answer, is_another) = reads.wait(requests.clone(), most_tasks);
    if is_another {
        let task = Task { shared: Arc::clone(shared), is_counted: true };
        shared.runtime.handle().spawn(task.run());
    }
    match answer.await {
        Ok(pages) => Ok(pages),
        // One of the reads is at fault. Executed alone, each gets its own answer.
        Err(_failed) => execute(shared, &requests).await,
    }
}

async fn execute(shared: &Shared, requests: &[TagRequest]) -> Result<Vec<TagPage>> {
    shared
        .answered(|| async move {
            let Shared { types, readers, statements, .. } = shared;
            let rows = {
                let mut connection = readers.acquire().await?;
                tags::fetch(&mut *connection, types, statements, requests, None).await?
            };
            tags::pages(rows, requests, types, readers, statements).await
        })
        .await
}

impl Task {
    /// Executes waiting reads until there are none.
    async fn run(mut self) {
        while let Some(group) = self.shared.tagged_reads.next_group() {
            let requests =
                group.iter().flat_map(|read| &read.requests).cloned().collect::<Vec<_>>();
            let pages = match execute(&self.shared, &requests).await {
                Ok(pages) => pages,
                Err(error) => {
                    debug!(error = %Report::new(&error), reads = group.len(), "executing merged reads by tags one by one");
                    continue;
                }
            };
            let mut pages = pages.into_iter();
            for Waiting { requests, answer } in group {
                // Unless the caller has stopped waiting.
                answer.send(pages.by_ref().take(requests.len()).collect()).ok();
            }
        }
        self.is_counted = false;
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if self.is_counted {
            self.shared.tagged_reads.abandon();
        }
    }
}
