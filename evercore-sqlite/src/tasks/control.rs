//! Does what an operator requests of a queue.

use evercore::Error;
use evercore::engine::{QueueControl, WhichTasks};
use evercore::task::{QueueName, TaskId};
use rusqlite::{Connection, params};

use super::{DELETE_TASK, END_TASK};
use crate::error::Problem;

const DELETE_ENDED: &str = include_str!("delete_ended.sql");
const DISCARD_DEAD: &str = include_str!("discard_dead.sql");
const FIND_DEAD: &str = include_str!("find_dead.sql");
const FIND_WAITING: &str = include_str!("find_waiting.sql");
const HASTEN: &str = include_str!("hasten.sql");
const PAUSE: &str = include_str!("pause.sql");
const RESUME: &str = include_str!("resume.sql");
const REVIVE: &str = include_str!("revive.sql");

/// A dead task that may be revived.
struct Dead {
    id: [u8; 16],
    key: Option<String>,
    /// Whether another task has its key by now.
    is_key_taken: bool,
}

pub(super) fn control(
    connection: &Connection,
    queue: &QueueName,
    control: &QueueControl,
) -> Result<u64, Problem> {
    let changed = match control {
        QueueControl::Pause => connection.prepare_cached(PAUSE)?.execute([queue.as_str()])?,
        QueueControl::Resume => connection.prepare_cached(RESUME)?.execute([queue.as_str()])?,
        QueueControl::Retry(which) => retry(connection, queue, which)?,
        QueueControl::Discard { which, reason } => discard(connection, queue, which, reason)?,
    };
    Ok(u64::try_from(changed).unwrap_or(u64::MAX))
}

fn retry(connection: &Connection, queue: &QueueName, which: &WhichTasks) -> Result<usize, Problem> {
    let mut retried = 0;
    let dead = find_dead(connection, queue, id_of(which))?;
    for Dead { id, key, is_key_taken } in &dead {
        match (is_key_taken, which) {
            (true, WhichTasks::AllDead) => continue,
            (true, WhichTasks::Id(_)) => {
                let (queue, key) = (queue.to_string(), key.clone().unwrap_or_default());
                return Err(Error::TaskKeyTaken { queue, key }.into());
            }
            (false, _) => {}
        }
        connection.prepare_cached(REVIVE)?.execute([id])?;
        connection.prepare_cached(DELETE_ENDED)?.execute([id])?;
        retried += 1;
    }
    if let (WhichTasks::Id(id), true) = (which, dead.is_empty()) {
        let row = params![queue.as_str(), id.as_uuid().as_bytes()];
        if connection.prepare_cached(HASTEN)?.execute(row)? == 0 {
            return Err(unknown(queue, *id).into());
        }
        return Ok(1);
    }
    Ok(retried)
}

fn discard(
    connection: &Connection,
    queue: &QueueName,
    which: &WhichTasks,
    reason: &str,
) -> Result<usize, Problem> {
    let row = params![queue.as_str(), id_of(which), reason];
    let discarded = connection.prepare_cached(DISCARD_DEAD)?.execute(row)?;
    let WhichTasks::Id(id) = which else { return Ok(discarded) };
    if discarded > 0 {
        return Ok(discarded);
    }
    let bytes = id.as_uuid().as_bytes();
    if !connection.prepare_cached(FIND_WAITING)?.exists(params![queue.as_str(), bytes])? {
        return Err(unknown(queue, *id).into());
    }
    connection.prepare_cached(END_TASK)?.execute(params![bytes, None::<&str>, reason])?;
    connection.prepare_cached(DELETE_TASK)?.execute([bytes])?;
    Ok(1)
}

fn find_dead(
    connection: &Connection,
    queue: &QueueName,
    id: Option<&[u8; 16]>,
) -> Result<Vec<Dead>, Problem> {
    let mut statement = connection.prepare_cached(FIND_DEAD)?;
    let found = statement.query_map(params![queue.as_str(), id], |row| {
        Ok(Dead { id: row.get(0)?, key: row.get(1)?, is_key_taken: row.get(2)? })
    })?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

fn id_of(which: &WhichTasks) -> Option<&[u8; 16]> {
    match which {
        WhichTasks::Id(id) => Some(id.as_uuid().as_bytes()),
        WhichTasks::AllDead => None,
    }
}

fn unknown(queue: &QueueName, id: TaskId) -> Error {
    Error::UnknownTask { queue: queue.to_string(), id }
}
