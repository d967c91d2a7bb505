//! Unit tests of decisions on boundaries, without a store or a runtime.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use evercore::boundary::{Boundaries, Facts, Replay};
use evercore::command::Emitted;
use evercore::engine::EventRow;
use evercore::{
    Aggregate, AggregateId, Decide, Metadata, Position, RecordedEvent, Registry, Report, Sequence,
};

use super::difference::{difference, listed};
use super::{Events, short_name};

/// The past events of a store, on which a test tries decisions on boundaries: given, when, then.
///
/// It is to boundaries what a [`Scenario`](super::Scenario) is to an aggregate: every event is encoded, looked up in the
/// registry and decoded again, with its tags, as if it had been stored.
///
/// Pass events of one type as an array, events of several types as a tuple, and no events as `()`. By default, the time
/// stands still at the Unix epoch.
///
/// # Panics
/// Each step panics if its expectation fails; the message lists the differences.
///
/// # Example
/// ```standalone_crate
/// # use evercore::{Apply, Boundary, Decide, Decision, EventMeta, event};
/// # #[event(tags(course, student))]
/// # struct Subscribed { course: String, student: String }
/// # #[derive(Boundary, Default)]
/// # #[boundary(key(course: String), events(Subscribed))]
/// # struct Seats { taken: u32 }
/// # impl Apply<Subscribed> for Seats {
/// #     fn apply(&mut self, _: &Subscribed, _: &EventMeta) { self.taken += 1 }
/// # }
/// # struct Subscribe(&'static str);
/// # #[derive(Debug, PartialEq)]
/// # struct Full;
/// # impl Decide<Subscribe> for Seats {
/// #     type Error = Full;
/// #     fn decide(seats: &mut Decision<'_, Self>, command: &Subscribe) -> Result<(), Full> {
/// #         if seats.taken >= 2 { return Err(Full); }
/// #         seats.emit(subscribed("algebra", command.0));
/// #         Ok(())
/// #     }
/// # }
/// # fn subscribed(course: &str, student: &str) -> Subscribed {
/// #     Subscribed { course: course.to_owned(), student: student.to_owned() }
/// # }
/// use evercore_testing::BoundaryScenario;
///
/// BoundaryScenario::given([subscribed("algebra", "Ada"), subscribed("biology", "Dora")])
///     .when(Seats::of("algebra"), Subscribe("Bob"))
///     .then([subscribed("algebra", "Bob")])
///     .then_state(|seats| assert_eq!(seats.taken, 2))
///     .when(Seats::of("algebra"), Subscribe("Cleo"))
///     .then_rejected(Full);
/// ```
pub struct BoundaryScenario {
    registry: Arc<Registry>,
    events: Vec<RecordedEvent>,
    now: DateTime<Utc>,
    metadata: Option<Metadata>,
}

/// The outcome of a command on boundaries, returned by [`BoundaryScenario::when`].
///
/// If the command was rejected and the scenario does not [expect](Self::then_rejected) that, the next step panics.
pub struct DecidedOn<K: Boundaries, E> {
    scenario: BoundaryScenario,
    replay: Replay<K>,
    /// The name of the command's type.
    command: &'static str,
    outcome: Result<Vec<RecordedEvent>, E>,
    /// Whether the scenario has asserted a rejection.
    expects_rejection: bool,
}

impl Default for BoundaryScenario {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl BoundaryScenario {
    /// Starts without events.
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
        let (events, now, metadata) = (Vec::new(), DateTime::UNIX_EPOCH, None);
        Self { registry: registry.into(), events, now, metadata }
    }

    /// Starts with these events, which belong to no aggregate.
    #[must_use]
    #[track_caller]
    pub fn given(events: impl Events<Facts>) -> Self {
        Self::new().and(events)
    }

    /// Appends more past events, which belong to no aggregate.
    #[must_use]
    #[track_caller]
    pub fn and(self, events: impl Events<Facts>) -> Self {
        self.and_of::<Facts>(events)
    }

    /// Appends past events of another aggregate of a type.
    #[must_use]
    #[track_caller]
    pub fn and_of<T: Aggregate>(mut self, events: impl Events<T>) -> Self {
        let rows = self.rows(events);
        self.push(rows);
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

    /// Reads boundaries and has them decide on a command.
    #[must_use = "say what was expected: `then`, `then_rejected`, `then_nothing`"]
    #[track_caller]
    pub fn when<K, C>(
        mut self,
        keys: K,
        command: C,
    ) -> DecidedOn<K, <K::States as Decide<C>>::Error>
    where
        K: Boundaries<States: Decide<C, Error: fmt::Debug>>,
    {
        let replay = match Replay::new(&self.registry, keys) {
            Ok(replay) => replay,
            Err(error) => panic!("the boundaries cannot be read: {}", Report::new(&error)),
        };
        let mut states = self.states(&replay);
        let mut decision =
            replay.decision(&mut states).at(self.now).with_metadata(self.metadata.clone());
        let outcome = K::States::decide(&mut decision, &command).map(|()| {
            let rows = decision.emitted().iter().map(|emitted| self.row_of(emitted)).collect();
            let before = self.events.len();
            self.push(rows);
            self.states(&replay);
            self.events[before..].to_vec()
        });
        let command = short_name::<C>();
        DecidedOn { scenario: self, replay, command, outcome, expects_rejection: false }
    }

    /// Builds the states from the beginning each time, because a rejected command may leave them unusable.
    #[track_caller]
    fn states<K: Boundaries>(&self, replay: &Replay<K>) -> K::States {
        match replay.states(&self.registry, &self.events) {
            Ok(states) => states,
            Err(error) => panic!("the events cannot be read back: {}", Report::new(&error)),
        }
    }

    /// Converts events to rows with the time and metadata of this scenario. [`push`](Self::push) numbers them.
    #[track_caller]
    fn rows<T: Aggregate>(&self, events: impl Events<T>) -> Vec<EventRow> {
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
            Ok(payload) => payload.clone(),
            Err(error) => panic!("{} cannot be encoded: {error}", event_type.name()),
        };
        let tags = match emitted.tags() {
            Ok(tags) => tags.clone(),
            Err(error) => panic!("{}: {}", event_type.name(), Report::new(error)),
        };
        let metadata = meta.metadata();
        let mut row = EventRow::new(
            Position::FIRST,
            AggregateId::FIRST,
            Sequence::FIRST,
            Facts::NAME.into(),
            event_type.name().into(),
            payload,
            meta.event_time(),
        );
        row.version = event_type.version();
        row.reference = meta.reference().map(Box::from);
        row.metadata = (!metadata.is_empty()).then(|| Box::new(metadata.clone()));
        row.tags = tags;
        row
    }

    /// Appends the events of one commit, as those of a fresh aggregate.
    fn push(&mut self, rows: Vec<EventRow>) {
        let last = self.events.last();
        let id = last.map_or(1, |event| event.aggregate_id().get() + 1);
        let mut sequence = Sequence::ZERO;
        for mut row in rows {
            let position = self.events.last().map_or(Position::START, RecordedEvent::position);
            sequence = sequence.next();
            row.aggregate_id = AggregateId::new(id).expect("BUG: ids start at 1");
            row.sequence = sequence;
            row.position = Position::new(position.get() + 1).expect("BUG: positions start at 1");
            self.events.push(row.into());
        }
    }
}

impl<K: Boundaries, E: fmt::Debug> DecidedOn<K, E> {
    /// Asserts that the command emitted exactly these events, in this order.
    ///
    /// Events are compared in their JSON form. They are expected with the scenario's time and metadata and without a
    /// reference; to expect others, pass `EventDraft::from(event).with(options)`.
    #[track_caller]
    pub fn then(self, events: impl Events<Facts>) -> Self {
        let got = self.accepted();
        let expected: Vec<RecordedEvent> =
            self.scenario.rows(events).into_iter().map(Into::into).collect();
        if let Some(difference) = difference(&self.scenario.registry, &expected, got) {
            panic!("{}: the events are not the expected ones\n\n{difference}\n", self.command);
        }
        self
    }

    /// Asserts that the command was accepted and emitted no event.
    #[track_caller]
    pub fn then_nothing(self) -> Self {
        self.then(())
    }

    /// Asserts that the command was rejected with this error.
    #[track_caller]
    pub fn then_rejected(self, expected: E) -> Self
    where
        E: PartialEq,
    {
        let error = self.rejected(&format_args!("{expected:?}"));
        if *error != expected {
            panic!(
                "{}: rejected for another reason\n\n  expected {expected:?}\n  got {error:?}\n",
                self.command
            );
        }
        Self { expects_rejection: true, ..self }
    }

    /// Asserts that the command was rejected, and passes the error to the closure for further checks.
    #[track_caller]
    pub fn then_rejected_as(self, check: impl FnOnce(&E)) -> Self {
        check(self.rejected(&"a rejection"));
        Self { expects_rejection: true, ..self }
    }

    /// Passes the states of the boundaries after the command to the closure. After a rejection, these are the states from
    /// before the command.
    #[track_caller]
    pub fn then_state(self, check: impl FnOnce(&K::States)) -> Self {
        self.look_back();
        check(&self.scenario.states(&self.replay));
        self
    }

    /// Appends more past events, which belong to no aggregate.
    #[must_use]
    #[track_caller]
    pub fn and(self, events: impl Events<Facts>) -> BoundaryScenario {
        self.look_back();
        self.scenario.and(events)
    }

    /// Sets the time of all later events.
    #[must_use]
    pub fn at(self, time: DateTime<Utc>) -> Self {
        Self { scenario: self.scenario.at(time), ..self }
    }

    /// Sets the metadata of all later events.
    #[must_use]
    pub fn with_metadata(self, metadata: Metadata) -> Self {
        Self { scenario: self.scenario.with_metadata(metadata), ..self }
    }

    /// Has boundaries decide on another command.
    #[must_use = "say what was expected: `then`, `then_rejected`, `then_nothing`"]
    #[track_caller]
    pub fn when<L, C>(self, keys: L, command: C) -> DecidedOn<L, <L::States as Decide<C>>::Error>
    where
        L: Boundaries<States: Decide<C, Error: fmt::Debug>>,
    {
        self.look_back();
        self.scenario.when(keys, command)
    }

    /// Panics if the command was rejected and the scenario has not asserted that.
    #[track_caller]
    fn look_back(&self) {
        if !self.expects_rejection {
            self.accepted();
        }
    }

    #[track_caller]
    fn accepted(&self) -> &[RecordedEvent] {
        match &self.outcome {
            Ok(events) => events,
            Err(error) => {
                panic!("{}: expected to be accepted, was rejected: {error:?}", self.command)
            }
        }
    }

    #[track_caller]
    fn rejected(&self, expected: &dyn fmt::Display) -> &E {
        match &self.outcome {
            Err(error) => error,
            Ok(events) => panic!(
                "{}: expected {expected}, was accepted\n\n{}\n",
                self.command,
                listed(&self.scenario.registry, events)
            ),
        }
    }
}

impl fmt::Debug for BoundaryScenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundaryScenario")
            .field("events", &self.events)
            .field("now", &self.now)
            .field("metadata", &self.metadata)
            .finish_non_exhaustive()
    }
}

impl<K: Boundaries, E: fmt::Debug> fmt::Debug for DecidedOn<K, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecidedOn")
            .field("scenario", &self.scenario)
            .field("command", &self.command)
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}
