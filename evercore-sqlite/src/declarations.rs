//! Reads what programs declare.

use std::sync::Arc;

use evercore::Error;
use evercore::engine::{Declarations, StoredEvent, StoredTag, TagState};
use rusqlite::Connection;

use crate::error::Problem;
use crate::log::position;
use crate::read_transaction::read_transaction;
use crate::unique;
use crate::writer::declared_version;

const READ_DECLARED: &str = include_str!("tagging/read_declared.sql");

pub(crate) const DECLARED: i64 = 0;
pub(crate) const INCOMPLETE: i64 = 1;
pub(crate) const COMPLETE: i64 = 2;
pub(crate) const RETIRED: i64 = 3;

/// Reads all declarations, as of one moment.
pub(crate) fn read(connection: &Connection) -> Result<Declarations, Problem> {
    read_transaction(connection, || {
        let version = declared_version(connection)?;
        Ok(Declarations::new(version, tags(connection)?, unique::declared(connection)?))
    })
}

fn tags(connection: &Connection) -> Result<Vec<(StoredTag, TagState)>, Problem> {
    let mut statement = connection.prepare_cached(READ_DECLARED)?;
    let mut rows = statement.query([])?;
    let mut declared = Vec::new();
    while let Some(row) = rows.next()? {
        let text = |index| row.get::<_, Arc<str>>(index);
        let event = StoredEvent { aggregate: text(0)?, event: text(1)? };
        let state = match row.get(3)? {
            DECLARED => TagState::Declared,
            INCOMPLETE => TagState::Incomplete(position(row.get(4)?)?),
            COMPLETE => TagState::Complete,
            RETIRED => TagState::Retired,
            other => {
                let problem = format!("there is no state {other}");
                return Err(Error::corrupt("event_type_tags.state", problem).into());
            }
        };
        declared.push((StoredTag { event, name: text(2)? }, state));
    }
    Ok(declared)
}
