//! Reads histories and pages of the log.

use evercore::boundary::Tag;
use evercore::engine::{HistoryRequest, LogQuery};
use evercore::subscription::Partition;
use evercore::{Error, LogPage, Position, RecordedEvent, Result};
use sqlx::PgExecutor;

use crate::readers::Readers;
use crate::row::{self, Fetched, get};
use crate::statements::Statements;
use crate::types::Types;

/// The most events that one call looks at for a filter or a partition, unless it asks for more.
const MOST_LOOKED_AT: u32 = 10_000;

/// The indexes of the results in the row of `read_matching.sql` that says how far the statement looked. It has the
/// columns of an event, without a position.
mod column {
    pub(super) const LAST: usize = 1;
    pub(super) const IS_CUT: usize = 5;
}

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
    query: &LogQuery,
    frontier: Position,
) -> Result<Fetched> {
    let LogQuery { after, limit, correlation, .. } = query;
    if frontier <= *after {
        return Ok(Fetched::default());
    }
    if !query.is_of_all_events() {
        return fetch_matching(executor, types, statements, query, frontier).await;
    }
    let statement = match correlation {
        None => &statements.read_log,
        Some(_) => &statements.read_correlated,
    };
    let query =
        sqlx::query(statement.sql()).bind(after.get()).bind(frontier.get()).bind(i64::from(*limit));
    let query = match correlation {
        None => query,
        Some(correlation) => query.bind(&**correlation),
    };
    row::fetch(query, executor, types, "read the log").await
}

/// Reads a page with a filter or a partition, from a bounded number of events.
async fn fetch_matching(
    executor: impl PgExecutor<'_>,
    types: &Types,
    statements: &Statements,
    query: &LogQuery,
    frontier: Position,
) -> Result<Fetched> {
    let LogQuery { after, limit, filter, partition, correlation } = query;
    let whole = filter.whole_aggregates().map(|aggregate| (aggregate, None));
    let single = filter.single_events().map(|(aggregate, event)| (aggregate, Some(event)));
    let (aggregates, events): (Vec<_>, Vec<_>) = whole.chain(single).unzip();
    let named = !filter.is_of_all_types();
    let query = sqlx::query(statements.read_matching.sql())
        .bind(after.get())
        .bind(frontier.get())
        .bind(i64::from(*limit))
        .bind(i64::from(MOST_LOOKED_AT.max(*limit)))
        .bind(named.then_some(aggregates))
        .bind(named.then_some(events))
        .bind(filter.natural_key().map(evercore::NaturalKey::as_str))
        .bind(i64::from(partition.index()))
        .bind(i64::from(partition.count()))
        .bind(correlation.as_deref())
        .bind((filter.tags().len() > 0).then(|| filter.tags().map(Tag::as_str).collect::<Vec<_>>()))
        .bind((*partition != Partition::WHOLE).then(|| filter.lane_tag()).flatten());
    row::fetch(query, executor, types, "read the log").await
}

/// Makes a page of what [`fetch_page`] has read.
pub(crate) async fn page(
    mut fetched: Fetched,
    query: &LogQuery,
    frontier: Position,
    types: &Types,
    readers: &Readers,
    statements: &Statements,
) -> Result<LogPage> {
    let looked = fetched.aside.take();
    let mut events = fetched.events(types, readers, statements).await?;
    // The end is an event and not the frontier, which goes back when a writer announces its floor late, or after a
    // crash.
    if query.is_of_all_events() || frontier <= query.after {
        let full = u32::try_from(events.len()).is_ok_and(|events| events >= query.limit);
        let end = events.last().map_or(query.after, RecordedEvent::position);
        return Ok(LogPage::new(events, end, !full || end >= frontier));
    }
    // The events arrive in order; sorting a sorted list costs little and makes sure of it.
    events.sort_by_key(RecordedEvent::position);
    let (end, at_end) = match (events.last(), looked) {
        // A full page ends with its last event.
        (Some(last), None) => (last.position(), last.position() >= frontier),
        (_, Some(looked)) => {
            let last: Option<i64> = get(&looked, column::LAST)?;
            let end = last.map(Position::new).transpose()?.unwrap_or(query.after);
            let is_cut = get::<i32>(&looked, column::IS_CUT)? != 0;
            (end, end >= frontier || !is_cut)
        }
        (None, None) => return Err(Error::corrupt("events", "a page has no row")),
    };
    Ok(LogPage::new(events, end, at_end))
}
