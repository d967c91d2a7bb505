//! Writes the rows by which events are found by their tags, several in each statement.

use std::sync::LazyLock;

use evercore::Error;
use rusqlite::Connection;

use crate::error::{Problem, because};
use crate::types::EventTypeId;

/// A statement for each of several numbers of rows.
static INSERTS: LazyLock<[(usize, String); 5]> =
    LazyLock::new(|| [64, 16, 4, 2, 1].map(|rows| (rows, insert_event_tags(rows))));

const INSERT_EVENT_TAGS: &str = include_str!("insert_event_tags.sql");
const TUPLE: &str = "(?, ?, ?)";
const COLUMNS: usize = 3;
const LEFT_OUT: &str = "a trigger of this database dropped some of the rows";

/// A row for a tag of an event. Compared in the order of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TagRow {
    tag: i64,
    event_type: i64,
    /// The index of the event in its commit.
    event: usize,
}

impl TagRow {
    pub(super) const fn new(tag: i64, event_type: EventTypeId, event: usize) -> Self {
        Self { tag, event_type: event_type.get(), event }
    }
}

/// Writes the rows of a commit whose first event has the position `first`.
pub(super) fn index_tags(
    connection: &Connection,
    mut rows: Vec<TagRow>,
    first: i64,
) -> Result<(), Problem> {
    // In the order of the table, so that the rows of a large commit visit each page once.
    rows.sort_unstable();
    // Two tags of an event that have the same number share a row.
    rows.dedup();
    let mut left = &rows[..];
    for (count, sql) in &*INSERTS {
        if left.len() < *count {
            continue;
        }
        let mut statement = connection.prepare_cached(sql)?;
        while left.len() >= *count {
            let (now, later) = left.split_at(*count);
            for (row, TagRow { tag, event_type, event }) in now.iter().enumerate() {
                let after = row * COLUMNS;
                // There is no other writer, so the positions of a commit are consecutive.
                let position =
                    i64::try_from(*event).ok().and_then(|index| first.checked_add(index));
                statement.raw_bind_parameter(after + 1, tag)?;
                statement.raw_bind_parameter(after + 2, event_type)?;
                statement.raw_bind_parameter(after + 3, position)?;
            }
            if statement.raw_execute()? != *count {
                return Err(Error::storage("index the tags of events", because(LEFT_OUT)).into());
            }
            left = later;
        }
    }
    Ok(())
}

fn insert_event_tags(rows: usize) -> String {
    let tuples = vec![TUPLE; rows];
    [INSERT_EVENT_TAGS, &tuples.join(", ")].concat()
}
