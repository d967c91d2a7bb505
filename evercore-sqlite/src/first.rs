//! Reads the commit that has landed with an idempotency key.

use evercore::engine::{Committed, FirstOutcome};
use evercore::{CommitId, Error, IdempotencyKey};
use sqlx::{Row, SqliteConnection};
use uuid::Uuid;

use crate::error::Problem;
use crate::writer::positions;

pub(crate) const FIND_FIRST: &str = include_str!("find_first.sql");

pub(crate) async fn find_first(
    connection: &mut SqliteConnection,
    key: &IdempotencyKey,
) -> Result<Option<FirstOutcome>, Problem> {
    let found = sqlx::query(FIND_FIRST).bind(key.as_str()).fetch_optional(connection).await?;
    let Some(row) = found else { return Ok(None) };
    let id = Uuid::from_slice(row.try_get(0)?)
        .map_err(|error| Error::corrupt("commits.id", error.to_string()))?;
    let positions = positions(row.try_get(1)?, row.try_get(2)?)?;
    Ok(Some(FirstOutcome {
        committed: Committed { id: CommitId::from_uuid(id), positions },
        command: row.try_get::<String, _>(3)?.into(),
        result: row.try_get::<String, _>(4)?.into(),
    }))
}
