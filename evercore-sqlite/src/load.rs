//! Reads aggregates and their histories.

use bytes::Bytes;
use evercore::engine::{HistoryRequest, LoadRequest, LoadTarget, LoadedAggregate, StoredSnapshot};
use evercore::{AggregateId, Error, NaturalKey, RecordedEvent, Result, Sequence};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::error::Problem;
use crate::read_transaction::read_transaction;
use crate::row::{Page, checked};
use crate::types::{AggregateTypeId, Types};

const LOAD: &str = include_str!("load.sql");
const READ_HISTORY: &str = include_str!("read_history.sql");

/// The columns of an aggregate and its snapshot.
struct Found {
    id: i64,
    aggregate_type: AggregateTypeId,
    key: Option<String>,
    snapshot_sequence: Option<i64>,
    snapshot_state: Option<Vec<u8>>,
}

/// Reads an aggregate, its snapshot and the first page of its events, as of one moment.
pub(crate) fn load(
    connection: &Connection,
    types: &Types,
    request: &LoadRequest,
) -> Result<Option<LoadedAggregate>, Problem> {
    read_transaction(connection, || find(connection, types, request))
}

/// Reads a page of an aggregate's events.
pub(crate) fn read_history(
    connection: &Connection,
    types: &Types,
    request: HistoryRequest,
) -> Result<Vec<RecordedEvent>, Problem> {
    let up_to = request.up_to.map_or(i64::MAX, Sequence::get);
    let mut statement = connection.prepare_cached(READ_HISTORY)?;
    let page = params![request.id.get(), request.after.get(), up_to, request.limit];
    Page::new(connection, types).read(statement.query(page)?)
}

fn find(
    connection: &Connection,
    types: &Types,
    request: &LoadRequest,
) -> Result<Option<LoadedAggregate>, Problem> {
    let names =
        types.knowing(connection, |names| names.aggregate(request.aggregate_type).is_some())?;
    let wanted_type = names.aggregate(request.aggregate_type).unwrap_or(AggregateTypeId::NONE);
    let Some(found) = Found::read(connection, wanted_type, request)? else { return Ok(None) };
    let id = checked(AggregateId::new(found.id), "aggregates.id")?;
    let snapshot = match (found.snapshot_sequence, found.snapshot_state) {
        (Some(sequence), Some(state)) => Some(StoredSnapshot::new(
            checked(Sequence::new(sequence), "snapshots.sequence")?,
            Bytes::from(state),
        )),
        _ => None,
    };
    let start = snapshot.as_ref().map_or(Sequence::ZERO, |snapshot| snapshot.sequence);
    let events = if found.aggregate_type == wanted_type {
        read_tail(connection, types, request, id, start)?
    } else {
        Vec::new()
    };
    let names =
        types.knowing(connection, |names| names.aggregate_name(found.aggregate_type).is_ok())?;
    let mut made = LoadedAggregate::new(id, names.aggregate_name(found.aggregate_type)?);
    made.key = checked(found.key.map(NaturalKey::new).transpose(), "aggregates.natural_key")?;
    made.snapshot = snapshot;
    made.events = events;
    Ok(Some(made))
}

/// Reads the first page after the snapshot, and refuses gaps: a page without its last events would be taken for the end
/// of the history, and the state for the newest.
fn read_tail(
    connection: &Connection,
    types: &Types,
    request: &LoadRequest,
    id: AggregateId,
    start: Sequence,
) -> Result<Vec<RecordedEvent>, Problem> {
    let LoadRequest { up_to, limit, .. } = *request;
    let page = HistoryRequest { id, after: start, up_to, limit };
    let events = read_history(connection, types, page)?;
    let mut reached = start;
    for event in &events {
        if event.sequence() != reached.next() {
            let problem =
                format!("aggregate {id} lacks the event with sequence {}", reached.next());
            return Err(Error::corrupt("events", problem).into());
        }
        reached = event.sequence();
    }
    Ok(events)
}

impl Found {
    fn read(
        connection: &Connection,
        wanted_type: AggregateTypeId,
        request: &LoadRequest,
    ) -> Result<Option<Self>, Problem> {
        let (id, key, name) = match &request.target {
            LoadTarget::Id(id) => (Some(id.get()), None, None),
            LoadTarget::Key(key) => (None, Some(key.as_str()), None),
            LoadTarget::Unique(value) => (None, Some(value.value()), Some(value.name())),
        };
        let fingerprint = request.snapshot.map(|fingerprint| fingerprint.get().cast_signed());
        let up_to = request.up_to.map_or(i64::MAX, Sequence::get);
        let mut statement = connection.prepare_cached(LOAD)?;
        let wanted = params![id, wanted_type.get(), key, fingerprint, up_to, name];
        Ok(statement.query_row(wanted, Self::from_row).optional()?)
    }

    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            aggregate_type: AggregateTypeId::new(row.get(1)?),
            key: row.get(2)?,
            snapshot_sequence: row.get(3)?,
            snapshot_state: row.get(4)?,
        })
    }
}
