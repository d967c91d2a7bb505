//! Records the outcome of a batch, in a transaction that the caller has opened. If that transaction also has writes of
//! user code, it may be committed only if the result is [`Settled::Now`].

use evercore::engine::{CursorMove, Settled, Settlement};
use evercore::{Error, Position, SubscriptionName};
use rusqlite::{Connection, OptionalExtension, params};

use crate::error::Problem;
use crate::log;
use crate::row::json;
use crate::row::micros;

const END_REDRIVE: &str = include_str!("end_redrive.sql");
const MOVE_CURSOR: &str = include_str!("move_cursor.sql");
const PARK: &str = include_str!("park.sql");
const READ_CURSOR: &str = include_str!("read_cursor.sql");
const REDRIVE_LANE: &str = include_str!("redrive_lane.sql");
const UNPARK: &str = include_str!("unpark.sql");

pub(crate) fn settle(connection: &Connection, settlement: &Settlement) -> Result<Settled, Problem> {
    let Settlement { lease, cursor, parked, unparked, failure } = settlement;
    let lost =
        || Error::LeaseLost { name: lease.subscription.to_string(), partition: lease.partition };
    let step = match cursor {
        Some(step) => *step,
        None => {
            let stands = cursor_of(connection, settlement)?.ok_or_else(lost)?;
            CursorMove { from: stands, to: stands }
        }
    };
    let moved = connection.prepare_cached(MOVE_CURSOR)?.execute(params![
        lease.subscription.as_str(),
        lease.partition,
        lease.token,
        step.from.get(),
        step.to.get(),
        failure.as_deref(),
    ])?;
    if moved == 0 {
        let stands = cursor_of(connection, settlement)?;
        let was_before = stands == Some(step.to) && step.from != step.to;
        return if was_before { Ok(Settled::Before) } else { Err(lost().into()) };
    }
    if let Some(position) = unparked
        && !unpark(connection, &lease.subscription, *position)?
    {
        return Ok(Settled::Before);
    }
    if !parked.is_empty() {
        let rows: Vec<_> = parked
            .iter()
            .map(|event| {
                let reason = event.reason.as_deref();
                (event.position, event.lane.get(), reason, event.redrive_after.map(micros))
            })
            .collect();
        let (name, rows) = (lease.subscription.as_str(), json(&rows));
        connection.prepare_cached(PARK)?.execute(params![name, rows, cursor.is_some()])?;
        if parked.iter().any(|event| event.reason.is_some()) {
            connection.prepare_cached(END_REDRIVE)?.execute(params![name, rows])?;
        }
    }
    Ok(Settled::Now)
}

/// Removes a parked event, and marks the later ones of its lane to be redriven. `false` if it is not parked.
pub(super) fn unpark(
    connection: &Connection,
    name: &SubscriptionName,
    position: Position,
) -> Result<bool, Problem> {
    let mut statement = connection.prepare_cached(UNPARK)?;
    let lane: Option<i64> =
        statement.query_row(params![name.as_str(), position.get()], |row| row.get(0)).optional()?;
    let Some(lane) = lane else { return Ok(false) };
    connection.prepare_cached(REDRIVE_LANE)?.execute(params![name.as_str(), lane])?;
    Ok(true)
}

fn cursor_of(
    connection: &Connection,
    settlement: &Settlement,
) -> Result<Option<Position>, Problem> {
    let lease = &settlement.lease;
    let partition = params![lease.subscription.as_str(), lease.partition, lease.token];
    let mut statement = connection.prepare_cached(READ_CURSOR)?;
    let cursor = statement.query_row(partition, |row| row.get(0)).optional()?;
    Ok(cursor.map(log::position).transpose()?)
}
