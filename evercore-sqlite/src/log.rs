//! Reads the global log.

use evercore::engine::{LogPage, LogRequest};
use evercore::{Position, RecordedEvent, Result};
use sqlx::{Row, SqliteConnection};

use crate::error::Problem;
use crate::page::{RawPage, checked};
use crate::types::Types;

pub(crate) const READ_CORRELATED: &str = include_str!("read_correlated.sql");
pub(crate) const READ_LOG: &str = include_str!("read_log.sql");

/// A position that came out of a row.
pub(crate) fn position(number: i64) -> Result<Position> {
    checked(Position::new(number), "events.position")
}

/// A page of the log. There is one writer at a time, so that positions appear in their order: no event can still come
/// before the last one.
pub(crate) async fn read_log(
    connection: &mut SqliteConnection,
    types: &Types,
    request: &LogRequest,
) -> Result<LogPage, Problem> {
    let sql = if request.correlation.is_some() { READ_CORRELATED } else { READ_LOG };
    let query = sqlx::query(sql).bind(request.after.get()).bind(i64::from(request.limit));
    let query = match &request.correlation {
        None => query,
        Some(correlation) => query.bind(&**correlation),
    };
    let row = query.fetch_one(&mut *connection).await?;
    let head = position(row.try_get(2)?)?;
    let events = RawPage::from_row(&row, 0)?.into_events(types, connection).await?;
    let end = events.last().map_or(request.after, RecordedEvent::position);
    Ok(LogPage { events, end, at_end: end >= head })
}
