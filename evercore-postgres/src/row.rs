//! Converts rows to events, and checks every number.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use evercore::boundary::Tags;
use evercore::engine::{EventRow, Positions};
use evercore::format::Payload;
use evercore::{AggregateId, Error, Metadata, Position, RecordedEvent, Result, Sequence};
use futures_util::TryStreamExt;
use sqlx::postgres::{PgArguments, PgRow, PgValueFormat};
use sqlx::query::Query;
use sqlx::{Decode, PgExecutor, Postgres, Row, Type, ValueRef};

use crate::error::classify;
use crate::readers::Readers;
use crate::statements::Statements;
use crate::types::{EventName, Known, Types, unknown_type};

/// The indexes of an event's columns in a row, in the order of the statements that read events.
mod column {
    pub(super) const POSITION: usize = 0;
    pub(super) const AGGREGATE_ID: usize = 1;
    pub(super) const SEQUENCE: usize = 2;
    pub(super) const EVENT_TIME: usize = 3;
    pub(super) const RECORDED_AT: usize = 4;
    pub(super) const EVENT_TYPE: usize = 5;
    pub(super) const VERSION: usize = 6;
    pub(super) const CODEC: usize = 7;
    pub(super) const PAYLOAD: usize = 8;
    pub(super) const REFERENCE: usize = 9;
    pub(super) const CORRELATION: usize = 10;
    pub(super) const CAUSATION: usize = 11;
    pub(super) const METADATA: usize = 12;
    pub(super) const TAGS: usize = 13;
}

/// The number of columns of an event; any that follow are the statement's own.
pub(crate) const EVENT_COLUMNS: usize = 14;

/// The index of the column with the type of an event.
pub(crate) const EVENT_TYPE: usize = column::EVENT_TYPE;

/// The result of a statement that reads events.
#[derive(Debug, Default)]
pub(crate) struct Fetched {
    /// The row without a position, which is no event but carries the statement's other results.
    pub(crate) aside: Option<PgRow>,
    events: Vec<RecordedEvent>,
    /// The rows from the first one on whose event type was not in the cache.
    unknown: Vec<PgRow>,
}

/// Runs a statement that reads events. Each row is converted when it arrives, while the server works on the next ones.
pub(crate) async fn fetch(
    query: Query<'_, Postgres, PgArguments>,
    executor: impl PgExecutor<'_>,
    types: &Types,
    operation: &'static str,
) -> Result<Fetched> {
    let known = types.known();
    // Most events are of the same type as the one before.
    let mut last = None;
    let mut fetched = Fetched::default();
    let mut rows = query.fetch(executor);
    while let Some(row) = rows.try_next().await.map_err(|error| classify(operation, error))? {
        if raw(&row, column::POSITION)?.is_none() {
            fetched.aside = Some(row);
            continue;
        }
        let id = int(&row, column::EVENT_TYPE)?;
        let name = match last {
            Some((last, name)) if last == id => Some(name),
            _ => known.event_name(id),
        };
        last = name.map(|name| (id, name));
        match name {
            Some(name) if fetched.unknown.is_empty() => fetched.events.push(event(&row, name)?),
            _ => fetched.unknown.push(row),
        }
    }
    Ok(fetched)
}

impl Fetched {
    /// Returns the events, in the order of the rows. Types are read again if one was not in the cache; the connection
    /// that ran the statement should be free by then.
    pub(crate) async fn events(
        self,
        types: &Types,
        readers: &Readers,
        statements: &Statements,
    ) -> Result<Vec<RecordedEvent>> {
        let Self { mut events, unknown, .. } = self;
        if !unknown.is_empty() {
            for event in each_event(&unknown, types, readers, statements).await? {
                events.push(event?);
            }
        }
        Ok(events)
    }
}

/// Returns the event of each row, or the reason why the row is no event. Types are read again if one is not in the
/// cache.
pub(crate) async fn each_event(
    rows: &[PgRow],
    types: &Types,
    readers: &Readers,
    statements: &Statements,
) -> Result<Vec<Result<RecordedEvent>>> {
    let is_known = |known: &Known, row| {
        int(row, column::EVENT_TYPE).is_ok_and(|id| known.event_name(id).is_some())
    };
    let all_known = |known: &Known| rows.iter().all(|row| is_known(known, row)).then_some(());
    types.look_up(readers, statements, all_known).await?;
    let known = types.known();
    let convert = |row| {
        let name = known.event_name(int(row, column::EVENT_TYPE)?);
        event(row, name.ok_or_else(unknown_type)?)
    };
    Ok(rows.iter().map(convert).collect())
}

fn event(row: &PgRow, name: &EventName) -> Result<RecordedEvent> {
    let correlation = text(row, column::CORRELATION)?;
    let causation = text(row, column::CAUSATION)?;
    let metadata = text(row, column::METADATA)?;
    let metadata = if correlation.is_none() && causation.is_none() && metadata.is_none() {
        None
    } else {
        let (correlation, causation) = (correlation.map(Into::into), causation.map(Into::into));
        Some(Box::new(Metadata::from_columns(correlation, causation, metadata)?))
    };
    let version = int(row, column::VERSION)?;
    let payload = Bytes::copy_from_slice(needed(row, column::PAYLOAD)?);
    let mut event = EventRow::new(
        Position::new(bigint(row, column::POSITION)?)?,
        AggregateId::new(bigint(row, column::AGGREGATE_ID)?)?,
        Sequence::new(bigint(row, column::SEQUENCE)?)?,
        Arc::clone(&name.aggregate_type),
        Arc::clone(&name.event_type),
        Payload::from_stored(smallint(row, column::CODEC)?, payload)?,
        time(row, column::RECORDED_AT)?,
    );
    event.version = u32::try_from(version)
        .map_err(|_| Error::corrupt("events.version", format!("{version} is out of range")))?;
    event.event_time = time(row, column::EVENT_TIME)?;
    event.reference = text(row, column::REFERENCE)?.map(Box::from);
    event.metadata = metadata;
    event.tags = Tags::from_column(text(row, column::TAGS)?)?;
    Ok(event.into())
}

fn bigint(row: &PgRow, column: usize) -> Result<i64> {
    fixed(row, column).map(i64::from_be_bytes)
}

fn int(row: &PgRow, column: usize) -> Result<i32> {
    fixed(row, column).map(i32::from_be_bytes)
}

fn smallint(row: &PgRow, column: usize) -> Result<i16> {
    fixed(row, column).map(i16::from_be_bytes)
}

/// Decodes a time, which the server sends in microseconds since the year 2000.
fn time(row: &PgRow, column: usize) -> Result<DateTime<Utc>> {
    const YEAR_2000: i64 = 946_684_800_000_000;
    let micros = bigint(row, column)?.checked_add(YEAR_2000);
    micros
        .and_then(DateTime::from_timestamp_micros)
        .ok_or_else(|| unexpected(column, "is outside the range of valid times"))
}

fn text(row: &PgRow, column: usize) -> Result<Option<&str>> {
    let text = raw(row, column)?.map(std::str::from_utf8).transpose();
    text.map_err(|_| unexpected(column, "is not UTF-8"))
}

fn fixed<const N: usize>(row: &PgRow, column: usize) -> Result<[u8; N]> {
    let bytes = needed(row, column)?;
    bytes.try_into().map_err(|_| unexpected(column, "has another length than its type"))
}

fn needed(row: &PgRow, column: usize) -> Result<&[u8]> {
    raw(row, column)?.ok_or_else(|| unexpected(column, "is null"))
}

/// Returns a column as the server has sent it, in binary form. The driver's own way compares types for each value,
/// which takes longer than decoding the value; these statements are the engine's own, and a test runs each of them.
fn raw(row: &PgRow, column: usize) -> Result<Option<&[u8]>> {
    let value =
        row.try_get_raw(column).map_err(|error| classify("read the row of an event", error))?;
    if value.is_null() {
        return Ok(None);
    }
    match value.format() {
        PgValueFormat::Binary => {
            value.as_bytes().map(Some).map_err(|error| unexpected(column, &error.to_string()))
        }
        PgValueFormat::Text => Err(unexpected(column, "was sent as text")),
    }
}

fn unexpected(column: usize, problem: &str) -> Error {
    Error::corrupt("events", format!("column {column} of the row {problem}"))
}

/// Returns a column's value.
pub(crate) fn get<'r, T>(row: &'r PgRow, column: usize) -> Result<T>
where
    T: Decode<'r, Postgres> + Type<Postgres>,
{
    row.try_get(column).map_err(|error| classify("read a row", error))
}

/// Returns the positions of a commit, from the column `first`, the column `last` and a list. The list is null if no
/// other commit's events lie between.
pub(crate) fn positions(row: &PgRow, [first, last, list]: [usize; 3]) -> Result<Positions> {
    if let Some(list) = get::<Option<Vec<i64>>>(row, list)? {
        return Positions::listed(list.into_iter().map(Position::new).collect::<Result<_>>()?);
    }
    match (get::<Option<i64>>(row, first)?, get::<Option<i64>>(row, last)?) {
        (Some(first), Some(last)) => Positions::span(Position::new(first)?, Position::new(last)?),
        _ => Ok(Positions::NONE),
    }
}
