//! Enqueues, cancels and completes tasks as parts of a commit.

use std::collections::HashSet;

use evercore::engine::{Commit, Completion, Due, NewTask, TaskChange, TaskLease};
use evercore::task::{IfKeyExists, QueueName, TaskKey};
use evercore::{Error, Result};
use rusqlite::{Connection, OptionalExtension, params};

use crate::error::Problem;
use crate::row::micros;

const CANCEL: &str = include_str!("tasks/cancel.sql");
const COMPLETE: &str = include_str!("tasks/complete.sql");
const FIND_KEY: &str = include_str!("tasks/find_key.sql");
const INSERT_TASK: &str = include_str!("tasks/insert_task.sql");
const IS_HELD: &str = include_str!("tasks/is_held.sql");

/// Checks the leases that a commit completes, and the keys that it takes. Returns the reason to refuse it.
pub(super) fn check_tasks(connection: &Connection, commit: &Commit) -> Result<Result<()>, Problem> {
    let mut completed = HashSet::new();
    for completion in &commit.completes {
        if let Completion::Task(lease) = completion {
            if !is_held(connection, lease)? {
                return Ok(Err(lease_lost(lease)));
            }
            completed.insert(*lease.id.as_uuid().as_bytes());
        }
    }
    for change in &commit.tasks {
        if let TaskChange::Enqueue(NewTask { queue, key: Some(key), if_key_exists, .. }) = change
            && *if_key_exists == IfKeyExists::Fail
            && let Some(holder) = holder(connection, queue, key)?
            && !completed.contains(&holder)
        {
            let (queue, key) = (queue.to_string(), key.to_string());
            return Ok(Err(Error::TaskKeyTaken { queue, key }));
        }
    }
    Ok(Ok(()))
}

/// Completes and changes the tasks of a commit that has passed the checks.
pub(super) fn land_tasks(connection: &Connection, commit: &Commit) -> Result<(), Problem> {
    for completion in &commit.completes {
        if let Completion::Task(lease) = completion {
            let row = params![lease.id.as_uuid().as_bytes(), lease.token];
            connection.prepare_cached(COMPLETE)?.execute(row)?;
        }
    }
    for change in &commit.tasks {
        match change {
            TaskChange::Cancel { queue, key } => cancel(connection, queue, key)?,
            TaskChange::Enqueue(task) => enqueue(connection, task)?,
        }
    }
    Ok(())
}

/// Returns whether a lease is held.
pub(crate) fn is_held(connection: &Connection, lease: &TaskLease) -> Result<bool, Problem> {
    let row = params![lease.id.as_uuid().as_bytes(), lease.token];
    Ok(connection.prepare_cached(IS_HELD)?.exists(row)?)
}

pub(crate) fn lease_lost(lease: &TaskLease) -> Error {
    Error::TaskLeaseLost { queue: lease.queue.to_string(), id: lease.id }
}

fn holder(
    connection: &Connection,
    queue: &QueueName,
    key: &TaskKey,
) -> Result<Option<[u8; 16]>, Problem> {
    let mut statement = connection.prepare_cached(FIND_KEY)?;
    let key = params![queue.as_str(), key.as_str()];
    Ok(statement.query_row(key, |row| row.get(0)).optional()?)
}

fn cancel(connection: &Connection, queue: &QueueName, key: &TaskKey) -> Result<(), Problem> {
    let row = params![queue.as_str(), key.as_str()];
    connection.prepare_cached(CANCEL)?.execute(row)?;
    Ok(())
}

fn enqueue(connection: &Connection, task: &NewTask) -> Result<(), Problem> {
    let NewTask {
        id,
        queue,
        key,
        if_key_exists,
        due,
        priority,
        task_type,
        version,
        payload,
        metadata,
        metadata_column,
    } = task;
    if let Some(key) = key {
        match if_key_exists {
            IfKeyExists::Keep if holder(connection, queue, key)?.is_some() => return Ok(()),
            IfKeyExists::Replace => cancel(connection, queue, key)?,
            IfKeyExists::Keep | IfKeyExists::Fail => {}
        }
    }
    let (at, wait) = match due {
        Due::At(time) => (Some(time.timestamp_micros()), 0),
        Due::After(wait) => (None, micros(*wait)),
    };
    connection.prepare_cached(INSERT_TASK)?.execute(params![
        id.as_uuid().as_bytes(),
        queue.as_str(),
        key.as_ref().map(TaskKey::as_str),
        priority.number(),
        at,
        wait,
        task_type,
        version,
        payload.stored_format(),
        &payload.stored_bytes()[..],
        metadata.correlation_id(),
        metadata.causation_id(),
        metadata_column.as_deref(),
    ])?;
    Ok(())
}
