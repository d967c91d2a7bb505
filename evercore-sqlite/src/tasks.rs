//! Implements the storage of tasks.

mod claim;
mod control;
mod rows;

use std::time::Duration;

use async_trait::async_trait;
use evercore::Result;
use evercore::engine::{
    ClaimRequest, Controlled, FailedAttempt, LogWatch, QueueControl, StoredQueue, StoredTask,
    StoredTasks, TaskClaim, TaskLease, TaskReturn, TaskStorage, TasksRequest,
};
use evercore::task::{QueueName, TaskId, TaskKey};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params};

use crate::engine::{POLL_INTERVAL, SqliteEngine};
use crate::error::Problem;
use crate::row::micros;
use crate::writer::{is_held, lease_lost};

const END_TASK: &str = include_str!("tasks/end_task.sql");
const DELETE_TASK: &str = include_str!("tasks/delete_task.sql");
const FAIL: &str = include_str!("tasks/fail.sql");
const FIND_TASK: &str = include_str!("tasks/find_task.sql");
const QUEUES: &str = include_str!("tasks/queues.sql");
const READ_ENDED: &str = include_str!("tasks/read_ended.sql");
const READ_KEY: &str = include_str!("tasks/read_key.sql");
const READ_LIVE: &str = include_str!("tasks/read_live.sql");
const RELEASE: &str = include_str!("tasks/release.sql");
const RENEW: &str = include_str!("tasks/renew.sql");
const RETURN_TASK: &str = include_str!("tasks/return_task.sql");

/// An id before that of every task.
const NIL: TaskId = TaskId::from_uuid(uuid::Uuid::nil());

#[async_trait]
impl TaskStorage for SqliteEngine {
    fn watch_queue(&self, _: &QueueName) -> LogWatch {
        self.database.enqueued().watch(POLL_INTERVAL)
    }

    async fn claim(&self, request: &ClaimRequest) -> Result<TaskClaim> {
        // Most looks find nothing, which needs no writer.
        let queue = request.queue.clone();
        let looked =
            self.read("look for tasks", move |connection, _| claim::look(connection, &queue));
        if let Some(nothing) = looked.await?.nothing() {
            return Ok(nothing);
        }
        let request = request.clone();
        self.write("claim tasks", move |connection| claim::claim(connection, &request)).await
    }

    async fn renew(&self, leases: &[TaskLease], lease: Duration) -> Result<Vec<bool>> {
        let leases = leases.to_vec();
        self.write("renew the leases of tasks", move |connection| {
            let mut statement = connection.prepare_cached(RENEW)?;
            let renew = |held: &TaskLease| {
                let id = held.id.as_uuid().as_bytes();
                statement.execute(params![id, held.token, micros(lease)]).map(|rows| rows > 0)
            };
            Ok(leases.iter().map(renew).collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    async fn fail(&self, failed: &FailedAttempt) -> Result<()> {
        let (failed, returns) = (failed.clone(), failed.returns.is_some());
        self.write("record the failure of a task", move |connection| fail(connection, &failed))
            .await?;
        if returns {
            self.database.enqueued().notify();
        }
        Ok(())
    }

    async fn release(&self, leases: &[TaskLease]) -> Result<()> {
        let leases = leases.to_vec();
        self.write("give tasks back", move |connection| {
            let mut statement = connection.prepare_cached(RELEASE)?;
            for lease in &leases {
                statement.execute(params![lease.id.as_uuid().as_bytes(), lease.token])?;
            }
            Ok(())
        })
        .await?;
        self.database.enqueued().notify();
        Ok(())
    }

    async fn queues(&self, name: Option<&QueueName>) -> Result<Vec<StoredQueue>> {
        let name = name.cloned();
        self.read("list queues", move |connection, _| {
            let mut statement = connection.prepare_cached(QUEUES)?;
            let (first, last) = match &name {
                Some(name) => (name.as_str(), Value::Text(name.as_str().to_owned())),
                None => ("", Value::Blob(Vec::new())),
            };
            let mut rows = statement.query(params![first, last])?;
            let mut queues = Vec::new();
            while let Some(row) = rows.next()? {
                queues.push(rows::queue(row)?);
            }
            Ok(queues)
        })
        .await
    }

    async fn tasks(&self, request: &TasksRequest) -> Result<Vec<StoredTask>> {
        let request = request.clone();
        self.read("read tasks", move |connection, _| read(connection, &request)).await
    }

    async fn find_task(&self, id: TaskId) -> Result<Option<StoredTask>> {
        self.read("find a task", move |connection, _| {
            let mut statement = connection.prepare_cached(FIND_TASK)?;
            let id = id.as_uuid().as_bytes();
            let found = statement.query_row([id], |row| Ok(rows::anywhere(row)));
            found.optional()?.transpose()
        })
        .await
    }

    async fn control(&self, queue: &QueueName, control: &QueueControl) -> Result<Controlled> {
        let (queue, control) = (queue.clone(), control.clone());
        let change = move |connection: &_| control::control(connection, &queue, &control);
        let changed = self.write("change a queue", change).await?;
        self.database.enqueued().notify();
        Ok(changed)
    }
}

fn fail(connection: &Connection, failed: &FailedAttempt) -> Result<(), Problem> {
    let FailedAttempt { lease, failure, retry_after, returns } = failed;
    let id = lease.id.as_uuid().as_bytes();
    let is_held = match retry_after {
        Some(wait) => {
            let row = params![id, lease.token, failure, micros(*wait)];
            connection.prepare_cached(FAIL)?.execute(row)? > 0
        }
        None if is_held(connection, lease)? => {
            end(connection, lease.id, Some(failure), None, returns.as_ref())?;
            true
        }
        None => false,
    };
    if is_held { Ok(()) } else { Err(lease_lost(lease).into()) }
}

/// Ends a task that waits or is claimed: it is dead, or discarded for a reason.
fn end(
    connection: &Connection,
    id: TaskId,
    failure: Option<&str>,
    reason: Option<&str>,
    returns: Option<&TaskReturn>,
) -> rusqlite::Result<()> {
    let id = id.as_uuid().as_bytes();
    connection.prepare_cached(END_TASK)?.execute(params![id, failure, reason])?;
    if let Some(TaskReturn { id: back, queue, metadata, metadata_column }) = returns {
        let (correlation, causation) = (metadata.correlation_id(), metadata.causation_id());
        connection.prepare_cached(RETURN_TASK)?.execute(params![
            id,
            back.as_uuid().as_bytes(),
            queue.as_str(),
            correlation,
            causation,
            metadata_column
        ])?;
    }
    connection.prepare_cached(DELETE_TASK)?.execute([id]).map(drop)
}

fn read(connection: &Connection, request: &TasksRequest) -> Result<Vec<StoredTask>, Problem> {
    let TasksRequest { queue, which, key, after, limit } = request;
    let key = key.as_ref().map(TaskKey::as_str);
    let id = after.map_or(NIL, |place| place.id);
    let id = id.as_uuid().as_bytes();
    let mut tasks = Vec::new();
    match (which, key) {
        (StoredTasks::Live, Some(key)) => {
            let mut statement = connection.prepare_cached(READ_KEY)?;
            let mut rows = statement.query([queue.as_str(), key])?;
            while let Some(row) = rows.next()? {
                tasks.push(rows::live(row)?);
            }
        }
        (StoredTasks::Live, None) => {
            let priority = after.map_or(-1, |place| place.priority.number());
            let due = after.map_or(0, |place| place.due.timestamp_micros());
            let mut statement = connection.prepare_cached(READ_LIVE)?;
            let mut rows = statement.query(params![queue.as_str(), priority, due, id, limit])?;
            while let Some(row) = rows.next()? {
                tasks.push(rows::live(row)?);
            }
        }
        (StoredTasks::Dead | StoredTasks::Discarded, key) => {
            let dead = *which == StoredTasks::Dead;
            let mut statement = connection.prepare_cached(READ_ENDED)?;
            let mut rows = statement.query(params![queue.as_str(), key, id, limit, dead])?;
            while let Some(row) = rows.next()? {
                tasks.push(rows::ended(row)?);
            }
        }
    }
    Ok(tasks)
}
