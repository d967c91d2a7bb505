//! What a command has brought about.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Landed;
use crate::context::Sending;
use crate::context::rehydrate::{AsOf, rehydrate};
use crate::context::state_aggregate::ContextId;
use crate::engine::{Committed, FirstOutcome, HistoryRequest, Idempotency, NewEvent, Target};
use crate::evolution::upcast;
use crate::shared::Shared;
use crate::shared::state::State;
use crate::{
    Aggregate, AggregateId, CommitId, Context, Error, Event, EventMeta, IdempotencyKey, NaturalKey,
    Payload, Position, RecordedEvent, Result, Sequence, StateAggregate,
};

/// What a command has brought about.
///
/// Of one that was repeated with its [idempotency key](super::Execute::idempotency_key), all of it is as it was the
/// first time.
#[derive(Debug)]
pub struct Executed<T> {
    aggregate: StateAggregate<T>,
    events: Vec<Happened>,
    landed: Landed,
    is_repetition: bool,
}

/// An event that a command has brought about. Its [position](Executed::position) is the commit's.
#[derive(Clone, Debug)]
pub struct Happened(Source);

#[derive(Clone, Debug)]
enum Source {
    Emitted(NewEvent),
    Recorded(RecordedEvent),
}

/// What is stored with an idempotency key: enough to tell what was done.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Done {
    pub(crate) id: AggregateId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<NaturalKey>,
    /// The sequences before and after.
    pub(crate) from: Sequence,
    pub(crate) to: Sequence,
}

impl<T> Executed<T> {
    pub(super) fn new(aggregate: StateAggregate<T>, events: Vec<Happened>, landed: Landed) -> Self {
        Self { aggregate, events, landed, is_repetition: false }
    }

    /// The aggregate. If it was to be created and nothing was emitted, there is none with this id.
    #[must_use]
    pub const fn id(&self) -> AggregateId {
        self.aggregate.id()
    }

    /// The aggregate, with the state that the events led to.
    #[must_use]
    pub const fn aggregate(&self) -> &StateAggregate<T> {
        &self.aggregate
    }

    /// The state that the events led to.
    #[must_use]
    pub fn state(&self) -> &T {
        self.aggregate.state()
    }

    /// The state that the events led to, taken out.
    #[must_use]
    pub fn into_state(self) -> T {
        self.aggregate.into_state()
    }

    /// What happened, in order. Empty if the decision emitted nothing.
    #[must_use]
    pub fn events(&self) -> &[Happened] {
        &self.events
    }

    /// The commit's name; `None` if there was nothing to commit.
    #[must_use]
    pub fn commit(&self) -> Option<CommitId> {
        self.landed.commit()
    }

    /// The position of the last event, for [`EventStore::wait_for`](crate::EventStore::wait_for); `None` without events.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.landed.position()
    }

    /// Whether the command had come true before, by its idempotency key.
    #[must_use]
    pub const fn is_repetition(&self) -> bool {
        self.is_repetition
    }
}

impl Happened {
    pub(crate) const fn emitted(event: NewEvent) -> Self {
        Self(Source::Emitted(event))
    }

    /// The stored name of its type.
    #[must_use]
    pub fn event_type(&self) -> &str {
        match &self.0 {
            Source::Emitted(event) => event.event_type,
            Source::Recorded(event) => event.event_type(),
        }
    }

    /// The version of its shape.
    #[must_use]
    pub const fn version(&self) -> u32 {
        match &self.0 {
            Source::Emitted(event) => event.version,
            Source::Recorded(event) => event.version(),
        }
    }

    /// The encoded event.
    #[must_use]
    pub const fn payload(&self) -> &Payload {
        match &self.0 {
            Source::Emitted(event) => &event.payload,
            Source::Recorded(event) => event.payload(),
        }
    }

    /// Aggregate, sequence, time, reference and metadata.
    #[must_use]
    pub const fn meta(&self) -> &EventMeta {
        match &self.0 {
            Source::Emitted(event) => &event.meta,
            Source::Recorded(event) => event.meta(),
        }
    }

    /// Whether it is an `E`.
    #[must_use]
    pub fn is<E: Event>(&self) -> bool {
        match &self.0 {
            Source::Emitted(event) => event.event_type == E::NAME && event.version == E::VERSION,
            Source::Recorded(event) => event.is::<E>(),
        }
    }

    /// The event as its type.
    ///
    /// # Errors
    /// - [`Error::WrongEventType`] if it is not an `E`.
    /// - [`Error::Decode`] if it does not fit its type.
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
    pub(super) fn read(first: &FirstOutcome) -> Result<Self> {
        serde_json::from_str(&first.result)
            .map_err(|error| Error::corrupt("commits.result", error.to_string()))
    }

    pub(crate) fn write(&self) -> Box<str> {
        serde_json::to_string(self).expect("BUG: numbers and a text are JSON").into()
    }

    /// What was answered the first time.
    pub(super) async fn replay<T: Aggregate>(
        self,
        store: &Shared,
        committed: Committed,
    ) -> Result<Executed<T>> {
        let Self { id, key, from, to } = self;
        let as_of = Some(AsOf::Sequence(to));
        let name = store.stored_name::<T>().await?;
        let found = rehydrate::<T>(&*store.engine, store, name, Target::Id(id), as_of).await?;
        let mut events = Vec::new();
        let mut after = from;
        while after < to {
            let request =
                HistoryRequest { id, after, up_to: Some(to), limit: store.limits.page_events };
            let page = store.engine.read_history(request).await?;
            let Some(last) = page.last() else {
                return Err(Error::corrupt("events", format!("{id} has none after {after}")));
            };
            after = last.sequence();
            events.extend(page.into_iter().map(|event| Happened(Source::Recorded(event))));
        }
        let (state, has_unknown) =
            found.map_or_else(Default::default, |found| (found.state, found.has_unknown));
        let state = State::Own(state);
        let context = ContextId::next();
        Ok(Executed {
            aggregate: StateAggregate { context, id, key, sequence: to, state, has_unknown },
            events,
            landed: Landed::of(committed),
            is_repetition: true,
        })
    }
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "aggregate {}", self.id)?;
        self.key.as_ref().map_or(Ok(()), |key| write!(f, " with the key `{key}`"))
    }
}

/// What a command has brought about, and that to be sent. If it has emitted nothing, that is at most the note of its
/// idempotency key.
pub(super) fn complete<'a, T: Aggregate>(
    mut context: Context,
    store: &'a Shared,
    aggregate: &StateAggregate<T>,
    key: Option<IdempotencyKey>,
    command: fn() -> &'static str,
) -> (Vec<Happened>, Option<Sending<'a>>) {
    let events: Vec<_> = context.staged_events().iter().cloned().map(Happened::emitted).collect();
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
