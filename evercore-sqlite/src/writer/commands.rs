//! Records the outcomes of commands as parts of a commit.

use evercore::AggregateId;
use evercore::engine::{CommandOutcome, Commit};
use rusqlite::{Connection, params};

use crate::error::Problem;

const INSERT: &str = include_str!("insert_command.sql");

/// Records the outcomes of the commands of a commit.
pub(super) fn log_commands(connection: &Connection, commit: &Commit) -> Result<(), Problem> {
    for outcome in &commit.outcomes {
        let CommandOutcome {
            id,
            command,
            aggregate_type,
            aggregate_id,
            rejection,
            principal,
            correlation_id,
            causation_id,
            sent_at,
            took,
        } = outcome;
        connection.prepare_cached(INSERT)?.execute(params![
            id.as_uuid().as_bytes(),
            commit.id.as_uuid().as_bytes(),
            command,
            aggregate_type,
            aggregate_id.map(AggregateId::get),
            rejection,
            principal,
            correlation_id,
            causation_id,
            sent_at.timestamp_micros(),
            i64::try_from(took.as_micros()).unwrap_or(i64::MAX),
        ])?;
    }
    Ok(())
}
