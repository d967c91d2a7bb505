//! Compares the unique values of an aggregate's state as it was loaded with those at the commit.

use crate::engine::{UniqueChange, UniqueStep};
use crate::{AggregateId, Result, Tag, Tags};

/// The unique values of the state of one aggregate.
#[derive(Debug)]
pub(super) struct Unique {
    /// Those of the state as it was loaded; none if the aggregate is new.
    pub(super) loaded: Tags,
    /// Those of the state with the staged events. An invalid value refuses the commit, and not the event: a later event
    /// of the context may replace it.
    pub(super) current: Result<Tags>,
}

impl Unique {
    /// Returns whether the aggregate has a value, as the context sees it.
    pub(super) fn has(&self, value: &Tag) -> bool {
        self.current.as_ref().is_ok_and(|current| current.contains(value))
    }

    /// Returns what the commit claims and releases.
    pub(super) fn changes(
        self,
        aggregate_id: AggregateId,
        aggregate_type: &'static str,
    ) -> Result<Vec<UniqueChange>> {
        let Self { loaded, current } = self;
        let current = current?;
        if current == loaded {
            return Ok(Vec::new());
        }
        let (loaded, current) = (Vec::from(loaded), Vec::from(current));
        let change = |value: &Tag, step| {
            let value = value.clone();
            UniqueChange { aggregate_id, aggregate_type, value, step }
        };
        let released = loaded.iter().filter(|value| !current.contains(value));
        let claimed = current.iter().filter(|value| !loaded.contains(value));
        Ok(released
            .map(|value| change(value, UniqueStep::Release))
            .chain(claimed.map(|value| change(value, UniqueStep::Claim)))
            .collect())
    }
}
