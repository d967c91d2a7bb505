//! Checks and changes the unique values of aggregates.

use std::sync::Arc;

use evercore::boundary::Tag;
use evercore::engine::{Declarations, StoredUnique, UniqueChange, UniqueName};
use evercore::{AggregateId, Result};
use foldhash::HashMap;

use crate::log::{History, Log, Version};

/// The holders of each unique value over time.
#[derive(Debug, Default)]
pub(crate) struct UniqueValues(HashMap<(Arc<str>, Tag), History<Option<AggregateId>>>);

impl UniqueValues {
    /// Returns the aggregate that has a value at a version.
    pub(crate) fn holder(
        &self,
        aggregate_type: &str,
        value: &Tag,
        version: Version,
    ) -> Option<AggregateId> {
        let holders = self.0.get(&(Arc::from(aggregate_type), value.clone()))?;
        holders.at(version).copied().flatten()
    }
}

impl Log {
    /// Stores names that are new, and a new version if any is. Commits land one after the other under the lock, so none
    /// is on its way.
    pub(crate) fn declare_unique(&mut self, names: &[UniqueName]) {
        let before = self.unique_names.len();
        for UniqueName { aggregate_type, name } in names {
            let aggregate_type: Arc<str> = (*aggregate_type).into();
            let is_new = !self.aggregates.values().any(|own| own.aggregate_type == aggregate_type);
            self.unique_names.entry((aggregate_type, (*name).into())).or_insert((0, is_new));
        }
        if self.unique_names.len() > before {
            self.declared.version += 1;
        }
    }

    /// Returns all declarations.
    pub(crate) fn declarations(&self) -> Declarations {
        let stored = self.unique_names.iter();
        let stored = stored.map(|((aggregate_type, name), (up_to, is_complete))| {
            StoredUnique::new(Arc::clone(aggregate_type), name.clone(), *up_to, *is_complete)
        });
        Declarations::new(self.declared.version, self.declared.tags(), stored.collect())
    }

    pub(crate) fn record_claimed(&mut self, names: &[UniqueName], up_to: i64, is_complete: bool) {
        for UniqueName { aggregate_type, name } in names {
            let name: (Arc<str>, Box<str>) = ((*aggregate_type).into(), (*name).into());
            if let Some(stored) = self.unique_names.get_mut(&name) {
                *stored = (stored.0.max(up_to), stored.1 || is_complete);
            }
        }
    }

    /// Checks the values that a commit claims. A value is free if no other aggregate has it, or if its holder releases
    /// it in the same commit. No two aggregates of a commit may claim the same value.
    pub(crate) fn check_unique(&self, changes: &[UniqueChange]) -> Result<()> {
        let is_released = |claim: &UniqueChange, holder: AggregateId| {
            changes.iter().any(|other| {
                !other.claims()
                    && other.aggregate_id == holder
                    && other.aggregate_type == claim.aggregate_type
                    && other.value == claim.value
            })
        };
        let mut claimed: HashMap<(&str, &Tag), AggregateId> = HashMap::default();
        for claim in changes.iter().filter(|change| change.claims()) {
            let UniqueChange { aggregate_id, aggregate_type, value, .. } = claim;
            let holder = self.unique.holder(aggregate_type, value, self.version);
            let holder = holder.filter(|holder| !is_released(claim, *holder));
            let holder = holder.or_else(|| claimed.get(&(*aggregate_type, value)).copied());
            if let Some(holder) = holder.filter(|holder| holder != aggregate_id) {
                return Err(claim.taken(holder));
            }
            claimed.insert((aggregate_type, value), *aggregate_id);
        }
        Ok(())
    }

    /// Writes changes that have passed the check: first all releases, so that values can be swapped.
    pub(crate) fn change_unique(&mut self, changes: Vec<UniqueChange>, version: Version) {
        let (claims, releases): (Vec<_>, Vec<_>) =
            changes.into_iter().partition(UniqueChange::claims);
        for change in releases.into_iter().chain(claims) {
            let claims = change.claims();
            let UniqueChange { aggregate_id, aggregate_type, value, .. } = change;
            let key = (self.aggregate_type(aggregate_type), value);
            let holders = self.unique.0.entry(key).or_default();
            let holder = holders.at(version).copied().flatten();
            if claims || holder == Some(aggregate_id) {
                holders.set(version, claims.then_some(aggregate_id));
            }
        }
    }
}
