//! Appends events, several in each statement.

use std::collections::HashMap;
use std::sync::LazyLock;

use evercore::engine::{Commit, NewEvent, Positions};
use evercore::{AggregateId, Error, Position, Sequence};
use rusqlite::{CachedStatement, Connection};

use super::index_tags::{TagRow, index_tags};
use super::preconditions::StoredAggregates;
use crate::error::{Problem, because};
use crate::row::checked;
use crate::types::{AggregateTypeId, EventTypeId, Names};

/// A statement for each of several numbers of events: the overhead of a statement is larger than the cost of an event.
static INSERTS: LazyLock<Inserts> = LazyLock::new(|| inserts(INSERT_EVENTS, COLUMNS));

/// The same for the events of a commit that has tags, which are a further column.
static TAGGED_INSERTS: LazyLock<Inserts> =
    LazyLock::new(|| inserts(INSERT_TAGGED_EVENTS, COLUMNS + 1));

type Inserts = [(usize, String); 4];

const INSERT_EVENTS: &str = include_str!("insert_events.sql");
const INSERT_TAGGED_EVENTS: &str = include_str!("insert_tagged_events.sql");
const COLUMNS: usize = 12;
const LEFT_OUT: &str = "a trigger of this database dropped some of the rows";

/// An aggregate to which events are appended.
struct Stream {
    aggregate_type: Option<AggregateTypeId>,
    /// The sequence of its last event.
    sequence: Sequence,
}

/// The values that the transaction gives an event.
struct Place {
    sequence: Sequence,
    event_type: EventTypeId,
}

/// Appends the events of a commit, and the rows by which they are found by their tags. Returns their positions.
pub(super) fn append(
    connection: &Connection,
    names: &Names,
    commit: &Commit,
    standings: &StoredAggregates,
) -> Result<Positions, Problem> {
    let mut streams: HashMap<AggregateId, Stream> = commit
        .writes
        .iter()
        .map(|write| {
            let found = standings.get(&write.id).and_then(Option::as_ref);
            let sequence = found.map_or(Sequence::ZERO, |found| found.sequence);
            (write.id, Stream { aggregate_type: names.aggregate(write.aggregate_type), sequence })
        })
        .collect();
    let recorded_at = commit.recorded_at.timestamp_micros();
    let mut left = &commit.events[..];
    let mut tagged = Vec::new();
    let mut first = None;
    let is_tagged = commit.events.iter().any(|event| !event.tags.is_empty());
    let (inserts, columns) =
        if is_tagged { (&*TAGGED_INSERTS, COLUMNS + 1) } else { (&*INSERTS, COLUMNS) };
    for (rows, sql) in inserts {
        if left.len() < *rows {
            continue;
        }
        let mut statement = connection.prepare_cached(sql)?;
        while left.len() >= *rows {
            let (now, later) = left.split_at(*rows);
            for (row, event) in now.iter().enumerate() {
                let place = place(names, event, &mut streams);
                let index = commit.events.len() - left.len() + row;
                if is_tagged {
                    let event_type = place.event_type;
                    tagged.extend(
                        event.tags.indexes().map(|tag| TagRow::new(tag, event_type, index)),
                    );
                    let last = (row + 1) * columns;
                    statement.raw_bind_parameter(last, event.tags.to_column())?;
                }
                bind(&mut statement, row * columns, event, place, recorded_at)?;
            }
            if statement.raw_execute()? != *rows {
                return Err(Error::storage("append events", because(LEFT_OUT)).into());
            }
            // There is no other writer, so the row ids of a statement are consecutive.
            let before = i64::try_from(rows - 1).unwrap_or(0);
            first.get_or_insert_with(|| connection.last_insert_rowid() - before);
            left = later;
        }
    }
    let Some(first) = first else { return Ok(Positions::NONE) };
    let last = connection.last_insert_rowid();
    if !tagged.is_empty() {
        index_tags(connection, tagged, first)?;
    }
    let position = |row_id| checked(Position::new(row_id), "events.position");
    Ok(Positions::span(position(first)?, position(last)?)?)
}

fn place(names: &Names, event: &NewEvent, streams: &mut HashMap<AggregateId, Stream>) -> Place {
    let (id, name) = (event.meta.aggregate_id(), event.event_type);
    let stream = streams.get_mut(&id);
    let event_type = stream.as_ref().and_then(|stream| names.event(stream.aggregate_type?, name));
    let (Some(stream), Some(event_type)) = (stream, event_type) else {
        panic!("BUG: the event `{name}` of aggregate {id} does not belong to its commit");
    };
    stream.sequence = stream.sequence.next();
    Place { sequence: stream.sequence, event_type }
}

/// Binds an event to the parameters that follow the first `after` ones.
fn bind(
    statement: &mut CachedStatement<'_>,
    after: usize,
    event: &NewEvent,
    place: Place,
    recorded_at: i64,
) -> rusqlite::Result<()> {
    let NewEvent { event_type: _, version, payload, meta, metadata_column, tags: _ } = event;
    let metadata = meta.metadata();
    statement.raw_bind_parameter(after + 1, meta.aggregate_id().get())?;
    statement.raw_bind_parameter(after + 2, place.sequence.get())?;
    statement.raw_bind_parameter(after + 3, place.event_type.get())?;
    statement.raw_bind_parameter(after + 4, version)?;
    statement.raw_bind_parameter(after + 5, payload.stored_format())?;
    statement.raw_bind_parameter(after + 6, &payload.stored_bytes()[..])?;
    statement.raw_bind_parameter(after + 7, meta.event_time().timestamp_micros())?;
    statement.raw_bind_parameter(after + 8, recorded_at)?;
    statement.raw_bind_parameter(after + 9, meta.reference())?;
    statement.raw_bind_parameter(after + 10, metadata.correlation_id())?;
    statement.raw_bind_parameter(after + 11, metadata.causation_id())?;
    statement.raw_bind_parameter(after + 12, metadata_column.as_deref())
}

fn inserts(beginning: &str, columns: usize) -> Inserts {
    let tuple = format!("({})", vec!["?"; columns].join(", "));
    [64, 16, 4, 1].map(|rows| (rows, [beginning, &vec![&*tuple; rows].join(", ")].concat()))
}
