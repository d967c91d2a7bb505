//! Stores the names of unique values that programs declare.

use std::sync::Arc;

use evercore::engine::{StoredUnique, UniqueName};
use evercore::{Error, Result};
use rusqlite::{Connection, params};

use crate::error::Problem;
use crate::writer::bump_version;

const DECLARE: &str = include_str!("unique/declare.sql");
const DECLARED: &str = include_str!("unique/declared.sql");
const RECORD_CLAIMED: &str = include_str!("unique/record_claimed.sql");

/// Reads all names.
pub(crate) fn declared(connection: &Connection) -> Result<Vec<StoredUnique>, Problem> {
    let mut statement = connection.prepare_cached(DECLARED)?;
    let rows = statement.query_map([], |row| {
        let (aggregate_type, name): (String, String) = (row.get(0)?, row.get(1)?);
        let (up_to, is_complete) = (row.get(2)?, row.get(3)?);
        Ok(StoredUnique::new(Arc::from(aggregate_type), name.into(), up_to, is_complete))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Stores names that are not stored yet, and a new version if there are any.
pub(crate) fn declare(connection: &Connection, names: &str) -> Result<(), Problem> {
    if connection.prepare_cached(DECLARE)?.execute([names])? > 0 {
        bump_version(connection)?;
    }
    Ok(())
}

/// Records how far the values with some names are claimed.
pub(crate) fn record_claimed(
    connection: &Connection,
    names: &str,
    up_to: i64,
    is_complete: bool,
) -> Result<(), Problem> {
    connection.prepare_cached(RECORD_CLAIMED)?.execute(params![names, up_to, is_complete])?;
    Ok(())
}

/// Writes names as the statements read them.
pub(crate) fn to_json(names: &[UniqueName]) -> Result<String> {
    let rows: Vec<_> = names.iter().map(|name| (name.aggregate_type, name.name)).collect();
    serde_json::to_string(&rows).map_err(|error| Error::storage("declare unique values", error))
}
