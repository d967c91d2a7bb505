//! Reads an aggregate.

use bytes::Bytes;
use evercore::engine::{HistoryRequest, LoadRequest, LoadedAggregate, StoredSnapshot, Target};
use evercore::{AggregateId, Error, NaturalKey, RecordedEvent, Result, Sequence};
use sqlx::{Row, SqliteConnection};

use crate::error::Problem;
use crate::page::{RawPage, checked};
use crate::types::{AggregateTypeId, Types};

pub(crate) const LOAD: &str = include_str!("load.sql");
pub(crate) const READ_HISTORY: &str = include_str!("read_history.sql");

/// An aggregate, its snapshot and the first page of its events, in one statement and so as of one moment.
pub(crate) async fn load(
    connection: &mut SqliteConnection,
    types: &Types,
    request: &LoadRequest,
) -> Result<Option<LoadedAggregate>, Problem> {
    let (id, key) = match &request.target {
        Target::Id(id) => (Some(id.get()), None),
        Target::Key(key) => (None, Some(key.as_str())),
    };
    let names = types
        .knowing(connection, |names| names.aggregate(request.aggregate_type).is_some())
        .await?;
    let wanted_type = names.aggregate(request.aggregate_type).unwrap_or(AggregateTypeId::NONE);
    let row = sqlx::query(LOAD)
        .bind(id)
        .bind(wanted_type.get())
        .bind(key)
        .bind(request.snapshot.map(|fingerprint| fingerprint.get().cast_signed()))
        .bind(request.up_to.map_or(i64::MAX, Sequence::get))
        .bind(i64::from(request.limit))
        .fetch_one(&mut *connection)
        .await?;
    let Some(id) = row.try_get::<Option<i64>, _>(0)? else {
        return Ok(None);
    };
    let found_type = AggregateTypeId::new(row.try_get(1)?);
    let key: Option<String> = row.try_get(2)?;
    let snapshot = match (row.try_get::<Option<i64>, _>(3)?, row.try_get::<Option<Vec<u8>>, _>(4)?)
    {
        (Some(sequence), Some(state)) => Some(StoredSnapshot {
            sequence: checked(Sequence::new(sequence), "snapshots.sequence")?,
            state: Bytes::from(state),
        }),
        _ => None,
    };
    let events = RawPage::from_row(&row, 5)?.into_events(types, connection).await?;
    if found_type == wanted_type {
        let start = snapshot.as_ref().map_or(0, |snapshot| snapshot.sequence.get());
        check_whole(start, &events, row.try_get(7)?, request)?;
    }
    let names = types.knowing(connection, |names| names.aggregate_name(found_type).is_ok()).await?;
    Ok(Some(LoadedAggregate {
        id: checked(AggregateId::new(id), "aggregates.id")?,
        aggregate_type: names.aggregate_name(found_type)?,
        key: checked(key.map(NaturalKey::new).transpose(), "aggregates.natural_key")?,
        snapshot,
        events,
    }))
}

/// A page of an aggregate's events.
pub(crate) async fn read_history(
    connection: &mut SqliteConnection,
    types: &Types,
    request: HistoryRequest,
) -> Result<Vec<RecordedEvent>, Problem> {
    let row = sqlx::query(READ_HISTORY)
        .bind(request.id.get())
        .bind(request.after.get())
        .bind(request.up_to.map_or(i64::MAX, Sequence::get))
        .bind(i64::from(request.limit))
        .fetch_one(&mut *connection)
        .await?;
    RawPage::from_row(&row, 0)?.into_events(types, connection).await
}

/// A page that ends early would be taken for the last one, and the state for the newest.
fn check_whole(
    start: i64,
    events: &[RecordedEvent],
    head: Option<i64>,
    request: &LoadRequest,
) -> Result<()> {
    let up_to = request.up_to.map_or(i64::MAX, Sequence::get);
    let wanted = head.unwrap_or(0).min(up_to).min(start.saturating_add(request.limit.into()));
    let reached = events.last().map_or(start, |event| event.sequence().get());
    if reached < wanted {
        let problem =
            format!("an aggregate lacks events from sequence {} up to {wanted}", reached + 1);
        return Err(Error::corrupt("events", problem));
    }
    Ok(())
}
