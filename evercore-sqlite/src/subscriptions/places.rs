//! Registers subscriptions, acquires their partitions, and controls them.

use std::time::Duration;

use chrono::{DateTime, Utc};
use evercore::engine::{
    AcquireRequest, Acquired, Control, Grant, IfDifferent, LeaseKey, NewSubscription, Registered,
};
use evercore::subscription::Partition;
use evercore::{Error, EventFilter, Position, Result, Start, SubscriptionName};
use rusqlite::{Connection, OptionalExtension, params};

use super::settle::unpark;
use crate::error::Problem;
use crate::log;
use crate::row::micros;

const ASK_FOR: &str = include_str!("ask_for.sql");
const DELETE: &str = include_str!("delete.sql");
const DELETE_PARTITIONS: &str = include_str!("delete_partitions.sql");
const DISCARD: &str = include_str!("discard.sql");
const HAS_PARKED: &str = "SELECT 1 FROM parked_events WHERE subscription = ?1";
const FIND_PARKED: &str = include_str!("find_parked.sql");
const FORGET_EVENT: &str = include_str!("forget_event.sql");
const FIND_FREE: &str = include_str!("find_free.sql");
const FORGET_PARKED: &str = include_str!("forget_parked.sql");
const INSERT_PARTITIONS: &str = include_str!("insert_partitions.sql");
const INSERT_SUBSCRIPTION: &str = include_str!("insert_subscription.sql");
const LEASE: &str = include_str!("lease.sql");
const NEXT_TOKEN: &str = include_str!("next_token.sql");
const READ_PLACES: &str = include_str!("read_places.sql");
const READ_SUBSCRIPTION: &str = include_str!("read_subscription.sql");
const REDRIVE: &str = include_str!("redrive.sql");
const REDRIVE_EVENT: &str = include_str!("redrive_event.sql");
const RELEASE: &str = include_str!("release.sql");
const RESET_CURSORS: &str = include_str!("reset_cursors.sql");
const RESOLVE_START: &str = include_str!("resolve_start.sql");
const SET_PAUSED: &str = include_str!("set_paused.sql");
const TAKE_AWAY: &str = include_str!("take_away.sql");
const UPDATE_SUBSCRIPTION: &str = include_str!("update_subscription.sql");

/// The row of a subscription.
struct Stored {
    filter: EventFilter,
    partitions: u32,
    paused: bool,
}

/// The result of the search for a free partition.
enum Free {
    Partition(u32),
    None { owner: String, until: DateTime<Utc> },
}

/// Returns the time when a lease ends, cut to the last one that the calendar can hold.
pub(super) fn lease_end(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// Returns the position that a start stands for.
pub(super) fn resolve(connection: &Connection, start: Start) -> Result<Position, Problem> {
    let from = match start {
        Start::From(time) => Some(time.timestamp_micros()),
        Start::Beginning | Start::End | Start::After(_) => None,
    };
    let (before, head): (i64, i64) = connection
        .prepare_cached(RESOLVE_START)?
        .query_row([from], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let head = log::position(head)?;
    match start {
        Start::Beginning => Ok(Position::START),
        Start::End => Ok(head),
        Start::From(_) => Ok(log::position(before)?),
        Start::After(position) if position <= head => Ok(position),
        Start::After(position) => Err(Error::StartBeyondEnd { position, end: head }.into()),
    }
}

pub(super) fn register(
    connection: &Connection,
    new: &NewSubscription,
) -> Result<Registered, Problem> {
    let name = new.name.as_str();
    let Some(stored) = read(connection, &new.name)? else {
        let cursor = resolve(connection, new.start)?;
        let row = params![name, new.filter.to_column(), new.partitions];
        connection.prepare_cached(INSERT_SUBSCRIPTION)?.execute(row)?;
        insert_partitions(connection, new, cursor)?;
        return Ok(Registered::New { cursor });
    };
    let same = stored.check_same(&new.name, &new.filter, new.partitions);
    if same.is_ok() || new.if_different == IfDifferent::Refuse {
        same?;
        return Ok(Registered::Unchanged);
    }
    let has_other_lanes = stored.filter.lane_tag() != new.filter.lane_tag();
    if has_other_lanes || stored.partitions != new.partitions {
        let cursor = common_place(connection, &new.name)?;
        if has_other_lanes && connection.prepare_cached(HAS_PARKED)?.exists([name])? {
            return Err(Error::parked_in_lanes(&new.name).into());
        }
        connection.prepare_cached(DELETE_PARTITIONS)?.execute([name])?;
        insert_partitions(connection, new, cursor)?;
    }
    let row = params![name, new.filter.to_column(), new.partitions];
    connection.prepare_cached(UPDATE_SUBSCRIPTION)?.execute(row)?;
    take_away(connection, &new.name)?;
    Ok(Registered::Replaced)
}

/// Returns the reason why no partition can be acquired; `None` if one can.
pub(super) fn refusal(
    connection: &Connection,
    request: &AcquireRequest,
) -> Result<Option<Acquired>, Problem> {
    let Some(stored) = read(connection, &request.subscription)? else {
        return Ok(Some(Acquired::Unknown));
    };
    stored.check_same(&request.subscription, &request.filter, request.partitions)?;
    if stored.paused {
        return Ok(Some(Acquired::Paused));
    }
    Ok(match find_free(connection, request)? {
        Free::Partition(_) => None,
        Free::None { owner, until } => Some(Acquired::Taken { owner, until }),
    })
}

pub(super) fn acquire(
    connection: &Connection,
    request: &AcquireRequest,
) -> Result<Acquired, Problem> {
    if let Some(refused) = refusal(connection, request)? {
        return Ok(refused);
    }
    let index = match find_free(connection, request)? {
        Free::Partition(index) => index,
        Free::None { owner, until } => return Ok(Acquired::Taken { owner, until }),
    };
    let token: i64 = connection.prepare_cached(NEXT_TOKEN)?.query_one([], |row| row.get(0))?;
    let lease = params![
        request.subscription.as_str(),
        index,
        token,
        request.owner,
        micros(request.lease),
        request.partitions,
    ];
    let (cursor, has_parked) =
        connection.prepare_cached(LEASE)?.query_one(lease, |row| Ok((row.get(0)?, row.get(1)?)))?;
    let subscription = request.subscription.clone();
    let mut made = Grant::new(
        LeaseKey { subscription, partition: index, token },
        log::position(cursor)?,
        Partition::new(index, request.partitions)?,
    );
    made.has_parked = has_parked;
    Ok(Acquired::Granted(made))
}

pub(super) fn ask_for(
    connection: &Connection,
    lease: &LeaseKey,
    by: &str,
    patience: Duration,
) -> Result<(), Problem> {
    let request =
        params![lease.subscription.as_str(), lease.partition, lease.token, by, micros(patience),];
    connection.prepare_cached(ASK_FOR)?.execute(request)?;
    Ok(())
}

pub(super) fn release(connection: &Connection, lease: &LeaseKey) -> Result<(), Problem> {
    let lease = params![lease.subscription.as_str(), lease.partition, lease.token];
    connection.prepare_cached(RELEASE)?.execute(lease)?;
    Ok(())
}

pub(super) fn control(
    connection: &Connection,
    name: &SubscriptionName,
    control: &Control,
) -> Result<(), Problem> {
    if read(connection, name)?.is_none() {
        return Err(Error::UnknownSubscription { name: name.to_string() }.into());
    }
    let name_only = params![name.as_str()];
    match control {
        Control::Pause | Control::Resume => {
            let paused = *control == Control::Pause;
            connection.prepare_cached(SET_PAUSED)?.execute(params![name.as_str(), paused])?;
        }
        Control::Redrive => {
            connection.prepare_cached(REDRIVE)?.execute(name_only)?;
        }
        Control::Delete => {
            connection.prepare_cached(DELETE)?.execute(name_only)?;
        }
        Control::RedriveEvent(position) => {
            let first = first_parked_beside(connection, name, *position)?;
            if first != *position {
                let (name, position) = (name.to_string(), *position);
                return Err(Error::ParkedBehind { name, position, first }.into());
            }
            let event = params![name.as_str(), position.get()];
            connection.prepare_cached(REDRIVE_EVENT)?.execute(event)?;
        }
        Control::Discard { position, by, reason } => {
            let first = first_parked_beside(connection, name, *position)?;
            let discarded = params![name.as_str(), position.get(), by, reason];
            connection.prepare_cached(DISCARD)?.execute(discarded)?;
            if first == *position {
                unpark(connection, name, *position)?;
            } else {
                let event = params![name.as_str(), position.get()];
                connection.prepare_cached(FORGET_EVENT)?.execute(event)?;
            }
        }
        Control::Reset(start) => {
            let cursor = resolve(connection, *start)?;
            take_away(connection, name)?;
            connection.prepare_cached(FORGET_PARKED)?.execute(name_only)?;
            let place = params![name.as_str(), cursor.get()];
            connection.prepare_cached(RESET_CURSORS)?.execute(place)?;
        }
    }
    Ok(())
}

/// Returns the first parked event of the lane that a parked event belongs to.
fn first_parked_beside(
    connection: &Connection,
    name: &SubscriptionName,
    position: Position,
) -> Result<Position, Problem> {
    let mut statement = connection.prepare_cached(FIND_PARKED)?;
    let event = params![name.as_str(), position.get()];
    match statement.query_row(event, |row| row.get(0)).optional()? {
        Some(first) => Ok(log::position(first)?),
        None => Err(Error::NotParked { name: name.to_string(), position }.into()),
    }
}

fn read(connection: &Connection, name: &SubscriptionName) -> Result<Option<Stored>, Problem> {
    let mut statement = connection.prepare_cached(READ_SUBSCRIPTION)?;
    let found = statement.query_row([name.as_str()], |row| {
        let (filter, partitions, paused): (String, i64, bool) =
            (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok((filter, partitions, paused))
    });
    let Some((filter, partitions, paused)) = found.optional()? else { return Ok(None) };
    Ok(Some(Stored {
        filter: EventFilter::from_column(&filter)?,
        partitions: u32::try_from(partitions)
            .map_err(|_| Error::corrupt("subscriptions.partitions", "out of range"))?,
        paused,
    }))
}

fn find_free(connection: &Connection, request: &AcquireRequest) -> Result<Free, Problem> {
    let (free, owner, until, now): (Option<i64>, Option<String>, Option<i64>, i64) = connection
        .prepare_cached(FIND_FREE)?
        .query_one([request.subscription.as_str(), &request.owner], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })?;
    if let Some(free) = free {
        let free = u32::try_from(free);
        let out_of_range = |_| Error::corrupt("subscription_partitions.number", "out of range");
        return Ok(Free::Partition(free.map_err(out_of_range)?));
    }
    Ok(Free::None {
        // Without an owner, the partition is reserved for a worker that has asked for it and not acquired it yet.
        owner: owner.unwrap_or_else(|| "a worker that has requested it".to_owned()),
        until: lease_end(until.unwrap_or(now)),
    })
}

fn insert_partitions(
    connection: &Connection,
    new: &NewSubscription,
    cursor: Position,
) -> Result<(), Problem> {
    let partitions = params![new.name.as_str(), new.partitions, cursor.get()];
    connection.prepare_cached(INSERT_PARTITIONS)?.execute(partitions)?;
    Ok(())
}

/// Returns the cursor that all partitions share. Fails if the cursors differ or a worker owns a partition.
fn common_place(connection: &Connection, name: &SubscriptionName) -> Result<Position, Problem> {
    let (first, last, owner): (i64, i64, Option<String>) = connection
        .prepare_cached(READ_PLACES)?
        .query_one([name.as_str()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let problem = match owner {
        Some(owner) => format!("`{owner}` owns a partition"),
        None if first != last => "the cursors of its partitions differ".to_owned(),
        None => return Ok(log::position(first)?),
    };
    Err(Error::SubscriptionNotIdle { name: name.to_string(), problem }.into())
}

fn take_away(connection: &Connection, name: &SubscriptionName) -> Result<(), Problem> {
    connection.prepare_cached(TAKE_AWAY)?.execute([name.as_str()])?;
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
