//! Unit tests of an aggregate in the form given, when, then, without a store or a runtime.

mod boundary;
mod difference;
mod events;
mod outcome;
mod process;
mod store;

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use evercore::command::Emitted;
use evercore::engine::EventRow;
use evercore::format::Payload;
use evercore::{
    Aggregate, AggregateId, Codec, Decide, Decision, Metadata, Position, RecordedEvent, Registry,
    Report, Sequence,
};
use serde_json::Value;

pub use boundary::{BoundaryScenario, DecidedOn};
pub use events::Events;
pub use outcome::Decided;
pub use process::ProcessScenario;
pub use store::{Done, StoreScenario};

/// The past events of an aggregate, on which a test tries commands: given, when, then.
///
/// Nothing is stored, but every event is encoded, looked up in the registry and decoded again as if it had been stored.
/// An event that cannot be read back therefore fails the test now instead of failing in production later.
///
/// Pass events of one type as an array, events of several types as a tuple, and no events as `()`. By default the
/// aggregate has id 1 and the time stands still at the Unix epoch.
///
/// # Panics
/// Each step panics if its expectation fails; the message lists the differences.
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
    /// The state before the first event: the default, or a snapshot's state.
    start: Box<dyn Fn() -> T>,
    /// The sequence of the last event that the start state includes.
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
    /// Starts from an aggregate without events.
    #[must_use]
    #[track_caller]
    pub fn new() -> Self {
        match Registry::linked() {
            Ok(registry) => Self::with_registry(registry),
            Err(error) => panic!("the linked types make no registry: {error}"),
        }
    }

    /// Like [`new`](Self::new), with exactly the types of this registry.
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

    /// Starts from an aggregate with these events.
    #[must_use]
    #[track_caller]
    pub fn given(events: impl Events<T>) -> Self {
        Self::new().and(events)
    }

    /// Starts from an aggregate that has this state after its first `sequence` events, as if loaded from a snapshot.
    #[must_use]
    #[track_caller]
    pub fn given_snapshot(sequence: i64, state: T) -> Self
    where
        T: Clone,
    {
        let start_at = Sequence::new(sequence).unwrap_or_else(|error| panic!("{error}"));
        Self { start: Box::new(move || state.clone()), start_at, ..Self::new() }
    }

    /// Appends more past events.
    #[must_use]
    #[track_caller]
    pub fn and(mut self, events: impl Events<T>) -> Self {
        for row in self.rows(events) {
            self.push(row);
        }
        self.read_back();
        self
    }

    /// Appends an event with any name and version and a JSON payload, as an older program stored it.
    #[must_use]
    #[track_caller]
    pub fn and_stored(mut self, name: &str, version: u32, payload: &Value) -> Self {
        let mut row = self.empty_row();
        row.event_type = name.into();
        row.version = version;
        row.payload = Payload::from_encoded(Codec::Json, payload.to_string());
        self.push(row);
        self.read_back();
        self
    }

    /// Sets the id of the aggregate. Default: 1.
    #[must_use]
    #[track_caller]
    pub fn with_id(mut self, id: i64) -> Self {
        self.id = AggregateId::new(id).unwrap_or_else(|error| panic!("{error}"));
        self
    }

    /// Sets the time of all later events, kept to the microsecond. Default: the Unix epoch.
    #[must_use]
    pub const fn at(mut self, time: DateTime<Utc>) -> Self {
        self.now = time;
        self
    }

    /// Sets the metadata of all later events that have none of their own.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Metadata) -> Self {
        self.metadata = (!metadata.is_empty()).then_some(metadata);
        self
    }

    /// Sends the aggregate a command.
    #[must_use = "say what was expected: `then`, `then_rejected`, `then_nothing`"]
    #[track_caller]
    pub fn when<C>(mut self, command: C) -> Decided<T, T::Error>
    where
        T: Aggregate + Decide<C>,
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

    /// Replays all events, from the beginning each time, because a rejected command may leave the state unusable.
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

    /// Converts events to rows with the time and metadata of this scenario. [`push`](Self::push) sets their positions.
    #[track_caller]
    fn rows(&self, events: impl Events<T>) -> Vec<EventRow> {
        let rows = events.into_drafts().into_iter().map(|draft| match draft.into_row(self.now) {
            Ok(mut row) => {
                row.metadata = row.metadata.or_else(|| self.metadata.clone().map(Box::new));
                row
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
        {
            let mut made = self.empty_row();
            made.event_type = event_type.name().into();
            made.version = event_type.version();
            made.payload = payload.clone();
            made.event_time = meta.event_time();
            made.reference = meta.reference().map(Box::from);
            made.metadata = (!metadata.is_empty()).then(|| Box::new(metadata.clone()));
            made
        }
    }

    fn empty_row(&self) -> EventRow {
        let mut made = EventRow::new(
            Position::FIRST,
            self.id,
            Sequence::FIRST,
            T::NAME.into(),
            "".into(),
            Payload::from_encoded(Codec::Json, ""),
            self.now,
        );
        made.metadata = self.metadata.clone().map(Box::new);
        made
    }

    /// Appends an event with the next sequence and position.
    fn push(&mut self, mut row: EventRow) {
        row.aggregate_id = self.id;
        row.sequence = self.sequence().next();
        row.position = Position::new(row.sequence.get()).expect("BUG: a sequence is no position");
        self.events.push(row.into());
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

/// Returns the name of a type without its path.
fn short_name<C>() -> &'static str {
    let name = std::any::type_name::<C>();
    let path = &name[..name.find('<').unwrap_or(name.len())];
    &name[path.rfind("::").map_or(0, |at| at + 2)..]
}
