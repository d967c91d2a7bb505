//! Records the outcome of a batch.

use evercore::engine::{Settled, Settlement};
use evercore::{Error, Result};
use sqlx::PgExecutor;

use super::{SubscriptionStatements, interval};
use crate::error::classify;
use crate::log::index;

/// Records a settlement in one statement. In a transaction, it must be the last statement: it locks the row that a
/// successor needs.
pub(crate) async fn settle(
    executor: impl PgExecutor<'_>,
    statements: &SubscriptionStatements,
    settlement: &Settlement,
) -> Result<Settled> {
    let Settlement { lease, cursor, parked, unparked, failure } = settlement;
    let (from, to) = cursor.map(|step| (step.from.get(), step.to.get())).unzip();
    let outcome: i16 = sqlx::query_scalar(statements.settle.sql())
        .bind(lease.subscription.as_str())
        .bind(index(lease.partition))
        .bind(lease.token)
        .bind(from)
        .bind(to)
        .bind(unparked.map(evercore::Position::get))
        .bind(failure.as_deref())
        .bind(parked.iter().map(|event| event.position.get()).collect::<Vec<_>>())
        .bind(parked.iter().map(|event| event.lane.get()).collect::<Vec<_>>())
        .bind(parked.iter().map(|event| event.reason.as_deref()).collect::<Vec<_>>())
        .bind(parked.iter().map(|event| event.redrive_after.map(interval)).collect::<Vec<_>>())
        .fetch_one(executor)
        .await
        .map_err(|error| classify("record a batch", error))?;
    match outcome {
        0 => Ok(Settled::Now),
        1 => Ok(Settled::Before),
        _ => Err(Error::LeaseLost {
            name: lease.subscription.to_string(),
            partition: lease.partition,
        }),
    }
}
