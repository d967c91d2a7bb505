//! Knows which unique values are declared, and refuses what this program cannot do with them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Shared;
use crate::engine::{Capability, Commit, StoredUnique, UniqueName};
use crate::{Error, Result};

/// The declared names of unique values, and what follows from them for this program.
#[derive(Debug, Default)]
pub(crate) struct KnownNames {
    stored: Vec<StoredUnique>,
    /// The types of aggregates that this program would change without claiming values which others have declared, with
    /// the name of the values.
    undeclared: BTreeMap<Arc<str>, Box<str>>,
}

impl Shared {
    /// Refuses a look-up by a name whose values are not all claimed. What is complete stays so; what is not is read
    /// again.
    pub(crate) async fn require_complete(
        &self,
        aggregate_type: &'static str,
        name: &str,
    ) -> Result<()> {
        if self.declared().await?.unique.require_complete(aggregate_type, name).is_ok() {
            return Ok(());
        }
        self.reload_declared().await?.unique.require_complete(aggregate_type, name)
    }

    /// Returns the names of this program that are not stored.
    pub(super) async fn missing_names(&self, stored: &[StoredUnique]) -> Result<Vec<UniqueName>> {
        if !self.engine.capabilities().has(Capability::UniqueValues) {
            return Ok(Vec::new());
        }
        let mut missing = Vec::new();
        for aggregate in self.registry.aggregates().filter(|own| !own.unique().is_empty()) {
            let aggregate_type = self.stored_name_of(aggregate).await?;
            let names = aggregate.unique().iter().map(|unique| unique.name);
            let names = names.map(|name| UniqueName { aggregate_type, name });
            missing.extend(names.filter(|own| {
                !stored.iter().any(|stored| stored.is(own.aggregate_type, own.name))
            }));
        }
        Ok(missing)
    }

    /// Compares the stored names with those of this program.
    pub(super) fn judge_names(&self, stored: Vec<StoredUnique>) -> KnownNames {
        let mut undeclared = BTreeMap::new();
        for StoredUnique { aggregate_type, name, .. } in &stored {
            // A program that does not know the type does not write to it.
            let Some(aggregate) = self.registry.aggregate_named(aggregate_type) else { continue };
            if !aggregate.unique().iter().any(|own| *own.name == **name) {
                undeclared.insert(Arc::clone(aggregate_type), name.clone());
            }
        }
        KnownNames { stored, undeclared }
    }
}

impl KnownNames {
    /// Returns all names that are stored.
    pub(crate) fn stored(&self) -> &[StoredUnique] {
        &self.stored
    }

    /// Returns whether the values of all names are claimed, which is usual.
    pub(super) fn are_complete(&self) -> bool {
        self.stored.iter().all(|stored| stored.is_complete)
    }

    /// Refuses a look-up by a name whose values are not all claimed.
    pub(crate) fn require_complete(&self, aggregate_type: &'static str, name: &str) -> Result<()> {
        let wanted = self.stored.iter().find(|stored| stored.is(aggregate_type, name));
        if wanted.is_some_and(|stored| stored.is_complete) {
            return Ok(());
        }
        let (aggregate, name) = (aggregate_type.to_owned(), name.to_owned());
        Err(Error::ValuesIncomplete { aggregate, name })
    }

    /// Refuses a program that does not declare a name of one of its types.
    pub(super) fn check_program(&self) -> Result<()> {
        let first = self.undeclared.first_key_value();
        first.map_or(Ok(()), |(aggregate_type, name)| Err(undeclared(aggregate_type, name)))
    }

    /// Refuses a commit with events of an aggregate whose values this program does not claim.
    pub(super) fn admit(&self, commit: &Commit) -> Result<()> {
        if self.undeclared.is_empty() {
            return Ok(());
        }
        for event in &commit.events {
            let aggregate_type = commit.aggregate_type_of(event);
            if let Some(name) = self.undeclared.get(aggregate_type) {
                return Err(undeclared(aggregate_type, name));
            }
        }
        Ok(())
    }
}

fn undeclared(aggregate_type: &str, name: &str) -> Error {
    Error::UndeclaredValues { aggregate: aggregate_type.to_owned(), name: name.to_owned() }
}
