//! Faults in tasks: in what a commit enqueues, cancels and completes, and in what workers claim.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use evercore::engine::{
    ClaimRequest, Commit, Completion, Controlled, Due, FailedAttempt, NewTask, QueueControl,
    StorageEngine, StoredPlace, StoredTask, StoredTasks, TaskChange, TaskClaim, TaskLease,
    TaskStorage, TasksRequest,
};
use evercore::task::{IfKeyExists, QueueName};
use evercore::{Committed, Error, Result};
use evercore_memory::MemoryEngine;

use crate::engine::Fault;

/// The most tasks in a queue of a case.
const ALL: u32 = 1_000;

/// Returns the token under which a task is claimed now, whoever asks.
async fn token_now(engine: &MemoryEngine, lease: &TaskLease) -> Result<Option<i64>> {
    let request = TasksRequest {
        queue: lease.queue.clone(),
        which: StoredTasks::Live,
        key: None,
        after: None,
        limit: ALL,
    };
    let live = TaskStorage::tasks(engine, &request).await?;
    Ok(live.into_iter().find(|task| task.id == lease.id).and_then(|task| match task.place {
        StoredPlace::Claimed { token, .. } => Some(token),
        _ => None,
    }))
}

fn new_tasks(commit: &mut Commit) -> impl Iterator<Item = &mut NewTask> {
    commit.tasks.iter_mut().filter_map(|change| match change {
        TaskChange::Enqueue(task) => Some(task),
        TaskChange::Cancel { .. } => None,
    })
}

/// Completes a task that is claimed, whatever the token of the lease.
#[derive(Debug)]
pub(crate) struct CompletesWithoutToken;

#[async_trait]
impl Fault for CompletesWithoutToken {
    async fn commit(&self, engine: &MemoryEngine, mut commit: Commit) -> Result<Committed> {
        for completion in &mut commit.completes {
            if let Completion::Task(lease) = completion
                && let Some(token) = token_now(engine, lease).await?
            {
                lease.token = token;
            }
        }
        engine.commit(commit).await
    }
}

/// Completes a task that is gone, as an engine does that deletes without counting what it has deleted.
#[derive(Debug)]
pub(crate) struct CompletesWhatIsGone;

#[async_trait]
impl Fault for CompletesWhatIsGone {
    async fn commit(&self, engine: &MemoryEngine, mut commit: Commit) -> Result<Committed> {
        let mut completes = Vec::new();
        for completion in commit.completes {
            let is_gone = match &completion {
                Completion::Task(lease) => token_now(engine, lease).await?.is_none(),
                Completion::Settlement(_) => false,
            };
            if !is_gone {
                completes.push(completion);
            }
        }
        commit.completes = completes;
        engine.commit(commit).await
    }
}

/// Completes a task in another commit than its effects, as a queue does that knows nothing of the log: first the effects
/// land, then the task is deleted.
#[derive(Debug)]
pub(crate) struct CompletesAfterwards;

#[async_trait]
impl Fault for CompletesAfterwards {
    async fn commit(&self, engine: &MemoryEngine, mut commit: Commit) -> Result<Committed> {
        if commit.events.is_empty() || commit.completes.is_empty() {
            return engine.commit(commit).await;
        }
        let completes = std::mem::take(&mut commit.completes);
        let afterwards = Commit { completes, ..of_tasks(&commit) };
        let effects = engine.commit(commit).await?;
        tokio::time::sleep(Duration::from_millis(1)).await;
        match CompletesWithoutToken.commit(engine, afterwards).await {
            // Nothing is left to delete.
            Ok(_) | Err(Error::TaskLeaseLost { .. }) => Ok(effects),
            Err(error) => Err(error),
        }
    }
}

/// Returns a commit of its own, at the time of another one, without anything in it.
fn of_tasks(commit: &Commit) -> Commit {
    Commit { declared: commit.declared, ..Commit::new(commit.recorded_at) }
}

/// Gives the task of the last claim to the next one as well.
#[derive(Debug, Default)]
pub(crate) struct GivesTasksTwice(Mutex<Option<StoredTask>>);

#[async_trait]
impl Fault for GivesTasksTwice {
    async fn claim(&self, engine: &MemoryEngine, request: &ClaimRequest) -> Result<TaskClaim> {
        let mut claim = engine.claim(request).await?;
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let given = claim.tasks.last().cloned();
        claim.tasks.extend(last.take());
        *last = given;
        Ok(claim)
    }
}

/// Forgets the tasks of a commit that has events.
#[derive(Debug)]
pub(crate) struct LosesTasksBesideEvents;

#[async_trait]
impl Fault for LosesTasksBesideEvents {
    async fn commit(&self, engine: &MemoryEngine, mut commit: Commit) -> Result<Committed> {
        if !commit.events.is_empty() {
            commit.tasks.clear();
        }
        engine.commit(commit).await
    }
}

/// Enqueues the tasks of a commit before it knows whether the commit lands.
#[derive(Debug)]
pub(crate) struct EnqueuesTooEarly;

#[async_trait]
impl Fault for EnqueuesTooEarly {
    async fn commit(&self, engine: &MemoryEngine, mut commit: Commit) -> Result<Committed> {
        if !commit.events.is_empty() && !commit.tasks.is_empty() {
            let tasks = std::mem::take(&mut commit.tasks);
            let early = Commit { tasks, ..of_tasks(&commit) };
            engine.commit(early).await?;
        }
        engine.commit(commit).await
    }
}

/// Makes all tasks due at once.
#[derive(Debug)]
pub(crate) struct IgnoresDueTimes;

#[async_trait]
impl Fault for IgnoresDueTimes {
    async fn commit(&self, engine: &MemoryEngine, mut commit: Commit) -> Result<Committed> {
        new_tasks(&mut commit).for_each(|task| task.due = Due::After(Duration::ZERO));
        engine.commit(commit).await
    }
}

/// Claims other tasks together with one that may have ended its worker.
#[derive(Debug)]
pub(crate) struct ClaimsWithPoison;

#[async_trait]
impl Fault for ClaimsWithPoison {
    async fn claim(&self, engine: &MemoryEngine, request: &ClaimRequest) -> Result<TaskClaim> {
        let mut claim = engine.claim(request).await?;
        if claim.tasks.iter().any(|task| task.is_abandoned) && request.limit > 1 {
            let rest = ClaimRequest { limit: request.limit - 1, ..request.clone() };
            claim.tasks.extend(engine.claim(&rest).await?.tasks);
        }
        Ok(claim)
    }
}

/// Does not look for another task with the key.
#[derive(Debug)]
pub(crate) struct ChecksNoKeys;

#[async_trait]
impl Fault for ChecksNoKeys {
    async fn commit(&self, engine: &MemoryEngine, mut commit: Commit) -> Result<Committed> {
        let failing = |task: &&mut NewTask| task.if_key_exists == IfKeyExists::Fail;
        new_tasks(&mut commit).filter(failing).for_each(|task| task.key = None);
        engine.commit(commit).await
    }
}

/// Reports every lease as held.
#[derive(Debug)]
pub(crate) struct HidesLostTasks;

#[async_trait]
impl Fault for HidesLostTasks {
    async fn renew(
        &self,
        engine: &MemoryEngine,
        leases: &[TaskLease],
        lease: Duration,
    ) -> Result<Vec<bool>> {
        engine.renew(leases, lease).await?;
        Ok(vec![true; leases.len()])
    }
}

/// Ends a task at its first failure.
#[derive(Debug)]
pub(crate) struct RetriesNoTask;

#[async_trait]
impl Fault for RetriesNoTask {
    async fn fail(&self, engine: &MemoryEngine, failed: &FailedAttempt) -> Result<()> {
        engine.fail(&FailedAttempt { retry_after: None, ..failed.clone() }).await
    }
}

/// Loses what comes back when a task dies.
#[derive(Debug)]
pub(crate) struct LosesReturns;

#[async_trait]
impl Fault for LosesReturns {
    async fn fail(&self, engine: &MemoryEngine, failed: &FailedAttempt) -> Result<()> {
        engine.fail(&FailedAttempt { returns: None, ..failed.clone() }).await
    }
}

/// Loses what comes back when a task is discarded.
#[derive(Debug)]
pub(crate) struct LosesReturnsOfDiscarded;

#[async_trait]
impl Fault for LosesReturnsOfDiscarded {
    async fn control_queue(
        &self,
        engine: &MemoryEngine,
        queue: &QueueName,
        control: &QueueControl,
    ) -> Result<Controlled> {
        let mut control = control.clone();
        if let QueueControl::Discard { returns, .. } = &mut control {
            *returns = None;
        }
        TaskStorage::control(engine, queue, &control).await
    }
}

/// Keeps tasks that are given back until their leases have ended.
#[derive(Debug)]
pub(crate) struct KeepsTasks;

#[async_trait]
impl Fault for KeepsTasks {
    async fn give_back(&self, _: &MemoryEngine, _: &[TaskLease]) -> Result<()> {
        Ok(())
    }
}

/// Does nothing that an operator requests.
#[derive(Debug)]
pub(crate) struct IgnoresOperatorsOfQueues;

#[async_trait]
impl Fault for IgnoresOperatorsOfQueues {
    async fn control_queue(
        &self,
        _: &MemoryEngine,
        _: &QueueName,
        _: &QueueControl,
    ) -> Result<Controlled> {
        Ok(Controlled { changed: 1, next: None })
    }
}
