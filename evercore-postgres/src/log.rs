//! Reading histories and the log.

use evercore::engine::{HistoryRequest, LogPage, LogRequest};
use evercore::{Position, RecordedEvent, Result};
use sqlx::PgExecutor;
use sqlx::postgres::PgRow;

use crate::error::classify;
use crate::readers::Readers;
use crate::row;
use crate::statements::Statements;
use crate::types::Types;

/// A small number as a column holds it.
pub(crate) fn index(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

pub(crate) async fn history_rows(
    executor: impl PgExecutor<'_>,
    statements: &Statements,
    request: HistoryRequest,
) -> Result<Vec<PgRow>> {
    sqlx::query(statements.read_history.sql())
        .bind(request.id.get())
        .bind(request.after.get())
        .bind(request.up_to.map(evercore::Sequence::get))
        .bind(i64::from(request.limit))
        .fetch_all(executor)
        .await
        .map_err(|error| classify("read a history", error))
}

/// The rows of a page that ends at the frontier at the latest. No statement is needed where there is nothing.
pub(crate) async fn log_rows(
    executor: impl PgExecutor<'_>,
    statements: &Statements,
    request: &LogRequest,
    frontier: Position,
) -> Result<Vec<PgRow>> {
    if frontier <= request.after {
        return Ok(Vec::new());
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
    query.fetch_all(executor).await.map_err(|error| classify("read the log", error))
}

pub(crate) async fn page(
    rows: &[PgRow],
    request: &LogRequest,
    frontier: Position,
    types: &Types,
    readers: &Readers,
    statements: &Statements,
) -> Result<LogPage> {
    let events = row::events(rows, types, readers, statements).await?;
    let full = u32::try_from(events.len()).is_ok_and(|events| events >= request.limit);
    // Not the frontier: a writer that announces late makes it go back, and a crash may as well.
    let end = events.last().map_or(request.after, RecordedEvent::position);
    let at_end = !full || end >= frontier;
    Ok(LogPage { events, end, at_end })
}
