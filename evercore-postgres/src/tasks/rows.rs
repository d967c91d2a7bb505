//! Converts rows to tasks and queues, and checks every value.

use chrono::{DateTime, Utc};
use evercore::engine::{StoredPlace, StoredQueue, StoredTask};
use evercore::format::Payload;
use evercore::task::{Priority, QueueName, TaskId, TaskKey};
use evercore::{Error, Metadata, Result};
use sqlx::postgres::PgRow;

use crate::row::get;

/// Converts the columns that all statements for tasks begin with.
fn task(row: &PgRow) -> Result<StoredTask> {
    let id = TaskId::from_uuid(get(row, 0)?);
    let version: i32 = get(row, 8)?;
    let payload: Vec<u8> = get(row, 10)?;
    let mut task = StoredTask::new(
        id,
        queue_name(get(row, 1)?)?,
        get::<String>(row, 7)?.into(),
        u32::try_from(version).map_err(|_| corrupt("tasks.version", id))?,
        Payload::from_stored(get(row, 9)?, payload)?,
        get(row, 14)?,
        get(row, 4)?,
    );
    let key: Option<String> = get(row, 2)?;
    task.key = key.map(|key| checked(TaskKey::new(key), "tasks.key")).transpose()?;
    task.priority = Priority::from_number(get::<i16>(row, 3)?.into())?;
    let attempts: i32 = get(row, 5)?;
    task.attempts = u32::try_from(attempts).map_err(|_| corrupt("tasks.attempts", id))?;
    task.failure = get(row, 6)?;
    let column: Option<&str> = get(row, 13)?;
    task.metadata = Metadata::from_columns(get(row, 11)?, get(row, 12)?, column)?;
    task.is_abandoned = get(row, 15)?;
    Ok(task)
}

/// Converts a task that waits or is claimed.
pub(super) fn live(row: &PgRow) -> Result<StoredTask> {
    let mut task = task(row)?;
    let (token, owner): (Option<i64>, Option<String>) = (get(row, 16)?, get(row, 17)?);
    if let (Some(token), Some(owner)) = (token, owner) {
        task.place = StoredPlace::Claimed { token, owner };
    }
    Ok(task)
}

/// Converts a task that is dead or was discarded.
pub(super) fn ended(row: &PgRow) -> Result<StoredTask> {
    let mut task = task(row)?;
    let at: DateTime<Utc> = get(row, 16)?;
    task.place = match get(row, 17)? {
        Some(reason) => StoredPlace::Discarded { at, reason },
        None => StoredPlace::Dead { since: at },
    };
    Ok(task)
}

/// Converts a task that may be in either table.
pub(super) fn anywhere(row: &PgRow) -> Result<StoredTask> {
    let ended_at: Option<DateTime<Utc>> = get(row, 18)?;
    let Some(at) = ended_at else { return live(row) };
    let mut task = task(row)?;
    task.place = match get(row, 19)? {
        Some(reason) => StoredPlace::Discarded { at, reason },
        None => StoredPlace::Dead { since: at },
    };
    Ok(task)
}

pub(super) fn queue(row: &PgRow) -> Result<StoredQueue> {
    let count = |column| get::<i64>(row, column).map(|count| u64::try_from(count).unwrap_or(0));
    let mut queue = StoredQueue::new(queue_name(get(row, 0)?)?);
    queue.paused = get(row, 1)?;
    queue.due = count(2)?;
    queue.oldest_due = get(row, 3)?;
    queue.scheduled = count(4)?;
    queue.running = count(5)?;
    queue.dead = count(6)?;
    Ok(queue)
}

fn queue_name(name: &str) -> Result<QueueName> {
    checked(QueueName::new(name), "tasks.queue")
}

fn checked<T>(value: Result<T>, column: &'static str) -> Result<T> {
    value.map_err(|error| Error::corrupt(column, error.to_string()))
}

fn corrupt(column: &'static str, id: TaskId) -> Error {
    Error::corrupt(column, format!("of task {id}: out of range"))
}
