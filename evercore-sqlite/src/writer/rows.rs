//! Reads and writes the rows of commits.

use evercore::engine::{Positions, TypeName};
use evercore::{
    AggregateId, CommitId, Error, IdempotencyKey, NaturalKey, Position, Result, Sequence,
};
use rusqlite::{Connection, OptionalExtension};

use crate::error::{Failure, Problem};
use crate::row::checked;
use crate::types::AggregateTypeId;

const BUMP_VERSION: &str = "UPDATE declarations SET version = version + 1";
const FIND_HOLDER: &str =
    "SELECT id FROM aggregates WHERE aggregate_type_id = ?1 AND natural_key = ?2";
const IS_USED: &str = "SELECT 1 FROM commits WHERE idempotency_key = ?1";
const DECLARED_VERSION: &str = "SELECT version FROM declarations";
const READ_OUTCOME: &str = include_str!("read_outcome.sql");
const READ_STANDING: &str = include_str!("read_standing.sql");
const REGISTER_AGGREGATE_TYPES: &str = include_str!("register_aggregate_types.sql");
const REGISTER_EVENT_TYPES: &str = include_str!("register_event_types.sql");
const TAKE_IDS: &str = include_str!("take_ids.sql");

/// An aggregate as it is stored.
#[derive(Clone, Debug)]
pub(super) struct StoredAggregate {
    pub(super) aggregate_type: AggregateTypeId,
    pub(super) key: Option<NaturalKey>,
    pub(super) sequence: Sequence,
}

/// The stored outcome of a commit.
#[derive(Clone, Debug)]
pub(super) enum Known {
    GivenUp,
    Landed(Positions),
}

/// Checks the positions of a row of `commits`. A commit's positions follow each other, as one connection writes.
pub(crate) fn positions(first: Option<i64>, last: Option<i64>) -> Result<Positions> {
    match (first, last) {
        (Some(first), Some(last)) => Positions::span(
            checked(Position::new(first), "commits.first_position")?,
            checked(Position::new(last), "commits.last_position")?,
        ),
        _ => Ok(Positions::NONE),
    }
}

/// Returns the version of the declarations, which a commit has to name.
pub(crate) fn declared_version(connection: &Connection) -> Result<i64, Problem> {
    Ok(connection.prepare_cached(DECLARED_VERSION)?.query_one([], |row| row.get(0))?)
}

/// Stores a new version of the declarations.
pub(crate) fn bump_version(connection: &Connection) -> Result<(), Problem> {
    connection.prepare_cached(BUMP_VERSION)?.execute([])?;
    Ok(())
}

pub(super) fn outcome_of(connection: &Connection, id: CommitId) -> Result<Option<Known>, Problem> {
    let mut statement = connection.prepare_cached(READ_OUTCOME)?;
    let found = statement.query_row([id.as_uuid().as_bytes()], |row| {
        let outcome: i64 = row.get(0)?;
        Ok((outcome, row.get(1)?, row.get(2)?))
    });
    Ok(match found.optional()? {
        None => None,
        Some((0, ..)) => Some(Known::GivenUp),
        Some((_, first, last)) => Some(Known::Landed(positions(first, last)?)),
    })
}

pub(super) fn is_used(connection: &Connection, key: &IdempotencyKey) -> Result<bool, Problem> {
    Ok(connection.prepare_cached(IS_USED)?.exists([key.as_str()])?)
}

pub(super) fn standing(
    connection: &Connection,
    id: AggregateId,
) -> Result<Option<StoredAggregate>, Problem> {
    let mut statement = connection.prepare_cached(READ_STANDING)?;
    let found = statement.query_row([id.get()], |row| {
        let key: Option<String> = row.get(1)?;
        Ok((row.get(0)?, key, row.get(2)?))
    });
    let Some((aggregate_type, key, sequence)) = found.optional()? else { return Ok(None) };
    Ok(Some(StoredAggregate {
        aggregate_type: AggregateTypeId::new(aggregate_type),
        key: checked(key.map(NaturalKey::new).transpose(), "aggregates.natural_key")?,
        sequence: checked(Sequence::new(sequence), "events.sequence")?,
    }))
}

pub(super) fn holder(
    connection: &Connection,
    aggregate_type: AggregateTypeId,
    key: &NaturalKey,
) -> Result<Option<AggregateId>, Problem> {
    let mut statement = connection.prepare_cached(FIND_HOLDER)?;
    let wanted = rusqlite::params![aggregate_type.get(), key.as_str()];
    let found = statement.query_row(wanted, |row| row.get(0)).optional()?;
    Ok(found.map(|id| checked(AggregateId::new(id), "aggregates.id")).transpose()?)
}

/// Stores the names that are not stored yet.
pub(super) fn register_types(connection: &Connection, names: &[TypeName]) -> Result<(), Problem> {
    register_names(connection, names.iter().map(|name| (name.aggregate, name.event)))
}

/// Stores the names of aggregate types and of their events that are not stored yet.
pub(crate) fn register_names<'a>(
    connection: &Connection,
    names: impl Iterator<Item = (&'a str, Option<&'a str>)>,
) -> Result<(), Problem> {
    let rows: Vec<_> = names.collect();
    let rows = serde_json::to_string(&rows)
        .map_err(|error| Error::storage("store the names of types", error))?;
    for sql in [REGISTER_AGGREGATE_TYPES, REGISTER_EVENT_TYPES] {
        connection.prepare_cached(sql)?.execute([&rows])?;
    }
    Ok(())
}

/// Marks ids as taken that were given without being reserved before.
pub(super) fn take_ids(connection: &Connection, last: AggregateId) -> Result<(), Problem> {
    connection.prepare_cached(TAKE_IDS)?.execute([last.get()])?;
    Ok(())
}

/// Runs a statement that begins or ends a transaction.
pub(super) fn execute(connection: &Connection, sql: &'static str) -> Result<(), Failure> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}
