//! How far the log can be read without skipping what is still on its way.
//!
//! The rule and why it holds stand beside the functions that keep it, in the migration that defines them. Here is only
//! the order of the two statements: the frontier first, the events after it and in a statement of their own.

use evercore::{Position, Result};
use sqlx::PgPool;

use crate::error::classify;
use crate::statements::Statements;

/// Reads the frontier. It is worked out each time: after a crash it may be lower than it was.
pub(crate) async fn read(pool: &PgPool, statements: &Statements) -> Result<Position> {
    let frontier: i64 = sqlx::query_scalar(statements.frontier.sql())
        .fetch_one(pool)
        .await
        .map_err(|error| classify("read the frontier of the log", error))?;
    Position::new(frontier)
}
