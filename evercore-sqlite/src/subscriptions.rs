//! Subscriptions: what the contract asks for, and which statements do it.

mod places;
mod settle;

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use evercore::engine::{
    AcquireRequest, Acquired, Beat, Control, Heartbeat, LeaseKey, LeaseStatus, LogPage, LogRequest,
    MatchRequest, NewSubscription, ParkedRequest, Settled, Settlement, StoredLease,
    StoredPartition, StoredSubscription, SubscriptionStorage, WhichParked,
};
use evercore::{
    AggregateId, Error, EventFilter, ParkedEvent, Partition, Position, RecordedEvent, Result,
    Start, SubscriptionName,
};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::engine::SqliteEngine;
use crate::error::Problem;
use crate::log::{self, read_log};
use crate::page::{RawPage, checked, time};
use crate::types::Types;

pub(crate) use settle::settle;

const HEARTBEAT: &str = include_str!("subscriptions/heartbeat.sql");
const LIST: &str = include_str!("subscriptions/list.sql");
const PARKED_AGGREGATES: &str = include_str!("subscriptions/parked_aggregates.sql");
const PARKED_EVENTS: &str = include_str!("subscriptions/parked_events.sql");
const READ_MATCHING: &str = include_str!("subscriptions/read_matching.sql");
const RENEW: &str = include_str!("subscriptions/renew.sql");

/// The most events that one call looks at.
const MOST_LOOKED_AT: u32 = 10_000;

/// A list for `json_each`.
fn json(list: &impl serde::Serialize) -> String {
    serde_json::to_string(list).expect("BUG: lists of numbers and texts have a JSON form")
}

/// A span of time as the tables count it. One that does not fit never ends.
fn micros(time: Duration) -> i64 {
    // Half of what fits, so that adding the time of day does not overflow.
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX / 2).min(i64::MAX / 2)
}

#[async_trait]
impl SubscriptionStorage for SqliteEngine {
    async fn read_matching(&self, request: MatchRequest) -> Result<LogPage> {
        let mut reading = self.readers.acquire().await?;
        let result = read_matching(reading.connection(), &self.types, &request).await;
        result.map_err(|problem| reading.failed("read the log", problem))
    }

    async fn resolve_start(&self, start: Start) -> Result<Position> {
        let mut reading = self.readers.acquire().await?;
        let result = places::resolve(reading.connection(), start).await;
        result.map_err(|problem| reading.failed("find a start", problem))
    }

    async fn register(&self, subscription: &NewSubscription) -> Result<()> {
        let new = subscription.clone();
        self.write("store a subscription", |connection| {
            Box::pin(async move { places::register(connection, &new).await })
        })
        .await
    }

    async fn subscriptions(
        &self,
        name: Option<&SubscriptionName>,
    ) -> Result<Vec<StoredSubscription>> {
        let mut reading = self.readers.acquire().await?;
        let result = list(reading.connection(), name).await;
        result.map_err(|problem| reading.failed("list subscriptions", problem))
    }

    async fn acquire(&self, request: &AcquireRequest) -> Result<Acquired> {
        // Most who ask are refused, which needs no writer.
        let mut reading = self.readers.acquire().await?;
        let refused = places::refusal(reading.connection(), request).await;
        let refused = refused.map_err(|problem| reading.failed("look for a lease", problem))?;
        drop(reading);
        if let Some(refused) = refused {
            return Ok(refused);
        }
        let request = request.clone();
        self.write("take a lease", |connection| {
            Box::pin(async move { places::acquire(connection, &request).await })
        })
        .await
    }

    async fn ask_for(&self, lease: &LeaseKey, by: &str, patience: Duration) -> Result<()> {
        let (lease, by) = (lease.clone(), by.to_owned());
        self.write("ask for a lease", move |connection| {
            Box::pin(async move { places::ask_for(connection, &lease, &by, patience).await })
        })
        .await
    }

    async fn heartbeat(&self, beats: &[Beat]) -> Result<Heartbeat> {
        let leases = json(
            &beats
                .iter()
                .map(|Beat { lease, renew }| {
                    let renew = renew.map(micros);
                    (lease.subscription.as_str(), lease.partition, lease.token, renew)
                })
                .collect::<Vec<_>>(),
        );
        if beats.iter().any(|beat| beat.renew.is_some()) {
            let leases = leases.clone();
            self.write("renew leases", |connection| {
                Box::pin(async move {
                    sqlx::query(RENEW).bind(leases).execute(connection).await?;
                    Ok(())
                })
            })
            .await?;
        }
        let mut reading = self.readers.acquire().await?;
        let result = heartbeat(reading.connection(), leases, beats.len()).await;
        result.map_err(|problem| reading.failed("look at leases", problem))
    }

    async fn settle(&self, settlement: &Settlement) -> Result<Settled> {
        let settlement = settlement.clone();
        self.write("record a batch", |connection| {
            Box::pin(async move { settle(connection, &settlement).await })
        })
        .await
    }

    async fn release(&self, lease: &LeaseKey) -> Result<()> {
        let lease = lease.clone();
        self.write("give a lease back", |connection| {
            Box::pin(async move { places::release(connection, &lease).await })
        })
        .await
    }

    async fn parked_aggregates(
        &self,
        subscription: &SubscriptionName,
        aggregates: &[AggregateId],
    ) -> Result<Vec<AggregateId>> {
        let mut reading = self.readers.acquire().await?;
        let ids = sqlx::query_scalar(PARKED_AGGREGATES)
            .bind(subscription.as_str())
            .bind(json(&aggregates))
            .fetch_all(reading.connection())
            .await;
        let ids: Vec<i64> =
            ids.map_err(|error| reading.failed("look for parked events", error.into()))?;
        ids.into_iter()
            .map(|id| checked(AggregateId::new(id), "parked_events.aggregate_id"))
            .collect()
    }

    async fn parked_events(&self, request: &ParkedRequest) -> Result<Vec<ParkedEvent>> {
        let mut reading = self.readers.acquire().await?;
        let result = parked_events(reading.connection(), &self.types, request).await;
        result.map_err(|problem| reading.failed("read parked events", problem))
    }

    async fn control(&self, subscription: &SubscriptionName, control: &Control) -> Result<()> {
        let (name, control) = (subscription.clone(), control.clone());
        self.write("change a subscription", |connection| {
            Box::pin(async move { places::control(connection, &name, &control).await })
        })
        .await
    }
}

async fn read_matching(
    connection: &mut SqliteConnection,
    types: &Types,
    request: &MatchRequest,
) -> Result<LogPage, Problem> {
    let MatchRequest { after, limit, filter, partition } = request;
    if **filter == EventFilter::new() && *partition == Partition::WHOLE {
        return read_log(connection, types, &LogRequest::new(*after, *limit)).await;
    }
    let named = (!filter.is_of_all_types()).then(|| {
        let whole = filter.whole_aggregates().map(|aggregate| (aggregate, None));
        let single = filter.single_events().map(|(aggregate, event)| (aggregate, Some(event)));
        json(&whole.chain(single).collect::<Vec<_>>())
    });
    let row = sqlx::query(READ_MATCHING)
        .bind(after.get())
        .bind(i64::from(*limit))
        .bind(i64::from(MOST_LOOKED_AT.max(*limit)))
        .bind(named)
        .bind(filter.natural_key().map(|key| key.as_str()))
        .bind(i64::from(partition.index()))
        .bind(i64::from(partition.count()))
        .fetch_one(&mut *connection)
        .await?;
    let looked_at: i64 = row.try_get(2)?;
    let head = log::position(row.try_get(3)?)?;
    let events = RawPage::from_row(&row, 0)?.into_events(types, connection).await?;
    let is_full = u32::try_from(events.len()).is_ok_and(|events| events >= *limit);
    let end = match events.last() {
        Some(last) if is_full => last.position(),
        _ => log::position(looked_at.max(after.get()))?,
    };
    Ok(LogPage { events, end, at_end: end >= head })
}

async fn list(
    connection: &mut SqliteConnection,
    name: Option<&SubscriptionName>,
) -> Result<Vec<StoredSubscription>, Problem> {
    let name = name.map(|name| name.as_str());
    let rows = sqlx::query(LIST).bind(name).fetch_all(connection).await?;
    let mut subscriptions: Vec<StoredSubscription> = Vec::new();
    for row in &rows {
        let name = SubscriptionName::new(row.try_get(0)?)
            .map_err(|error| Error::corrupt("subscriptions.name", error.to_string()))?;
        if subscriptions.last().is_none_or(|last| last.name != name) {
            let parked: i64 = row.try_get(11)?;
            subscriptions.push(StoredSubscription {
                name,
                filter: EventFilter::from_column(row.try_get(1)?)?,
                paused: row.try_get(2)?,
                partitions: Vec::new(),
                parked: u64::try_from(parked).unwrap_or(0),
                head: log::position(row.try_get(12)?)?,
            });
        }
        let last = subscriptions.last_mut().expect("BUG: it was pushed just now");
        last.partitions.push(stored_partition(row)?);
    }
    Ok(subscriptions)
}

fn stored_partition(row: &SqliteRow) -> Result<StoredPartition, Problem> {
    let (owner, until): (Option<String>, Option<i64>) = (row.try_get(5)?, row.try_get(6)?);
    let lease = match (owner, until) {
        (Some(owner), Some(until)) => Some(StoredLease {
            token: row.try_get(4)?,
            owner,
            until: places::lease_end(until),
            ended: row.try_get(7)?,
            wanted: row.try_get(8)?,
        }),
        _ => None,
    };
    let waiting_since: Option<i64> = row.try_get(10)?;
    Ok(StoredPartition {
        cursor: log::position(row.try_get(3)?)?,
        waiting_since: waiting_since.map(|since| time(since, "events.recorded_at")).transpose()?,
        lease,
        failure: row.try_get(9)?,
    })
}

async fn heartbeat(
    connection: &mut SqliteConnection,
    leases: String,
    count: usize,
) -> Result<Heartbeat, Problem> {
    let rows = sqlx::query(HEARTBEAT).bind(leases).fetch_all(connection).await?;
    let head = match rows.first() {
        Some(row) => log::position(row.try_get(0)?)?,
        None => return Err(Error::corrupt("heartbeat", "it has no row").into()),
    };
    let status = |row: &SqliteRow| -> Result<LeaseStatus, Problem> {
        if !row.try_get::<bool, _>(1)? {
            return Ok(LeaseStatus::Lost);
        }
        let (paused, wanted) = (row.try_get(2)?, row.try_get(3)?);
        Ok(LeaseStatus::Held { paused, wanted, redrive: row.try_get(4)? })
    };
    // Without a lease there is one row all the same.
    let leases = rows.iter().take(count).map(status).collect::<Result<_, _>>()?;
    Ok(Heartbeat { head, leases })
}

async fn parked_events(
    connection: &mut SqliteConnection,
    types: &Types,
    request: &ParkedRequest,
) -> Result<Vec<ParkedEvent>, Problem> {
    let row = sqlx::query(PARKED_EVENTS)
        .bind(request.subscription.as_str())
        .bind(request.after.get())
        .bind(i64::from(request.limit))
        .bind(i64::from(request.partition.index()))
        .bind(i64::from(request.partition.count()))
        .bind(request.which == WhichParked::ToRedrive)
        .fetch_one(&mut *connection)
        .await?;
    let parkings: Vec<(Option<String>, u32, i64, u8)> = serde_json::from_str(row.try_get(2)?)
        .map_err(|error| Error::corrupt("parked_events", error.to_string()))?;
    let events = RawPage::from_row(&row, 0)?.into_events(types, connection).await?;
    let parked = |(event, parking): (RecordedEvent, (Option<String>, u32, i64, u8))| {
        let (reason, attempts, parked_at, redrive) = parking;
        let parked_at: DateTime<Utc> = time(parked_at, "parked_events.parked_at")?;
        Ok(ParkedEvent { event, reason, attempts, parked_at, redrive: redrive == 1 })
    };
    events.into_iter().zip(parkings).map(parked).collect()
}
