//! Declares the unique values of the registered types, and knows for which names all values are claimed.

use std::collections::HashSet;
use std::sync::{PoisonError, RwLock};

use tokio::sync::OnceCell;

use super::Shared;
use crate::engine::{Capability, StoredUnique, UniqueName};
use crate::{Error, Result};

/// The declared names of unique values.
#[derive(Debug, Default)]
pub(crate) struct UniqueNames {
    declared: OnceCell<()>,
    /// Those whose values are all claimed. A name that is complete stays so.
    complete: RwLock<HashSet<(&'static str, String)>>,
}

impl Shared {
    /// Declares the unique values of all types, unless that is done. Contexts do so before they use a type that has any.
    pub(crate) async fn declare_unique(&self) -> Result<()> {
        self.unique
            .declared
            .get_or_try_init(|| async { self.stored_unique().await.map(drop) })
            .await
            .map(drop)
    }

    /// Refuses a look-up by a name whose values are not all claimed yet.
    pub(crate) async fn require_complete(
        &self,
        aggregate_type: &'static str,
        name: &str,
    ) -> Result<()> {
        if self.unique.is_complete(aggregate_type, name) {
            return Ok(());
        }
        self.stored_unique().await?;
        if self.unique.is_complete(aggregate_type, name) {
            return Ok(());
        }
        let (aggregate, name) = (aggregate_type.to_owned(), name.to_owned());
        Err(Error::ValuesIncomplete { aggregate, name })
    }

    /// Declares all names and reads them back, as the database knows them. Refuses a program that lacks one.
    pub(crate) async fn stored_unique(&self) -> Result<Vec<StoredUnique>> {
        if !self.engine.capabilities().has(Capability::UniqueValues) {
            return Ok(Vec::new());
        }
        let mut names = Vec::new();
        for aggregate in self.registry.aggregates() {
            if aggregate.unique().is_empty() {
                continue;
            }
            let aggregate_type = self.stored_name_of(aggregate).await?;
            let of_type = aggregate
                .unique()
                .iter()
                .map(|unique| UniqueName { aggregate_type, name: unique.name });
            names.extend(of_type);
        }
        let stored = self.engine.declare_unique(&names).await?;
        for StoredUnique { aggregate_type, name, .. } in &stored {
            let is_declared = names
                .iter()
                .any(|own| *own.aggregate_type == **aggregate_type && *own.name == **name);
            // A program that does not know the type does not write to it.
            if !is_declared && self.registry.aggregate_named(aggregate_type).is_some() {
                return Err(Error::UndeclaredValues {
                    aggregate: aggregate_type.to_string(),
                    name: name.to_string(),
                });
            }
        }
        let complete = names.into_iter().filter(|own| {
            stored.iter().any(|stored| {
                stored.is_complete
                    && *stored.aggregate_type == *own.aggregate_type
                    && *stored.name == *own.name
            })
        });
        let complete = complete.map(|own| (own.aggregate_type, own.name.to_owned()));
        self.unique.complete.write().unwrap_or_else(PoisonError::into_inner).extend(complete);
        Ok(stored)
    }
}

impl UniqueNames {
    /// Returns whether the names of all types are declared.
    pub(super) fn is_declared(&self) -> bool {
        self.declared.initialized()
    }

    fn is_complete(&self, aggregate_type: &'static str, name: &str) -> bool {
        let complete = self.complete.read().unwrap_or_else(PoisonError::into_inner);
        complete.contains(&(aggregate_type, name.to_owned()))
    }
}
