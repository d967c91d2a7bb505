//! From rows to events. Every number is checked here.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use evercore::engine::EventRow;
use evercore::{AggregateId, Error, Metadata, Payload, Position, RecordedEvent, Result, Sequence};
use sqlx::postgres::PgRow;
use sqlx::{Decode, Postgres, Row, Type};

use crate::error::classify;
use crate::readers::Readers;
use crate::statements::Statements;
use crate::types::{Known, Types, unknown_type};

/// Where the columns of an event stand in a row, in the order of the statements that read events.
mod column {
    pub(super) const POSITION: usize = 0;
    pub(super) const AGGREGATE_ID: usize = 1;
    pub(super) const SEQUENCE: usize = 2;
    pub(super) const EVENT_TYPE: usize = 3;
    pub(super) const VERSION: usize = 4;
    pub(super) const CODEC: usize = 5;
    pub(super) const PAYLOAD: usize = 6;
    pub(super) const EVENT_TIME: usize = 7;
    pub(super) const RECORDED_AT: usize = 8;
    pub(super) const REFERENCE: usize = 9;
    pub(super) const CORRELATION: usize = 10;
    pub(super) const CAUSATION: usize = 11;
    pub(super) const METADATA: usize = 12;
}

/// The number of columns of an event; what follows them is the statement's own.
pub(crate) const EVENT_COLUMNS: usize = 13;

/// The events of some rows; `types` is read anew if one of theirs is not known yet.
pub(crate) async fn events(
    rows: &[PgRow],
    types: &Types,
    readers: &Readers,
    statements: &Statements,
) -> Result<Vec<RecordedEvent>> {
    let convert = |known: &Known| -> Option<Result<Vec<RecordedEvent>>> {
        rows.iter().map(|row| event(row, known).transpose()).collect()
    };
    types.look_up(readers, statements, convert).await?.unwrap_or_else(|| Err(unknown_type()))
}

/// `None` if its type is not known.
fn event(row: &PgRow, known: &Known) -> Result<Option<RecordedEvent>> {
    let Some(name) = known.event_name(get(row, column::EVENT_TYPE)?) else {
        return Ok(None);
    };
    let correlation: Option<String> = get(row, column::CORRELATION)?;
    let causation: Option<String> = get(row, column::CAUSATION)?;
    let metadata: Option<&str> = get(row, column::METADATA)?;
    let metadata = if correlation.is_none() && causation.is_none() && metadata.is_none() {
        None
    } else {
        Some(Box::new(Metadata::from_columns(correlation, causation, metadata)?))
    };
    let version: i32 = get(row, column::VERSION)?;
    let payload: &[u8] = get(row, column::PAYLOAD)?;
    let event_time: DateTime<Utc> = get(row, column::EVENT_TIME)?;
    let recorded_at: DateTime<Utc> = get(row, column::RECORDED_AT)?;
    let reference: Option<&str> = get(row, column::REFERENCE)?;
    let row = EventRow {
        position: Position::new(get(row, column::POSITION)?)?,
        aggregate_id: AggregateId::new(get(row, column::AGGREGATE_ID)?)?,
        sequence: Sequence::new(get(row, column::SEQUENCE)?)?,
        aggregate_type: Arc::clone(&name.aggregate_type),
        event_type: Arc::clone(&name.event_type),
        version: u32::try_from(version)
            .map_err(|_| Error::corrupt("events.version", format!("it is {version}")))?,
        payload: Payload::from_stored(get(row, column::CODEC)?, Bytes::copy_from_slice(payload))?,
        event_time,
        recorded_at,
        reference: reference.map(Box::from),
        metadata,
    };
    Ok(Some(row.into()))
}

/// A column's value.
pub(crate) fn get<'r, T>(row: &'r PgRow, column: usize) -> Result<T>
where
    T: Decode<'r, Postgres> + Type<Postgres>,
{
    row.try_get(column).map_err(|error| classify("read a row", error))
}

/// The first and the last position of a commit.
pub(crate) fn positions(
    row: &PgRow,
    first: usize,
    last: usize,
) -> Result<Option<(Position, Position)>> {
    match (get::<Option<i64>>(row, first)?, get::<Option<i64>>(row, last)?) {
        (Some(first), Some(last)) => Ok(Some((Position::new(first)?, Position::new(last)?))),
        _ => Ok(None),
    }
}
