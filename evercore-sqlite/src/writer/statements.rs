//! What the task that writes sends to SQLite.

/// A call to the driver costs about as much as a short statement itself, so that statements which follow each other
/// anyway share one. sqlx's SQLite driver runs such a text statement by statement, and stops at the first failure.
pub(super) const BEGIN: &str = concat!("BEGIN IMMEDIATE;\n", include_str!("read_state.sql"));
pub(super) const FINISH: &str = include_str!("finish.sql");
pub(super) const REGISTER_TYPES_ALONE: &str =
    concat!("BEGIN IMMEDIATE;\n", include_str!("register_types.sql"), "COMMIT;");

pub(super) const CLAIM_KEYS: &str = include_str!("claim_keys.sql");
pub(super) const INSERT_AGGREGATES: &str = include_str!("insert_aggregates.sql");
pub(super) const READ_STATE: &str = include_str!("read_state.sql");
pub(super) const REGISTER_TYPES: &str = include_str!("register_types.sql");
pub(super) const RELEASE_KEYS: &str = include_str!("release_keys.sql");
pub(super) const RESERVE_IDS: &str = include_str!("reserve_ids.sql");
pub(super) const SETTLE_COMMIT: &str = include_str!("settle_commit.sql");
pub(super) const TAKE_IDS: &str = include_str!("take_ids.sql");
pub(super) const UPSERT_SNAPSHOTS: &str = include_str!("upsert_snapshots.sql");

const INSERT_EVENTS: &str = include_str!("insert_events.sql");
const EVENT_TUPLE: &str = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

/// The most events in one statement: well within SQLite's limit for variables. A statement is prepared for each number
/// of events up to this, when it first occurs, and kept.
pub(crate) const MOST_ROWS: usize = 128;

/// What follows the events in the same call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    More,
    Finish,
}

/// The statement that inserts so many events, which may be none.
pub(super) fn insert_events(rows: usize, then: Then) -> String {
    let mut sql = String::with_capacity(
        INSERT_EVENTS.len() + rows * (EVENT_TUPLE.len() + 1) + 1 + FINISH.len(),
    );
    if rows > 0 {
        sql.push_str(INSERT_EVENTS);
        for row in 0..rows {
            sql.push_str(if row == 0 { "" } else { "," });
            sql.push_str(EVENT_TUPLE);
        }
        sql.push(';');
    }
    if then == Then::Finish {
        sql.push_str(FINISH);
    }
    sql
}
