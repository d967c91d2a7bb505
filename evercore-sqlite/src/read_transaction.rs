//! Several statements that see the same.

use rusqlite::Connection;

use crate::error::Problem;

/// Has all that is read see the database as of one moment. What is in a transaction already does.
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
