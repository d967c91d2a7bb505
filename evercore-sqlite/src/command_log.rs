//! Implements the storage of the command log.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use evercore::command::CommandId;
use evercore::engine::{CommandLogStorage, CommandOutcome, CommandsRequest, StoredCommand};
use evercore::{AggregateId, CommitId, Committed, Error, Result};
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use crate::engine::SqliteEngine;
use crate::error::Problem;
use crate::row::micros;
use crate::row::{checked, time};
use crate::writer::positions;

const FIND: &str = include_str!("command_log/find.sql");
const LIST: &str = include_str!("command_log/list.sql");
const PRUNE: &str = include_str!("command_log/prune.sql");

#[async_trait]
impl CommandLogStorage for SqliteEngine {
    async fn find(&self, id: CommandId) -> Result<Option<StoredCommand>> {
        self.read("find the outcome of a command", move |connection, _| {
            let mut statement = connection.prepare_cached(FIND)?;
            let found = statement.query_row([id.as_uuid().as_bytes()], |row| Ok(stored(row)));
            found.optional()?.transpose()
        })
        .await
    }

    async fn list(&self, request: &CommandsRequest) -> Result<Vec<StoredCommand>> {
        let request = request.clone();
        self.read("read the command log", move |connection, _| list(connection, &request)).await
    }

    async fn prune(&self, older_than: Duration, limit: u32) -> Result<u64> {
        self.write("remove old outcomes of commands", move |connection| {
            let mut statement = connection.prepare_cached(PRUNE)?;
            let removed = statement.execute(params![micros(older_than), limit])?;
            Ok(u64::try_from(removed).unwrap_or(u64::MAX))
        })
        .await
    }
}

fn list(connection: &Connection, request: &CommandsRequest) -> Result<Vec<StoredCommand>, Problem> {
    let CommandsRequest {
        correlation_id,
        command,
        aggregate_id,
        is_rejected,
        from,
        until,
        after,
        limit,
    } = request;
    let at = |time: &Option<DateTime<Utc>>, default| {
        time.map_or(default, |time| time.timestamp_micros())
    };
    let (after, after_id) = match after {
        Some((ended_at, id)) => (ended_at.timestamp_micros(), *id.as_uuid().as_bytes()),
        None => (i64::MAX, *Uuid::max().as_bytes()),
    };
    let mut statement = connection.prepare_cached(&led(request))?;
    let mut rows = statement.query(params![
        correlation_id,
        aggregate_id.map(AggregateId::get),
        command,
        is_rejected,
        at(from, i64::MIN),
        at(until, i64::MAX),
        after,
        after_id,
        limit,
    ])?;
    let mut commands = Vec::new();
    while let Some(row) = rows.next()? {
        commands.push(stored(row)?);
    }
    Ok(commands)
}

/// Returns the statement that lists outcomes by the index of the condition that few of them meet.
fn led(request: &CommandsRequest) -> String {
    let (optional, condition) = if request.correlation_id.is_some() {
        ("(?1 IS NULL OR l.correlation_id = ?1)", "l.correlation_id = ?1")
    } else if request.aggregate_id.is_some() {
        ("(?2 IS NULL OR l.aggregate_id = ?2)", "l.aggregate_id = ?2")
    } else if request.is_rejected == Some(true) {
        ("(?4 IS NULL OR (l.rejection IS NOT NULL) = ?4)", "(l.rejection IS NOT NULL AND ?4)")
    } else if request.command.is_some() {
        ("(?3 IS NULL OR l.command = ?3)", "l.command = ?3")
    } else {
        return LIST.to_owned();
    };
    LIST.replace(optional, condition)
}

fn stored(row: &Row<'_>) -> Result<StoredCommand, Problem> {
    let text = |index| row.get::<_, Option<String>>(index).map(|text| text.map(Into::into));
    let uuid = |index| row.get::<_, [u8; 16]>(index).map(Uuid::from_bytes);
    let aggregate_id: Option<i64> = row.get(3)?;
    let took: i64 = row.get(4)?;
    let took = u64::try_from(took)
        .map_err(|_| Error::corrupt("command_log.took", format!("{took} is less than nothing")))?;
    let outcome = CommandOutcome {
        id: CommandId::from_uuid(uuid(0)?),
        command: row.get::<_, String>(5)?.into(),
        aggregate_type: row.get::<_, String>(6)?.into(),
        aggregate_id: aggregate_id
            .map(|id| checked(AggregateId::new(id), "command_log.aggregate_id"))
            .transpose()?,
        rejection: text(10)?,
        principal: text(9)?,
        correlation_id: text(7)?,
        causation_id: text(8)?,
        sent_at: time(row.get(1)?, "command_log.sent_at")?,
        took: Duration::from_micros(took),
    };
    let commit = CommitId::from_uuid(uuid(11)?);
    let committed = Committed::new(commit, positions(row.get(12)?, row.get(13)?)?);
    Ok(StoredCommand::new(outcome, time(row.get(2)?, "command_log.ended_at")?, committed))
}

#[cfg(test)]
mod tests;
