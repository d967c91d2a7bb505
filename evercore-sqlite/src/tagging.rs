//! Keeps the tags that programs declare, and gives tags to older events.

use std::collections::HashSet;

use async_trait::async_trait;
use evercore::engine::{RetaggedEvent, StoredTag, TagBatch, TagDeclaration, TagStorage};
use evercore::{Position, Result};
use rusqlite::{Connection, OptionalExtension, params};

use crate::declarations::{COMPLETE, DECLARED, INCOMPLETE, RETIRED};
use crate::engine::SqliteEngine;
use crate::error::Problem;
use crate::log::position;
use crate::row::tags;
use crate::writer::{bump_version, register_names};

const ADD_TAGS: &str = "UPDATE events SET tags = ?2 WHERE position = ?1";
const BEGIN: &str = include_str!("tagging/begin.sql");
const DECLARE: &str = include_str!("tagging/declare.sql");
const FIND_EVENT_TYPE: &str = include_str!("tags/find_event_type.sql");
const INDEX_TAG: &str = include_str!("tagging/index_tag.sql");
const READ_HEAD: &str = "SELECT COALESCE(MAX(position), 0) FROM events";
const READ_TAGS: &str = "SELECT tags FROM events WHERE position = ?1";
const RECORD: &str = include_str!("tagging/record.sql");

fn declare(
    connection: &Connection,
    declarations: &[(StoredTag, TagDeclaration)],
) -> Result<(), Problem> {
    bump_version(connection)?;
    let types: HashSet<_> = declarations.iter().map(|(tag, _)| &tag.event).collect();
    let mut new = HashSet::new();
    for event in types {
        let mut find = connection.prepare_cached(FIND_EVENT_TYPE)?;
        let found: Option<i64> =
            find.query_one([&*event.aggregate, &*event.event], |row| row.get(0)).optional()?;
        if found.is_none() {
            new.insert(event);
        }
    }
    register_names(connection, new.iter().map(|event| (&*event.aggregate, Some(&*event.event))))?;
    for (tag, declaration) in declarations {
        let StoredTag { event, name } = tag;
        let state = match declaration {
            TagDeclaration::Given if new.contains(event) => COMPLETE,
            TagDeclaration::Given => DECLARED,
            TagDeclaration::Retired => RETIRED,
        };
        let row = params![&*event.aggregate, &*event.event, &**name, state];
        connection.prepare_cached(DECLARE)?.execute(row)?;
    }
    Ok(())
}

fn add_tags(connection: &Connection, batch: &TagBatch) -> Result<bool, Problem> {
    let TagBatch { events, of, up_to, is_last } = batch;
    let mut read_tags = connection.prepare_cached(READ_TAGS)?;
    for RetaggedEvent { position, before, .. } in events {
        let mut rows = read_tags.query([position.get()])?;
        let found = rows.next()?.map(|row| tags(row, 0)).transpose()?;
        if found.as_ref() != Some(before) {
            return Ok(false);
        }
    }
    for event in events {
        let row = params![event.position.get(), event.after.to_column()];
        connection.prepare_cached(ADD_TAGS)?.execute(row)?;
    }
    let numbered =
        events.iter().flat_map(|event| event.added().into_iter().map(|tag| (tag, event.position)));
    let mut numbered: Vec<_> = numbered.collect();
    // In the order of the table, so that each of its pages is visited once.
    numbered.sort_unstable();
    for (tag, position) in numbered {
        connection.prepare_cached(INDEX_TAG)?.execute([tag, position.get()])?;
    }
    for StoredTag { event, name } in of {
        let state = if *is_last { COMPLETE } else { INCOMPLETE };
        let row = params![&*event.aggregate, &*event.event, &**name, up_to.get(), state];
        connection.prepare_cached(RECORD)?.execute(row)?;
    }
    Ok(true)
}

#[async_trait]
impl TagStorage for SqliteEngine {
    async fn declare_tags(&self, declarations: &[(StoredTag, TagDeclaration)]) -> Result<()> {
        let declarations = declarations.to_vec();
        self.write("declare tags", move |connection| declare(connection, &declarations)).await
    }

    async fn begin_tagging(&self, tags: &[StoredTag]) -> Result<Position> {
        let tags = tags.to_vec();
        // There is one writer at a time, so no commit is on its way.
        self.write("begin to give tags to older events", move |connection| {
            bump_version(connection)?;
            for StoredTag { event, name } in tags {
                let row = [&*event.aggregate, &*event.event, &*name];
                connection.prepare_cached(BEGIN)?.execute(row)?;
            }
            let head = connection.prepare_cached(READ_HEAD)?.query_one([], |row| row.get(0))?;
            Ok(position(head)?)
        })
        .await
    }

    async fn add_tags(&self, batch: &TagBatch) -> Result<bool> {
        let batch = batch.clone();
        self.write("give tags to older events", move |connection| add_tags(connection, &batch))
            .await
    }
}
