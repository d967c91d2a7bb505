//! Loading an aggregate: itself, its snapshot and the first page of its tail, in one statement.

use std::sync::Arc;

use bytes::Bytes;
use evercore::engine::{LoadRequest, LoadedAggregate, StoredSnapshot, Target};
use evercore::{AggregateId, Error, NaturalKey, RecordedEvent, Result, Sequence};
use sqlx::PgExecutor;
use sqlx::postgres::PgRow;

use crate::error::classify;
use crate::readers::Readers;
use crate::row::{self, get, is_null};
use crate::statements::Statements;
use crate::types::Types;

/// What the columns of an event are in the row of the aggregate, which has no position.
mod column {
    pub(super) const POSITION: usize = 0;
    pub(super) const ID: usize = 1;
    pub(super) const SNAPSHOT_SEQUENCE: usize = 2;
    pub(super) const TYPE: usize = 3;
    pub(super) const SNAPSHOT_STATE: usize = 6;
    pub(super) const KEY: usize = 9;
}

/// The number of the requested type; 0, which no type has, if it was never stored.
pub(crate) async fn type_id(
    request: &LoadRequest,
    types: &Types,
    readers: &Readers,
    statements: &Statements,
) -> Result<i32> {
    let lookup = |known: &crate::types::Known| known.aggregate_id(request.aggregate_type);
    Ok(types.look_up(readers, statements, lookup).await?.unwrap_or_default())
}

pub(crate) async fn rows(
    executor: impl PgExecutor<'_>,
    statements: &Statements,
    request: &LoadRequest,
    type_id: i32,
) -> Result<Vec<PgRow>> {
    // The fingerprint's bits, as the number that the column holds.
    let fingerprint = request.snapshot.map(|fingerprint| fingerprint.get().cast_signed());
    let (id, key) = match &request.target {
        Target::Id(id) => (Some(id.get()), None),
        Target::Key(key) => (None, Some(key.as_str())),
    };
    sqlx::query(statements.load.sql())
        .bind(id)
        .bind(type_id)
        .bind(key)
        .bind(fingerprint)
        .bind(request.up_to.map(Sequence::get))
        .bind(i64::from(request.limit))
        .fetch_all(executor)
        .await
        .map_err(|error| classify("load an aggregate", error))
}

pub(crate) async fn aggregate(
    mut rows: Vec<PgRow>,
    types: &Types,
    readers: &Readers,
    statements: &Statements,
) -> Result<Option<LoadedAggregate>> {
    // It is the first; only SQL does not promise it.
    let is_aggregate = |row: &PgRow| is_null(row, column::POSITION).unwrap_or(true);
    let Some(place) = rows.iter().position(is_aggregate) else { return Ok(None) };
    rows.swap(0, place);
    let (first, rows) = rows.split_first().expect("BUG: it has just been found");
    let id = AggregateId::new(get(first, column::ID)?)?;
    let type_id: i32 = get(first, column::TYPE)?;
    let aggregate_type = types
        .look_up(readers, statements, |known| known.aggregate_name(type_id).map(Arc::clone))
        .await?
        .ok_or_else(|| {
            Error::corrupt("aggregates", format!("{id} has the unknown type {type_id}"))
        })?;
    let key: Option<String> = get(first, column::KEY)?;
    let key = key
        .map(NaturalKey::new)
        .transpose()
        .map_err(|error| Error::corrupt("aggregates.natural_key", error.to_string()))?;
    let snapshot_sequence: Option<i64> = get(first, column::SNAPSHOT_SEQUENCE)?;
    let snapshot_state: Option<&[u8]> = get(first, column::SNAPSHOT_STATE)?;
    let snapshot = match (snapshot_sequence, snapshot_state) {
        (Some(sequence), Some(state)) => Some(StoredSnapshot {
            sequence: Sequence::new(sequence)?,
            state: Bytes::copy_from_slice(state),
        }),
        _ => None,
    };
    let mut events = row::events(rows, types, readers, statements).await?;
    // They are in order; what costs nothing then sees to it.
    events.sort_by_key(RecordedEvent::sequence);
    Ok(Some(LoadedAggregate { id, aggregate_type, key, snapshot, events }))
}
