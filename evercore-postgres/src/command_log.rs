//! Implements the storage of the command log.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use evercore::command::CommandId;
use evercore::engine::{CommandLogStorage, CommandOutcome, CommandsRequest, StoredCommand};
use evercore::{AggregateId, CommitId, Committed, Error, Result};
use sqlx::postgres::PgRow;

use crate::engine::PostgresEngine;
use crate::error::classify;
use crate::row::{get, positions};
use crate::statements::CommandLogStatements;
use crate::subscriptions::interval;

#[async_trait]
impl CommandLogStorage for PostgresEngine {
    async fn find(&self, id: CommandId) -> Result<Option<StoredCommand>> {
        self.shared
            .answered(|| async move {
                let row = sqlx::query(self.command_log_statements().find.sql())
                    .bind(id.as_uuid())
                    .fetch_optional(&mut *self.connection().await?)
                    .await
                    .map_err(|error| classify("find the outcome of a command", error))?;
                row.as_ref().map(stored).transpose()
            })
            .await
    }

    async fn list(&self, request: &CommandsRequest) -> Result<Vec<StoredCommand>> {
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
        self.shared
            .answered(|| async move {
                let rows = sqlx::query(self.command_log_statements().list.sql())
                    .bind(correlation_id.as_deref())
                    .bind(aggregate_id.map(AggregateId::get))
                    .bind(command.as_deref())
                    .bind(is_rejected)
                    .bind(from)
                    .bind(until)
                    .bind(after.map(|(ended_at, _)| ended_at))
                    .bind(after.map(|(_, id)| *id.as_uuid()))
                    .bind(i64::from(*limit))
                    .fetch_all(&mut *self.connection().await?)
                    .await
                    .map_err(|error| classify("read the command log", error))?;
                rows.iter().map(stored).collect()
            })
            .await
    }

    async fn prune(&self, older_than: Duration, limit: u32) -> Result<u64> {
        self.shared
            .answered(|| async move {
                let removed: i64 = sqlx::query_scalar(self.command_log_statements().prune.sql())
                    .bind(interval(older_than))
                    .bind(i64::from(limit))
                    .fetch_one(&mut *self.connection().await?)
                    .await
                    .map_err(|error| classify("remove old outcomes of commands", error))?;
                Ok(u64::try_from(removed).unwrap_or(0))
            })
            .await
    }
}

impl PostgresEngine {
    fn command_log_statements(&self) -> &CommandLogStatements {
        &self.shared.statements.command_log
    }
}

fn stored(row: &PgRow) -> Result<StoredCommand> {
    let text = |index| get::<Option<String>>(row, index).map(|text| text.map(Into::into));
    let aggregate_id: Option<i64> = get(row, 3)?;
    let took: i64 = get(row, 4)?;
    let took = u64::try_from(took)
        .map_err(|_| Error::corrupt("command_log.took", format!("{took} is less than nothing")))?;
    let outcome = CommandOutcome {
        id: CommandId::from_uuid(get(row, 0)?),
        command: get::<String>(row, 5)?.into(),
        aggregate_type: get::<String>(row, 6)?.into(),
        aggregate_id: aggregate_id.map(AggregateId::new).transpose()?,
        rejection: text(10)?,
        principal: text(9)?,
        correlation_id: text(7)?,
        causation_id: text(8)?,
        sent_at: get(row, 1)?,
        took: Duration::from_micros(took),
    };
    let committed =
        Committed::new(CommitId::from_uuid(get(row, 11)?), positions(row, [12, 13, 14])?);
    Ok(StoredCommand::new(outcome, get::<DateTime<Utc>>(row, 2)?, committed))
}
