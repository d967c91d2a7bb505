//! Registers subscriptions, acquires their partitions, and controls them.

use chrono::{DateTime, Utc};
use evercore::engine::{
    AcquireRequest, Acquired, Control, Grant, IfDifferent, LeaseKey, NewSubscription, Registered,
};
use evercore::subscription::Partition;
use evercore::{Error, EventFilter, Position, Result, Start, SubscriptionName};
use sqlx::PgConnection;

use super::{SubscriptionStatements, interval};
use crate::begin::BEGIN;
use crate::engine::PostgresEngine;
use crate::error::classify;
use crate::log::index;
use crate::readers::Lent;
use crate::row::get;
use crate::statements::Statement;

impl PostgresEngine {
    pub(crate) async fn connection(&self) -> Result<Lent> {
        self.shared.readers.acquire().await
    }
}

/// Returns the position that a start stands for.
pub(super) async fn resolve(
    connection: &mut PgConnection,
    statements: &SubscriptionStatements,
    start: Start,
) -> Result<Position> {
    let failed = |error| classify("find a start", error);
    let number = match start {
        Start::Beginning => 0,
        Start::End => number(connection, &statements.head).await?,
        Start::After(position) => {
            let last = number(connection, &statements.last_position).await?;
            if position.get() > last {
                return Err(Error::StartBeyondEnd { position, end: Position::new(last)? });
            }
            position.get()
        }
        Start::From(time) => {
            let head = number(connection, &statements.head).await?;
            sqlx::query_scalar(statements.find_start.sql())
                // Cut to the microsecond, as times are stored: the driver would round times before 2000 up.
                .bind(DateTime::from_timestamp_micros(time.timestamp_micros()))
                .bind(head)
                .fetch_one(connection)
                .await
                .map_err(failed)?
        }
    };
    Position::new(number)
}

async fn number(connection: &mut PgConnection, statement: &Statement) -> Result<i64> {
    let number = sqlx::query_scalar(statement.sql()).fetch_one(connection).await;
    number.map_err(|error| classify("find a start", error))
}

pub(super) async fn register(engine: &PostgresEngine, new: &NewSubscription) -> Result<Registered> {
    let failed = |error| classify("store a subscription", error);
    let statements = engine.subscription_statements();
    let mut connection = engine.connection().await?;
    let mut transaction = connection.begin_with(BEGIN).await.map_err(failed)?;
    let stored = read(&mut transaction, statements, &new.name).await?;
    let registered = match stored {
        Some((filter, partitions)) => {
            let (wanted, stored) = ((&*new.filter, new.partitions), (&filter, partitions));
            let same = Error::check_subscription(&new.name, stored, wanted);
            if same.is_ok() || new.if_different == IfDifferent::Refuse {
                return same.map(|()| Registered::Unchanged);
            }
            replace(&mut transaction, statements, new, stored).await?;
            Registered::Replaced
        }
        None => {
            // Resolving the start may wait for the log, so it comes before any lock.
            let cursor = resolve(&mut transaction, statements, new.start).await?;
            let stored = sqlx::query(statements.insert_subscription.sql())
                .bind(new.name.as_str())
                .bind(new.filter.to_column())
                .bind(index(new.partitions))
                .execute(&mut *transaction)
                .await
                .map_err(failed)?;
            if stored.rows_affected() == 0 {
                // Another process has just stored it.
                drop(transaction);
                drop(connection);
                return Box::pin(register(engine, new)).await;
            }
            insert_partitions(&mut transaction, statements, new, cursor).await?;
            Registered::New { cursor }
        }
    };
    transaction.commit().await.map_err(failed)?;
    Ok(registered)
}

pub(super) async fn acquire(engine: &PostgresEngine, request: &AcquireRequest) -> Result<Acquired> {
    let row = sqlx::query(engine.subscription_statements().acquire.sql())
        .bind(request.subscription.as_str())
        .bind(&request.owner)
        .bind(interval(request.lease))
        .bind(request.filter.to_column())
        .bind(index(request.partitions))
        .fetch_one(&mut *engine.connection().await?)
        .await
        .map_err(|error| classify("take a lease", error))?;
    let subscription = request.subscription.clone();
    match get::<i16>(&row, 0)? {
        0 => {
            let partition = partition_number(get(&row, 1)?)?;
            let mut made = Grant::new(
                LeaseKey { subscription, partition, token: get(&row, 2)? },
                Position::new(get(&row, 3)?)?,
                Partition::new(partition, request.partitions)?,
            );
            made.has_parked = get(&row, 4)?;
            Ok(Acquired::Granted(made))
        }
        1 => {
            // Without an owner, the partition is reserved for a worker that has asked for it and not acquired it yet.
            let owner: Option<String> = get(&row, 5)?;
            let until: Option<DateTime<Utc>> = get(&row, 6)?;
            Ok(Acquired::Taken {
                owner: owner.unwrap_or_else(|| "a worker that has requested it".to_owned()),
                until: until.unwrap_or_else(Utc::now),
            })
        }
        2 => Ok(Acquired::Paused),
        3 => Ok(Acquired::Unknown),
        _ => {
            let filter = EventFilter::from_column(get(&row, 7)?)?;
            let stored = (&filter, partition_number(get(&row, 8)?)?);
            let wanted = (&*request.filter, request.partitions);
            Error::check_subscription(&subscription, stored, wanted)?;
            Err(Error::corrupt(
                "subscriptions.filter",
                "one filter is stored as two different texts",
            ))
        }
    }
}

pub(super) async fn control(
    engine: &PostgresEngine,
    name: &SubscriptionName,
    control: &Control,
) -> Result<()> {
    let failed = |error| classify("change a subscription", error);
    let statements = engine.subscription_statements();
    let mut connection = engine.connection().await?;
    let mut transaction = connection.begin_with(BEGIN).await.map_err(failed)?;
    let cursor = match control {
        Control::Reset(start) => Some(resolve(&mut transaction, statements, *start).await),
        _ => None,
    };
    if read(&mut transaction, statements, name).await?.is_none() {
        return Err(Error::UnknownSubscription { name: name.to_string() });
    }
    let query = |statement: &Statement| sqlx::query(statement.sql()).bind(name.as_str().to_owned());
    let done = match control {
        Control::Pause => query(&statements.set_paused).bind(true).execute(&mut *transaction).await,
        Control::Resume => {
            query(&statements.set_paused).bind(false).execute(&mut *transaction).await
        }
        Control::Redrive => query(&statements.redrive).execute(&mut *transaction).await,
        Control::RedriveEvent(position) => {
            let Parked { first, .. } =
                parked(&mut transaction, statements, name, *position).await?;
            if first != *position {
                let (name, position) = (name.to_string(), *position);
                return Err(Error::ParkedBehind { name, position, first });
            }
            let event = query(&statements.redrive_event).bind(position.get());
            event.execute(&mut *transaction).await
        }
        Control::Discard { position, by, reason } => {
            let Parked { lane, first } =
                parked(&mut transaction, statements, name, *position).await?;
            let discard = query(&statements.discard).bind(position.get()).bind(by).bind(reason);
            let mut done = discard.execute(&mut *transaction).await;
            if done.is_ok() && first == *position {
                let later = query(&statements.redrive_lane).bind(lane);
                done = later.execute(&mut *transaction).await;
            }
            done
        }
        Control::Delete => query(&statements.delete).execute(&mut *transaction).await,
        Control::Reset(_) => {
            let cursor = cursor.unwrap_or(Ok(Position::START))?;
            take_away(&mut transaction, statements, name).await?;
            let forgotten = query(&statements.forget_parked).execute(&mut *transaction).await;
            forgotten.map_err(failed)?;
            let reset = query(&statements.reset_cursors).bind(cursor.get());
            reset.execute(&mut *transaction).await
        }
    };
    done.map_err(failed)?;
    transaction.commit().await.map_err(failed)
}

/// The lane of a parked event, and the lane's first parked event.
struct Parked {
    lane: i64,
    first: Position,
}

/// Finds a parked event. Until the transaction ends, no worker can record anything, so that none parks an event behind
/// one that is about to be removed.
async fn parked(
    connection: &mut PgConnection,
    statements: &SubscriptionStatements,
    name: &SubscriptionName,
    position: Position,
) -> Result<Parked> {
    let failed = |error| classify("find a parked event", error);
    sqlx::query(statements.lock_places.sql())
        .bind(name.as_str())
        .execute(&mut *connection)
        .await
        .map_err(failed)?;
    let rows = sqlx::query(statements.find_parked.sql())
        .bind(name.as_str())
        .bind(position.get())
        .fetch_all(connection)
        .await
        .map_err(failed)?;
    let Some(row) = rows.first() else {
        return Err(Error::NotParked { name: name.to_string(), position });
    };
    Ok(Parked { lane: get(row, 0)?, first: Position::new(get(row, 1)?)? })
}

/// Reads the filter and the number of partitions, and locks them against changes.
async fn read(
    connection: &mut PgConnection,
    statements: &SubscriptionStatements,
    name: &SubscriptionName,
) -> Result<Option<(EventFilter, u32)>> {
    let rows = sqlx::query(statements.read_subscription.sql())
        .bind(name.as_str())
        .fetch_all(connection)
        .await
        .map_err(|error| classify("read a subscription", error))?;
    let Some(row) = rows.first() else { return Ok(None) };
    Ok(Some((EventFilter::from_column(get(row, 0)?)?, partition_number(get(row, 1)?)?)))
}

/// Gives a stored subscription the filter and partitions that are requested now.
async fn replace(
    connection: &mut PgConnection,
    statements: &SubscriptionStatements,
    new: &NewSubscription,
    (filter, partitions): (&EventFilter, u32),
) -> Result<()> {
    let failed = |error| classify("store a subscription", error);
    let has_other_lanes = filter.lane_tag() != new.filter.lane_tag();
    if has_other_lanes || partitions != new.partitions {
        // Locks the places, so that no event is parked from here on.
        let cursor = common_place(connection, statements, &new.name).await?;
        if has_other_lanes && has_parked(connection, statements, &new.name).await? {
            return Err(Error::parked_in_lanes(&new.name));
        }
        sqlx::query(statements.delete_partitions.sql())
            .bind(new.name.as_str())
            .execute(&mut *connection)
            .await
            .map_err(failed)?;
        insert_partitions(connection, statements, new, cursor).await?;
    }
    sqlx::query(statements.update_subscription.sql())
        .bind(new.name.as_str())
        .bind(new.filter.to_column())
        .bind(index(new.partitions))
        .execute(&mut *connection)
        .await
        .map_err(failed)?;
    take_away(connection, statements, &new.name).await
}

/// Returns the cursor that all partitions share. Fails if the cursors differ or a worker owns a partition.
async fn common_place(
    connection: &mut PgConnection,
    statements: &SubscriptionStatements,
    name: &SubscriptionName,
) -> Result<Position> {
    let rows = sqlx::query(statements.lock_places.sql())
        .bind(name.as_str())
        .fetch_all(connection)
        .await
        .map_err(|error| classify("store a subscription", error))?;
    let not_idle = |problem: String| Error::SubscriptionNotIdle { name: name.to_string(), problem };
    let mut common = None;
    for row in &rows {
        if let Some(owner) = get::<Option<String>>(row, 1)? {
            return Err(not_idle(format!("`{owner}` owns a partition")));
        }
        let cursor: i64 = get(row, 0)?;
        if *common.get_or_insert(cursor) != cursor {
            return Err(not_idle("the cursors of its partitions differ".to_owned()));
        }
    }
    Position::new(common.unwrap_or_default())
}

async fn has_parked(
    connection: &mut PgConnection,
    statements: &SubscriptionStatements,
    name: &SubscriptionName,
) -> Result<bool> {
    let found = sqlx::query(statements.has_parked.sql()).bind(name.as_str());
    let found = found.fetch_optional(connection).await;
    Ok(found.map_err(|error| classify("find parked events", error))?.is_some())
}

async fn insert_partitions(
    connection: &mut PgConnection,
    statements: &SubscriptionStatements,
    new: &NewSubscription,
    cursor: Position,
) -> Result<()> {
    sqlx::query(statements.insert_partitions.sql())
        .bind(new.name.as_str())
        .bind(index(new.partitions))
        .bind(cursor.get())
        .execute(connection)
        .await
        .map(drop)
        .map_err(|error| classify("store a subscription", error))
}

async fn take_away(
    connection: &mut PgConnection,
    statements: &SubscriptionStatements,
    name: &SubscriptionName,
) -> Result<()> {
    sqlx::query(statements.take_away.sql())
        .bind(name.as_str())
        .execute(connection)
        .await
        .map(drop)
        .map_err(|error| classify("end the leases of a subscription", error))
}

fn partition_number(number: i32) -> Result<u32> {
    u32::try_from(number)
        .map_err(|_| Error::corrupt("subscription_partitions.number", "out of range"))
}
