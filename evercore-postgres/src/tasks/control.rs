//! Does what an operator requests of a queue.

use evercore::engine::{Controlled, QueueControl, TaskReturn, WhichTasks};
use evercore::task::{QueueName, TaskId};
use evercore::{Error, Result};
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{PgConnection, Postgres};
use uuid::Uuid;

use super::{NIL, bind_return};
use crate::engine::PostgresEngine;
use crate::error::classify;
use crate::statements::TaskStatements;

/// The tasks that an operator has chosen.
struct Chosen {
    tasks: Vec<Uuid>,
    /// Where the next page of dead tasks begins.
    next: Option<TaskId>,
}

pub(super) async fn control(
    engine: &PostgresEngine,
    queue: &QueueName,
    control: &QueueControl,
) -> Result<Controlled> {
    let statements = engine.task_statements();
    let connection = &mut *engine.connection().await?;
    let of_queue = |changed| Controlled { changed, next: None };
    match control {
        QueueControl::Pause => {
            let pause = sqlx::query(statements.pause.sql()).bind(queue.as_str());
            execute(pause, connection).await.map(of_queue)
        }
        QueueControl::Resume => {
            let resume = sqlx::query(statements.resume.sql()).bind(queue.as_str());
            execute(resume, connection).await.map(of_queue)
        }
        QueueControl::Retry(which) => {
            let Chosen { tasks, next } = choose(statements, connection, queue, which).await?;
            let revive = sqlx::query(statements.revive.sql()).bind(queue.as_str()).bind(&tasks);
            let changed = match (execute(revive, connection).await?, which) {
                (0, WhichTasks::Id(id)) => hasten(statements, connection, queue, *id).await?,
                (revived, _) => revived,
            };
            Ok(Controlled { changed, next })
        }
        QueueControl::Discard { which, reason, returns } => {
            let Chosen { tasks, next } = choose(statements, connection, queue, which).await?;
            let dead = sqlx::query(statements.discard_dead.sql()).bind(queue.as_str());
            let changed = match (execute(dead.bind(&tasks).bind(reason), connection).await?, which)
            {
                (0, WhichTasks::Id(id)) => {
                    discard_waiting(statements, connection, queue, *id, (reason, returns.as_ref()))
                        .await?
                }
                (discarded, _) => discarded,
            };
            Ok(Controlled { changed, next })
        }
    }
}

async fn choose(
    statements: &TaskStatements,
    connection: &mut PgConnection,
    queue: &QueueName,
    which: &WhichTasks,
) -> Result<Chosen> {
    let (after, limit) = match which {
        WhichTasks::Id(id) => return Ok(Chosen { tasks: vec![*id.as_uuid()], next: None }),
        WhichTasks::Dead { after, limit } => (after.unwrap_or(NIL), *limit),
    };
    let tasks: Vec<Uuid> = sqlx::query_scalar(statements.page_of_dead.sql())
        .bind(queue.as_str())
        .bind(after.as_uuid())
        .bind(i64::from(limit))
        .fetch_all(connection)
        .await
        .map_err(failed)?;
    let is_full = tasks.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
    let next = tasks.last().copied().filter(|_| is_full).map(TaskId::from_uuid);
    Ok(Chosen { tasks, next })
}

/// Makes a task due at once that waits. One that is still dead could not be revived.
async fn hasten(
    statements: &TaskStatements,
    connection: &mut PgConnection,
    queue: &QueueName,
    id: TaskId,
) -> Result<u64> {
    let dead: Option<Option<String>> = sqlx::query_scalar(statements.find_dead_key.sql())
        .bind(queue.as_str())
        .bind(id.as_uuid())
        .fetch_optional(&mut *connection)
        .await
        .map_err(failed)?;
    if let Some(key) = dead {
        // Another task has its key.
        let (queue, key) = (queue.to_string(), key.unwrap_or_default());
        return Err(Error::TaskKeyTaken { queue, key });
    }
    let hasten = sqlx::query(statements.hasten.sql()).bind(queue.as_str()).bind(id.as_uuid());
    match execute(hasten, connection).await? {
        0 => Err(unknown(queue, id)),
        hastened => Ok(hastened),
    }
}

async fn discard_waiting(
    statements: &TaskStatements,
    connection: &mut PgConnection,
    queue: &QueueName,
    id: TaskId,
    (reason, returns): (&str, Option<&TaskReturn>),
) -> Result<u64> {
    let discard = sqlx::query(statements.discard_waiting.sql())
        .bind(queue.as_str())
        .bind(id.as_uuid())
        .bind(reason);
    match execute(bind_return(discard, returns), connection).await? {
        0 => Err(unknown(queue, id)),
        discarded => Ok(discarded),
    }
}

async fn execute(
    query: Query<'_, Postgres, PgArguments>,
    connection: &mut PgConnection,
) -> Result<u64> {
    query.execute(connection).await.map(|done| done.rows_affected()).map_err(failed)
}

fn failed(error: sqlx::Error) -> Error {
    classify("change a queue", error)
}

fn unknown(queue: &QueueName, id: TaskId) -> Error {
    Error::UnknownTask { queue: queue.to_string(), id }
}
