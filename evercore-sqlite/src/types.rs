//! Maps the names of aggregate and event types to the numbers that stand for them in the tables.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use evercore::{Error, Result};
use rusqlite::Connection;

use crate::error::Failure;

const READ_TYPES: &str = include_str!("read_types.sql");

/// The number of an aggregate type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct AggregateTypeId(i64);

/// The number of an event type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct EventTypeId(i64);

/// The names that this process has cached. Names are never changed nor deleted, so the cache stays valid; only
/// committed names get into it.
#[derive(Debug, Default)]
pub(crate) struct Types(RwLock<Arc<Names>>);

/// The cached names at one point in time.
#[derive(Debug, Default)]
pub(crate) struct Names {
    aggregates: HashMap<Arc<str>, AggregateTypeId>,
    aggregate_names: HashMap<AggregateTypeId, Arc<str>>,
    events: HashMap<AggregateTypeId, HashMap<Arc<str>, EventTypeId>>,
    event_names: HashMap<EventTypeId, EventName>,
}

/// The name of an event type, and of the aggregate type that it belongs to.
#[derive(Clone, Debug)]
pub(crate) struct EventName {
    pub(crate) aggregate: Arc<str>,
    pub(crate) event: Arc<str>,
}

impl AggregateTypeId {
    /// A number that no type has.
    pub(crate) const NONE: Self = Self(0);

    pub(crate) const fn new(id: i64) -> Self {
        Self(id)
    }

    pub(crate) const fn get(self) -> i64 {
        self.0
    }
}

impl EventTypeId {
    pub(crate) const fn new(id: i64) -> Self {
        Self(id)
    }

    pub(crate) const fn get(self) -> i64 {
        self.0
    }
}

impl Types {
    /// Returns the cached names.
    pub(crate) fn known(&self) -> Arc<Names> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns the cached names, read again if they are not enough: another process may have added names.
    pub(crate) fn knowing(
        &self,
        connection: &Connection,
        is_enough: impl Fn(&Names) -> bool,
    ) -> Result<Arc<Names>, Failure> {
        let known = self.known();
        if is_enough(&known) { Ok(known) } else { self.refresh(connection) }
    }

    /// Reads all names into the cache. The connection must not be in a transaction that has added some.
    pub(crate) fn refresh(&self, connection: &Connection) -> Result<Arc<Names>, Failure> {
        Ok(self.keep(Arc::new(Names::read(connection)?)))
    }

    /// Replaces the cached names if `read` has more. A view of the past may read fewer names than a writer has already
    /// cached, and finish later; since names are only ever added, the larger set is the newer one. All of them must be
    /// committed.
    pub(crate) fn keep(&self, read: Arc<Names>) -> Arc<Names> {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if read.count() > known.count() {
            *known = read;
        }
        Arc::clone(&known)
    }
}

impl Names {
    /// Reads all names that the connection sees, without caching them: some may belong to a transaction that can still
    /// roll back.
    pub(crate) fn read(connection: &Connection) -> Result<Self, Failure> {
        let mut names = Self::default();
        let mut statement = connection.prepare_cached(READ_TYPES)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let aggregate_id = AggregateTypeId(row.get(0)?);
            let name: Arc<str> = row.get(1)?;
            let aggregate = names.add_aggregate(aggregate_id, &name);
            let event: Option<Arc<str>> = row.get(3)?;
            if let (Some(id), Some(event)) = (row.get(2)?, event) {
                names.add_event(aggregate_id, aggregate, EventTypeId(id), &event);
            }
        }
        Ok(names)
    }

    pub(crate) fn aggregates(&self) -> impl Iterator<Item = &Arc<str>> {
        self.aggregates.keys()
    }

    pub(crate) fn aggregate(&self, name: &str) -> Option<AggregateTypeId> {
        self.aggregates.get(name).copied()
    }

    pub(crate) fn event(&self, aggregate: AggregateTypeId, name: &str) -> Option<EventTypeId> {
        self.events.get(&aggregate)?.get(name).copied()
    }

    /// Whether an aggregate type is known, and an event type of it.
    pub(crate) fn knows(&self, aggregate: &str, event: Option<&str>) -> bool {
        self.aggregate(aggregate).is_some_and(|aggregate| {
            event.is_none_or(|event| self.event(aggregate, event).is_some())
        })
    }

    pub(crate) fn aggregate_name(&self, id: AggregateTypeId) -> Result<Arc<str>> {
        self.aggregate_names.get(&id).cloned().ok_or_else(|| {
            Error::corrupt("aggregates.aggregate_type_id", format!("there is no type {}", id.0))
        })
    }

    pub(crate) fn event_name(&self, id: EventTypeId) -> Option<&EventName> {
        self.event_names.get(&id)
    }

    fn count(&self) -> usize {
        self.aggregate_names.len() + self.event_names.len()
    }

    fn add_aggregate(&mut self, id: AggregateTypeId, name: &str) -> Arc<str> {
        let name = self.aggregate_names.entry(id).or_insert_with(|| name.into());
        self.aggregates.insert(Arc::clone(name), id);
        Arc::clone(name)
    }

    fn add_event(
        &mut self,
        aggregate_id: AggregateTypeId,
        aggregate: Arc<str>,
        id: EventTypeId,
        name: &str,
    ) {
        let event: Arc<str> = name.into();
        self.events.entry(aggregate_id).or_default().insert(Arc::clone(&event), id);
        self.event_names.insert(id, EventName { aggregate, event });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_by_an_older_view_do_not_replace_newer_ones() {
        let names = |events: &[&str]| {
            let mut names = Names::default();
            let account = AggregateTypeId::new(1);
            let aggregate = names.add_aggregate(account, "account");
            for (id, event) in (1..).zip(events) {
                names.add_event(account, Arc::clone(&aggregate), EventTypeId::new(id), event);
            }
            Arc::new(names)
        };
        let types = Types::default();
        types.keep(names(&["opened", "closed"]));
        let kept = types.keep(names(&["opened"]));
        for names in [kept, types.known()] {
            assert!(names.event(AggregateTypeId::new(1), "closed").is_some());
        }
        types.keep(names(&["opened", "closed", "frozen"]));
        assert!(types.known().event(AggregateTypeId::new(1), "frozen").is_some());
    }
}
