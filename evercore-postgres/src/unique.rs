//! Stores the names of unique values that programs declare.

use evercore::Result;
use evercore::engine::UniqueName;

use crate::error::classify;
use crate::readers::Readers;
use crate::statements::Statements;

/// Stores names that are not stored yet, and a new version if there are any.
pub(crate) async fn declare(
    readers: &Readers,
    statements: &Statements,
    names: &[UniqueName],
) -> Result<()> {
    let (aggregates, names) = columns(names);
    sqlx::query(statements.declare_unique.sql())
        .bind(aggregates)
        .bind(names)
        .execute(&mut *readers.acquire().await?)
        .await
        .map(drop)
        .map_err(|error| classify("declare unique values", error))
}

/// Records how far the values with some names are claimed.
pub(crate) async fn record_claimed(
    readers: &Readers,
    statements: &Statements,
    names: &[UniqueName],
    up_to: i64,
    is_complete: bool,
) -> Result<()> {
    let (aggregates, names) = columns(names);
    sqlx::query(statements.record_claimed.sql())
        .bind(aggregates)
        .bind(names)
        .bind(up_to)
        .bind(is_complete)
        .execute(&mut *readers.acquire().await?)
        .await
        .map(drop)
        .map_err(|error| classify("record claimed unique values", error))
}

fn columns(names: &[UniqueName]) -> (Vec<&'static str>, Vec<&'static str>) {
    names.iter().map(|name| (name.aggregate_type, name.name)).unzip()
}
