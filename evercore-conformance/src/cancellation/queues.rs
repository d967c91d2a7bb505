//! Operators' commands for queues.

use std::time::Duration;

use evercore::engine::{ClaimRequest, FailedAttempt, StoredPlace, TaskLease};
use evercore::task::{QueueName, Task, TaskId};
use evercore::{BoxError, Result};
use tokio::time::{Instant, sleep};

use super::{Cut, Outcome, Subject};
use crate::domain::errands::note;

/// The time limit for what a dropped call has begun to show.
const PATIENCE: Duration = Duration::from_secs(5);

/// The reason for which tasks are discarded.
const REASON: &str = "they are not needed";

/// A queue with tasks that have failed for good.
struct Failed<'a> {
    subject: &'a Subject,
    name: String,
    tasks: Vec<TaskId>,
}

impl<'a> Failed<'a> {
    async fn new(subject: &'a Subject, tasks: usize) -> Result<Self, BoxError> {
        let name = Subject::mark();
        let storage = subject.witness.engine().tasks().ok_or("the engine has no tasks")?;
        for _ in 0..tasks {
            subject.witness.enqueue(Task::new(note("a")).to(name.as_str())).await?;
        }
        let request = ClaimRequest {
            queue: QueueName::new(&name)?,
            owner: "worker 1".to_owned(),
            lease: Duration::from_secs(60),
            limit: u32::try_from(tasks)?,
        };
        let claimed = storage.claim(&request).await?.tasks;
        let mut dead = Vec::new();
        for task in claimed {
            let StoredPlace::Claimed { token, .. } = task.place else {
                return Err(format!("a claimed task is {:?}", task.place).into());
            };
            let lease = TaskLease { queue: task.queue, id: task.id, token };
            let failure = "it is to be dead".to_owned();
            storage
                .fail(&FailedAttempt { lease, failure, retry_after: None, returns: None })
                .await?;
            dead.push(task.id);
        }
        Ok(Self { subject, name, tasks: dead })
    }

    fn name(&self) -> &str {
        &self.name
    }

    /// Returns how many tasks are due, dead and discarded.
    async fn counts(&self) -> Result<[usize; 3], BoxError> {
        let queues = self.subject.witness.queues();
        let queue = queues.get(self.name()).await?;
        let discarded = queues.discarded(self.name(), None, 10).await?.len();
        Ok([usize::try_from(queue.due)?, usize::try_from(queue.dead)?, discarded])
    }

    /// Checks that all tasks are as requested, or all as before; as requested, if the call was not dropped.
    async fn check(&self, is_done: bool, requested: [usize; 3]) -> Outcome {
        let before = [0, self.tasks.len(), 0];
        let began = Instant::now();
        loop {
            let found = self.counts().await?;
            if found == requested || (found == before && !is_done) {
                return Ok(());
            }
            // What a dropped call has begun may take effect between the two looks.
            if is_done || began.elapsed() > PATIENCE {
                return Err(format!("there are {found:?} tasks, and not {requested:?}").into());
            }
            sleep(Duration::from_millis(1)).await;
        }
    }
}

pub async fn look(subject: &Subject, cut: &mut Cut) -> Outcome {
    let failed = Failed::new(subject, 1).await?;
    let queues = subject.store.queues();
    let look = async {
        queues.list().await?;
        queues.get(failed.name()).await?;
        queues.find(failed.name(), "k").await
    };
    cut.short(look).await.transpose()?;
    failed.check(true, [0, 1, 0]).await
}

pub async fn read(subject: &Subject, cut: &mut Cut) -> Outcome {
    let failed = Failed::new(subject, 1).await?;
    let queues = subject.store.queues();
    let read = async {
        queues.waiting(failed.name(), None, 10).await?;
        queues.dead(failed.name(), None, 10).await?;
        queues.discarded(failed.name(), None, 10).await
    };
    cut.short(read).await.transpose()?;
    failed.check(true, [0, 1, 0]).await
}

pub async fn pause(subject: &Subject, cut: &mut Cut) -> Outcome {
    let queue = Subject::mark();
    let done = cut.short(subject.store.queues().pause(queue.as_str())).await.transpose()?;
    let is_paused = subject.witness.queues().get(queue.as_str()).await?.is_paused;
    if done.is_some() && !is_paused {
        return Err("a queue that was paused is not".into());
    }
    Ok(())
}

pub async fn resume(subject: &Subject, cut: &mut Cut) -> Outcome {
    let queue = Subject::mark();
    subject.witness.queues().pause(queue.as_str()).await?;
    let done = cut.short(subject.store.queues().resume(queue.as_str())).await.transpose()?;
    let is_paused = subject.witness.queues().get(queue.as_str()).await?.is_paused;
    if done.is_some() && is_paused {
        return Err("a queue that was resumed is still paused".into());
    }
    Ok(())
}

pub async fn retry(subject: &Subject, cut: &mut Cut) -> Outcome {
    let failed = Failed::new(subject, 1).await?;
    let queues = subject.store.queues();
    let retry = queues.retry(failed.name(), failed.tasks[0]);
    let done = cut.short(retry).await.transpose()?;
    failed.check(done.is_some(), [1, 0, 0]).await
}

pub async fn retry_all(subject: &Subject, cut: &mut Cut) -> Outcome {
    let failed = Failed::new(subject, 2).await?;
    let done = cut.short(subject.store.queues().retry_all(failed.name())).await.transpose()?;
    failed.check(done.is_some(), [2, 0, 0]).await
}

pub async fn discard(subject: &Subject, cut: &mut Cut) -> Outcome {
    let failed = Failed::new(subject, 1).await?;
    let queues = subject.store.queues();
    let discard = queues.discard(failed.name(), failed.tasks[0], REASON);
    let done = cut.short(discard).await.transpose()?;
    failed.check(done.is_some(), [0, 0, 1]).await
}

pub async fn discard_all(subject: &Subject, cut: &mut Cut) -> Outcome {
    let failed = Failed::new(subject, 2).await?;
    let queues = subject.store.queues();
    let discard = queues.discard_all(failed.name(), REASON);
    let done = cut.short(discard).await.transpose()?;
    failed.check(done.is_some(), [0, 0, 2]).await
}
