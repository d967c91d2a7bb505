//! Given these events, when this command comes, then these events happen.

mod difference;
mod events;
mod outcome;

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use evercore::engine::EventRow;
use evercore::{
    Aggregate, AggregateId, Codec, Decide, Decision, Emitted, Metadata, Payload, Position,
    RecordedEvent, Registry, Report, Sequence,
};
use serde_json::Value;

pub use events::Events;
pub use outcome::Decided;

/// What has happened to an aggregate, to try commands on: given, when, then.
///
/// Nothing is stored, yet all events are encoded, looked up in the registry and read back as if they were: an event that
/// cannot be read again fails here, and not years later.
///
/// Events of one type go into an array, events of several types into a tuple, and nothing at all is `()`. Without more,
/// the aggregate is number 1 and the time stands still at the beginning of the Unix epoch.
///
/// # Panics
/// Every step panics where it does not hold, with what differs.
///
/// # Example
/// ```standalone_crate
/// # use evercore::{Aggregate, Apply, Decide, Decision, EventMeta, event, state_event};
/// # #[derive(Aggregate, Default)]
/// # struct Account { owner: String, balance: i64 }
/// # #[state_event(aggregate = Account)]
/// # struct AccountOpened { owner: String }
/// # #[event(aggregate = Account)]
/// # struct MoneyDeposited { amount: i64 }
/// # #[event(aggregate = Account)]
/// # struct MoneyWithdrawn { amount: i64 }
/// # impl Apply<MoneyDeposited> for Account {
/// #     fn apply(&mut self, event: &MoneyDeposited, _: &EventMeta) { self.balance += event.amount }
/// # }
/// # impl Apply<MoneyWithdrawn> for Account {
/// #     fn apply(&mut self, event: &MoneyWithdrawn, _: &EventMeta) { self.balance -= event.amount }
/// # }
/// # struct Withdraw { amount: i64 }
/// # #[derive(Debug, PartialEq)]
/// # enum BankError { InsufficientFunds }
/// # impl Decide<Withdraw> for Account {
/// #     type Error = BankError;
/// #     fn decide(account: &mut Decision<'_, Self>, command: &Withdraw) -> Result<(), BankError> {
/// #         if account.balance < command.amount { return Err(BankError::InsufficientFunds); }
/// #         account.emit(MoneyWithdrawn { amount: command.amount });
/// #         Ok(())
/// #     }
/// # }
/// use evercore_testing::Scenario;
///
/// Scenario::<Account>::given((
///     AccountOpened { owner: "Ada".into() },
///     MoneyDeposited { amount: 100 },
/// ))
/// .when(Withdraw { amount: 30 })
/// .then([MoneyWithdrawn { amount: 30 }])
/// .then_state(|account| assert_eq!(account.balance, 70))
/// .when(Withdraw { amount: 80 })
/// .then_rejected(BankError::InsufficientFunds);
/// ```
pub struct Scenario<T> {
    registry: Arc<Registry>,
    id: AggregateId,
    /// The state that the events start from: the default, or a snapshot's.
    start: Box<dyn Fn() -> T>,
    /// The last event that the start contains.
    start_at: Sequence,
    events: Vec<RecordedEvent>,
    now: DateTime<Utc>,
    metadata: Option<Metadata>,
}

impl<T: Aggregate> Default for Scenario<T> {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Aggregate> Scenario<T> {
    /// A new aggregate, to which nothing has happened.
    #[must_use]
    #[track_caller]
    pub fn new() -> Self {
        match Registry::linked() {
            Ok(registry) => Self::with_registry(registry),
            Err(error) => panic!("the linked types make no registry: {error}"),
        }
    }

    /// As [`new`](Self::new), with exactly the types of this registry.
    #[must_use]
    pub fn with_registry(registry: impl Into<Arc<Registry>>) -> Self {
        Self {
            registry: registry.into(),
            id: AggregateId::FIRST,
            start: Box::new(T::default),
            start_at: Sequence::ZERO,
            events: Vec::new(),
            now: DateTime::UNIX_EPOCH,
            metadata: None,
        }
    }

    /// An aggregate to which these events have happened.
    #[must_use]
    #[track_caller]
    pub fn given(events: impl Events<T>) -> Self {
        Self::new().and(events)
    }

    /// An aggregate with this state after its first `sequence` events, as a snapshot of it would have it.
    #[must_use]
    #[track_caller]
    pub fn given_snapshot(sequence: i64, state: T) -> Self
    where
        T: Clone,
    {
        let start_at = Sequence::new(sequence).unwrap_or_else(|error| panic!("{error}"));
        Self { start: Box::new(move || state.clone()), start_at, ..Self::new() }
    }

    /// Adds events that have happened as well.
    #[must_use]
    #[track_caller]
    pub fn and(mut self, events: impl Events<T>) -> Self {
        for row in self.rows(events) {
            self.push(row);
        }
        self.read_back();
        self
    }

    /// Adds an event as an older program wrote it, in JSON: of any name and version.
    #[must_use]
    #[track_caller]
    pub fn and_stored(mut self, name: &str, version: u32, payload: &Value) -> Self {
        let row = EventRow {
            event_type: name.into(),
            version,
            payload: Payload::from_encoded(Codec::Json, payload.to_string()),
            ..self.empty_row()
        };
        self.push(row);
        self.read_back();
        self
    }

    /// Sets which aggregate it is.
    #[must_use]
    #[track_caller]
    pub fn with_id(mut self, id: i64) -> Self {
        self.id = AggregateId::new(id).unwrap_or_else(|error| panic!("{error}"));
        self
    }

    /// Sets the time of what happens from now on. Kept to the microsecond.
    #[must_use]
    pub const fn at(mut self, time: DateTime<Utc>) -> Self {
        self.now = time;
        self
    }

    /// Sets the metadata of what happens from now on, unless it brings its own.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Metadata) -> Self {
        self.metadata = (!metadata.is_empty()).then_some(metadata);
        self
    }

    /// Gives the aggregate a command.
    #[must_use = "say what was expected: `then`, `then_rejected`, `then_nothing`"]
    #[track_caller]
    pub fn when<C>(mut self, command: C) -> Decided<T, T::Error>
    where
        T: Decide<C>,
        T::Error: fmt::Debug,
    {
        let mut state = self.state();
        let mut decision = Decision::on(&mut state)
            .of(self.id, self.sequence())
            .at(self.now)
            .with_metadata(self.metadata.clone());
        let outcome = T::decide(&mut decision, &command).map(|()| {
            let before = self.events.len();
            for emitted in decision.emitted() {
                let row = self.row_of(emitted);
                self.push(row);
            }
            self.read_back();
            self.events[before..].to_vec()
        });
        Decided::new(self, short_name::<C>(), outcome)
    }

    /// What the events make of the state. From the beginning, since a rejected command leaves a state of no use.
    #[track_caller]
    fn state(&self) -> T {
        match self.registry.replay((self.start)(), self.start_at, &self.events) {
            Ok(state) => state,
            Err(error) => panic!("the events cannot be read back: {}", Report::new(&error)),
        }
    }

    #[track_caller]
    fn read_back(&self) {
        self.state();
    }

    fn sequence(&self) -> Sequence {
        self.events.last().map_or(self.start_at, RecordedEvent::sequence)
    }

    /// Events as this scenario would have them happen now; they have no place yet.
    #[track_caller]
    fn rows(&self, events: impl Events<T>) -> Vec<EventRow> {
        let rows = events.into_drafts().into_iter().map(|draft| match draft.into_row(self.now) {
            Ok(row) => {
                let metadata = row.metadata.or_else(|| self.metadata.clone().map(Box::new));
                EventRow { metadata, ..row }
            }
            Err(error) => panic!("{}", Report::new(&error)),
        });
        rows.collect()
    }

    #[track_caller]
    fn row_of(&self, emitted: &Emitted) -> EventRow {
        let (event_type, meta) = (emitted.event_type(), emitted.meta());
        let payload = match emitted.payload() {
            Ok(payload) => payload,
            Err(error) => panic!("{} cannot be encoded: {error}", event_type.name()),
        };
        let metadata = meta.metadata();
        EventRow {
            event_type: event_type.name().into(),
            version: event_type.version(),
            payload: payload.clone(),
            event_time: meta.event_time(),
            reference: meta.reference().map(Box::from),
            metadata: (!metadata.is_empty()).then(|| Box::new(metadata.clone())),
            ..self.empty_row()
        }
    }

    fn empty_row(&self) -> EventRow {
        EventRow {
            position: Position::FIRST,
            aggregate_id: self.id,
            sequence: Sequence::FIRST,
            aggregate_type: T::NAME.into(),
            event_type: "".into(),
            version: 1,
            payload: Payload::from_encoded(Codec::Json, ""),
            event_time: self.now,
            recorded_at: self.now,
            reference: None,
            metadata: self.metadata.clone().map(Box::new),
        }
    }

    /// Gives an event its place.
    fn push(&mut self, row: EventRow) {
        let sequence = self.sequence().next();
        let position = Position::new(sequence.get()).expect("BUG: a sequence is no position");
        self.events.push(EventRow { position, aggregate_id: self.id, sequence, ..row }.into());
    }
}

impl<T: Aggregate> fmt::Debug for Scenario<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scenario")
            .field("aggregate", &T::NAME)
            .field("id", &self.id)
            .field("events", &self.events)
            .field("now", &self.now)
            .field("metadata", &self.metadata)
            .finish_non_exhaustive()
    }
}

/// The name of a type without the path to it.
fn short_name<C>() -> &'static str {
    let name = std::any::type_name::<C>();
    let path = &name[..name.find('<').unwrap_or(name.len())];
    &name[path.rfind("::").map_or(0, |at| at + 2)..]
}
