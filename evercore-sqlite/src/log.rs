//! Reads the global log.

use evercore::boundary::Tag;
use evercore::engine::LogQuery;
use evercore::subscription::Partition;
use evercore::{LogPage, Position, RecordedEvent, Result};
use rusqlite::{Connection, params};

use crate::error::Problem;
use crate::read_transaction::read_transaction;
use crate::row::{Page, checked, json};
use crate::types::Types;

const READ_CORRELATED: &str = include_str!("read_correlated.sql");
const READ_LOG: &str = include_str!("read_log.sql");
const READ_LOOKED_AT: &str = include_str!("read_looked_at.sql");
const READ_MATCHING: &str = include_str!("read_matching.sql");
const IS_MORE: &str = "SELECT 1 FROM events WHERE position > ?1";
const IS_MORE_CORRELATED: &str = "SELECT 1 FROM events WHERE position > ?1 AND correlation_id = ?2";

/// The most events that one call looks at for a filter or a partition, unless it asks for more.
const MOST_LOOKED_AT: u32 = 10_000;

/// Checks a position that was read from a row.
pub(crate) fn position(number: i64) -> Result<Position> {
    checked(Position::new(number), "events.position")
}

/// Reads a page of the log. There is one writer at a time, so positions become visible in order: no event can appear
/// before the last visible one.
pub(crate) fn read_log(
    connection: &Connection,
    types: &Types,
    query: &LogQuery,
) -> Result<LogPage, Problem> {
    if !query.is_of_all_events() {
        return read_transaction(connection, || read_matching(connection, types, query));
    }
    let LogQuery { after, limit, correlation, .. } = query;
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
    Ok(LogPage::new(events, end, at_end))
}

/// Reads a page with a filter or a partition, from a bounded number of events. Runs several statements, which must see
/// the same moment.
fn read_matching(
    connection: &Connection,
    types: &Types,
    query: &LogQuery,
) -> Result<LogPage, Problem> {
    let LogQuery { after, limit, filter, partition, correlation } = query;
    let named = (!filter.is_of_all_types()).then(|| {
        let whole = filter.whole_aggregates().map(|aggregate| (aggregate, None));
        let single = filter.single_events().map(|(aggregate, event)| (aggregate, Some(event)));
        json(&whole.chain(single).collect::<Vec<_>>())
    });
    let tags: Vec<_> = filter.tags().map(Tag::as_str).collect();
    let tags = (!tags.is_empty()).then(|| json(&tags));
    let most_looked_at = MOST_LOOKED_AT.max(*limit);
    // SQL does not know the lane of a tag.
    let in_lanes = (*partition != Partition::WHOLE && filter.lane_tag().is_some())
        .then_some((&**filter, *partition));
    let mut statement = connection.prepare_cached(READ_MATCHING)?;
    let rows = statement.query(params![
        after.get(),
        if in_lanes.is_some() { most_looked_at } else { *limit },
        most_looked_at,
        named,
        filter.natural_key().map(|key| key.as_str()),
        in_lanes.is_none().then_some(partition.index()),
        partition.count(),
        correlation.as_deref(),
        tags,
    ])?;
    let page = Page::new(connection, types);
    let events = match in_lanes {
        None => page.read(rows)?,
        Some((filter, partition)) => page.read_lanes(rows, size(*limit), |id, tags| {
            partition.contains(filter.lane_of(id, tags))
        })?,
    };
    let end = match events.last() {
        Some(last) if events.len() >= size(*limit) => last.position(),
        _ => {
            let looked_at: Option<i64> = connection
                .prepare_cached(READ_LOOKED_AT)?
                .query_one(params![after.get(), most_looked_at], |row| row.get(0))?;
            position(looked_at.unwrap_or(after.get()))?
        }
    };
    let at_end = !is_more(connection, end)?;
    Ok(LogPage::new(events, end, at_end))
}

/// Whether there are events after a position. Needed for a full page only: any other page reaches the end of the log.
fn is_more(connection: &Connection, after: Position) -> Result<bool, Problem> {
    Ok(connection.prepare_cached(IS_MORE)?.exists([after.get()])?)
}

/// The number of events in a full page.
pub(crate) fn size(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}
