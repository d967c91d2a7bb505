//! Maps the names of types to the numbers that stand for them. Only committed rows are cached, and they never change.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use evercore::engine::{Commit, TypeName};
use evercore::{Error, Result};
use sqlx::Row;

use crate::error::classify;
use crate::readers::Readers;
use crate::statements::Statements;

#[derive(Debug, Default)]
pub(crate) struct Types(RwLock<Arc<Known>>);

/// The names and numbers that are cached so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    aggregates: HashMap<Arc<str>, KnownAggregate>,
    events: HashMap<i32, EventName>,
    aggregate_names: HashMap<i32, Arc<str>>,
}

#[derive(Clone, Debug)]
struct KnownAggregate {
    id: i32,
    events: HashMap<Arc<str>, i32>,
}

/// The names of an event's type.
#[derive(Clone, Debug)]
pub(crate) struct EventName {
    pub(crate) aggregate_type: Arc<str>,
    pub(crate) event_type: Arc<str>,
}

impl Known {
    pub(crate) fn aggregates(&self) -> impl Iterator<Item = &Arc<str>> {
        self.aggregates.keys()
    }

    pub(crate) fn aggregate_id(&self, aggregate_type: &str) -> Option<i32> {
        self.aggregates.get(aggregate_type).map(|known| known.id)
    }

    pub(crate) fn event_id(&self, aggregate_type: &str, event_type: &str) -> Option<i32> {
        self.aggregates.get(aggregate_type)?.events.get(event_type).copied()
    }

    pub(crate) fn aggregate_name(&self, id: i32) -> Option<&Arc<str>> {
        self.aggregate_names.get(&id)
    }

    pub(crate) fn event_name(&self, id: i32) -> Option<&EventName> {
        self.events.get(&id)
    }
}

impl Types {
    pub(crate) fn known(&self) -> Arc<Known> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Runs `lookup` on the cache, and once more on the stored types if it finds nothing.
    pub(crate) async fn look_up<T>(
        &self,
        readers: &Readers,
        statements: &Statements,
        lookup: impl Fn(&Known) -> Option<T>,
    ) -> Result<Option<T>> {
        if let Some(found) = lookup(&self.known()) {
            return Ok(Some(found));
        }
        self.refresh(readers, statements).await?;
        Ok(lookup(&self.known()))
    }

    /// Stores those of the names that are not stored yet. Each is the name of an aggregate type, and of one of its
    /// event types if there is one.
    pub(crate) async fn store(
        &self,
        readers: &Readers,
        statements: &Statements,
        names: &[TypeName],
    ) -> Result<()> {
        let missing = || -> Vec<_> {
            let known = self.known();
            let is_missing = |name: &&TypeName| match name.event {
                Some(event) => known.event_id(name.aggregate, event).is_none(),
                None => known.aggregate_id(name.aggregate).is_none(),
            };
            names.iter().filter(is_missing).copied().collect()
        };
        if missing().is_empty() {
            return Ok(());
        }
        self.refresh(readers, statements).await?;
        let missing = missing();
        if missing.is_empty() {
            return Ok(());
        }
        let stored = |error| classify("store the names of types", error);
        let mut aggregates: Vec<&str> = missing.iter().map(|name| name.aggregate).collect();
        aggregates.sort_unstable();
        aggregates.dedup();
        sqlx::query(statements.store_aggregate_types.sql())
            .bind(&aggregates)
            .execute(&mut *readers.acquire().await?)
            .await
            .map_err(stored)?;
        let events = missing.iter().filter_map(|name| Some((name.aggregate, name.event?)));
        let (aggregates, events): (Vec<&str>, Vec<&str>) = events.unzip();
        sqlx::query(statements.store_event_types.sql())
            .bind(&aggregates)
            .bind(&events)
            .execute(&mut *readers.acquire().await?)
            .await
            .map_err(stored)?;
        self.refresh(readers, statements).await
    }

    pub(crate) async fn refresh(&self, readers: &Readers, statements: &Statements) -> Result<()> {
        let unreadable = |error| classify("read the names of types", error);
        let rows = sqlx::query(statements.read_types.sql())
            .fetch_all(&mut *readers.acquire().await?)
            .await
            .map_err(unreadable)?;
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        // Rows are only added: a concurrent call may have read more and finished first.
        let known = Arc::make_mut(&mut known);
        for row in rows {
            let aggregate_id: i32 = row.try_get(0).map_err(unreadable)?;
            let aggregate_type: Arc<str> = row.try_get::<&str, _>(1).map_err(unreadable)?.into();
            let event_id: Option<i32> = row.try_get(2).map_err(unreadable)?;
            let event_type: Option<&str> = row.try_get(3).map_err(unreadable)?;

            let aggregate_type =
                Arc::clone(known.aggregate_names.entry(aggregate_id).or_insert(aggregate_type));
            let aggregate = known
                .aggregates
                .entry(Arc::clone(&aggregate_type))
                .or_insert_with(|| KnownAggregate { id: aggregate_id, events: HashMap::new() });
            if let (Some(event_id), Some(event_type)) = (event_id, event_type) {
                let event_type: Arc<str> = event_type.into();
                aggregate.events.insert(Arc::clone(&event_type), event_id);
                known.events.entry(event_id).or_insert(EventName { aggregate_type, event_type });
            }
        }
        Ok(())
    }
}

/// Returns the error for an event type's number that no row explains.
pub(crate) fn unknown_type() -> Error {
    Error::corrupt("events", "an event's type number has no row in `event_types`")
}

/// Returns the types that a commit writes, each once.
pub(crate) fn type_names(commit: &Commit) -> Vec<TypeName> {
    let aggregates =
        commit.writes.iter().map(|write| TypeName { aggregate: write.aggregate_type, event: None });
    let events = commit.events.iter().filter_map(|event| {
        let id = event.meta.aggregate_id();
        let write = commit.writes.iter().find(|write| write.id == id)?;
        Some(TypeName { aggregate: write.aggregate_type, event: Some(event.event_type) })
    });
    let mut names: Vec<_> = aggregates.chain(events).collect();
    names.sort_unstable();
    names.dedup();
    names
}
