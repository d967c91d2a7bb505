//! Where subscriptions stand, and who moves them.

use std::time::Duration;

use chrono::{DateTime, Utc};
use evercore::engine::{
    AcquireRequest, Acquired, Control, Grant, IfDifferent, LeaseKey, NewSubscription,
};
use evercore::{Error, EventFilter, Partition, Position, Result, Start, SubscriptionName};
use sqlx::{Row, SqliteConnection};

use super::micros;
use crate::error::Problem;
use crate::log;

const ASK_FOR: &str = include_str!("ask_for.sql");
const DELETE: &str = include_str!("delete.sql");
const DELETE_PARTITIONS: &str = include_str!("delete_partitions.sql");
const FIND_FREE: &str = include_str!("find_free.sql");
const FORGET_PARKED: &str = include_str!("forget_parked.sql");
const INSERT_PARTITIONS: &str = include_str!("insert_partitions.sql");
const INSERT_SUBSCRIPTION: &str = include_str!("insert_subscription.sql");
const LEASE: &str = include_str!("lease.sql");
const NEXT_TOKEN: &str = include_str!("next_token.sql");
const READ_PLACES: &str = include_str!("read_places.sql");
const READ_SUBSCRIPTION: &str = include_str!("read_subscription.sql");
const REDRIVE: &str = include_str!("redrive.sql");
const RELEASE: &str = include_str!("release.sql");
const RESET_CURSORS: &str = include_str!("reset_cursors.sql");
const RESOLVE_START: &str = include_str!("resolve_start.sql");
const SET_PAUSED: &str = include_str!("set_paused.sql");
const TAKE_AWAY: &str = include_str!("take_away.sql");
const UPDATE_SUBSCRIPTION: &str = include_str!("update_subscription.sql");

/// What is stored of a subscription itself.
struct Stored {
    filter: EventFilter,
    partitions: u32,
    paused: bool,
}

/// What there is to be had.
enum Free {
    Partition(u32),
    None { owner: String, until: DateTime<Utc> },
}

/// When a lease ends, which may be beyond what a calendar holds.
pub(super) fn lease_end(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// The position that a start stands for.
pub(super) async fn resolve(
    connection: &mut SqliteConnection,
    start: Start,
) -> Result<Position, Problem> {
    let from = match start {
        Start::From(time) => Some(time.timestamp_micros()),
        Start::Beginning | Start::End | Start::After(_) => None,
    };
    let row = sqlx::query(RESOLVE_START).bind(from).fetch_one(connection).await?;
    let head = log::position(row.try_get(1)?)?;
    match start {
        Start::Beginning => Ok(Position::START),
        Start::End => Ok(head),
        Start::From(_) => Ok(log::position(row.try_get(0)?)?),
        Start::After(position) if position <= head => Ok(position),
        Start::After(position) => Err(Error::StartBeyondEnd { position, end: head }.into()),
    }
}

pub(super) async fn register(
    connection: &mut SqliteConnection,
    new: &NewSubscription,
) -> Result<(), Problem> {
    let name = new.name.as_str();
    let Some(stored) = read(connection, &new.name).await? else {
        let cursor = resolve(connection, new.start).await?;
        sqlx::query(INSERT_SUBSCRIPTION)
            .bind(name)
            .bind(new.filter.to_column())
            .bind(i64::from(new.partitions))
            .execute(&mut *connection)
            .await?;
        return insert_partitions(connection, new, cursor).await;
    };
    let same = stored.check_same(&new.name, &new.filter, new.partitions);
    if same.is_ok() || new.if_different == IfDifferent::Refuse {
        return Ok(same?);
    }
    if stored.partitions != new.partitions {
        let cursor = common_place(connection, &new.name).await?;
        sqlx::query(DELETE_PARTITIONS).bind(name).execute(&mut *connection).await?;
        insert_partitions(connection, new, cursor).await?;
    }
    sqlx::query(UPDATE_SUBSCRIPTION)
        .bind(name)
        .bind(new.filter.to_column())
        .bind(i64::from(new.partitions))
        .execute(&mut *connection)
        .await?;
    take_away(connection, &new.name).await
}

/// Why nothing can be acquired, if so.
pub(super) async fn refusal(
    connection: &mut SqliteConnection,
    request: &AcquireRequest,
) -> Result<Option<Acquired>, Problem> {
    let Some(stored) = read(connection, &request.subscription).await? else {
        return Ok(Some(Acquired::Unknown));
    };
    stored.check_same(&request.subscription, &request.filter, request.partitions)?;
    if stored.paused {
        return Ok(Some(Acquired::Paused));
    }
    Ok(match find_free(connection, request).await? {
        Free::Partition(_) => None,
        Free::None { owner, until } => Some(Acquired::Taken { owner, until }),
    })
}

pub(super) async fn acquire(
    connection: &mut SqliteConnection,
    request: &AcquireRequest,
) -> Result<Acquired, Problem> {
    if let Some(refused) = refusal(connection, request).await? {
        return Ok(refused);
    }
    let index = match find_free(connection, request).await? {
        Free::Partition(index) => index,
        Free::None { owner, until } => return Ok(Acquired::Taken { owner, until }),
    };
    let token: i64 = sqlx::query_scalar(NEXT_TOKEN).fetch_one(&mut *connection).await?;
    let row = sqlx::query(LEASE)
        .bind(request.subscription.as_str())
        .bind(i64::from(index))
        .bind(token)
        .bind(&request.owner)
        .bind(micros(request.lease))
        .bind(i64::from(request.partitions))
        .fetch_one(connection)
        .await?;
    let subscription = request.subscription.clone();
    Ok(Acquired::Granted(Grant {
        lease: LeaseKey { subscription, partition: index, token },
        cursor: log::position(row.try_get(0)?)?,
        partition: Partition::new(index, request.partitions)?,
        has_parked: row.try_get(1)?,
    }))
}

pub(super) async fn ask_for(
    connection: &mut SqliteConnection,
    lease: &LeaseKey,
    by: &str,
    patience: Duration,
) -> Result<(), Problem> {
    sqlx::query(ASK_FOR)
        .bind(lease.subscription.as_str())
        .bind(i64::from(lease.partition))
        .bind(lease.token)
        .bind(by)
        .bind(micros(patience))
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn release(
    connection: &mut SqliteConnection,
    lease: &LeaseKey,
) -> Result<(), Problem> {
    sqlx::query(RELEASE)
        .bind(lease.subscription.as_str())
        .bind(i64::from(lease.partition))
        .bind(lease.token)
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn control(
    connection: &mut SqliteConnection,
    name: &SubscriptionName,
    control: &Control,
) -> Result<(), Problem> {
    if read(connection, name).await?.is_none() {
        return Err(Error::UnknownSubscription { name: name.to_string() }.into());
    }
    let query = |sql: &'static str| sqlx::query(sql).bind(name.as_str().to_owned());
    match control {
        Control::Pause => query(SET_PAUSED).bind(true).execute(connection).await?,
        Control::Resume => query(SET_PAUSED).bind(false).execute(connection).await?,
        Control::Redrive => query(REDRIVE).execute(connection).await?,
        Control::Delete => query(DELETE).execute(connection).await?,
        Control::Reset(start) => {
            let cursor = resolve(connection, *start).await?;
            take_away(connection, name).await?;
            query(FORGET_PARKED).execute(&mut *connection).await?;
            query(RESET_CURSORS).bind(cursor.get()).execute(connection).await?
        }
    };
    Ok(())
}

async fn read(
    connection: &mut SqliteConnection,
    name: &SubscriptionName,
) -> Result<Option<Stored>, Problem> {
    let rows = sqlx::query(READ_SUBSCRIPTION).bind(name.as_str()).fetch_all(connection).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let partitions: i64 = row.try_get(1)?;
    Ok(Some(Stored {
        filter: EventFilter::from_column(row.try_get(0)?)?,
        partitions: u32::try_from(partitions)
            .map_err(|_| Error::corrupt("subscriptions.partitions", "out of range"))?,
        paused: row.try_get(2)?,
    }))
}

async fn find_free(
    connection: &mut SqliteConnection,
    request: &AcquireRequest,
) -> Result<Free, Problem> {
    let row = sqlx::query(FIND_FREE)
        .bind(request.subscription.as_str())
        .bind(&request.owner)
        .fetch_one(connection)
        .await?;
    if let Some(free) = row.try_get::<Option<i64>, _>(0)? {
        let free = u32::try_from(free);
        let out_of_range = |_| Error::corrupt("subscription_partitions.number", "out of range");
        return Ok(Free::Partition(free.map_err(out_of_range)?));
    }
    let (owner, until): (Option<String>, Option<i64>) = (row.try_get(1)?, row.try_get(2)?);
    Ok(Free::None {
        // Without an owner it is promised to somebody who has not come yet.
        owner: owner.unwrap_or_else(|| "somebody who asked for it".to_owned()),
        until: lease_end(until.map_or_else(|| row.try_get(3), Ok)?),
    })
}

async fn insert_partitions(
    connection: &mut SqliteConnection,
    new: &NewSubscription,
    cursor: Position,
) -> Result<(), Problem> {
    sqlx::query(INSERT_PARTITIONS)
        .bind(new.name.as_str())
        .bind(i64::from(new.partitions))
        .bind(cursor.get())
        .execute(connection)
        .await?;
    Ok(())
}

/// Where all partitions stand, if they do and nobody owns one.
async fn common_place(
    connection: &mut SqliteConnection,
    name: &SubscriptionName,
) -> Result<Position, Problem> {
    let row = sqlx::query(READ_PLACES).bind(name.as_str()).fetch_one(connection).await?;
    let (first, last): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    let owner: Option<String> = row.try_get(2)?;
    let problem = match owner {
        Some(owner) => format!("`{owner}` owns a partition"),
        None if first != last => "its partitions stand at different places".to_owned(),
        None => return Ok(log::position(first)?),
    };
    Err(Error::SubscriptionNotIdle { name: name.to_string(), problem }.into())
}

async fn take_away(
    connection: &mut SqliteConnection,
    name: &SubscriptionName,
) -> Result<(), Problem> {
    sqlx::query(TAKE_AWAY).bind(name.as_str()).execute(connection).await?;
    Ok(())
}

impl Stored {
    fn check_same(
        &self,
        name: &SubscriptionName,
        filter: &EventFilter,
        partitions: u32,
    ) -> Result<()> {
        Error::check_subscription(name, (&self.filter, self.partitions), (filter, partitions))
    }
}
