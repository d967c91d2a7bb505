//! What the task that writes sends to SQLite.

/// A call to the driver costs about as much as a short statement itself, so that statements which follow each other
/// anyway share one. sqlx's SQLite driver runs such a text statement by statement, and stops at the first failure.
pub(super) const BEGIN: &str = include_str!("begin.sql");
pub(super) const FINISH: &str = include_str!("finish.sql");
pub(super) const REGISTER_TYPES: &str = include_str!("register_types.sql");

pub(super) const CLAIM_KEYS: &str = include_str!("claim_keys.sql");
pub(super) const INSERT_AGGREGATES: &str = include_str!("insert_aggregates.sql");
pub(super) const RELEASE_KEYS: &str = include_str!("release_keys.sql");
pub(super) const RESERVE_IDS: &str = include_str!("reserve_ids.sql");
pub(super) const SETTLE_COMMIT: &str = include_str!("settle_commit.sql");
pub(super) const UPSERT_SNAPSHOTS: &str = include_str!("upsert_snapshots.sql");

const INSERT_EVENTS: &str = include_str!("insert_events.sql");
const EVENT_TUPLE: &str = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

/// The most events in one statement. Well within SQLite's limit for variables.
const MOST_ROWS: usize = 128;
/// Statements of so many rows, and its multiples, are prepared once and kept; and those of fewer.
const ROWS_STEP: usize = 16;

/// What follows the events in the same call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    More,
    Finish,
}

/// How many of `left` events the next statement takes. There are few distinct answers, so that few statements have to
/// be prepared.
pub(super) fn next_rows(left: usize) -> usize {
    match left {
        0..ROWS_STEP => left,
        ROWS_STEP..MOST_ROWS => left - left % ROWS_STEP,
        _ => MOST_ROWS,
    }
}

/// The statement that inserts so many events.
pub(super) fn insert_events(rows: usize, then: Then) -> String {
    let mut sql = String::with_capacity(INSERT_EVENTS.len() + rows * (EVENT_TUPLE.len() + 2) + 512);
    sql.push_str(INSERT_EVENTS);
    for row in 0..rows {
        sql.push_str(if row == 0 { "" } else { ",\n" });
        sql.push_str(EVENT_TUPLE);
    }
    sql.push_str(";\n");
    if then == Then::Finish {
        sql.push_str(FINISH);
    }
    sql
}
