//! Converts a page of rows to recorded events, and checks every value.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use chrono::{DateTime, Utc};
use evercore::boundary::Tags;
use evercore::engine::EventRow;
use evercore::format::Payload;
use evercore::{AggregateId, Error, Metadata, Position, RecordedEvent, Result, Sequence};
use rusqlite::{Connection, Row, Rows};

use crate::error::Problem;
use crate::types::{EventName, EventTypeId, Names, Types};

/// The sizes of the pieces of memory that payloads of a page share. Each piece is larger than the one before.
const FIRST_PIECE_BYTES: usize = 2 * 1024;
const LARGEST_PIECE_BYTES: usize = 32 * 1024;

/// The index of the last column of an event.
const TAGS: usize = 13;

/// Converts rows to events. All statements that read pages begin with the same columns, in the order in which they are
/// read here.
pub(crate) struct Page<'a> {
    connection: &'a Connection,
    types: &'a Types,
    names: Arc<Names>,
    /// The type of the last event, which the next event often has, too.
    last_type: Option<(EventTypeId, EventName)>,
    /// The memory for the payload of the next event.
    piece: BytesMut,
    next_piece_bytes: usize,
}

impl<'a> Page<'a> {
    /// Starts a page. Names of types that are not in the cache are read from the connection.
    pub(crate) fn new(connection: &'a Connection, types: &'a Types) -> Self {
        Self {
            connection,
            types,
            names: types.known(),
            last_type: None,
            piece: BytesMut::new(),
            next_piece_bytes: FIRST_PIECE_BYTES,
        }
    }

    /// Converts all rows.
    pub(crate) fn read(mut self, mut rows: Rows<'_>) -> Result<Vec<RecordedEvent>, Problem> {
        let mut events = Vec::new();
        while let Some(row) = rows.next()? {
            events.push(self.event(row)?);
        }
        Ok(events)
    }

    /// Converts the rows that are wanted by their aggregates and tags, until the page is full.
    pub(crate) fn read_lanes(
        mut self,
        mut rows: Rows<'_>,
        most: usize,
        is_wanted: impl Fn(AggregateId, &Tags) -> bool,
    ) -> Result<Vec<RecordedEvent>, Problem> {
        let mut events = Vec::new();
        while events.len() < most
            && let Some(row) = rows.next()?
        {
            let id = checked(AggregateId::new(row.get(1)?), "events.aggregate_id")?;
            if is_wanted(id, &tags(row, TAGS)?) {
                events.push(self.event(row)?);
            }
        }
        Ok(events)
    }

    /// Converts one row.
    pub(crate) fn event(&mut self, row: &Row<'_>) -> Result<RecordedEvent, Problem> {
        let position = row.get(0)?;
        let out_of_range =
            |column: &'static str| move |_| Error::corrupt(column, at(position, "out of range"));
        let (version, codec): (i64, i64) = (row.get(4)?, row.get(5)?);
        let codec = i16::try_from(codec).map_err(out_of_range("events.codec"))?;
        let name = self.name(EventTypeId::new(row.get(3)?), position)?;
        let mut event = EventRow::new(
            checked(Position::new(position), "events.position")?,
            checked(AggregateId::new(row.get(1)?), "events.aggregate_id")?,
            checked(Sequence::new(row.get(2)?), "events.sequence")?,
            name.aggregate,
            name.event,
            Payload::from_stored(codec, self.payload(row)?)?,
            time(row.get(8)?, "events.recorded_at")?,
        );
        event.version = u32::try_from(version).map_err(out_of_range("events.version"))?;
        event.event_time = time(row.get(7)?, "events.event_time")?;
        event.reference = row.get(9)?;
        event.metadata = metadata(row)?;
        event.tags = tags(row, TAGS)?;
        Ok(event.into())
    }

    fn name(&mut self, id: EventTypeId, position: i64) -> Result<EventName, Problem> {
        if let Some((last, name)) = &self.last_type
            && *last == id
        {
            return Ok(name.clone());
        }
        if self.names.event_name(id).is_none() {
            self.names = self.types.refresh(self.connection)?;
        }
        let name = self.names.event_name(id).ok_or_else(|| {
            Error::corrupt(
                "events.event_type_id",
                at(position, "its type number has no row in `event_types`"),
            )
        })?;
        self.last_type = Some((id, name.clone()));
        Ok(name.clone())
    }

    fn payload(&mut self, row: &Row<'_>) -> Result<Bytes, Problem> {
        let payload = row.get_ref(6)?.as_blob().map_err(rusqlite::Error::from)?;
        if self.piece.capacity() < payload.len() {
            self.piece = BytesMut::with_capacity(self.next_piece_bytes.max(payload.len()));
            self.next_piece_bytes = (self.next_piece_bytes * 2).min(LARGEST_PIECE_BYTES);
        }
        self.piece.extend_from_slice(payload);
        Ok(self.piece.split().freeze())
    }
}

/// Adds the column's name to the error of a number that is out of range.
pub(crate) fn checked<T>(number: Result<T>, column: &'static str) -> Result<T> {
    number.map_err(|error| Error::corrupt(column, error.to_string()))
}

/// Converts a duration to microseconds. One that does not fit becomes a time that never ends.
pub(crate) fn micros(time: Duration) -> i64 {
    // Half of the range, so that adding the current time does not overflow.
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX / 2).min(i64::MAX / 2)
}

pub(crate) fn time(micros: i64, column: &'static str) -> Result<DateTime<Utc>> {
    DateTime::from_timestamp_micros(micros)
        .ok_or_else(|| Error::corrupt(column, "it is outside the range of valid times"))
}

fn metadata(row: &Row<'_>) -> Result<Option<Box<Metadata>>, Problem> {
    let (correlation, causation): (Option<String>, Option<String>) = (row.get(10)?, row.get(11)?);
    let column: Option<&str> = row.get_ref(12)?.as_str_or_null().map_err(rusqlite::Error::from)?;
    if correlation.is_none() && causation.is_none() && column.is_none() {
        return Ok(None);
    }
    Ok(Some(Box::new(Metadata::from_columns(correlation, causation, column)?)))
}

/// Reads the tags of an event from a column.
pub(crate) fn tags(row: &Row<'_>, column: usize) -> Result<Tags, Problem> {
    let column = row.get_ref(column)?.as_str_or_null().map_err(rusqlite::Error::from)?;
    Ok(Tags::from_column(column)?)
}

fn at(position: i64, problem: &str) -> String {
    format!("at position {position}: {problem}")
}

/// Encodes a list for `json_each`.
pub(crate) fn json(list: &impl serde::Serialize) -> String {
    serde_json::to_string(list).expect("BUG: lists of numbers and texts have a JSON form")
}
