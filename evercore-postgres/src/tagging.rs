//! Keeps the tags that programs declare, and gives tags to older events.

use async_trait::async_trait;
use evercore::engine::{RetaggedEvent, StoredTag, TagBatch, TagDeclaration, TagStorage};
use evercore::{Position, Result};

use crate::declarations::{DECLARED, RETIRED};
use crate::engine::PostgresEngine;
use crate::error::classify;
use crate::shared::Shared;
use crate::tags::numbers;

impl PostgresEngine {
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
        self.outlast_older("tags are given to older events").await?;
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
