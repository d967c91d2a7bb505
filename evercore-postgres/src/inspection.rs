//! Shows the stored rows as they are, for verification.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use evercore::boundary::Tags;
use evercore::engine::{
    EventKey, InspectEvents, InspectedAggregate, InspectedColumns, InspectedCommit, InspectedEvent,
    InspectedKey, InspectedParked, InspectedPartition, InspectedPosition, InspectedSnapshot,
    InspectedSubscription, InspectedTag, InspectedTagged, Inspection, LastGiven, TagKey,
};
use evercore::{CommitId, Error, EventFilter, Fingerprint, NaturalKey, RecordedEvent, Result};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Postgres};
use uuid::Uuid;

use crate::engine::PostgresEngine;
use crate::error::classify;
use crate::row::{self, EVENT_COLUMNS, EVENT_TYPE, get};
use crate::shared::Shared;
use crate::statements::{InspectionStatements, Statement};

#[async_trait]
impl Inspection for PostgresEngine {
    async fn aggregates(&self, after: Option<i64>, limit: u32) -> Result<Vec<InspectedAggregate>> {
        let query = query(&self.statements().aggregates);
        let page = query.bind(after.unwrap_or(i64::MIN)).bind(i64::from(limit));
        self.rows("inspect aggregates", page).await?.iter().map(aggregate).collect()
    }

    async fn events(&self, request: &InspectEvents) -> Result<Vec<InspectedEvent>> {
        let InspectEvents { after, up_to, limit } = *request;
        let page = query(&self.statements().events)
            .bind(after.aggregate_id)
            .bind(after.sequence)
            .bind(after.position)
            .bind(up_to)
            .bind(i64::from(limit));
        let rows = self.rows("inspect events", page).await?;
        let Shared { types, readers, statements, .. } = &*self.shared;
        let events = row::each_event(&rows, types, readers, statements).await?;
        let shown = rows.iter().zip(events).map(|(row, event)| inspected(row, event));
        let mut shown = shown.collect::<Result<Vec<_>>>()?;
        self.note_unindexed(&rows, &mut shown).await?;
        Ok(shown)
    }

    async fn positions(&self, after: Option<EventKey>, limit: u32) -> Result<Vec<EventKey>> {
        let page = query(&self.statements().positions)
            .bind(after.map_or(i64::MIN, |after| after.position))
            .bind(after.map_or(0, |after| after.aggregate_id))
            .bind(after.map_or(0, |after| after.sequence))
            .bind(i64::from(limit));
        let placed = |row: &PgRow| {
            let (aggregate_id, sequence, position) = (get(row, 0)?, get(row, 1)?, get(row, 2)?);
            Ok(EventKey { aggregate_id, sequence, position })
        };
        self.rows("inspect positions", page).await?.iter().map(placed).collect()
    }

    async fn tag_index(&self, after: Option<TagKey>, limit: u32) -> Result<Vec<InspectedTag>> {
        let event_type = after.map_or(Ok(i32::MIN), |after| i32::try_from(after.event_type));
        let event_type = event_type
            .map_err(|_| Error::corrupt("event_tags", "a number of a type is out of range"))?;
        let page = query(&self.statements().tag_index)
            .bind(after.map_or(i64::MIN, |after| after.tag))
            .bind(event_type)
            .bind(after.map_or(i64::MIN, |after| after.position))
            .bind(i64::from(limit));
        self.rows("inspect the index of tags", page).await?.iter().map(indexed_tag).collect()
    }

    async fn keys(
        &self,
        aggregate_type: &str,
        after: Option<&[u8]>,
        limit: u32,
    ) -> Result<Vec<InspectedKey>> {
        let after = std::str::from_utf8(after.unwrap_or_default());
        let after = after.map_err(|error| Error::corrupt("natural key", error.to_string()))?;
        let page = query(&self.statements().keys)
            .bind(aggregate_type.to_owned())
            .bind(after.to_owned())
            .bind(i64::from(limit));
        let key = |row: &PgRow| {
            let (key, holders) = (get::<String>(row, 0)?, get::<i64>(row, 1)?);
            Ok(InspectedKey::new(
                key.into_bytes(),
                holders.cast_unsigned(),
                get(row, 2)?,
                get(row, 3)?,
            ))
        };
        self.rows("inspect natural keys", page).await?.iter().map(key).collect()
    }

    async fn commits(&self, after: Option<CommitId>, limit: u32) -> Result<Vec<InspectedCommit>> {
        let page = query(&self.statements().commits)
            .bind(after.map_or_else(Uuid::nil, |after| *after.as_uuid()))
            .bind(i64::from(limit));
        self.rows("inspect commits", page).await?.iter().map(commit).collect()
    }

    async fn durable_subscriptions(
        &self,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<InspectedSubscription>> {
        let page = query(&self.statements().subscriptions)
            .bind(after.unwrap_or_default().to_owned())
            .bind(i64::from(limit));
        subscriptions(&self.rows("inspect subscriptions", page).await?)
    }

    async fn parked(&self, after: Option<(&str, i64)>, limit: u32) -> Result<Vec<InspectedParked>> {
        let (subscription, position) = after.unwrap_or_default();
        let page = query(&self.statements().parked)
            .bind(subscription.to_owned())
            .bind(position)
            .bind(i64::from(limit));
        let parked = |row: &PgRow| {
            let mut shown = InspectedParked::new(get(row, 0)?, get(row, 1)?, get(row, 2)?);
            if let Some(aggregate_id) = get::<Option<i64>>(row, 3)? {
                // Tags and filters that cannot be read are findings of their own.
                let tags = Tags::from_column(get(row, 4)?).unwrap_or_default();
                let filter = get::<Option<&str>>(row, 5)?.map(EventFilter::from_column);
                let filter = filter.and_then(Result::ok).unwrap_or_default();
                shown.is_there = shown.has_lane_of(&filter, aggregate_id, &tags);
            }
            shown.cursor = get(row, 6)?;
            Ok(shown)
        };
        self.rows("inspect parked events", page).await?.iter().map(parked).collect()
    }

    async fn last_given(&self) -> Result<LastGiven> {
        let rows = self
            .rows("inspect the last assigned numbers", query(&self.statements().last_given))
            .await?;
        let row = rows
            .first()
            .ok_or_else(|| Error::corrupt("last assigned numbers", "there is no row"))?;
        let (position, aggregate_id, token) = (get(row, 0)?, get(row, 1)?, get(row, 2)?);
        Ok(LastGiven::new(position, aggregate_id, token))
    }
}

impl PostgresEngine {
    fn statements(&self) -> &InspectionStatements {
        &self.shared.statements.inspection
    }

    /// Notes the tags of events for which the index has no row. An event and its rows are written by one commit, so what
    /// a later statement does not find is missing.
    async fn note_unindexed(&self, rows: &[PgRow], shown: &mut [InspectedEvent]) -> Result<()> {
        let mut places = Vec::new();
        let (mut numbers, mut types, mut positions) = (Vec::new(), Vec::new(), Vec::new());
        for (index, (row, event)) in rows.iter().zip(&*shown).enumerate() {
            let Ok(tags) = event.event.as_ref().map(RecordedEvent::tags) else { continue };
            for (tag, number) in tags.iter().zip(tags.indexes()) {
                places.push((index, tag.to_owned()));
                numbers.push(number);
                types.push(get::<i32>(row, EVENT_TYPE)?);
                positions.push(event.place.position);
            }
        }
        if places.is_empty() {
            return Ok(());
        }
        let query = query(&self.statements().unindexed).bind(numbers).bind(types).bind(positions);
        for row in self.rows("inspect the tags of events", query).await? {
            let place = usize::try_from(get::<i64>(&row, 0)? - 1).ok();
            let place = place.and_then(|place| places.get(place));
            let (index, tag) = place.expect("BUG: the statement returns places of its arguments");
            shown[*index].unindexed.push(tag.clone());
        }
        Ok(())
    }

    /// Reads the rows of a page in one statement.
    async fn rows(
        &self,
        operation: &'static str,
        page: Query<'_, Postgres, PgArguments>,
    ) -> Result<Vec<PgRow>> {
        let mut connection = self.shared.readers.acquire_tested().await?;
        page.fetch_all(&mut *connection).await.map_err(|error| classify(operation, error))
    }
}

fn query(statement: &Statement) -> Query<'static, Postgres, PgArguments> {
    let sql: AssertSqlSafe<Arc<str>> = statement.sql();
    sqlx::query(sql)
}

fn aggregate(row: &PgRow) -> Result<InspectedAggregate> {
    let is_there: bool = get(row, 1)?;
    let aggregate_type: Option<String> = get(row, 2)?;
    let snapshot = match get(row, 4)? {
        Some(sequence) => {
            let (fingerprint, state): (i64, &[u8]) = (get(row, 5)?, get(row, 6)?);
            let fingerprint = Fingerprint::new(fingerprint.cast_unsigned());
            Some(InspectedSnapshot::new(sequence, fingerprint, Bytes::copy_from_slice(state)))
        }
        None => None,
    };
    let columns = InspectedColumns::new(
        aggregate_type.map(Arc::from),
        get::<Option<String>>(row, 3)?.map(NaturalKey::new),
    );
    Ok(InspectedAggregate::new(get(row, 0)?, is_there.then_some(columns), snapshot))
}

fn inspected(row: &PgRow, event: Result<RecordedEvent>) -> Result<InspectedEvent> {
    let (position, aggregate_id, sequence) = (get(row, 0)?, get(row, 1)?, get(row, 2)?);
    let place = EventKey { aggregate_id, sequence, position };
    Ok(InspectedEvent::new(place, get(row, EVENT_COLUMNS)?, event))
}

fn indexed_tag(row: &PgRow) -> Result<InspectedTag> {
    let event_type = get::<i32>(row, 1)?.into();
    let key = TagKey { tag: get(row, 0)?, event_type, position: get(row, 2)? };
    let Some(event_type) = get::<Option<i32>>(row, 3)? else {
        return Ok(InspectedTag::new(key, None));
    };
    let tags = Tags::from_column(get(row, 4)?);
    Ok(InspectedTag::new(key, Some(InspectedTagged::new(event_type.into(), tags))))
}

fn commit(row: &PgRow) -> Result<InspectedCommit> {
    let refer = |column| -> Result<Option<InspectedPosition>> {
        let (position, is_there) = (get::<Option<i64>>(row, column)?, get(row, column + 1)?);
        Ok(position.map(|position| InspectedPosition::new(position, is_there)))
    };
    let mut shown = InspectedCommit::new(CommitId::from_uuid(get(row, 0)?), get(row, 1)?);
    shown.first = refer(2)?;
    shown.last = refer(4)?;
    shown.idempotency_key = get(row, 6)?;
    Ok(shown)
}

fn subscriptions(rows: &[PgRow]) -> Result<Vec<InspectedSubscription>> {
    let mut subscriptions: Vec<InspectedSubscription> = Vec::new();
    for row in rows {
        let name: &str = get(row, 0)?;
        if subscriptions.last().is_none_or(|last| last.name != name) {
            subscriptions.push(InspectedSubscription::new(
                name.to_owned(),
                EventFilter::from_column(get(row, 1)?),
                get::<i32>(row, 2)?.into(),
                get(row, 8)?,
            ));
        }
        if let Some(number) = get::<Option<i32>>(row, 3)? {
            let last = subscriptions.last_mut().expect("BUG: the element was just pushed");
            last.found.push({
                let mut partition =
                    InspectedPartition::new(number.into(), get(row, 4)?, get(row, 5)?);
                partition.owner = get(row, 6)?;
                partition.has_end = get(row, 7)?;
                partition
            });
        }
    }
    Ok(subscriptions)
}
