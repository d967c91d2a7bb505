//! Defines the changes of unique values in a commit.

use std::sync::Arc;

use crate::{AggregateId, Error, Tag};

/// A change of one unique value of an aggregate that a commit writes.
///
/// The changes of a commit take effect together: one aggregate may claim the value that another releases, and two may
/// swap theirs. No aggregate claims and releases the same value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UniqueChange {
    /// The aggregate, which is among the commit's writes.
    pub aggregate_id: AggregateId,
    /// Its type's stored name.
    pub aggregate_type: &'static str,
    /// The value, with its name.
    pub value: Tag,
    /// What happens to it.
    pub step: UniqueStep,
}

/// What happens to a unique value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UniqueStep {
    /// The aggregate has it from now on. Claiming a value that the aggregate has already changes nothing.
    Claim,
    /// The aggregate has it no more. Releasing a value that the aggregate does not have changes nothing.
    Release,
}

/// A name of unique values, as a program declares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UniqueName {
    /// The stored name of the aggregate type.
    pub aggregate_type: &'static str,
    /// The name of the values.
    pub name: &'static str,
}

/// A name of unique values that a program has declared.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredUnique {
    /// The stored name of the aggregate type.
    pub aggregate_type: Arc<str>,
    /// The name of the values.
    pub name: Box<str>,
    /// The id up to which the values of aggregates that were stored before are claimed; 0 before the first.
    pub claimed_up_to: i64,
    /// Whether all values are claimed. Nothing else can be found by the name.
    pub is_complete: bool,
}

impl StoredUnique {
    /// Returns whether it is the name of this type of aggregates.
    #[must_use]
    pub fn is(&self, aggregate_type: &str, name: &str) -> bool {
        *self.aggregate_type == *aggregate_type && *self.name == *name
    }

    /// Makes a declared name.
    #[must_use]
    pub const fn new(
        aggregate_type: Arc<str>,
        name: Box<str>,
        claimed_up_to: i64,
        is_complete: bool,
    ) -> Self {
        Self { aggregate_type, name, claimed_up_to, is_complete }
    }
}

impl UniqueChange {
    /// Returns whether the aggregate claims the value.
    #[must_use]
    pub const fn claims(&self) -> bool {
        matches!(self.step, UniqueStep::Claim)
    }

    /// Makes the error for a claim of a value that another aggregate has.
    #[must_use]
    pub fn taken(&self, holder: AggregateId) -> Error {
        Error::ValueTaken {
            aggregate: self.aggregate_type.to_owned(),
            name: self.value.name().to_owned(),
            value: self.value.value().to_owned(),
            holder,
        }
    }
}
