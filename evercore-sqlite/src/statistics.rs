//! Removes SQLite's statistics of the store's tables.

use rusqlite::Connection;
use tracing::info;

use crate::error::Failure;

const FORGET_ROWS: &str = include_str!("statistics/forget_rows.sql");
const FORGET_SAMPLES: &str = include_str!("statistics/forget_samples.sql");

/// Forgets what `ANALYZE` has found out about the store's tables. Our plans are right without, and wrong with what is no
/// longer true: an index is not worth its cost in a table of one row, and once it was analysed as that, the table may be
/// read whole for each page of a log of a million.
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
        info!(forgotten, "forgot statistics of the store's tables");
        // Has the connection read what is left.
        connection.execute_batch("ANALYZE sqlite_schema")?;
    }
    Ok(())
}
