//! Detects a write that would wait for the transaction whose closure makes it.

use std::sync::Arc;

use evercore::{Error, Result};

use crate::database::Database;

tokio::task_local! {
    /// The databases in whose transactions the current code runs.
    static OPEN: Vec<Arc<Database>>;
}

/// Runs a poll of the closure of a transaction, and marks it as such.
pub(crate) fn within<T>(database: &Arc<Database>, poll: impl FnOnce() -> T) -> T {
    let mut open = OPEN.try_with(Vec::clone).unwrap_or_default();
    open.push(Arc::clone(database));
    OPEN.sync_scope(open, poll)
}

/// Refuses a write to a database inside a transaction of it. A task that the closure has spawned is not detected.
pub(crate) fn check(database: &Arc<Database>) -> Result<()> {
    let is_open = |open: &Vec<_>| open.iter().any(|open| Arc::ptr_eq(open, database));
    if OPEN.try_with(is_open).unwrap_or(false) { Err(Error::NestedCommit) } else { Ok(()) }
}
