//! Finds the commit that was stored with an idempotency key.

use evercore::engine::IdempotentOutcome;
use evercore::{CommitId, Committed, Error, IdempotencyKey};
use rusqlite::{Connection, OptionalExtension};
use uuid::Uuid;

use crate::error::Problem;
use crate::writer::positions;

const FIND_FIRST: &str = include_str!("find_by_idempotency_key.sql");

pub(crate) fn find_by_idempotency_key(
    connection: &Connection,
    key: &IdempotencyKey,
) -> Result<Option<IdempotentOutcome>, Problem> {
    let mut statement = connection.prepare_cached(FIND_FIRST)?;
    let found = statement.query_row([key.as_str()], |row| {
        let id: Vec<u8> = row.get(0)?;
        let (command, result): (String, String) = (row.get(3)?, row.get(4)?);
        Ok((id, row.get(1)?, row.get(2)?, command, result))
    });
    let Some((id, first, last, command, result)) = found.optional()? else { return Ok(None) };
    let id =
        Uuid::from_slice(&id).map_err(|error| Error::corrupt("commits.id", error.to_string()))?;
    Ok(Some(IdempotentOutcome::new(
        Committed::new(CommitId::from_uuid(id), positions(first, last)?),
        command.into(),
        result.into(),
    )))
}
