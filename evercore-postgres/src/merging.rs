//! Merges reads by tags that wait at the same time into one statement.
//!
//! A look at the frontier costs the server more than the events of a small boundary, and so does a statement by itself.
//! Reads that come while others are under way therefore wait together, and share both. Each still has a frontier that
//! was looked up after it was asked for, on the connection that reads its events.
//!
//! Merged reads run in tasks of their own: a caller that stops polling must not hold up the others.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use evercore::engine::{TagPage, TagRequest};
use evercore::{Report, Result};
use tokio::sync::oneshot;
use tracing::debug;

use crate::shared::Shared;
use crate::tags;

/// The most reads that their callers execute at the same time. A further one waits, and so do all that come while reads
/// that waited are executed.
const AT_ONCE: usize = 2;

/// The most requests of one statement.
const MOST: usize = 64;

/// The number of waiting reads for each task.
const WORTH_ANOTHER: usize = 16;

/// The reads by tags of an engine.
#[derive(Debug, Default)]
pub(crate) struct TaggedReads(Mutex<Reads>);

#[derive(Debug, Default)]
struct Reads {
    /// The reads that their callers execute.
    alone: usize,
    /// The tasks that execute waiting reads.
    tasks: usize,
    waiting: VecDeque<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    requests: Vec<TagRequest>,
    /// Dropped without an answer if the merged read failed.
    answer: oneshot::Sender<Vec<TagPage>>,
}

/// Counts a read that its caller executes.
struct Alone<'a>(&'a TaggedReads);

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
    if let Some(_counted) = shared.tagged_reads.alone() {
        return execute(shared, &requests).await;
    }
    let answer = wait(shared, requests.clone());
    match answer.await {
        Ok(pages) => Ok(pages),
        // One of the reads is at fault. Executed alone, each gets its own answer.
        Err(_failed) => execute(shared, &requests).await,
    }
}

/// Adds a read to those that wait, and starts a task if there are too few for them.
fn wait(shared: &Arc<Shared>, requests: Vec<TagRequest>) -> oneshot::Receiver<Vec<TagPage>> {
    let (sender, answer) = oneshot::channel();
    let is_another = {
        let mut now = shared.tagged_reads.lock();
        now.waiting.push_back(Waiting { requests, answer: sender });
        let worth = now.waiting.len().div_ceil(WORTH_ANOTHER);
        let is_another = now.tasks < worth.min(shared.options.readers as usize);
        now.tasks += usize::from(is_another);
        is_another
    };
    if is_another {
        let task = Task { shared: Arc::clone(shared), is_counted: true };
        shared.runtime.handle().spawn(task.run());
    }
    answer
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

impl TaggedReads {
    /// Counts a read that its caller executes, unless it has to wait.
    fn alone(&self) -> Option<Alone<'_>> {
        let mut now = self.lock();
        let is_alone = now.tasks == 0 && now.alone < AT_ONCE;
        now.alone += usize::from(is_alone);
        is_alone.then(|| Alone(self))
    }

    fn lock(&self) -> MutexGuard<'_, Reads> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Task {
    /// Executes waiting reads until there are none.
    async fn run(mut self) {
        while let Some(group) = self.next_group() {
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
    }

    /// Takes reads that wait. `None` if there are none; then the task is no longer counted, and must end.
    fn next_group(&mut self) -> Option<Vec<Waiting>> {
        let mut now = self.shared.tagged_reads.lock();
        let (mut group, mut requests) = (Vec::new(), 0);
        while let Some(next) = now
            .waiting
            .pop_front_if(|next| group.is_empty() || requests + next.requests.len() <= MOST)
        {
            if !next.answer.is_closed() {
                requests += next.requests.len();
                group.push(next);
            }
        }
        if group.is_empty() {
            now.tasks -= 1;
            self.is_counted = false;
            return None;
        }
        Some(group)
    }
}

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        self.0.lock().alone -= 1;
    }
}

impl Drop for Task {
    /// If the task was ended early, by a panic or the end of its runtime, nothing else may execute the reads that wait.
    fn drop(&mut self) {
        if self.is_counted {
            let mut now = self.shared.tagged_reads.lock();
            now.tasks -= 1;
            now.waiting.clear();
        }
    }
}
