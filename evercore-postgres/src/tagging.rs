//! Keeps the tags that programs declare, and gives tags to older events.
//!
//! The rule by which no commit of an older program escapes is documented with the function `append`, in the migration
//! that defines it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use evercore::engine::{
    DeclaredTags, RetaggedEvent, StoredEvent, StoredTag, TagBatch, TagDeclaration, TagState,
    TagStorage,
};
use evercore::{Error, Position, Result};
use sqlx::postgres::PgRow;
use tokio::time::{Instant, sleep};
use tracing::warn;

use crate::engine::PostgresEngine;
use crate::error::classify;
use crate::row::get;
use crate::shared::Shared;
use crate::tags::numbers;

const DECLARED: i16 = 0;
const INCOMPLETE: i16 = 1;
const COMPLETE: i16 = 2;
const RETIRED: i16 = 3;

/// The time between two looks at the commits that are on their way.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

impl PostgresEngine {
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

    /// Stores a new version, so that commits which name an older one are refused from now on.
    async fn refuse_older(&self, tags: &[StoredTag]) -> Result<()> {
        self.shared
            .answered(|| async move {
                let Shared { readers, statements, .. } = &*self.shared;
                let (aggregates, events, names) = columns(tags.iter());
                let begun = sqlx::query(statements.tagging.begin.sql())
                    .bind(aggregates)
                    .bind(events)
                    .bind(names)
                    .execute(&mut *readers.acquire().await?)
                    .await;
                begun.map(drop).map_err(|error| classify("begin to give tags to events", error))
            })
            .await
    }

    async fn last_position(&self) -> Result<Position> {
        self.shared
            .answered(|| async move {
                let Shared { readers, statements, .. } = &*self.shared;
                let last: i64 = sqlx::query_scalar(statements.tagging.last_position.sql())
                    .fetch_one(&mut *readers.acquire().await?)
                    .await
                    .map_err(|error| classify("read the last position", error))?;
                Position::new(last)
            })
            .await
    }
}

#[async_trait]
impl TagStorage for PostgresEngine {
    async fn declared_tags(&self) -> Result<DeclaredTags> {
        self.shared
            .answered(|| async move {
                let Shared { readers, statements, .. } = &*self.shared;
                let rows = sqlx::query(statements.tagging.read_declared.sql())
                    .fetch_all(&mut *readers.acquire().await?)
                    .await
                    .map_err(|error| classify("read the declared tags", error))?;
                let (first, tags) = rows
                    .split_first()
                    .ok_or_else(|| Error::corrupt("declared tags", "there is no version"))?;
                let tags = tags.iter().map(tag).collect::<Result<_>>()?;
                Ok(DeclaredTags::new(get(first, 4)?, tags))
            })
            .await
    }

    async fn declare_tags(&self, declarations: &[(StoredTag, TagDeclaration)]) -> Result<()> {
        self.shared
            .answered(|| async move {
                let Shared { readers, statements, .. } = &*self.shared;
                let (aggregates, events, names) = columns(declarations.iter().map(|(tag, _)| tag));
                let states: Vec<_> = declarations
                    .iter()
                    .map(|(_, declaration)| match declaration {
                        TagDeclaration::Given => DECLARED,
                        TagDeclaration::Retired => RETIRED,
                    })
                    .collect();
                let declared = sqlx::query(statements.tagging.declare.sql())
                    .bind(aggregates)
                    .bind(events)
                    .bind(names)
                    .bind(states)
                    .execute(&mut *readers.acquire().await?)
                    .await;
                declared.map(drop).map_err(|error| classify("declare the tags of events", error))
            })
            .await
    }

    async fn begin_tagging(&self, tags: &[StoredTag]) -> Result<Position> {
        self.refuse_older(tags).await?;
        let mut older = self.appending(None).await?;
        let mut warned = Instant::now();
        while !older.is_empty() {
            sleep(LOOK_AGAIN).await;
            older = self.appending(Some(&older)).await?;
            if !older.is_empty() && warned.elapsed() >= self.shared.options.frontier_patience {
                warned = Instant::now();
                warn!(transactions = ?older, "tags are given to older events once the transactions that began before have ended");
            }
        }
        self.last_position().await
    }

    async fn add_tags(&self, batch: &TagBatch) -> Result<bool> {
        self.shared
            .answered(|| async move {
                let Shared { readers, statements, .. } = &*self.shared;
                let TagBatch { events, of, up_to, is_last } = batch;
                let column = |value: fn(&RetaggedEvent) -> Option<String>| -> Vec<_> {
                    events.iter().map(value).collect()
                };
                let positions: Vec<_> = events.iter().map(|event| event.position.get()).collect();
                let (aggregates, names_of_events, names) = columns(of.iter());
                sqlx::query_scalar(statements.tagging.add_tags.sql())
                    .bind(positions)
                    .bind(column(|event| event.before.to_column().map(str::to_owned)))
                    .bind(column(|event| event.after.to_column().map(str::to_owned)))
                    .bind(column(|event| Some(numbers(event.added().into_iter()))))
                    .bind(aggregates)
                    .bind(names_of_events)
                    .bind(names)
                    .bind(up_to.get())
                    .bind(is_last)
                    .fetch_one(&mut *readers.acquire().await?)
                    .await
                    .map_err(|error| classify("give tags to older events", error))
            })
            .await
    }
}

/// Returns the names of the aggregate types, event types and tags.
fn columns<'a>(
    tags: impl Iterator<Item = &'a StoredTag> + Clone,
) -> (Vec<&'a str>, Vec<&'a str>, Vec<&'a str>) {
    (
        tags.clone().map(|tag| &*tag.event.aggregate).collect(),
        tags.clone().map(|tag| &*tag.event.event).collect(),
        tags.map(|tag| &*tag.name).collect(),
    )
}

fn tag(row: &PgRow) -> Result<(StoredTag, TagState)> {
    let text = |index| Ok::<_, Error>(Arc::from(get::<String>(row, index)?));
    let event = StoredEvent { aggregate: text(0)?, event: text(1)? };
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
    Ok((StoredTag { event, name: text(2)? }, state))
}
