//! Runs several SELECTs in one read transaction.

use rusqlite::Connection;

use crate::error::Problem;

/// Runs `read` in a read transaction, so that all its statements see the database as of one moment. If the connection
/// is already in a transaction, that one is used.
pub(crate) fn read_transaction<T>(
    connection: &Connection,
    read: impl FnOnce() -> Result<T, Problem>,
) -> Result<T, Problem> {
    if !connection.is_autocommit() {
        return read();
    }
    connection.prepare_cached("BEGIN")?.execute([])?;
    let done = read();
    connection.prepare_cached("COMMIT")?.execute([])?;
    done
}
