//! Notes the unique values of the aggregates of a context, and finds aggregates by them.

use tracing::instrument;

use super::Context;
use super::staging::AskedBy;
use super::values::Unique;
use crate::engine::{Capability, LoadTarget, require};
use crate::error::unknown_value;
use crate::unique::UniqueKey;
use crate::{Aggregate, Result, Sequence, StateAggregate, Tag, Tags};

impl Context {
    /// Loads the aggregate that has a unique value: `ctx.load_by_unique(Account::by_email("ada@example.org"))`.
    ///
    /// # Errors
    /// - [`Error::UnknownValue`](crate::Error::UnknownValue) if there is none;
    ///   [`find_by_unique`](Self::find_by_unique) returns `None` instead.
    /// - As [`find_by_unique`](Self::find_by_unique).
    pub async fn load_by_unique<T: Aggregate>(
        &mut self,
        key: UniqueKey<T>,
    ) -> Result<StateAggregate<T>> {
        let value = key.checked()?;
        self.find_value(&value).await?.ok_or_else(|| unknown_value::<T>(&value))
    }

    /// Loads the aggregate that has a unique value, if there is one.
    ///
    /// A value that was not found may be claimed by another writer before the commit, which is then refused with
    /// [`Error::ValueTaken`](crate::Error::ValueTaken) if it claims the value as well.
    ///
    /// # Errors
    /// - [`Error::InvalidValue`](crate::Error::InvalidValue) if no aggregate could have the value.
    /// - [`Error::ValuesIncomplete`](crate::Error::ValuesIncomplete) if the values of older aggregates are not claimed yet.
    /// - [`Error::Unsupported`](crate::Error::Unsupported) if the engine has no unique values.
    /// - The errors of [`load`](Self::load) about events that cannot be read.
    pub async fn find_by_unique<T: Aggregate>(
        &mut self,
        key: UniqueKey<T>,
    ) -> Result<Option<StateAggregate<T>>> {
        let value = key.checked()?;
        self.find_value(&value).await
    }

    #[instrument(level = "debug", name = "find_by_unique", skip_all, fields(aggregate = T::NAME, name = value.name()), err(level = "debug"))]
    async fn find_value<T: Aggregate>(&mut self, value: &Tag) -> Result<Option<StateAggregate<T>>> {
        require(&*self.store.engine, Capability::UniqueValues)?;
        let aggregate_type = self.store.stored_name::<T>().await?;
        self.store.require_complete(aggregate_type, value.name()).await?;
        if let Some(id) = self.staging.holder_of_value(aggregate_type, value) {
            return self.reload(id).await.map(Some);
        }
        let target = LoadTarget::Unique(value.clone());
        match self.read_aggregate::<T>(aggregate_type, target, None).await? {
            // This context knows the aggregate, but without this value: it has released it.
            Some(found) if self.staging.stream(found.id).is_some() => Ok(None),
            Some(found) => self.enter_stored(aggregate_type, found, AskedBy::Id).map(Some),
            None => Ok(None),
        }
    }

    /// Notes the unique values of an aggregate that has just been read or created.
    pub(super) fn begin_values<T: Aggregate>(&mut self, aggregate: &StateAggregate<T>) {
        let Some(unique) = T::UNIQUE else { return };
        // The default state has values only by chance. Stored values that have become invalid were never claimed.
        let loaded = match aggregate.sequence {
            Sequence::ZERO => Tags::NONE,
            _ => unique.of(aggregate.state.get()).unwrap_or_default(),
        };
        let current = Ok(loaded.clone());
        self.staging.begin_values(aggregate.id, Unique { loaded, current });
    }

    /// Notes the unique values of an aggregate whose state has changed.
    pub(super) fn keep_values<T: Aggregate>(&mut self, aggregate: &StateAggregate<T>) {
        let Some(unique) = T::UNIQUE else { return };
        let current = unique.of(aggregate.state.get());
        self.staging.unique_mut(aggregate.id).current = current;
    }
}
