//! Shows the stored rows as they are, for verification.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use evercore::engine::{
    EventKey, InspectEvents, InspectedAggregate, InspectedColumns, InspectedCommit, InspectedEvent,
    InspectedKey, InspectedParked, InspectedPartition, InspectedPosition, InspectedSnapshot,
    InspectedSubscription, InspectedTag, InspectedTagged, Inspection, LastGiven, TagKey,
};
use evercore::{CommitId, Error, EventFilter, Fingerprint, NaturalKey, RecordedEvent, Result};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Params, Row, ToSql, params};
use uuid::Uuid;

use crate::engine::SqliteEngine;
use crate::error::{Class, Problem};
use crate::read_transaction::read_transaction;
use crate::row::{Page, tags};
use crate::types::Types;

const AGGREGATES: &str = include_str!("inspection/aggregates.sql");
const COMMITS: &str = include_str!("inspection/commits.sql");
const EVENTS: &str = include_str!("inspection/events.sql");
const KEYS: &str = include_str!("inspection/keys.sql");
const LAST_GIVEN: &str = include_str!("inspection/last_given.sql");
const PARKED: &str = include_str!("inspection/parked.sql");
const POSITIONS: &str = include_str!("inspection/positions.sql");
const HAS_TAG: &str =
    "SELECT 1 FROM event_tags WHERE tag = ?1 AND event_type_id = ?2 AND position = ?3";
const TAG_INDEX: &str = include_str!("inspection/tag_index.sql");
const SUBSCRIPTIONS: &str = include_str!("inspection/subscriptions.sql");

/// The index of the column with the type of an event.
const EVENT_TYPE: usize = 3;
/// The index of the column that follows those of an event.
const HAS_AGGREGATE: usize = 14;

#[async_trait]
impl Inspection for SqliteEngine {
    async fn aggregates(&self, after: Option<i64>, limit: u32) -> Result<Vec<InspectedAggregate>> {
        let page = (after.unwrap_or(i64::MIN), limit);
        self.inspect("inspect aggregates", AGGREGATES, page, aggregate).await
    }

    async fn events(&self, request: &InspectEvents) -> Result<Vec<InspectedEvent>> {
        let request = *request;
        let read = move |connection: &_, types: &_| {
            read_transaction(connection, || events(connection, types, request))
        };
        self.read("inspect events", read).await
    }

    async fn positions(&self, after: Option<EventKey>, limit: u32) -> Result<Vec<EventKey>> {
        let after = after
            .map_or((i64::MIN, 0, 0), |after| (after.position, after.aggregate_id, after.sequence));
        let page = (after.0, after.1, after.2, limit);
        self.inspect("inspect positions", POSITIONS, page, |row| {
            let (aggregate_id, sequence, position) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(EventKey { aggregate_id, sequence, position })
        })
        .await
    }

    async fn tag_index(&self, after: Option<TagKey>, limit: u32) -> Result<Vec<InspectedTag>> {
        let after = after.map_or((i64::MIN, i64::MIN, i64::MIN), |after| {
            (after.tag, after.event_type, after.position)
        });
        let page = (after.0, after.1, after.2, limit);
        self.inspect("inspect the index of tags", TAG_INDEX, page, indexed_tag).await
    }

    async fn keys(
        &self,
        aggregate_type: &str,
        after: Option<&[u8]>,
        limit: u32,
    ) -> Result<Vec<InspectedKey>> {
        let after = Text(after.unwrap_or_default().to_vec());
        let page = (aggregate_type.to_owned(), after, limit);
        self.inspect("inspect natural keys", KEYS, page, |row| {
            let key = row.get_ref(0)?.as_bytes().map_err(rusqlite::Error::from)?.to_vec();
            let (holders, first, last) = (row.get::<_, i64>(1)?, row.get(2)?, row.get(3)?);
            Ok(InspectedKey::new(key, holders.cast_unsigned(), first, last))
        })
        .await
    }

    async fn commits(&self, after: Option<CommitId>, limit: u32) -> Result<Vec<InspectedCommit>> {
        let after = after.map_or_else(Vec::new, |after| after.as_uuid().as_bytes().to_vec());
        self.inspect("inspect commits", COMMITS, (after, limit), commit).await
    }

    async fn durable_subscriptions(
        &self,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<InspectedSubscription>> {
        let after = after.unwrap_or_default().to_owned();
        let read = move |connection: &_, _: &_| subscriptions(connection, &after, limit);
        self.read("inspect subscriptions", read).await
    }

    async fn parked(&self, after: Option<(&str, i64)>, limit: u32) -> Result<Vec<InspectedParked>> {
        let (subscription, position) = after.unwrap_or_default();
        let page = (subscription.to_owned(), position, limit);
        self.inspect("inspect parked events", PARKED, page, |row| {
            let mut shown = InspectedParked::new(row.get(0)?, row.get(1)?, row.get(2)?);
            if let Some(aggregate_id) = row.get(3)? {
                // Tags and filters that cannot be read are findings of their own.
                let tags = tags(row, 4).unwrap_or_default();
                let filter = row.get_ref(5)?.as_str_or_null().ok().flatten();
                let filter = filter.map(EventFilter::from_column).and_then(Result::ok);
                shown.is_there =
                    shown.has_lane_of(&filter.unwrap_or_default(), aggregate_id, &tags);
            }
            shown.cursor = row.get(6)?;
            Ok(shown)
        })
        .await
    }

    async fn last_given(&self) -> Result<LastGiven> {
        let read = |connection: &Connection, _: &_| {
            let last = connection.query_row(LAST_GIVEN, [], |row| {
                let (position, aggregate_id, token) = (row.get(0)?, row.get(1)?, row.get(2)?);
                Ok(LastGiven::new(position, aggregate_id, token))
            });
            Ok(last?)
        };
        self.read("inspect the last assigned numbers", read).await
    }
}

impl SqliteEngine {
    /// Reads a page and converts each row.
    async fn inspect<P, T>(
        &self,
        operation: &'static str,
        sql: &'static str,
        page: P,
        shown: fn(&Row<'_>) -> Result<T, Problem>,
    ) -> Result<Vec<T>>
    where
        P: Params + Send + 'static,
        T: Send + 'static,
    {
        let read = move |connection: &Connection, _: &_| {
            let mut statement = connection.prepare_cached(sql)?;
            let mut rows = statement.query(page)?;
            let mut all = Vec::new();
            while let Some(row) = rows.next()? {
                all.push(shown(row)?);
            }
            Ok(all)
        };
        self.read(operation, read).await
    }
}

/// The bytes of a text, which may not be UTF-8.
struct Text(Vec<u8>);

impl ToSql for Text {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(&self.0)))
    }
}

fn aggregate(row: &Row<'_>) -> Result<InspectedAggregate, Problem> {
    let is_there: bool = row.get(1)?;
    let aggregate_type: Option<Arc<str>> = row.get(2)?;
    let key = row.get_ref(3)?.as_bytes_or_null().map_err(rusqlite::Error::from)?.map(natural_key);
    let snapshot = match row.get(4)? {
        Some(sequence) => {
            let (fingerprint, state): (i64, Vec<u8>) = (row.get(5)?, row.get(6)?);
            let fingerprint = Fingerprint::new(fingerprint.cast_unsigned());
            Some(InspectedSnapshot::new(sequence, fingerprint, Bytes::from(state)))
        }
        None => None,
    };
    let columns = InspectedColumns::new(aggregate_type, key);
    Ok(InspectedAggregate::new(row.get(0)?, is_there.then_some(columns), snapshot))
}

fn natural_key(bytes: &[u8]) -> Result<NaturalKey> {
    let text = std::str::from_utf8(bytes);
    let text = text.map_err(|error| Error::corrupt("natural key", error.to_string()))?;
    NaturalKey::new(text)
}

fn events(
    connection: &Connection,
    types: &Types,
    request: InspectEvents,
) -> Result<Vec<InspectedEvent>, Problem> {
    let InspectEvents { after, up_to, limit } = request;
    let mut statement = connection.prepare_cached(EVENTS)?;
    let mut rows = statement.query(params![
        after.aggregate_id,
        after.sequence,
        after.position,
        up_to,
        limit
    ])?;
    let mut page = Page::new(connection, types);
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        let (position, aggregate_id, sequence) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let place = EventKey { aggregate_id, sequence, position };
        let event = match page.event(row) {
            Ok(event) => Ok(event),
            Err(Problem::Answer(error)) => Err(error),
            // The row exists, but one of its values is invalid.
            Err(Problem::Driver(failure)) if failure.class() == Class::Other => {
                Err(Error::corrupt("events", failure.to_string()))
            }
            Err(problem) => return Err(problem),
        };
        let event_type = row.get(EVENT_TYPE)?;
        let mut shown = InspectedEvent::new(place, row.get(HAS_AGGREGATE)?, event);
        if let Ok(event) = &shown.event {
            shown.unindexed = unindexed(connection, event, event_type)?;
        }
        events.push(shown);
    }
    Ok(events)
}

/// Returns those of an event's tags for which the index has no row.
fn unindexed(
    connection: &Connection,
    event: &RecordedEvent,
    event_type: i64,
) -> Result<Vec<String>, Problem> {
    let mut missing = Vec::new();
    for (tag, number) in event.tags().iter().zip(event.tags().indexes()) {
        let row = params![number, event_type, event.position().get()];
        if !connection.prepare_cached(HAS_TAG)?.exists(row)? {
            missing.push(tag.to_owned());
        }
    }
    Ok(missing)
}

fn indexed_tag(row: &Row<'_>) -> Result<InspectedTag, Problem> {
    let key = TagKey { tag: row.get(0)?, event_type: row.get(1)?, position: row.get(2)? };
    if !row.get::<_, bool>(3)? {
        return Ok(InspectedTag::new(key, None));
    }
    let tags = match tags(row, 5) {
        Ok(tags) => Ok(tags),
        Err(Problem::Answer(error)) => Err(error),
        Err(Problem::Driver(failure)) => Err(Error::corrupt("tags", failure.to_string())),
    };
    Ok(InspectedTag::new(key, Some(InspectedTagged::new(row.get(4)?, tags))))
}

fn commit(row: &Row<'_>) -> Result<InspectedCommit, Problem> {
    let id: Vec<u8> = row.get(0)?;
    let id =
        Uuid::from_slice(&id).map_err(|error| Error::corrupt("commits.id", error.to_string()))?;
    let refer = |column| -> rusqlite::Result<Option<InspectedPosition>> {
        let (position, is_there) = (row.get::<_, Option<i64>>(column)?, row.get(column + 1)?);
        Ok(position.map(|position| InspectedPosition::new(position, is_there)))
    };
    let mut shown = InspectedCommit::new(CommitId::from_uuid(id), row.get(1)?);
    shown.first = refer(2)?;
    shown.last = refer(4)?;
    shown.idempotency_key = row.get(6)?;
    Ok(shown)
}

fn subscriptions(
    connection: &Connection,
    after: &str,
    limit: u32,
) -> Result<Vec<InspectedSubscription>, Problem> {
    let mut statement = connection.prepare_cached(SUBSCRIPTIONS)?;
    let mut rows = statement.query(params![after, limit])?;
    let mut subscriptions: Vec<InspectedSubscription> = Vec::new();
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        if subscriptions.last().is_none_or(|last| last.name != name) {
            let filter: String = row.get(1)?;
            subscriptions.push(InspectedSubscription::new(
                name,
                EventFilter::from_column(&filter),
                row.get(2)?,
                row.get(8)?,
            ));
        }
        if let Some(number) = row.get(3)? {
            let last = subscriptions.last_mut().expect("BUG: the element was just pushed");
            let mut shown = InspectedPartition::new(number, row.get(4)?, row.get(5)?);
            shown.owner = row.get(6)?;
            shown.has_end = row.get(7)?;
            last.found.push(shown);
        }
    }
    Ok(subscriptions)
}
