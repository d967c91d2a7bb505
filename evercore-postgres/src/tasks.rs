//! Implements the storage of tasks.

mod control;
mod rows;

use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::DateTime;
use evercore::engine::{
    ClaimRequest, Controlled, FailedAttempt, LogWatch, QueueControl, StoredQueue, StoredTask,
    StoredTasks, TaskClaim, TaskLease, TaskStorage, TasksRequest,
};
use evercore::task::{QueueName, TaskId, TaskKey};
use evercore::{Error, Result};
use uuid::Uuid;

use crate::engine::PostgresEngine;
use crate::error::classify;
use crate::row::get;
use crate::statements::TaskStatements;
use crate::subscriptions::interval;

/// An id before that of every task.
const NIL: TaskId = TaskId::from_uuid(Uuid::nil());

#[async_trait]
impl TaskStorage for PostgresEngine {
    fn watch_queue(&self, _: &QueueName) -> LogWatch {
        self.shared.notifications.watch_queues()
    }

    async fn claim(&self, request: &ClaimRequest) -> Result<TaskClaim> {
        self.shared.answered(|| async move { claim(self, request).await }).await
    }

    async fn renew(&self, leases: &[TaskLease], lease: Duration) -> Result<Vec<bool>> {
        self.shared
            .answered(|| async move {
                let (ids, tokens) = columns_of(leases);
                let renewed: Vec<i64> = sqlx::query_scalar(self.task_statements().renew.sql())
                    .bind(ids)
                    .bind(tokens)
                    .bind(interval(lease))
                    .fetch_all(&mut *self.connection().await?)
                    .await
                    .map_err(|error| classify("renew the leases of tasks", error))?;
                Ok(leases.iter().map(|lease| renewed.contains(&lease.token)).collect())
            })
            .await
    }

    async fn fail(&self, failed: &FailedAttempt) -> Result<()> {
        self.shared.answered(|| async move { fail(self, failed).await }).await
    }

    async fn release(&self, leases: &[TaskLease]) -> Result<()> {
        let release = || async move {
            let (ids, tokens) = columns_of(leases);
            sqlx::query(self.task_statements().release.sql())
                .bind(ids)
                .bind(tokens)
                .execute(&mut *self.connection().await?)
                .await
                .map(drop)
                .map_err(|error| classify("give tasks back", error))
        };
        self.shared.answered(release).await?;
        self.shared.notifications.enqueued();
        Ok(())
    }

    async fn queues(&self, name: Option<&QueueName>) -> Result<Vec<StoredQueue>> {
        self.shared
            .answered(|| async move {
                let rows = sqlx::query(self.task_statements().queues.sql())
                    .bind(name.map(QueueName::as_str))
                    .fetch_all(&mut *self.connection().await?)
                    .await
                    .map_err(|error| classify("list queues", error))?;
                rows.iter().map(rows::queue).collect()
            })
            .await
    }

    async fn tasks(&self, request: &TasksRequest) -> Result<Vec<StoredTask>> {
        self.shared.answered(|| async move { read(self, request).await }).await
    }

    async fn find_task(&self, id: TaskId) -> Result<Option<StoredTask>> {
        self.shared
            .answered(|| async move {
                let row = sqlx::query(self.task_statements().find_task.sql())
                    .bind(id.as_uuid())
                    .fetch_optional(&mut *self.connection().await?)
                    .await
                    .map_err(|error| classify("find a task", error))?;
                row.as_ref().map(rows::anywhere).transpose()
            })
            .await
    }

    async fn control(&self, queue: &QueueName, control: &QueueControl) -> Result<Controlled> {
        let change = || async move { control::control(self, queue, control).await };
        let changed = self.shared.answered(change).await?;
        self.shared.notifications.enqueued();
        Ok(changed)
    }
}

impl PostgresEngine {
    fn task_statements(&self) -> &TaskStatements {
        &self.shared.statements.tasks
    }
}

async fn claim(engine: &PostgresEngine, request: &ClaimRequest) -> Result<TaskClaim> {
    let failed = |error| classify("claim tasks", error);
    let (statements, floors) = (engine.task_statements(), &engine.shared.floors);
    let mut connection = engine.connection().await?;
    let since = floors.since(&request.queue);
    let began = Instant::now();
    let rows = sqlx::query(statements.claim.sql())
        .bind(request.queue.as_str())
        .bind(&request.owner)
        .bind(interval(request.lease))
        .bind(i64::from(request.limit))
        .bind(since)
        .fetch_all(&mut *connection)
        .await
        .map_err(failed)?;
    let anew = since.is_none().then(|| began.elapsed());
    let numbered = |row| Ok((get::<i64>(row, 18)?, rows::live(row)?));
    let mut claimed: Vec<_> = rows.iter().map(numbered).collect::<Result<_>>()?;
    claimed.sort_by_key(|(number, _)| *number);
    let mut claim = TaskClaim::default();
    claim.tasks = claimed.into_iter().map(|(_, task)| task).collect();
    if claim.tasks.len() < usize::try_from(request.limit).unwrap_or(usize::MAX) {
        let looked = sqlx::query(statements.look.sql())
            .bind(request.queue.as_str())
            .bind(since)
            .fetch_one(&mut *connection)
            .await
            .map_err(failed)?;
        claim.paused = get(&looked, 0)?;
        let wait: Option<i64> = get(&looked, 1)?;
        let wait = wait.map(|micros| Duration::from_micros(u64::try_from(micros).unwrap_or(0)));
        claim.next_due = wait.filter(|_| !claim.paused);
        if !claim.paused {
            floors.found(&request.queue, get(&looked, 2)?, anew);
        }
    } else if let Some(row) = rows.first() {
        floors.found(&request.queue, get(row, 19)?, anew);
    }
    Ok(claim)
}

async fn fail(engine: &PostgresEngine, failed: &FailedAttempt) -> Result<()> {
    let FailedAttempt { lease, failure, retry_after } = failed;
    let statements = engine.task_statements();
    let mut connection = engine.connection().await?;
    let query = match retry_after {
        Some(_) => sqlx::query(statements.fail.sql()),
        None => sqlx::query(statements.die.sql()),
    };
    let query = query.bind(lease.id.as_uuid()).bind(lease.token).bind(failure);
    let query = match retry_after {
        Some(wait) => query.bind(interval(*wait)),
        None => query,
    };
    let recorded = query.execute(&mut *connection).await;
    let recorded = recorded.map_err(|error| classify("record the failure of a task", error))?;
    if recorded.rows_affected() == 0 {
        return Err(Error::TaskLeaseLost { queue: lease.queue.to_string(), id: lease.id });
    }
    Ok(())
}

async fn read(engine: &PostgresEngine, request: &TasksRequest) -> Result<Vec<StoredTask>> {
    let TasksRequest { queue, which, key, after, limit } = request;
    let statements = engine.task_statements();
    let id = after.map_or(NIL, |place| place.id);
    let failed = |error| classify("read tasks", error);
    let mut connection = engine.connection().await?;
    let key = key.as_ref().map(TaskKey::as_str);
    let query = match (which, key) {
        (StoredTasks::Live, Some(key)) => {
            sqlx::query(statements.find_key.sql()).bind(queue.as_str()).bind(key)
        }
        (StoredTasks::Live, None) => sqlx::query(statements.read_live.sql())
            .bind(queue.as_str())
            .bind(after.map_or(-1, |place| place.priority.number()))
            .bind(after.map_or(DateTime::UNIX_EPOCH, |place| place.due))
            .bind(id.as_uuid())
            .bind(i64::from(*limit)),
        (StoredTasks::Dead | StoredTasks::Discarded, key) => {
            let dead = *which == StoredTasks::Dead;
            let read = if dead { &statements.read_dead } else { &statements.read_discarded };
            sqlx::query(read.sql())
                .bind(queue.as_str())
                .bind(id.as_uuid())
                .bind(i64::from(*limit))
                .bind(key)
        }
    };
    let rows = query.fetch_all(&mut *connection).await.map_err(failed)?;
    match which {
        StoredTasks::Live => rows.iter().map(rows::live).collect(),
        StoredTasks::Dead | StoredTasks::Discarded => rows.iter().map(rows::ended).collect(),
    }
}

fn columns_of(leases: &[TaskLease]) -> (Vec<Uuid>, Vec<i64>) {
    leases.iter().map(|lease| (*lease.id.as_uuid(), lease.token)).unzip()
}
