//! Recording what became of a batch. The caller has a transaction open, and commits it only if this is [`Settled::Now`].

use evercore::engine::{CursorMove, Settled, Settlement};
use evercore::{Error, Position};
use sqlx::SqliteConnection;

use super::json;
use crate::error::Problem;
use crate::log;

const END_REDRIVE: &str = include_str!("end_redrive.sql");
const MOVE_CURSOR: &str = include_str!("move_cursor.sql");
const PARK: &str = include_str!("park.sql");
const READ_CURSOR: &str = include_str!("read_cursor.sql");
const UNPARK: &str = include_str!("unpark.sql");

pub(crate) async fn settle(
    connection: &mut SqliteConnection,
    settlement: &Settlement,
) -> Result<Settled, Problem> {
    let Settlement { lease, cursor, parked, unparked, failure } = settlement;
    let lost =
        || Error::LeaseLost { name: lease.subscription.to_string(), partition: lease.partition };
    let step = match cursor {
        Some(step) => *step,
        None => {
            let stands = cursor_of(connection, settlement).await?.ok_or_else(lost)?;
            CursorMove { from: stands, to: stands }
        }
    };
    let moved = sqlx::query(MOVE_CURSOR)
        .bind(lease.subscription.as_str())
        .bind(i64::from(lease.partition))
        .bind(lease.token)
        .bind(step.from.get())
        .bind(step.to.get())
        .bind(failure)
        .execute(&mut *connection)
        .await?;
    if moved.rows_affected() == 0 {
        let stands = cursor_of(connection, settlement).await?;
        let was_before = stands == Some(step.to) && step.from != step.to;
        return if was_before { Ok(Settled::Before) } else { Err(lost().into()) };
    }
    if let Some(position) = unparked {
        let unparked = sqlx::query(UNPARK)
            .bind(lease.subscription.as_str())
            .bind(position.get())
            .execute(&mut *connection)
            .await?;
        if unparked.rows_affected() == 0 {
            return Ok(Settled::Before);
        }
    }
    if !parked.is_empty() {
        let rows: Vec<_> = parked
            .iter()
            .map(|event| (event.position, event.aggregate_id, event.reason.as_deref()))
            .collect();
        for sql in [PARK, END_REDRIVE] {
            let query = sqlx::query(sql).bind(lease.subscription.as_str()).bind(json(&rows));
            query.execute(&mut *connection).await?;
        }
    }
    Ok(Settled::Now)
}

async fn cursor_of(
    connection: &mut SqliteConnection,
    settlement: &Settlement,
) -> Result<Option<Position>, Problem> {
    let lease = &settlement.lease;
    let cursor: Option<i64> = sqlx::query_scalar(READ_CURSOR)
        .bind(lease.subscription.as_str())
        .bind(i64::from(lease.partition))
        .bind(lease.token)
        .fetch_optional(connection)
        .await?;
    Ok(cursor.map(log::position).transpose()?)
}
