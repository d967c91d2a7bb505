//! Removes SQLite's statistics of the store's tables.

use rusqlite::Connection;
use tracing::info;

use crate::error::Failure;

const FORGET_ROWS: &str = include_str!("statistics/forget_rows.sql");
const FORGET_SAMPLES: &str = include_str!("statistics/forget_samples.sql");

/// Deletes the statistics that `ANALYZE` has collected about the store's tables. The engine's statements have good
/// plans without them, and bad ones with outdated statistics: for a table that had one row when it was analysed, SQLite
/// avoids the index, and would read a log of a million events whole for each page.
pub(crate) fn forget_statistics(connection: &Connection) -> Result<(), Failure> {
    const TABLES: &str = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name IN ('sqlite_stat1', 'sqlite_stat4')";
    let mut names = connection.prepare(TABLES)?;
    let names: Vec<String> =
        names.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    let mut forgotten = 0;
    for name in names {
        forgotten += if name == "sqlite_stat1" {
            connection.execute(FORGET_ROWS, [])?
        } else {
            connection.execute(FORGET_SAMPLES, [])?
        };
    }
    if forgotten > 0 {
        info!(forgotten, "removed the statistics of the store's tables");
        // Makes the connection load the remaining statistics.
        connection.execute_batch("ANALYZE sqlite_schema")?;
    }
    Ok(())
}
