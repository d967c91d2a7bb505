//! Implements the storage of subscriptions.

mod places;
mod settle;

use std::time::Duration;

use async_trait::async_trait;
use evercore::engine::{
    AcquireRequest, Acquired, Beat, Control, Detail, DiscardedRequest, Heartbeat, Lane, LeaseKey,
    LeaseStatus, NewSubscription, ParkedRequest, Registered, Settled, Settlement, StoredLease,
    StoredPartition, StoredSubscription, SubscriptionStorage, WhichParked,
};
use evercore::subscription::{DiscardedEvent, ParkedEvent};
use evercore::{Error, EventFilter, Position, Result, Start, SubscriptionName};
use rusqlite::{Connection, Row, params};

use crate::engine::SqliteEngine;
use crate::error::Problem;
use crate::log;
use crate::row::{Page, json, micros, time};
use crate::types::Types;

pub(crate) use settle::settle;

const DISCARDED_EVENTS: &str = include_str!("subscriptions/discarded_events.sql");
const HEARTBEAT: &str = include_str!("subscriptions/heartbeat.sql");
const LIST: &str = include_str!("subscriptions/list.sql");
const PARKED_LANES: &str = include_str!("subscriptions/parked_lanes.sql");
const PARKED_EVENTS: &str = include_str!("subscriptions/parked_events.sql");
const RENEW: &str = include_str!("subscriptions/renew.sql");

#[async_trait]
impl SubscriptionStorage for SqliteEngine {
    async fn resolve_start(&self, start: Start) -> Result<Position> {
        let resolve = move |connection: &_, _: &_| places::resolve(connection, start);
        self.read("find a start", resolve).await
    }

    async fn register(&self, subscription: &NewSubscription) -> Result<Registered> {
        let new = subscription.clone();
        let register = move |connection: &_| places::register(connection, &new);
        self.write("store a subscription", register).await
    }

    async fn subscriptions(
        &self,
        name: Option<&SubscriptionName>,
        detail: Detail,
    ) -> Result<Vec<StoredSubscription>> {
        let name = name.cloned();
        let list = move |connection: &_, _: &_| list(connection, name.as_ref(), detail);
        self.read("list subscriptions", list).await
    }

    async fn acquire(&self, request: &AcquireRequest) -> Result<Acquired> {
        // Most requests are refused, which needs no writer.
        let asked = request.clone();
        let refusal = move |connection: &_, _: &_| places::refusal(connection, &asked);
        if let Some(refused) = self.read("find a lease", refusal).await? {
            return Ok(refused);
        }
        let request = request.clone();
        let acquire = move |connection: &_| places::acquire(connection, &request);
        self.write("take a lease", acquire).await
    }

    async fn ask_for(&self, lease: &LeaseKey, by: &str, patience: Duration) -> Result<()> {
        let (lease, by) = (lease.clone(), by.to_owned());
        let ask = move |connection: &_| places::ask_for(connection, &lease, &by, patience);
        self.write("request a lease", ask).await
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
            self.write("renew leases", move |connection| {
                connection.prepare_cached(RENEW)?.execute([&leases])?;
                Ok(())
            })
            .await?;
        }
        let count = beats.len();
        let look = move |connection: &_, _: &_| heartbeat(connection, &leases, count);
        self.read("read leases", look).await
    }

    async fn settle(&self, settlement: &Settlement) -> Result<Settled> {
        let settlement = settlement.clone();
        let settle = move |connection: &_| settle(connection, &settlement);
        self.write("record a batch", settle).await
    }

    async fn release(&self, lease: &LeaseKey) -> Result<()> {
        let lease = lease.clone();
        let release = move |connection: &_| places::release(connection, &lease);
        self.write("release a lease", release).await
    }

    async fn parked_lanes(
        &self,
        subscription: &SubscriptionName,
        lanes: &[Lane],
    ) -> Result<Vec<Lane>> {
        let (subscription, lanes) =
            (subscription.clone(), json(&lanes.iter().map(|lane| lane.get()).collect::<Vec<_>>()));
        self.read("find parked events", move |connection, _| {
            let mut statement = connection.prepare_cached(PARKED_LANES)?;
            let mut rows = statement.query([subscription.as_str(), &lanes])?;
            let mut parked = Vec::new();
            while let Some(row) = rows.next()? {
                parked.push(Lane::new(row.get(0)?));
            }
            Ok(parked)
        })
        .await
    }

    async fn parked_events(&self, request: &ParkedRequest) -> Result<Vec<ParkedEvent>> {
        let request = request.clone();
        let read = move |connection: &_, types: &_| parked_events(connection, types, &request);
        self.read("read parked events", read).await
    }

    async fn discarded_events(&self, request: &DiscardedRequest) -> Result<Vec<DiscardedEvent>> {
        let request = request.clone();
        let read = move |connection: &_, types: &_| discarded_events(connection, types, &request);
        self.read("read discarded events", read).await
    }

    async fn control(&self, subscription: &SubscriptionName, control: &Control) -> Result<()> {
        let (name, control) = (subscription.clone(), control.clone());
        let change = move |connection: &_| places::control(connection, &name, &control);
        self.write("change a subscription", change).await
    }
}

fn list(
    connection: &Connection,
    name: Option<&SubscriptionName>,
    detail: Detail,
) -> Result<Vec<StoredSubscription>, Problem> {
    let mut statement = connection.prepare_cached(LIST)?;
    let mut rows =
        statement.query(params![name.map(|name| name.as_str()), detail == Detail::Backlog])?;
    let mut subscriptions: Vec<StoredSubscription> = Vec::new();
    while let Some(row) = rows.next()? {
        let name = SubscriptionName::new(&row.get::<_, String>(0)?)
            .map_err(|error| Error::corrupt("subscriptions.name", error.to_string()))?;
        if subscriptions.last().is_none_or(|last| last.name != name) {
            let (filter, parked): (String, Option<i64>) = (row.get(1)?, row.get(11)?);
            let mut shown = StoredSubscription::new(
                name,
                EventFilter::from_column(&filter)?,
                log::position(row.get(12)?)?,
            );
            shown.paused = row.get(2)?;
            shown.parked = parked.map(|parked| u64::try_from(parked).unwrap_or(0));
            subscriptions.push(shown);
        }
        let last = subscriptions.last_mut().expect("BUG: the element was just pushed");
        last.partitions.push(stored_partition(row)?);
    }
    Ok(subscriptions)
}

fn stored_partition(row: &Row<'_>) -> Result<StoredPartition, Problem> {
    let (owner, until): (Option<String>, Option<i64>) = (row.get(5)?, row.get(6)?);
    let lease = match (owner, until) {
        (Some(owner), Some(until)) => {
            let mut shown = StoredLease::new(row.get(4)?, owner, places::lease_end(until));
            shown.ended = row.get(7)?;
            shown.wanted = row.get(8)?;
            Some(shown)
        }
        _ => None,
    };
    let waiting_since: Option<i64> = row.get(10)?;
    let mut shown = StoredPartition::new(log::position(row.get(3)?)?);
    shown.waiting_since =
        waiting_since.map(|since| time(since, "events.recorded_at")).transpose()?;
    shown.lease = lease;
    shown.failure = row.get(9)?;
    Ok(shown)
}

fn heartbeat(connection: &Connection, leases: &str, count: usize) -> Result<Heartbeat, Problem> {
    let mut statement = connection.prepare_cached(HEARTBEAT)?;
    let mut rows = statement.query([leases])?;
    let mut head = None;
    let mut statuses = Vec::with_capacity(count);
    while let Some(row) = rows.next()? {
        head = Some(log::position(row.get(0)?)?);
        // Without leases there is still one row, for the head.
        if statuses.len() < count {
            statuses.push(lease_status(row)?);
        }
    }
    let head = head.ok_or_else(|| Error::corrupt("heartbeat", "it has no row"))?;
    Ok(Heartbeat::new(head, statuses))
}

fn lease_status(row: &Row<'_>) -> rusqlite::Result<LeaseStatus> {
    if !row.get(1)? {
        return Ok(LeaseStatus::Lost);
    }
    Ok(LeaseStatus::Held { paused: row.get(2)?, wanted: row.get(3)?, redrive: row.get(4)? })
}

fn parked_events(
    connection: &Connection,
    types: &Types,
    request: &ParkedRequest,
) -> Result<Vec<ParkedEvent>, Problem> {
    let mut statement = connection.prepare_cached(PARKED_EVENTS)?;
    let mut rows = statement.query(params![
        request.subscription.as_str(),
        request.after.get(),
        request.limit,
        request.partition.index(),
        request.partition.count(),
        request.which == WhichParked::ToRedrive,
    ])?;
    let mut page = Page::new(connection, types);
    let mut parked = Vec::new();
    while let Some(row) = rows.next()? {
        let parked_at = time(row.get(16)?, "parked_events.parked_at")?;
        let mut event = ParkedEvent::new(page.event(row)?, parked_at);
        event.reason = row.get(14)?;
        event.attempts = row.get(15)?;
        event.redrive_at = row.get::<_, Option<i64>>(17)?.map(places::lease_end);
        event.redrive = row.get(18)?;
        parked.push(event);
    }
    Ok(parked)
}

fn discarded_events(
    connection: &Connection,
    types: &Types,
    request: &DiscardedRequest,
) -> Result<Vec<DiscardedEvent>, Problem> {
    let DiscardedRequest { subscription, after, limit } = request;
    let mut statement = connection.prepare_cached(DISCARDED_EVENTS)?;
    let mut rows = statement.query(params![subscription.as_str(), after.get(), limit])?;
    let mut page = Page::new(connection, types);
    let mut discarded = Vec::new();
    while let Some(row) = rows.next()? {
        let mut shown = DiscardedEvent::new(
            page.event(row)?,
            time(row.get(16)?, "discarded_events.parked_at")?,
            time(row.get(17)?, "discarded_events.discarded_at")?,
            row.get(18)?,
            row.get(19)?,
        );
        shown.failure = row.get(14)?;
        shown.attempts = row.get(15)?;
        discarded.push(shown);
    }
    Ok(discarded)
}
