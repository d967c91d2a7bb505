//! Reads histories and pages of the log.

use evercore::engine::{HistoryRequest, LogPage, LogRequest};
use evercore::{Position, RecordedEvent, Result};
use sqlx::PgExecutor;

use crate::readers::Readers;
use crate::row::{self, Fetched};
use crate::statements::Statements;
use crate::types::Types;

/// Converts a small number to a column's type.
pub(crate) fn index(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

pub(crate) async fn fetch_history(
    executor: impl PgExecutor<'_>,
    types: &Types,
    statements: &Statements,
    request: HistoryRequest,
) -> Result<Fetched> {
    let query = sqlx::query(statements.read_history.sql())
        .bind(request.id.get())
        .bind(request.after.get())
        .bind(request.up_to.map(evercore::Sequence::get))
        .bind(i64::from(request.limit));
    row::fetch(query, executor, types, "read a history").await
}

/// Reads a page that ends at the frontier or before it. No statement runs if nothing can be there.
pub(crate) async fn fetch_page(
    executor: impl PgExecutor<'_>,
    types: &Types,
    statements: &Statements,
    request: &LogRequest,
    frontier: Position,
) -> Result<Fetched> {
    if frontier <= request.after {
        return Ok(Fetched::default());
    }
    let statement = match request.correlation {
        None => &statements.read_log,
        Some(_) => &statements.read_correlated,
    };
    let query = sqlx::query(statement.sql())
        .bind(request.after.get())
        .bind(frontier.get())
        .bind(i64::from(request.limit));
    let query = match &request.correlation {
        None => query,
        Some(correlation) => query.bind(&**correlation),
    };
    row::fetch(query, executor, types, "read the log").await
}

pub(crate) async fn page(
    fetched: Fetched,
    request: &LogRequest,
    frontier: Position,
    types: &Types,
    readers: &Readers,
    statements: &Statements,
) -> Result<LogPage> {
    let events = fetched.events(types, readers, statements).await?;
    let full = u32::try_from(events.len()).is_ok_and(|events| events >= request.limit);
    // The end is the last event and not the frontier, which goes back when a writer announces its floor late, or after
    // a crash.
    let end = events.last().map_or(request.after, RecordedEvent::position);
    let at_end = !full || end >= frontier;
    Ok(LogPage { events, end, at_end })
}
