//! Knows the reads by tags of an engine that are under way, and those that wait for them.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use evercore::engine::{TagPage, TagRequest};
use tokio::sync::oneshot;

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

/// A read that waits.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) requests: Vec<TagRequest>,
    /// Dropped without an answer if the merged read failed.
    pub(crate) answer: oneshot::Sender<Vec<TagPage>>,
}

/// Counts a read that its caller executes.
pub(crate) struct Alone<'a>(&'a TaggedReads);

impl TaggedReads {
    /// Counts a read that its caller executes, unless it has to wait.
    pub(crate) fn alone(&self) -> Option<Alone<'_>> {
        let mut now = self.lock();
        let is_alone = now.tasks == 0 && now.alone < AT_ONCE;
        now.alone += usize::from(is_alone);
        is_alone.then(|| Alone(self))
    }

    /// Adds a read to those that wait. Returns also whether another task must be started for them, which is counted;
    /// there are at most `most_tasks`.
    pub(crate) fn wait(
        &self,
        requests: Vec<TagRequest>,
        most_tasks: usize,
    ) -> (oneshot::Receiver<Vec<TagPage>>, bool) {
        let (sender, answer) = oneshot::channel();
        let mut now = self.lock();
        now.waiting.push_back(Waiting { requests, answer: sender });
        let is_another = now.tasks < now.waiting.len().div_ceil(WORTH_ANOTHER).min(most_tasks);
        now.tasks += usize::from(is_another);
        (answer, is_another)
    }

    /// Takes reads that wait, for a task. `None` if there are none; then the task is no longer counted, and must end.
    pub(crate) fn next_group(&self) -> Option<Vec<Waiting>> {
        let mut now = self.lock();
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
            return None;
        }
        Some(group)
    }

    /// Counts a task no longer that was ended early, by a panic or the end of its runtime. Lets go of the reads that
    /// wait, since nothing else may execute them.
    pub(crate) fn abandon(&self) {
        let mut now = self.lock();
        now.tasks -= 1;
        now.waiting.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Reads> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        self.0.lock().alone -= 1;
    }
}
