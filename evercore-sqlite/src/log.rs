//! Reads the global log.

use evercore::engine::{LogPage, LogRequest};
use evercore::{Position, RecordedEvent, Result};
use rusqlite::{Connection, params};

use crate::error::Problem;
use crate::row::{Page, checked};
use crate::types::Types;

const READ_CORRELATED: &str = include_str!("read_correlated.sql");
const READ_LOG: &str = include_str!("read_log.sql");
const IS_MORE: &str = "SELECT 1 FROM events WHERE position > ?1";
const IS_MORE_CORRELATED: &str = "SELECT 1 FROM events WHERE position > ?1 AND correlation_id = ?2";

/// Checks a position that was read from a row.
pub(crate) fn position(number: i64) -> Result<Position> {
    checked(Position::new(number), "events.position")
}

/// Reads a page of the log. There is one writer at a time, so positions become visible in order: no event can appear
/// before the last visible one.
pub(crate) fn read_log(
    connection: &Connection,
    types: &Types,
    request: &LogRequest,
) -> Result<LogPage, Problem> {
    let LogRequest { after, limit, correlation, .. } = request;
    let sql = if correlation.is_some() { READ_CORRELATED } else { READ_LOG };
    let mut statement = connection.prepare_cached(sql)?;
    let rows = match correlation {
        None => statement.query(params![after.get(), limit])?,
        Some(correlation) => statement.query(params![after.get(), limit, &**correlation])?,
    };
    let events = Page::new(connection, types).read(rows)?;
    let end = events.last().map_or(*after, RecordedEvent::position);
    let at_end = events.len() < size(*limit)
        || !match correlation {
            None => is_more(connection, end)?,
            Some(correlation) => connection
                .prepare_cached(IS_MORE_CORRELATED)?
                .exists(params![end.get(), &**correlation])?,
        };
    Ok(LogPage { events, end, at_end })
}

/// Whether there are events after a position. Needed for a full page only: any other page reaches the end of the log.
pub(crate) fn is_more(connection: &Connection, after: Position) -> Result<bool, Problem> {
    Ok(connection.prepare_cached(IS_MORE)?.exists([after.get()])?)
}

/// The number of events in a full page.
pub(crate) fn size(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}
