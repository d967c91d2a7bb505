//! Defines the result of a command.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::context::PendingCommit;
use crate::context::rehydrate::{AsOf, rehydrate};
use crate::context::state_aggregate::ContextId;
use crate::engine::{
    HistoryRequest, Idempotency, IdempotentOutcome, LoadTarget, NewEvent, Positions,
};
use crate::evolution::upcast;
use crate::shared::Shared;
use crate::shared::state::State;
use crate::{
    Aggregate, AggregateId, CommitId, Committed, Context, Error, Event, EventMeta, IdempotencyKey,
    NaturalKey, Payload, Position, RecordedEvent, Result, Sequence, StateAggregate,
};

/// The result of a command.
///
/// For a repetition with the same [idempotency key](super::Execute::idempotency_key), all values are those of the first
/// execution.
#[derive(Debug)]
pub struct Executed<T> {
    aggregate: StateAggregate<T>,
    events: Vec<CommittedEvent>,
    committed: Option<Committed>,
    is_repetition: bool,
}

/// An event that a command emitted. It has no position of its own: the result has the [position](Executed::position) of
/// the last event.
#[derive(Clone, Debug)]
pub struct CommittedEvent(Source);

#[derive(Clone, Debug)]
enum Source {
    Emitted(NewEvent),
    Recorded(RecordedEvent),
}

/// The result that is stored with an idempotency key: enough to rebuild the answer.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Done {
    pub(crate) id: AggregateId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<NaturalKey>,
    /// The sequences of the aggregate before and after the command.
    pub(crate) from: Sequence,
    pub(crate) to: Sequence,
}

impl<T> Executed<T> {
    pub(super) fn new(
        aggregate: StateAggregate<T>,
        events: Vec<CommittedEvent>,
        committed: Option<Committed>,
    ) -> Self {
        Self { aggregate, events, committed, is_repetition: false }
    }

    /// Returns the aggregate's id. If it was to be created and nothing was emitted, no aggregate with this id exists.
    #[must_use]
    pub const fn id(&self) -> AggregateId {
        self.aggregate.id()
    }

    /// Returns the aggregate, with its state after the events.
    #[must_use]
    pub const fn aggregate(&self) -> &StateAggregate<T> {
        &self.aggregate
    }

    /// Returns the state after the events.
    #[must_use]
    pub fn state(&self) -> &T {
        self.aggregate.state()
    }

    /// Consumes this and returns the state after the events.
    #[must_use]
    pub fn into_state(self) -> T {
        self.aggregate.into_state()
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

impl CommittedEvent {
    pub(crate) const fn emitted(event: NewEvent) -> Self {
        Self(Source::Emitted(event))
    }

    /// Returns the stored name of its type.
    #[must_use]
    pub fn event_type(&self) -> &str {
        match &self.0 {
            Source::Emitted(event) => event.event_type,
            Source::Recorded(event) => event.event_type(),
        }
    }

    /// Returns the version of its shape.
    #[must_use]
    pub const fn version(&self) -> u32 {
        match &self.0 {
            Source::Emitted(event) => event.version,
            Source::Recorded(event) => event.version(),
        }
    }

    /// Returns the encoded event.
    #[must_use]
    pub const fn payload(&self) -> &Payload {
        match &self.0 {
            Source::Emitted(event) => &event.payload,
            Source::Recorded(event) => event.payload(),
        }
    }

    /// Returns its aggregate, sequence, time, reference and metadata.
    #[must_use]
    pub const fn meta(&self) -> &EventMeta {
        match &self.0 {
            Source::Emitted(event) => &event.meta,
            Source::Recorded(event) => event.meta(),
        }
    }

    /// Returns whether the event is an `E`.
    #[must_use]
    pub fn is<E: Event>(&self) -> bool {
        match &self.0 {
            Source::Emitted(event) => event.event_type == E::NAME && event.version == E::VERSION,
            Source::Recorded(event) => event.is::<E>(),
        }
    }

    /// Decodes the event as an `E`.
    ///
    /// # Errors
    /// - [`Error::WrongEventType`] if it is not an `E`.
    /// - [`Error::Decode`] if the payload does not fit the type.
    pub fn decode<E: Event>(&self) -> Result<E> {
        let event = match &self.0 {
            Source::Emitted(event) => event,
            Source::Recorded(event) => return event.decode(),
        };
        if !self.is::<E>() {
            let event = Box::new(event.place(E::Aggregate::NAME));
            return Err(Error::WrongEventType { event, wanted: E::NAME });
        }
        upcast::read(&event.payload, event.version)
            .map_err(|problem| event.unreadable(E::Aggregate::NAME, problem))
    }
}

impl Done {
    pub(super) fn read(first: &IdempotentOutcome) -> Result<Self> {
        serde_json::from_str(&first.result)
            .map_err(|error| Error::corrupt("commits.result", error.to_string()))
    }

    pub(crate) fn write(&self) -> Box<str> {
        serde_json::to_string(self).expect("BUG: numbers and a text are JSON").into()
    }

    /// Rebuilds the answer of the first execution from storage.
    pub(super) async fn replay<T: Aggregate>(
        self,
        store: &Shared,
        committed: Committed,
    ) -> Result<Executed<T>> {
        let Self { id, key, from, to } = self;
        let as_of = Some(AsOf::Sequence(to));
        let name = store.stored_name::<T>().await?;
        let found = rehydrate::<T>(&*store.engine, store, name, LoadTarget::Id(id), as_of).await?;
        let events = recorded(store, id, (from, to)).await?;
        let (state, has_unknown) =
            found.map_or_else(Default::default, |found| (found.state, found.has_unknown));
        let state = State::Own(state);
        let (context, sequence, is_new) = (ContextId::next(), to, from == Sequence::ZERO);
        Ok(Executed {
            aggregate: StateAggregate { context, id, key, sequence, state, has_unknown, is_new },
            events,
            committed: Some(committed),
            is_repetition: true,
        })
    }
}

/// Reads the events of an aggregate after one sequence up to another.
pub(super) async fn recorded(
    store: &Shared,
    id: AggregateId,
    (mut after, to): (Sequence, Sequence),
) -> Result<Vec<CommittedEvent>> {
    let mut events = Vec::new();
    while after < to {
        let request =
            HistoryRequest { id, after, up_to: Some(to), limit: store.limits.page_events };
        let page = store.engine.read_history(request).await?;
        let Some(last) = page.last() else {
            return Err(Error::corrupt(
                "events",
                format!("aggregate {id} has no event after sequence {after}"),
            ));
        };
        after = last.sequence();
        events.extend(page.into_iter().map(|event| CommittedEvent(Source::Recorded(event))));
    }
    Ok(events)
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "aggregate {}", self.id)?;
        self.key.as_ref().map_or(Ok(()), |key| write!(f, " with the key `{key}`"))
    }
}

/// Returns the events of a command, and its commit. If no events were emitted, the commit records at most the
/// idempotency key.
pub(super) fn complete<'a, T: Aggregate>(
    mut context: Context,
    store: &'a Shared,
    aggregate: &StateAggregate<T>,
    key: Option<IdempotencyKey>,
    command: fn() -> &'static str,
) -> (Vec<CommittedEvent>, Option<PendingCommit<'a>>) {
    let events: Vec<_> =
        context.staged_events().iter().cloned().map(CommittedEvent::emitted).collect();
    if events.is_empty() {
        context.emitted_nothing(aggregate.id(), key.is_some());
    }
    if let Some(key) = key {
        let (id, to) = (aggregate.id(), aggregate.sequence());
        let from = events.first().map_or(to, |first| first.meta().sequence().previous());
        let result = Done { id, key: aggregate.key().cloned(), from, to }.write();
        let idempotency = Idempotency { key, command: command().into(), result };
        context.keep(idempotency).expect("BUG: a command has one key");
    }
    (events, context.finish(store))
}
