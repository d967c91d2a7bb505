//! Loads an aggregate: its row, its snapshot and the first page of its later events, in one statement.

use std::sync::Arc;

use bytes::Bytes;
use evercore::engine::{LoadRequest, LoadTarget, LoadedAggregate, StoredSnapshot};
use evercore::{AggregateId, Error, NaturalKey, RecordedEvent, Result, Sequence};
use sqlx::PgExecutor;

use crate::readers::Readers;
use crate::row::{self, Fetched, get};
use crate::statements::Statements;
use crate::types::Types;

/// The indexes of the aggregate's columns in its row. It has the columns of an event, without a position.
mod column {
    pub(super) const ID: usize = 1;
    pub(super) const SNAPSHOT_SEQUENCE: usize = 2;
    pub(super) const TYPE: usize = 5;
    pub(super) const SNAPSHOT_STATE: usize = 8;
    pub(super) const KEY: usize = 9;
}

/// Returns the number of the requested type; 0, which no type has, if it was never stored.
pub(crate) async fn type_id(
    request: &LoadRequest,
    types: &Types,
    readers: &Readers,
    statements: &Statements,
) -> Result<i32> {
    let lookup = |known: &crate::types::Known| known.aggregate_id(request.aggregate_type);
    Ok(types.look_up(readers, statements, lookup).await?.unwrap_or_default())
}

pub(crate) async fn fetch(
    executor: impl PgExecutor<'_>,
    types: &Types,
    statements: &Statements,
    request: &LoadRequest,
    type_id: i32,
) -> Result<Fetched> {
    // The fingerprint's bits, as the signed number that the column holds.
    let fingerprint = request.snapshot.map(|fingerprint| fingerprint.get().cast_signed());
    let (id, key, name) = match &request.target {
        LoadTarget::Id(id) => (Some(id.get()), None, None),
        LoadTarget::Key(key) => (None, Some(key.as_str()), None),
        LoadTarget::Unique(value) => (None, Some(value.value()), Some(value.name())),
    };
    let query = sqlx::query(statements.load.sql())
        .bind(id)
        .bind(type_id)
        .bind(key)
        .bind(fingerprint)
        .bind(request.up_to.map(Sequence::get))
        .bind(i64::from(request.limit))
        .bind(name);
    row::fetch(query, executor, types, "load an aggregate").await
}

pub(crate) async fn aggregate(
    mut fetched: Fetched,
    types: &Types,
    readers: &Readers,
    statements: &Statements,
) -> Result<Option<LoadedAggregate>> {
    let Some(row) = fetched.aside.take() else { return Ok(None) };
    let id = AggregateId::new(get(&row, column::ID)?)?;
    let type_id: i32 = get(&row, column::TYPE)?;
    let aggregate_type = types
        .look_up(readers, statements, |known| known.aggregate_name(type_id).map(Arc::clone))
        .await?
        .ok_or_else(|| {
            Error::corrupt(
                "aggregates",
                format!("aggregate {id} has the unknown type number {type_id}"),
            )
        })?;
    let key: Option<String> = get(&row, column::KEY)?;
    let key = key
        .map(NaturalKey::new)
        .transpose()
        .map_err(|error| Error::corrupt("aggregates.natural_key", error.to_string()))?;
    let snapshot_sequence: Option<i64> = get(&row, column::SNAPSHOT_SEQUENCE)?;
    let snapshot_state: Option<&[u8]> = get(&row, column::SNAPSHOT_STATE)?;
    let snapshot = match (snapshot_sequence, snapshot_state) {
        (Some(sequence), Some(state)) => {
            Some(StoredSnapshot::new(Sequence::new(sequence)?, Bytes::copy_from_slice(state)))
        }
        _ => None,
    };
    let mut events = fetched.events(types, readers, statements).await?;
    // The events arrive in order; sorting a sorted list costs little and makes sure of it.
    events.sort_by_key(RecordedEvent::sequence);
    let mut made = LoadedAggregate::new(id, aggregate_type);
    made.key = key;
    made.snapshot = snapshot;
    made.events = events;
    Ok(Some(made))
}
