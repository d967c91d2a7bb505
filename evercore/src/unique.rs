//! Unique values: values of a state that no other aggregate of its type may have at the same time.

use std::fmt::{self, Debug, Display};
use std::marker::PhantomData;

use crate::{Aggregate, AggregateId, Error, Result, Tag, TagName, Tags};

#[expect(unused_imports, reason = "the docs link to it")]
use crate::Context;

/// The most unique values of an aggregate.
pub const MAX_UNIQUE_VALUES: usize = crate::tag::MAX_EVENT_TAGS;

/// The most values that [`ClaimedValues`] lists.
pub const MAX_UNCLAIMED: usize = 1_000;

/// The unique values of a state: their names, and the function that returns them.
///
/// `#[aggregate(unique(…))]` declares them. By hand, they are [`Aggregate::UNIQUE`].
///
/// A value is written as a [`Tag`]: a name, which the type declares, and a text, which is that of the state. A commit
/// claims what the new state has and the former one had not, and releases what only the former one had.
pub struct UniqueValues<T> {
    names: &'static [TagName],
    values: fn(&T) -> Result<Tags>,
}

/// A unique value by which an aggregate is found: `Account::by_email("ada@example.org")`.
///
/// The derive writes one function for each name. [`Context::find_by_unique`] and
/// [`ReadContext::find_by_unique`](crate::ReadContext::find_by_unique) take it.
pub struct UniqueKey<T> {
    name: &'static str,
    value: String,
    aggregate: PhantomData<fn() -> T>,
}

impl<T> UniqueValues<T> {
    /// Declares unique values. The function returns those of a state, with these names only.
    #[must_use]
    pub const fn new(names: &'static [TagName], values: fn(&T) -> Result<Tags>) -> Self {
        Self { names, values }
    }

    /// Returns the declared names.
    #[must_use]
    pub const fn names(&self) -> &'static [TagName] {
        self.names
    }

    /// Returns the values of a state.
    pub(crate) fn of(&self, state: &T) -> Result<Tags>
    where
        T: Aggregate,
    {
        (self.values)(state).map_err(invalid::<T>)
    }
}

impl<T: Aggregate> UniqueKey<T> {
    /// Makes a key from a declared name and a value, which is written with its [`Display`].
    #[must_use]
    pub fn new(name: &'static str, value: impl Display) -> Self {
        Self { name, value: value.to_string(), aggregate: PhantomData }
    }

    /// Checks the name and the value.
    pub(crate) fn checked(&self) -> Result<Tag> {
        let declared = T::UNIQUE.map_or(&[][..], |unique| unique.names());
        if !declared.iter().any(|declared| declared.name == self.name) {
            return Err(Error::InvalidValue {
                aggregate: T::NAME.to_owned(),
                value: self.name.to_owned(),
                problem: "the aggregate declares no unique value of this name".to_owned(),
            });
        }
        Tag::new(self.name, &self.value).map_err(invalid::<T>)
    }
}

/// Words the error about a tag for a unique value.
fn invalid<T: Aggregate>(error: Error) -> Error {
    match error {
        Error::InvalidTag { tag, problem } => {
            Error::InvalidValue { aggregate: T::NAME.to_owned(), value: tag, problem }
        }
        error => error,
    }
}

impl<T> Clone for UniqueValues<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for UniqueValues<T> {}

impl<T> Debug for UniqueValues<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UniqueValues").field("names", &self.names).finish_non_exhaustive()
    }
}

impl<T> Clone for UniqueKey<T> {
    fn clone(&self) -> Self {
        Self { name: self.name, value: self.value.clone(), aggregate: PhantomData }
    }
}

impl<T> Debug for UniqueKey<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UniqueKey").field("name", &self.name).field("value", &self.value).finish()
    }
}

/// What [`EventStore::claim_unique_values`](crate::EventStore::claim_unique_values) has done.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct ClaimedValues {
    /// The number of aggregates that were read.
    pub aggregates: u64,
    /// The number of values that they have now, whether they were claimed by this call or before.
    pub values: u64,
    /// The values that could not be claimed: the first [`MAX_UNCLAIMED`] of them.
    pub unclaimed: Vec<Unclaimed>,
    /// The number of all values that could not be claimed.
    pub unclaimed_count: u64,
    /// Whether all values are claimed, so that aggregates are found by them.
    pub is_complete: bool,
}

/// A value of an aggregate that could not be claimed.
#[derive(Debug)]
#[non_exhaustive]
pub struct Unclaimed {
    /// The aggregate whose value it is.
    pub aggregate_id: AggregateId,
    /// [`Error::ValueTaken`] if another aggregate has the value, or [`Error::InvalidValue`] if it cannot be stored.
    pub error: Error,
}

impl ClaimedValues {
    pub(crate) fn add(&mut self, unclaimed: Unclaimed) {
        self.unclaimed_count += 1;
        if self.unclaimed.len() < MAX_UNCLAIMED {
            self.unclaimed.push(unclaimed);
        }
    }
}
