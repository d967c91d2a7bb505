//! Finds the names under which a database knows the aggregate types.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::Shared;
use crate::engine::{Capability, TypeName, require};
use crate::{Aggregate, AggregateType, Error, EventFilter, Result, TaskBodies};

/// The stored names that have been looked up, by the type's present name. A stored name never changes, so entries stay
/// valid.
#[derive(Debug, Default)]
pub(crate) struct StoredNames(RwLock<HashMap<&'static str, &'static str>>);

impl Shared {
    /// Returns the name under which the database knows an aggregate type; the present name if the type is not stored
    /// yet.
    pub(crate) async fn stored_name<T: Aggregate>(&self) -> Result<&'static str> {
        if T::UNIQUE.is_some() && self.declared.get().is_none() {
            // Boxed, as it is seldom needed, to keep it out of the size of other futures.
            Box::pin(self.declared()).await?;
        }
        self.stored_name_of(&AggregateType::of::<T>()).await
    }

    /// Looks up the names of all types that have more than one.
    pub(crate) async fn look_up_names(&self) -> Result<()> {
        for aggregate in self.registry.aggregates() {
            self.stored_name_of(aggregate).await?;
        }
        Ok(())
    }

    /// Returns the stored names of everything in the registry, without the types of tasks, which no event has.
    pub(crate) async fn type_names(&self) -> Result<Vec<TypeName>> {
        let mut names = Vec::new();
        let is_stored = |aggregate: &AggregateType| aggregate.name() != TaskBodies::NAME;
        for aggregate in self.registry.aggregates().filter(|aggregate| is_stored(aggregate)) {
            let aggregate = self.stored_name_of(aggregate).await?;
            names.push(TypeName { aggregate, event: None });
        }
        for event in self.registry.events().filter(|event| is_stored(&event.aggregate())) {
            let aggregate = self.stored_name_of(&event.aggregate()).await?;
            names.push(TypeName { aggregate, event: Some(event.name()) });
        }
        Ok(names)
    }

    /// Returns the filter with the names under which the database knows the aggregate types.
    pub(crate) async fn by_stored_names(&self, filter: &EventFilter) -> Result<EventFilter> {
        let mut stored = HashMap::new();
        for name in filter.aggregates() {
            if let Some(aggregate) = self.registry.aggregate_named(name) {
                stored.insert(name.to_owned(), self.stored_name_of(aggregate).await?);
            }
        }
        Ok(filter.with_names(
            |aggregate| vec![stored.get(aggregate).map_or(aggregate, |name| name).to_owned()],
            |_, event| vec![event.to_owned()],
        ))
    }

    /// Refuses a filter that this program or the engine cannot follow.
    pub(crate) fn check_filter(&self, filter: &EventFilter) -> Result<()> {
        filter.check(&self.registry)?;
        if filter.tags().len() > 0 || filter.lane_tag().is_some() {
            require(&*self.engine, Capability::Tags)?;
        }
        Ok(())
    }

    pub(crate) async fn stored_name_of(&self, aggregate: &AggregateType) -> Result<&'static str> {
        if aggregate.aliases().is_empty() {
            return Ok(aggregate.name());
        }
        if let Some(known) = self.names.get(aggregate.name()) {
            return Ok(known);
        }
        let stored = self.engine.aggregate_types().await?;
        match only(aggregate, &stored)? {
            Some(name) => {
                self.names.keep(aggregate.name(), name);
                Ok(name)
            }
            // Not cached: another program may yet store the type under an older name.
            None => Ok(aggregate.name()),
        }
    }
}

impl StoredNames {
    fn get(&self, name: &str) -> Option<&'static str> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(name).copied()
    }

    fn keep(&self, name: &'static str, stored: &'static str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(name, stored);
    }
}

/// Returns the one name of a type that is stored, and an error if two of them are.
fn only(aggregate: &AggregateType, stored: &[Arc<str>]) -> Result<Option<&'static str>> {
    let mut known = aggregate.names().filter(|name| stored.iter().any(|stored| **stored == **name));
    match (known.next(), known.next()) {
        (Some(first), Some(second)) => {
            let rust_type = aggregate.rust_type();
            Err(Error::AmbiguousAlias { rust_type, first, second })
        }
        (found, _) => Ok(found),
    }
}
