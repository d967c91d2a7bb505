//! Implements the storage of subscriptions.

mod places;
mod settle;

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use evercore::engine::{
    AcquireRequest, Acquired, Beat, Control, Detail, DiscardedRequest, Heartbeat, Lane, LeaseKey,
    LeaseStatus, NewSubscription, ParkedRequest, Registered, Settled, Settlement, StoredLease,
    StoredPartition, StoredSubscription, SubscriptionStorage, WhichParked,
};
use evercore::subscription::{DiscardedEvent, ParkedEvent};
use evercore::{Error, EventFilter, Position, RecordedEvent, Result, Start, SubscriptionName};
use sqlx::postgres::PgRow;
use sqlx::postgres::types::PgInterval;

use crate::engine::PostgresEngine;
use crate::error::classify;
use crate::log::index;
use crate::row::{self, EVENT_COLUMNS, get};
use crate::shared::Shared;
use crate::statements::SubscriptionStatements;

pub(crate) use settle::settle;

#[async_trait]
impl SubscriptionStorage for PostgresEngine {
    async fn resolve_start(&self, start: Start) -> Result<Position> {
        self.shared
            .answered(|| async move {
                let mut connection = self.connection().await?;
                places::resolve(&mut connection, self.subscription_statements(), start).await
            })
            .await
    }

    async fn register(&self, subscription: &NewSubscription) -> Result<Registered> {
        self.shared.answered(|| async move { places::register(self, subscription).await }).await
    }

    async fn subscriptions(
        &self,
        name: Option<&SubscriptionName>,
        detail: Detail,
    ) -> Result<Vec<StoredSubscription>> {
        self.shared
            .answered(|| async move {
                let rows = sqlx::query(self.subscription_statements().list.sql())
                    .bind(name.map(SubscriptionName::as_str))
                    .bind(detail == Detail::Backlog)
                    .fetch_all(&mut *self.connection().await?)
                    .await
                    .map_err(|error| classify("list subscriptions", error))?;
                stored_subscriptions(&rows)
            })
            .await
    }

    async fn acquire(&self, request: &AcquireRequest) -> Result<Acquired> {
        self.shared.answered(|| async move { places::acquire(self, request).await }).await
    }

    async fn ask_for(&self, lease: &LeaseKey, by: &str, patience: Duration) -> Result<()> {
        self.shared
            .answered(|| async move {
                sqlx::query(self.subscription_statements().ask_for.sql())
                    .bind(lease.subscription.as_str())
                    .bind(index(lease.partition))
                    .bind(lease.token)
                    .bind(by)
                    .bind(interval(patience))
                    .execute(&mut *self.connection().await?)
                    .await
                    .map(drop)
                    .map_err(|error| classify("request a lease", error))
            })
            .await
    }

    async fn heartbeat(&self, beats: &[Beat]) -> Result<Heartbeat> {
        self.shared
            .answered(|| async move {
                let column = |beat: &Beat| beat.lease.subscription.to_string();
                let rows = sqlx::query(self.subscription_statements().heartbeat.sql())
                    .bind(beats.iter().map(column).collect::<Vec<_>>())
                    .bind(beats.iter().map(|beat| index(beat.lease.partition)).collect::<Vec<_>>())
                    .bind(beats.iter().map(|beat| beat.lease.token).collect::<Vec<_>>())
                    .bind(beats.iter().map(|beat| beat.renew.map(interval)).collect::<Vec<_>>())
                    .fetch_all(&mut *self.connection().await?)
                    .await
                    .map_err(|error| classify("read leases", error))?;
                let first =
                    rows.first().ok_or_else(|| Error::corrupt("heartbeat", "it has no row"))?;
                let head = Position::new(get(first, 0)?)?;
                // Without leases there is still one row, for the head.
                let leases =
                    rows.iter().take(beats.len()).map(lease_status).collect::<Result<_>>()?;
                Ok(Heartbeat::new(head, leases))
            })
            .await
    }

    async fn settle(&self, settlement: &Settlement) -> Result<Settled> {
        self.shared
            .answered(|| async move {
                settle(&mut *self.connection().await?, self.subscription_statements(), settlement)
                    .await
            })
            .await
    }

    async fn release(&self, lease: &LeaseKey) -> Result<()> {
        self.shared
            .answered(|| async move {
                sqlx::query(self.subscription_statements().release.sql())
                    .bind(lease.subscription.as_str())
                    .bind(index(lease.partition))
                    .bind(lease.token)
                    .execute(&mut *self.connection().await?)
                    .await
                    .map(drop)
                    .map_err(|error| classify("release a lease", error))
            })
            .await
    }

    async fn parked_lanes(
        &self,
        subscription: &SubscriptionName,
        lanes: &[Lane],
    ) -> Result<Vec<Lane>> {
        self.shared
            .answered(|| async move {
                let lanes: Vec<i64> = lanes.iter().map(|lane| lane.get()).collect();
                let parked: Vec<i64> =
                    sqlx::query_scalar(self.subscription_statements().parked_lanes.sql())
                        .bind(subscription.as_str())
                        .bind(lanes)
                        .fetch_all(&mut *self.connection().await?)
                        .await
                        .map_err(|error| classify("find parked events", error))?;
                Ok(parked.into_iter().map(Lane::new).collect())
            })
            .await
    }

    async fn parked_events(&self, request: &ParkedRequest) -> Result<Vec<ParkedEvent>> {
        self.shared
            .answered(|| async move {
                let Shared { types, readers, statements, .. } = &*self.shared;
                let rows = sqlx::query(self.subscription_statements().parked_events.sql())
                    .bind(request.subscription.as_str())
                    .bind(request.after.get())
                    .bind(i64::from(request.limit))
                    .bind(i64::from(request.partition.index()))
                    .bind(i64::from(request.partition.count()))
                    .bind(request.which == WhichParked::ToRedrive)
                    .fetch_all(&mut *readers.acquire().await?)
                    .await
                    .map_err(|error| classify("read parked events", error))?;
                let events = row::each_event(&rows, types, readers, statements).await?;
                events.into_iter().zip(&rows).map(parked_event).collect()
            })
            .await
    }

    async fn discarded_events(&self, request: &DiscardedRequest) -> Result<Vec<DiscardedEvent>> {
        self.shared
            .answered(|| async move {
                let Shared { types, readers, statements, .. } = &*self.shared;
                let rows = sqlx::query(self.subscription_statements().discarded_events.sql())
                    .bind(request.subscription.as_str())
                    .bind(request.after.get())
                    .bind(i64::from(request.limit))
                    .fetch_all(&mut *readers.acquire().await?)
                    .await
                    .map_err(|error| classify("read discarded events", error))?;
                let events = row::each_event(&rows, types, readers, statements).await?;
                events.into_iter().zip(&rows).map(discarded_event).collect()
            })
            .await
    }

    async fn control(&self, subscription: &SubscriptionName, control: &Control) -> Result<()> {
        self.shared
            .answered(|| async move { places::control(self, subscription, control).await })
            .await
    }
}

impl PostgresEngine {
    pub(crate) fn subscription_statements(&self) -> &SubscriptionStatements {
        &self.shared.statements.subscriptions
    }
}

/// Converts a duration to an interval; one that does not fit is cut to about 68,000 years.
pub(crate) fn interval(time: Duration) -> PgInterval {
    let microseconds = i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
    // Well within the range of a timestamp, even when added to the current time.
    let most = i64::from(i32::MAX) * 1_000_000 * 1_000;
    PgInterval { months: 0, days: 0, microseconds: microseconds.min(most) }
}

fn lease_status(row: &PgRow) -> Result<LeaseStatus> {
    if !get::<bool>(row, 1)? {
        return Ok(LeaseStatus::Lost);
    }
    let (paused, wanted, redrive) = (get(row, 2)?, get(row, 3)?, get(row, 4)?);
    Ok(LeaseStatus::Held { paused, wanted, redrive })
}

fn stored_subscriptions(rows: &[PgRow]) -> Result<Vec<StoredSubscription>> {
    let mut subscriptions: Vec<StoredSubscription> = Vec::new();
    for row in rows {
        let name = SubscriptionName::new(get(row, 0)?)
            .map_err(|error| Error::corrupt("subscriptions.name", error.to_string()))?;
        if subscriptions.last().is_none_or(|last| last.name != name) {
            let parked: Option<i64> = get(row, 11)?;
            let mut shown = StoredSubscription::new(
                name,
                EventFilter::from_column(get(row, 1)?)?,
                Position::new(get(row, 12)?)?,
            );
            shown.paused = get(row, 2)?;
            shown.parked = parked.map(|parked| u64::try_from(parked).unwrap_or(0));
            subscriptions.push(shown);
        }
        let last = subscriptions.last_mut().expect("BUG: the element was just pushed");
        last.partitions.push(stored_partition(row)?);
    }
    Ok(subscriptions)
}

fn stored_partition(row: &PgRow) -> Result<StoredPartition> {
    let (owner, until): (Option<String>, Option<DateTime<Utc>>) = (get(row, 5)?, get(row, 6)?);
    let lease = match (owner, until) {
        (Some(owner), Some(until)) => {
            let mut shown = StoredLease::new(get(row, 4)?, owner, until);
            shown.ended = get(row, 7)?;
            shown.wanted = get(row, 8)?;
            Some(shown)
        }
        _ => None,
    };
    let mut shown = StoredPartition::new(Position::new(get(row, 3)?)?);
    shown.waiting_since = get(row, 10)?;
    shown.lease = lease;
    shown.failure = get(row, 9)?;
    Ok(shown)
}

fn parked_event((event, row): (Result<RecordedEvent>, &PgRow)) -> Result<ParkedEvent> {
    let attempts: i32 = get(row, EVENT_COLUMNS + 1)?;
    let mut shown = ParkedEvent::new(event?, get(row, EVENT_COLUMNS + 2)?);
    shown.reason = get(row, EVENT_COLUMNS)?;
    shown.attempts = u32::try_from(attempts).unwrap_or(0);
    shown.redrive = get(row, EVENT_COLUMNS + 4)?;
    shown.redrive_at = get(row, EVENT_COLUMNS + 3)?;
    Ok(shown)
}

fn discarded_event((event, row): (Result<RecordedEvent>, &PgRow)) -> Result<DiscardedEvent> {
    let attempts: i32 = get(row, EVENT_COLUMNS + 1)?;
    let mut shown = DiscardedEvent::new(
        event?,
        get(row, EVENT_COLUMNS + 2)?,
        get(row, EVENT_COLUMNS + 3)?,
        get(row, EVENT_COLUMNS + 4)?,
        get(row, EVENT_COLUMNS + 5)?,
    );
    shown.failure = get(row, EVENT_COLUMNS)?;
    shown.attempts = u32::try_from(attempts).unwrap_or(0);
    Ok(shown)
}
