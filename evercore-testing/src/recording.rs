//! Tests handlers on recorded events, without a store.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use evercore::engine::EventRow;
use evercore::format::Payload;
use evercore::{
    AggregateId, Apply, Batch, Codec, Event, EventDraft, EventOptions, Handler, HandlerError,
    Position, RecordedEvent, Registry, Sequence,
};
use serde_json::Value;

/// A log written by a test, to run handlers, routers and projections on.
///
/// Positions count from 1, and so do the sequences of each aggregate. The first event is recorded at the Unix epoch and
/// each later one a second after its predecessor, unless the test [sets the time](Self::at).
///
/// # Panics
/// Each method panics if the event could not be stored, and the message says why.
///
/// # Example
/// ```standalone_crate
/// # use evercore::{Aggregate, state_event};
/// # #[derive(Aggregate, Default)]
/// # struct Account { owner: String, balance: i64 }
/// # #[state_event(aggregate = Account)]
/// # struct AccountOpened { owner: String }
/// # #[state_event(aggregate = Account)]
/// # struct BalanceSet { balance: i64 }
/// use std::sync::{Arc, Mutex};
/// use evercore::{Error, Received, Router};
/// use evercore_testing::Recording;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let letters = Arc::new(Mutex::new(Vec::new()));
/// let sent = Arc::clone(&letters);
/// let mut router = Router::new().on(async move |opened: Received<AccountOpened>| -> Result<(), Error> {
///     sent.lock().unwrap().push(format!("Dear {}", opened.owner));
///     Ok(())
/// });
///
/// Recording::new()
///     .event(1, AccountOpened { owner: "Ada".into() })
///     .event(1, BalanceSet { balance: 100 })
///     .event(2, AccountOpened { owner: "Grace".into() })
///     .handled_by(&mut router)
///     .await
///     .then_handled();
///
/// assert_eq!(*letters.lock().unwrap(), ["Dear Ada", "Dear Grace"]);
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Recording {
    registry: Option<Arc<Registry>>,
    events: Vec<RecordedEvent>,
    sequences: HashMap<AggregateId, Sequence>,
    now: DateTime<Utc>,
}

/// The result of running a handler on a [`Recording`].
#[derive(Debug)]
#[must_use = "say what was expected: `then_handled`, `then_failed_at`"]
pub struct Handled {
    events: Vec<RecordedEvent>,
    outcome: Result<(), HandlerError>,
}

impl Default for Recording {
    fn default() -> Self {
        Self::new()
    }
}

impl Recording {
    /// Creates an empty log.
    #[must_use]
    pub fn new() -> Self {
        let now = DateTime::UNIX_EPOCH;
        Self { registry: None, events: Vec::new(), sequences: HashMap::new(), now }
    }

    /// Like [`new`](Self::new), for handlers of a store with exactly the types of this registry. [`new`](Self::new)
    /// uses the linked types.
    #[must_use]
    pub fn with_registry(registry: impl Into<Arc<Registry>>) -> Self {
        Self { registry: Some(registry.into()), ..Self::new() }
    }

    /// Sets the time of the next event, kept to the microsecond.
    #[must_use]
    pub const fn at(mut self, time: DateTime<Utc>) -> Self {
        self.now = time;
        self
    }

    /// Appends an event of the aggregate with this id.
    #[must_use]
    #[track_caller]
    pub fn event<E: Event>(self, aggregate: i64, event: E) -> Self
    where
        E::Aggregate: Apply<E>,
    {
        self.event_with(aggregate, event, EventOptions::new())
    }

    /// Appends an event with its own time, reference or metadata.
    #[must_use]
    #[track_caller]
    pub fn event_with<E: Event>(self, aggregate: i64, event: E, options: EventOptions) -> Self
    where
        E::Aggregate: Apply<E>,
    {
        let draft = EventDraft::<E::Aggregate>::from(event).with(options);
        match draft.into_row(self.now) {
            Ok(row) => self.row(aggregate, row),
            Err(error) => panic!("{} cannot be recorded: {error}", E::NAME),
        }
    }

    /// Appends an event of any type, name and version with a JSON payload, as an older program stored it.
    #[must_use]
    #[track_caller]
    pub fn stored(self, aggregate: (&str, i64), event: (&str, u32), payload: &Value) -> Self {
        let (aggregate_type, id) = aggregate;
        let (event_type, version) = event;
        let mut row = EventRow::new(
            Position::FIRST,
            AggregateId::FIRST,
            Sequence::FIRST,
            aggregate_type.into(),
            event_type.into(),
            Payload::from_encoded(Codec::Json, payload.to_string()),
            self.now,
        );
        row.version = version;
        self.row(id, row)
    }

    /// Returns the events recorded so far.
    #[must_use]
    pub fn events(&self) -> &[RecordedEvent] {
        &self.events
    }

    /// Runs a handler on all events, as one batch. If there are none, the handler is not called.
    pub async fn handled_by(self, handler: &mut impl Handler) -> Handled {
        let Self { registry, events, .. } = self;
        let registry = registry.unwrap_or_else(|| match Registry::linked() {
            Ok(registry) => Arc::new(registry),
            Err(error) => panic!("the linked types make no registry: {error}"),
        });
        let outcome = match &*events {
            [] => Ok(()),
            some => handler.handle(Batch::new(some, &registry)).await,
        };
        Handled { events, outcome }
    }

    #[track_caller]
    fn row(mut self, aggregate: i64, mut row: EventRow) -> Self {
        let id = AggregateId::new(aggregate).unwrap_or_else(|error| panic!("{error}"));
        let sequence = self.sequences.entry(id).or_insert(Sequence::ZERO);
        *sequence = sequence.next();
        let position = self.events.last().map_or(0, |last| last.position().get()) + 1;
        let position = Position::new(position).expect("BUG: positions count from 1");
        row.aggregate_id = id;
        row.sequence = *sequence;
        row.position = position;
        self.events.push(row.into());
        self.now += TimeDelta::seconds(1);
        self
    }
}

impl Handled {
    /// Asserts that all events were handled.
    #[track_caller]
    pub fn then_handled(self) {
        if let Err(error) = &self.outcome {
            panic!("expected to be handled, but {}", self.told(error));
        }
    }

    /// Asserts that the event at this position failed and all events before it were handled. Returns the error.
    #[track_caller]
    pub fn then_failed_at(self, position: i64) -> HandlerError {
        let Err(error) = &self.outcome else {
            panic!("expected a failure at position {position}, but all was handled");
        };
        let failed = self.failed(error).map(|event| event.position().get());
        if failed != Some(position) {
            panic!("expected a failure at position {position}, but {}", self.told(error));
        }
        self.then_failed()
    }

    /// Asserts that the batch failed, at whatever event. Returns the error.
    #[track_caller]
    pub fn then_failed(self) -> HandlerError {
        match self.outcome {
            Ok(()) => panic!("expected a failure, but all was handled"),
            Err(error) => error,
        }
    }

    fn failed(&self, error: &HandlerError) -> Option<&RecordedEvent> {
        self.events.get(error.failed_at()?)
    }

    fn told(&self, error: &HandlerError) -> String {
        match self.failed(error) {
            None => format!("the batch failed: {error}"),
            Some(event) => {
                let (position, name) = (event.position(), event.event_type());
                format!("position {position} (`{name}`) failed: {error}")
            }
        }
    }
}
