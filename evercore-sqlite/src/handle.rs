//! Lends sqlx's connection, which user code writes on, to the engine's own code, which uses rusqlite.
//!
//! Events that are committed together with user code's rows are thus checked and written by the same code as all other
//! commits. Both drivers are bindings of one library, linked once.

use rusqlite::{Connection, ffi};
use sqlx::SqliteConnection;
use tokio::runtime::Handle;

use crate::error::Problem;

/// Lends the connection to the engine's own code. Blocks, so it must not run on a thread of the runtime.
pub(crate) fn with_handle<T>(
    connection: &mut SqliteConnection,
    work: impl FnOnce(&Connection) -> T,
) -> Result<T, Problem> {
    let mut locked = Handle::current().block_on(connection.lock_handle())?;
    #[expect(unsafe_code, reason = "a transaction of one driver cannot be used with the other")]
    // SAFETY: The handle is open as long as `locked` exists, and sqlx's own thread does not use it meanwhile.
    // `borrowed` does not close it, and is dropped, with the statements that it has prepared, before `locked` is.
    let borrowed = unsafe { Connection::from_handle(locked.as_raw_handle().as_ptr()) }?;
    let done = work(&borrowed);
    drop(borrowed);
    drop(locked);
    Ok(done)
}

/// The state of a connection, as SQLite reports it.
pub(crate) struct ConnectionStatus {
    /// Whether a transaction is open.
    pub(crate) is_open: bool,
    /// The result code of the last call.
    pub(crate) last_code: i32,
}

/// Reads the state without a statement, whose result code would replace the last one.
pub(crate) async fn connection_status(
    connection: &mut SqliteConnection,
) -> Result<ConnectionStatus, Problem> {
    let mut locked = connection.lock_handle().await?;
    let handle = locked.as_raw_handle().as_ptr();
    #[expect(unsafe_code, reason = "neither driver has a safe way")]
    // SAFETY: The handle is open as long as `locked` exists, and sqlx's own thread does not use it meanwhile.
    let (autocommit, last_code) =
        unsafe { (ffi::sqlite3_get_autocommit(handle), ffi::sqlite3_extended_errcode(handle)) };
    drop(locked);
    Ok(ConnectionStatus { is_open: autocommit == 0, last_code })
}
