//! Does what an operator requests of a queue.

use evercore::engine::{QueueControl, WhichTasks};
use evercore::task::{QueueName, TaskId};
use evercore::{Error, Result};
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{PgConnection, Postgres};
use uuid::Uuid;

use crate::engine::PostgresEngine;
use crate::error::classify;

pub(super) async fn control(
    engine: &PostgresEngine,
    queue: &QueueName,
    control: &QueueControl,
) -> Result<u64> {
    let statements = engine.task_statements();
    let connection = &mut *engine.connection().await?;
    match control {
        QueueControl::Pause => {
            execute(sqlx::query(statements.pause.sql()).bind(queue.as_str()), connection).await
        }
        QueueControl::Resume => {
            execute(sqlx::query(statements.resume.sql()).bind(queue.as_str()), connection).await
        }
        QueueControl::Retry(which) => retry(engine, connection, queue, which).await,
        QueueControl::Discard { which, reason } => {
            let dead = sqlx::query(statements.discard_dead.sql())
                .bind(queue.as_str())
                .bind(id_of(which))
                .bind(reason);
            let discarded = execute(dead, connection).await?;
            let WhichTasks::Id(id) = which else { return Ok(discarded) };
            if discarded > 0 {
                return Ok(discarded);
            }
            let waiting = sqlx::query(statements.discard_waiting.sql())
                .bind(queue.as_str())
                .bind(id.as_uuid())
                .bind(reason);
            match execute(waiting, connection).await? {
                0 => Err(unknown(queue, *id)),
                discarded => Ok(discarded),
            }
        }
    }
}

async fn retry(
    engine: &PostgresEngine,
    connection: &mut PgConnection,
    queue: &QueueName,
    which: &WhichTasks,
) -> Result<u64> {
    let statements = engine.task_statements();
    let revive = sqlx::query(statements.revive.sql()).bind(queue.as_str()).bind(id_of(which));
    let revived = execute(revive, connection).await?;
    let WhichTasks::Id(id) = which else { return Ok(revived) };
    if revived > 0 {
        return Ok(revived);
    }
    let dead: Option<Option<String>> = sqlx::query_scalar(statements.find_dead_key.sql())
        .bind(queue.as_str())
        .bind(id.as_uuid())
        .fetch_optional(&mut *connection)
        .await
        .map_err(failed)?;
    if let Some(key) = dead {
        // It is still dead, so another task has its key.
        let (queue, key) = (queue.to_string(), key.unwrap_or_default());
        return Err(Error::TaskKeyTaken { queue, key });
    }
    let hasten = sqlx::query(statements.hasten.sql()).bind(queue.as_str()).bind(id.as_uuid());
    match execute(hasten, connection).await? {
        0 => Err(unknown(queue, *id)),
        hastened => Ok(hastened),
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

fn id_of(which: &WhichTasks) -> Option<&Uuid> {
    match which {
        WhichTasks::Id(id) => Some(id.as_uuid()),
        WhichTasks::AllDead => None,
    }
}

fn unknown(queue: &QueueName, id: TaskId) -> Error {
    Error::UnknownTask { queue: queue.to_string(), id }
}
