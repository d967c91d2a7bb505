//! Converts rows to tasks and queues, and checks every value.

use chrono::{DateTime, Utc};
use evercore::engine::{StoredPlace, StoredQueue, StoredTask};
use evercore::format::Payload;
use evercore::task::{Priority, QueueName, TaskId, TaskKey};
use evercore::{Error, Metadata, Result};
use rusqlite::Row;

use crate::error::Problem;
use crate::row::time;

/// Converts the columns that all statements for tasks begin with.
pub(super) fn task(row: &Row<'_>) -> Result<StoredTask, Problem> {
    let id: [u8; 16] = row.get(1)?;
    let id = TaskId::from_uuid(uuid::Uuid::from_bytes(id));
    let (version, codec): (i64, i64) = (row.get(9)?, row.get(10)?);
    let codec = i16::try_from(codec).map_err(|_| corrupt("tasks.codec", id))?;
    let payload: Vec<u8> = row.get(11)?;
    let mut task = StoredTask::new(
        id,
        queue_name(&row.get::<_, String>(2)?)?,
        row.get::<_, String>(8)?.into(),
        u32::try_from(version).map_err(|_| corrupt("tasks.version", id))?,
        Payload::from_stored(codec, payload)?,
        time(row.get(15)?, "tasks.enqueued_at")?,
        far(row.get(5)?),
    );
    let key: Option<String> = row.get(3)?;
    task.key = key.map(|key| checked(TaskKey::new(key), "tasks.key")).transpose()?;
    task.priority = Priority::from_number(row.get(4)?)?;
    task.attempts =
        u32::try_from(row.get::<_, i64>(6)?).map_err(|_| corrupt("tasks.attempts", id))?;
    task.failure = row.get(7)?;
    let column: Option<String> = row.get(14)?;
    task.metadata = Metadata::from_columns(row.get(12)?, row.get(13)?, column.as_deref())?;
    task.is_abandoned = row.get(16)?;
    Ok(task)
}

/// Converts a task that waits or is claimed.
pub(super) fn live(row: &Row<'_>) -> Result<StoredTask, Problem> {
    let mut task = task(row)?;
    let (token, owner): (Option<i64>, Option<String>) = (row.get(17)?, row.get(18)?);
    if let (Some(token), Some(owner)) = (token, owner) {
        task.place = StoredPlace::Claimed { token, owner };
    }
    Ok(task)
}

/// Converts a task that is dead or was discarded.
pub(super) fn ended(row: &Row<'_>) -> Result<StoredTask, Problem> {
    let mut task = task(row)?;
    let at = time(row.get(17)?, "ended_tasks.ended_at")?;
    task.place = match row.get(18)? {
        Some(reason) => StoredPlace::Discarded { at, reason },
        None => StoredPlace::Dead { since: at },
    };
    Ok(task)
}

/// Converts a task that may be in either table.
pub(super) fn anywhere(row: &Row<'_>) -> Result<StoredTask, Problem> {
    let ended_at: Option<i64> = row.get(19)?;
    let Some(at) = ended_at else { return live(row) };
    let at = time(at, "ended_tasks.ended_at")?;
    let mut task = task(row)?;
    task.place = match row.get(20)? {
        Some(reason) => StoredPlace::Discarded { at, reason },
        None => StoredPlace::Dead { since: at },
    };
    Ok(task)
}

pub(super) fn queue(row: &Row<'_>) -> Result<StoredQueue, Problem> {
    let count = |index| row.get::<_, i64>(index).map(|count| u64::try_from(count).unwrap_or(0));
    let mut queue = StoredQueue::new(queue_name(&row.get::<_, String>(0)?)?);
    queue.paused = row.get(1)?;
    queue.due = count(2)?;
    queue.oldest_due = row.get::<_, Option<i64>>(3)?.map(far);
    queue.scheduled = count(4)?;
    queue.running = count(5)?;
    queue.dead = count(6)?;
    Ok(queue)
}

/// Converts a time that may lie beyond the range of times: an endless wait.
pub(super) fn far(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or(DateTime::<Utc>::MAX_UTC)
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
