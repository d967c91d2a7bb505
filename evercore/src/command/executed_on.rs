//! Defines the result of a command on boundaries.

use serde::{Deserialize, Serialize};

use super::executed::{CommittedEvent, recorded};
use crate::boundary::Boundaries;
use crate::boundary::reading::Reading;
use crate::context::boundaries::fold;
use crate::engine::{IdempotentOutcome, NewEvent, Positions};
use crate::shared::Shared;
use crate::{AggregateId, CommitId, Committed, Error, Position, Result, Sequence};

/// The result of a command on boundaries.
///
/// For a repetition with the same [idempotency key](super::ExecuteOn::idempotency_key), the events and the commit are
/// those of the first execution.
#[derive(Debug)]
pub struct ExecutedOn<S> {
    states: S,
    events: Vec<CommittedEvent>,
    committed: Option<Committed>,
    is_repetition: bool,
}

/// The result that is stored with an idempotency key: enough to rebuild the answer.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct DoneOn {
    /// A hash of the boundaries and their tags.
    pub(super) on: String,
    /// The aggregate of the events; `None` if there are none.
    facts: Option<AggregateId>,
    /// The sequence of the last event.
    to: Sequence,
}

impl<S> ExecutedOn<S> {
    pub(super) fn new(
        states: S,
        events: Vec<CommittedEvent>,
        committed: Option<Committed>,
    ) -> Self {
        Self { states, events, committed, is_repetition: false }
    }

    /// Returns the state of the boundary after the events; of several, a tuple.
    #[must_use]
    pub const fn states(&self) -> &S {
        &self.states
    }

    /// Consumes this and returns the states after the events.
    #[must_use]
    pub fn into_states(self) -> S {
        self.states
    }

    /// Returns the events of the command, in order. Empty if the decision emitted nothing.
    #[must_use]
    pub fn events(&self) -> &[CommittedEvent] {
        &self.events
    }

    /// Returns the commit's id; `None` if there was nothing to commit.
    #[must_use]
    pub fn commit(&self) -> Option<CommitId> {
        self.committed.as_ref().map(|committed| committed.id)
    }

    /// Returns the position of the last event, for [`EventStore::wait_for`](crate::EventStore::wait_for); `None` if
    /// there are no events.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.committed.as_ref().and_then(Committed::position)
    }

    /// Returns the positions of the events, in the order of [`events`](Self::events).
    #[must_use]
    pub fn positions(&self) -> &Positions {
        self.committed.as_ref().map_or(&Positions::NONE, |committed| &committed.positions)
    }

    /// Returns whether the command had taken effect before, under the same idempotency key.
    #[must_use]
    pub const fn is_repetition(&self) -> bool {
        self.is_repetition
    }
}

impl DoneOn {
    pub(super) fn new(on: String, events: &[NewEvent]) -> Self {
        let last = events.last().map(|last| &last.meta);
        let facts = last.map(|meta| meta.aggregate_id());
        Self { on, facts, to: last.map_or(Sequence::ZERO, |meta| meta.sequence()) }
    }

    pub(super) fn read(first: &IdempotentOutcome) -> Result<Self> {
        serde_json::from_str(&first.result)
            .map_err(|error| Error::corrupt("commits.result", error.to_string()))
    }

    pub(super) fn write(&self) -> Box<str> {
        serde_json::to_string(self).expect("BUG: numbers and a text are JSON").into()
    }

    /// Rebuilds the answer of the first execution from storage.
    pub(super) async fn replay<K: Boundaries>(
        self,
        store: &Shared,
        mut readings: Vec<Reading>,
        committed: Committed,
    ) -> Result<ExecutedOn<K::States>> {
        let events = match self.facts {
            Some(id) => recorded(store, id, (Sequence::ZERO, self.to)).await?,
            None => Vec::new(),
        };
        fold(&*store.engine, store, &mut readings, committed.position()).await?;
        let states = &mut readings.into_iter().map(Reading::into_state);
        let states = K::finish(states.len(), states);
        Ok(ExecutedOn { states, events, committed: Some(committed), is_repetition: true })
    }
}
