//! A page of events: from one row to recorded events. Everything that comes out of a row is checked here.
//!
//! The statements return a page as two values, since the driver costs more per row than SQLite does: the columns of all
//! events as one JSON array, and all payloads one after the other, which the events then share.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use evercore::engine::EventRow;
use evercore::{AggregateId, Error, Metadata, Payload, Position, RecordedEvent, Result, Sequence};
use serde::Deserialize;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::error::{Failure, Problem};
use crate::types::{EventTypeId, Names, Types};

/// A page as it came from the database.
#[derive(Debug)]
pub(crate) struct RawPage {
    columns: String,
    payloads: Bytes,
}

/// The columns of an event, in the order of the statements' `json_array`. Most events have none of the last four, and
/// their arrays end before these.
#[derive(Debug, Deserialize)]
struct Columns {
    position: i64,
    aggregate_id: i64,
    sequence: i64,
    event_type_id: i64,
    version: i64,
    codec: i64,
    payload_bytes: usize,
    event_time: i64,
    recorded_at: i64,
    #[serde(default)]
    reference: Option<Box<str>>,
    #[serde(default)]
    correlation_id: Option<String>,
    #[serde(default)]
    causation_id: Option<String>,
    #[serde(default)]
    metadata: Option<String>,
}

impl RawPage {
    /// Takes the columns `events` and `payloads`, which follow each other from `index`.
    pub(crate) fn from_row(row: &SqliteRow, index: usize) -> Result<Self, Failure> {
        let columns = row.try_get(index)?;
        let payloads: Option<Vec<u8>> = row.try_get(index + 1)?;
        Ok(Self { columns, payloads: payloads.unwrap_or_default().into() })
    }

    /// The events. Asks the connection for names of types that this process has not met.
    pub(crate) async fn into_events(
        self,
        types: &Types,
        connection: &mut SqliteConnection,
    ) -> Result<Vec<RecordedEvent>, Problem> {
        let columns: Vec<Columns> = serde_json::from_str(&self.columns)
            .map_err(|error| Error::corrupt("events", error.to_string()))?;
        let knows =
            |names: &Names| columns.iter().all(|event| names.event_name(event.type_id()).is_some());
        let names = types.knowing(connection, knows).await?;
        Ok(self.cut(columns, &names)?)
    }

    fn cut(self, columns: Vec<Columns>, names: &Names) -> Result<Vec<RecordedEvent>> {
        let mut payloads = self.payloads;
        let mut events = Vec::with_capacity(columns.len());
        for event in columns {
            if event.payload_bytes > payloads.len() {
                return Err(Error::corrupt(
                    "events.payload",
                    "a page holds less than its rows say",
                ));
            }
            let payload = payloads.split_to(event.payload_bytes);
            events.push(event.recorded(payload, names)?);
        }
        Ok(events)
    }
}

impl Columns {
    fn type_id(&self) -> EventTypeId {
        EventTypeId::new(self.event_type_id)
    }

    fn recorded(self, payload: Bytes, names: &Names) -> Result<RecordedEvent> {
        let name = names.event_name(self.type_id()).ok_or_else(|| {
            Error::corrupt("events.event_type_id", at(self.position, "there is no such type"))
        })?;
        let codec = i16::try_from(self.codec)
            .map_err(|_| Error::corrupt("events.codec", at(self.position, "out of range")))?;
        let row = EventRow {
            position: checked(Position::new(self.position), "events.position")?,
            aggregate_id: checked(AggregateId::new(self.aggregate_id), "events.aggregate_id")?,
            sequence: checked(Sequence::new(self.sequence), "events.sequence")?,
            aggregate_type: Arc::clone(&name.aggregate),
            event_type: Arc::clone(&name.event),
            version: u32::try_from(self.version)
                .map_err(|_| Error::corrupt("events.version", at(self.position, "out of range")))?,
            payload: Payload::from_stored(codec, payload)?,
            event_time: time(self.event_time, "events.event_time")?,
            recorded_at: time(self.recorded_at, "events.recorded_at")?,
            reference: self.reference,
            metadata: match (self.correlation_id, self.causation_id, self.metadata) {
                (None, None, None) => None,
                (correlation, causation, column) => Some(Box::new(Metadata::from_columns(
                    correlation,
                    causation,
                    column.as_deref(),
                )?)),
            },
        };
        Ok(row.into())
    }
}

/// Names the column that a number out of its range came from.
pub(crate) fn checked<T>(number: Result<T>, column: &'static str) -> Result<T> {
    number.map_err(|error| Error::corrupt(column, error.to_string()))
}

pub(crate) fn time(micros: i64, column: &'static str) -> Result<DateTime<Utc>> {
    DateTime::from_timestamp_micros(micros)
        .ok_or_else(|| Error::corrupt(column, "it is beyond what a calendar holds"))
}

fn at(position: i64, problem: &str) -> String {
    format!("at position {position}: {problem}")
}
