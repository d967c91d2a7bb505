//! Stores the names of unique values that programs declare.

use std::sync::Arc;

use evercore::engine::{StoredUnique, UniqueName};
use evercore::{Error, Result};

use crate::error::classify;
use crate::readers::Readers;
use crate::row::get;
use crate::statements::Statements;

/// Reads all names.
pub(crate) async fn declared(
    readers: &Readers,
    statements: &Statements,
) -> Result<Vec<StoredUnique>> {
    let rows = sqlx::query(statements.read_unique_names.sql())
        .fetch_all(&mut *readers.acquire().await?)
        .await
        .map_err(|error| classify("read the names of unique values", error))?;
    let stored = rows.iter().map(|row| {
        let (aggregate_type, name): (String, String) = (get(row, 0)?, get(row, 1)?);
        let (up_to, is_complete) = (get(row, 2)?, get(row, 3)?);
        Ok::<_, Error>(StoredUnique::new(
            Arc::from(aggregate_type),
            name.into(),
            up_to,
            is_complete,
        ))
    });
    stored.collect()
}

/// Returns whether a name is not among those that are stored.
pub(crate) fn is_missing(stored: &[StoredUnique], name: &UniqueName) -> bool {
    !stored
        .iter()
        .any(|stored| *stored.aggregate_type == *name.aggregate_type && *stored.name == *name.name)
}

/// Stores names that are not stored yet.
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
