//! Does what an operator requests of a queue.

use evercore::Error;
use evercore::engine::{Controlled, QueueControl, TaskReturn, WhichTasks};
use evercore::task::{QueueName, TaskId};
use rusqlite::{Connection, OptionalExtension, params};

use super::{NIL, end};
use crate::error::Problem;

const DELETE_ENDED: &str = include_str!("delete_ended.sql");
const DISCARD_DEAD: &str = include_str!("discard_dead.sql");
const FIND_DEAD: &str = include_str!("find_dead.sql");
const FIND_WAITING: &str = include_str!("find_waiting.sql");
const HASTEN: &str = include_str!("hasten.sql");
const PAGE_OF_DEAD: &str = include_str!("page_of_dead.sql");
const PAUSE: &str = include_str!("pause.sql");
const RESUME: &str = include_str!("resume.sql");
const REVIVE: &str = include_str!("revive.sql");

/// The tasks that an operator has chosen.
struct Chosen {
    tasks: Vec<TaskId>,
    /// Where the next page of dead tasks begins.
    next: Option<TaskId>,
}

pub(super) fn control(
    connection: &Connection,
    queue: &QueueName,
    control: &QueueControl,
) -> Result<Controlled, Problem> {
    let (changed, next) = match control {
        QueueControl::Pause => (connection.prepare_cached(PAUSE)?.execute([queue.as_str()])?, None),
        QueueControl::Resume => {
            (connection.prepare_cached(RESUME)?.execute([queue.as_str()])?, None)
        }
        QueueControl::Retry(which) => {
            let Chosen { tasks, next } = choose(connection, queue, which)?;
            let mut retried = 0;
            for id in tasks {
                retried += usize::from(retry(connection, queue, id, which)?);
            }
            (retried, next)
        }
        QueueControl::Discard { which, reason, returns } => {
            let Chosen { tasks, next } = choose(connection, queue, which)?;
            for id in &tasks {
                discard(connection, queue, *id, reason, returns.as_ref())?;
            }
            (tasks.len(), next)
        }
    };
    Ok(Controlled { changed: u64::try_from(changed).unwrap_or(u64::MAX), next })
}

fn choose(
    connection: &Connection,
    queue: &QueueName,
    which: &WhichTasks,
) -> Result<Chosen, Problem> {
    let (after, limit) = match which {
        WhichTasks::Id(id) => return Ok(Chosen { tasks: vec![*id], next: None }),
        WhichTasks::Dead { after, limit } => (after.unwrap_or(NIL), limit),
    };
    let mut statement = connection.prepare_cached(PAGE_OF_DEAD)?;
    let row = params![queue.as_str(), after.as_uuid().as_bytes(), limit];
    let to_id = |id: [u8; 16]| TaskId::from_uuid(uuid::Uuid::from_bytes(id));
    let found = statement.query_map(row, |row| row.get(0).map(to_id))?;
    let tasks: Vec<_> = found.collect::<rusqlite::Result<_>>()?;
    let is_full = tasks.len() >= usize::try_from(*limit).unwrap_or(usize::MAX);
    let next = tasks.last().copied().filter(|_| is_full);
    Ok(Chosen { tasks, next })
}

/// Makes a task due at once. Returns whether it did: it leaves a task of a page whose key another task has by now.
fn retry(
    connection: &Connection,
    queue: &QueueName,
    id: TaskId,
    which: &WhichTasks,
) -> Result<bool, Problem> {
    let bytes = id.as_uuid().as_bytes();
    let dead: Option<(Option<String>, bool)> = connection
        .prepare_cached(FIND_DEAD)?
        .query_row(params![queue.as_str(), bytes], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    match (dead, which) {
        (Some((_, true)), WhichTasks::Dead { .. }) => Ok(false),
        (Some((key, true)), WhichTasks::Id(_)) => {
            let (queue, key) = (queue.to_string(), key.unwrap_or_default());
            Err(Error::TaskKeyTaken { queue, key }.into())
        }
        (Some((_, false)), _) => {
            connection.prepare_cached(REVIVE)?.execute([bytes])?;
            connection.prepare_cached(DELETE_ENDED)?.execute([bytes])?;
            Ok(true)
        }
        (None, _) => {
            match connection.prepare_cached(HASTEN)?.execute(params![queue.as_str(), bytes])? {
                0 => Err(unknown(queue, id).into()),
                _ => Ok(true),
            }
        }
    }
}

fn discard(
    connection: &Connection,
    queue: &QueueName,
    id: TaskId,
    reason: &str,
    returns: Option<&TaskReturn>,
) -> Result<(), Problem> {
    let bytes = id.as_uuid().as_bytes();
    let row = params![queue.as_str(), bytes, reason];
    if connection.prepare_cached(DISCARD_DEAD)?.execute(row)? > 0 {
        return Ok(());
    }
    if !connection.prepare_cached(FIND_WAITING)?.exists(params![queue.as_str(), bytes])? {
        return Err(unknown(queue, id).into());
    }
    Ok(end(connection, id, None, Some(reason), returns)?)
}

fn unknown(queue: &QueueName, id: TaskId) -> Error {
    Error::UnknownTask { queue: queue.to_string(), id }
}
