//! Reads what programs declare, and waits for the commits that were made before it changed.
//!
//! The rule by which no commit of an older program escapes is documented with the function `append`, in the migration
//! that defines it.

use std::sync::Arc;
use std::time::Duration;

use evercore::engine::{Declarations, StoredEvent, StoredTag, StoredUnique, TagState};
use evercore::{Error, Position, Result};
use sqlx::postgres::PgRow;
use tokio::time::{Instant, sleep};
use tracing::warn;

use crate::engine::PostgresEngine;
use crate::error::classify;
use crate::row::get;
use crate::shared::Shared;

pub(crate) const DECLARED: i16 = 0;
const INCOMPLETE: i16 = 1;
const COMPLETE: i16 = 2;
pub(crate) const RETIRED: i16 = 3;

/// The time between two looks at the commits that are on their way.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

impl PostgresEngine {
    pub(crate) async fn read_declarations(&self) -> Result<Declarations> {
        self.shared
            .answered(|| async move {
                let Shared { readers, statements, .. } = &*self.shared;
                let rows = sqlx::query(statements.tagging.read_declared.sql())
                    .fetch_all(&mut *readers.acquire().await?)
                    .await
                    .map_err(|error| classify("read the declarations", error))?;
                let (first, rows) = rows
                    .split_first()
                    .ok_or_else(|| Error::corrupt("declarations", "there is no version"))?;
                let (mut tags, mut unique) = (Vec::new(), Vec::new());
                for row in rows {
                    match get::<Option<String>>(row, 1)? {
                        Some(event) => tags.push(tag(row, event.into())?),
                        None => unique.push(name(row)?),
                    }
                }
                Ok(Declarations::new(get(first, 4)?, tags, unique))
            })
            .await
    }

    /// Waits until all transactions have ended that append now. `done_then` says in the log what is done then.
    pub(crate) async fn outlast_older(&self, done_then: &'static str) -> Result<()> {
        let mut older = self.appending(None).await?;
        let mut warned = Instant::now();
        while !older.is_empty() {
            sleep(LOOK_AGAIN).await;
            older = self.appending(Some(&older)).await?;
            if !older.is_empty() && warned.elapsed() >= self.shared.options.frontier_patience {
                warned = Instant::now();
                warn!(transactions = ?older, "{done_then} once the transactions that began before have ended");
            }
        }
        Ok(())
    }

    /// Returns those of some transactions, or else all, that append and have not ended.
    async fn appending(&self, transactions: Option<&[String]>) -> Result<Vec<String>> {
        self.shared
            .answered(|| async move {
                let Shared { readers, statements, .. } = &*self.shared;
                let found = sqlx::query_scalar(statements.tagging.appending.sql())
                    .bind(transactions)
                    .fetch_one(&mut *readers.acquire().await?)
                    .await;
                found.map_err(|error| classify("look for commits on their way", error))
            })
            .await
    }
}

fn tag(row: &PgRow, event: Arc<str>) -> Result<(StoredTag, TagState)> {
    let event = StoredEvent { aggregate: text(row, 0)?.into(), event };
    let state = match get(row, 3)? {
        DECLARED => TagState::Declared,
        INCOMPLETE => TagState::Incomplete(Position::new(get(row, 4)?)?),
        COMPLETE => TagState::Complete,
        RETIRED => TagState::Retired,
        other => {
            let problem = format!("there is no state {other}");
            return Err(Error::corrupt("event_type_tags.state", problem));
        }
    };
    Ok((StoredTag { event, name: text(row, 2)?.into() }, state))
}

fn name(row: &PgRow) -> Result<StoredUnique> {
    let (aggregate_type, name) = (text(row, 0)?, text(row, 2)?);
    let is_complete = get::<i16>(row, 3)? == COMPLETE;
    Ok(StoredUnique::new(aggregate_type.into(), name.into(), get(row, 4)?, is_complete))
}

fn text(row: &PgRow, index: usize) -> Result<String> {
    get(row, index)
}
