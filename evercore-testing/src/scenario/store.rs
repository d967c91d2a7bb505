//! Tests of code over contexts in the form given, when, then, with several aggregates in a store.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::DateTime;
use evercore::boundary::Facts;
use evercore::engine::{LoadRequest, LoadTarget, sleep};
use evercore::{
    Aggregate, AggregateId, Committed, Context, Error, EventDraft, EventStore, Expected,
    NaturalKey, Position, RecordedEvent, Report, Result, Stream,
};

use super::Events;
use super::difference::{difference, listed};

/// The most times that a commit's events are looked for, every 10 ms: longer than an engine takes to show them.
const MOST_LOOKS: u32 = 1_000;

/// The name of the events that belong to no aggregate, in messages.
const WITHOUT_AGGREGATE: &str = "events without an aggregate";

/// The past events of several aggregates in a store, on which a test runs code over a [`Context`]: given, when, then.
///
/// Aggregates are named by their natural keys. Pass events of one type as an array, events of several types as a tuple,
/// and no events as `()`. The store is usually one in memory, for each test its own; nothing else should write to it
/// meanwhile.
///
/// # Panics
/// Each step panics if its expectation fails; the message lists the differences.
///
/// # Example
/// ```standalone_crate
/// # use evercore::{Aggregate, Apply, EventMeta, event};
/// # #[derive(Aggregate, Default)]
/// # struct Account { balance: i64 }
/// # #[event(aggregate = Account)]
/// # struct Deposited { amount: i64 }
/// # #[event(aggregate = Account)]
/// # struct Withdrawn { amount: i64 }
/// # impl Apply<Deposited> for Account {
/// #     fn apply(&mut self, event: &Deposited, _: &EventMeta) { self.balance += event.amount }
/// # }
/// # impl Apply<Withdrawn> for Account {
/// #     fn apply(&mut self, event: &Withdrawn, _: &EventMeta) { self.balance -= event.amount }
/// # }
/// use evercore::{Context, Error, EventStore};
/// use evercore_memory as _;
/// use evercore_testing::StoreScenario;
///
/// #[derive(Debug)]
/// enum BankError { InsufficientFunds, Store(Error) }
/// # impl From<Error> for BankError { fn from(error: Error) -> Self { Self::Store(error) } }
///
/// async fn transfer(ctx: &mut Context, from: &str, to: &str, amount: i64) -> Result<(), BankError> {
///     let mut from = ctx.load_by_key::<Account>(from).await?;
///     let mut to = ctx.load_by_key::<Account>(to).await?;
///     if from.state().balance < amount {
///         return Err(BankError::InsufficientFunds);
///     }
///     ctx.apply(&mut from, Withdrawn { amount })?;
///     Ok(ctx.apply(&mut to, Deposited { amount })?)
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Error> {
/// StoreScenario::on(EventStore::connect("memory:").await?)
///     .given::<Account>("ada", [Deposited { amount: 100 }])
///     .given::<Account>("bob", ())
///     .when(async |ctx| transfer(ctx, "ada", "bob", 30).await)
///     .await
///     .then::<Account>("ada", [Withdrawn { amount: 30 }])
///     .then::<Account>("bob", [Deposited { amount: 30 }])
///     .when(async |ctx| transfer(ctx, "ada", "bob", 80).await)
///     .await
///     .then_rejected_as(|error| assert!(matches!(error, BankError::InsufficientFunds)));
/// # Ok(())
/// # }
/// ```
#[must_use = "a scenario asserts something once it has a `when` and a `then`"]
pub struct StoreScenario {
    store: EventStore,
    given: Vec<Given>,
}

/// The outcome of code over a context, returned by [`StoreScenario::when`].
///
/// If the code has failed and the scenario does not [expect](Self::then_rejected) that, the next step panics. So does
/// the next [`when`](Self::when) if an aggregate has new events that no step has expected.
pub struct Done<T, E> {
    scenario: StoreScenario,
    outcome: Result<(T, Vec<Change>), E>,
    expects_rejection: bool,
}

/// The new events of an aggregate.
#[derive(Debug)]
struct Change {
    aggregate_type: String,
    key: Option<NaturalKey>,
    events: Vec<RecordedEvent>,
    is_expected: bool,
}

/// Writes past events.
type Given = Box<dyn for<'a> FnOnce(&'a EventStore) -> Writing<'a> + Send + Sync>;
type Writing<'a> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;

impl StoreScenario {
    /// Starts from what the store holds.
    pub fn on(store: EventStore) -> Self {
        Self { store, given: Vec::new() }
    }

    /// Appends past events to the aggregate with this natural key, and creates it if it is missing.
    #[track_caller]
    pub fn given<A: Aggregate>(mut self, key: &str, events: impl Events<A>) -> Self {
        let key = NaturalKey::new(key).unwrap_or_else(|error| panic!("{error}"));
        let events = events.into_drafts();
        self.given.push(Box::new(move |store| Box::pin(write::<A>(store, key, events))));
        self
    }

    /// Appends past events that belong to no aggregate, such as those of boundaries.
    #[track_caller]
    pub fn given_facts(mut self, events: impl Events<Facts>) -> Self {
        let events = events.into_drafts();
        self.given.push(Box::new(move |store| Box::pin(emit(store, events))));
        self
    }

    /// Runs code in a context and commits what it has applied, as
    /// [`with_context`](EventStore::with_context) does.
    ///
    /// # Panics
    /// If the past events cannot be written, or the new ones cannot be read.
    pub async fn when<F, T, E>(mut self, work: F) -> Done<T, E>
    where
        F: AsyncFnOnce(&mut Context) -> Result<T, E> + Clone,
        E: From<Error> + fmt::Debug,
    {
        for given in std::mem::take(&mut self.given) {
            expect("the given events cannot be written", given(&self.store).await);
        }
        let before = expect("the store cannot be read", self.store.head().await);
        let outcome = match self.store.with_context_committed(work).await {
            Ok((value, committed)) => {
                let last = committed.as_ref().and_then(Committed::position);
                let changes = self.changes(before, last.unwrap_or(before)).await;
                Ok((value, expect("the new events cannot be read", changes)))
            }
            Err(error) => Err(error),
        };
        Done { scenario: self, outcome, expects_rejection: false }
    }

    /// Returns the events after one position up to another, by aggregate.
    async fn changes(&self, mut after: Position, last: Position) -> Result<Vec<Change>> {
        let mut events: BTreeMap<AggregateId, Vec<RecordedEvent>> = BTreeMap::new();
        let mut looks = 0;
        while after < last {
            let page = self.store.read_log(after, 1_000).await?;
            if page.end <= after {
                looks += 1;
                assert!(looks < MOST_LOOKS, "the store does not show the events up to {last}");
                sleep(Duration::from_millis(10)).await;
            }
            after = page.end;
            for event in page.events {
                events.entry(event.aggregate_id()).or_default().push(event);
            }
        }
        let mut changes = Vec::new();
        for (id, events) in events {
            let aggregate_type = events[0].aggregate_type().to_owned();
            let key = self.key_of(id, &aggregate_type).await?;
            changes.push(Change { aggregate_type, key, events, is_expected: false });
        }
        Ok(changes)
    }

    /// Returns a stored name as the registry has it.
    fn known_name(&self, aggregate_type: &str) -> Option<&'static str> {
        let known = self.store.registry().aggregates();
        let mut names =
            known.flat_map(|known| known.aliases().iter().copied().chain([known.name()]));
        names.find(|name| *name == aggregate_type)
    }

    async fn key_of(&self, id: AggregateId, aggregate_type: &str) -> Result<Option<NaturalKey>> {
        let Some(aggregate_type) = self.known_name(aggregate_type) else { return Ok(None) };
        let target = LoadTarget::Id(id);
        let request = LoadRequest { aggregate_type, target, snapshot: None, up_to: None, limit: 1 };
        Ok(self.store.engine().load(request).await?.and_then(|loaded| loaded.key))
    }
}

impl<T, E: fmt::Debug> Done<T, E> {
    /// Asserts that the aggregate with this natural key has got exactly these events, in this order.
    ///
    /// Events are compared in their JSON form. Times and metadata are compared only if they are set, with
    /// `EventDraft::from(event).with(options)`.
    #[track_caller]
    pub fn then<A: Aggregate>(self, key: &str, events: impl Events<A>) -> Self {
        let is_it = |change: &Change| change.key.as_ref().is_some_and(|held| held.as_str() == key);
        self.expect_of::<A>(&format!("{} `{key}`", A::NAME), is_it, events.into_drafts())
    }

    /// Asserts that an aggregate without a natural key has got exactly these events, in this order. If several of the
    /// type have new events, each call is about the next of them, in the order of their ids.
    #[track_caller]
    pub fn then_unkeyed<A: Aggregate>(self, events: impl Events<A>) -> Self {
        let is_it = |change: &Change| change.key.is_none() && !change.is_expected;
        self.expect_of::<A>(&format!("{} without a key", A::NAME), is_it, events.into_drafts())
    }

    /// Asserts that exactly these events were emitted that belong to no aggregate, in this order.
    #[track_caller]
    pub fn then_facts(self, events: impl Events<Facts>) -> Self {
        let is_it = |change: &Change| !change.is_expected;
        self.expect_of::<Facts>(WITHOUT_AGGREGATE, is_it, events.into_drafts())
    }

    /// Asserts that no aggregate has new events but those of the steps before.
    #[track_caller]
    pub fn then_nothing_else(self) -> Self {
        let registry = self.scenario.store.registry();
        let mut changes = self.accepted().1.iter();
        if let Some(change) = changes.find(|change| !change.is_expected) {
            let Change { aggregate_type, key, events, .. } = change;
            let name = match key {
                Some(key) => format!("{aggregate_type} `{key}`"),
                None if aggregate_type == Facts::NAME => WITHOUT_AGGREGATE.to_owned(),
                None => format!("{aggregate_type} without a key"),
            };
            panic!("{name}: not expected\n\n{}\n", listed(registry, events));
        }
        self
    }

    /// Passes the value that the code has returned to the closure.
    #[track_caller]
    pub fn then_returned(self, check: impl FnOnce(&T)) -> Self {
        check(&self.accepted().0);
        self
    }

    /// Asserts that the code failed with this error, and that nothing was committed.
    #[track_caller]
    pub fn then_rejected(self, expected: E) -> Self
    where
        E: PartialEq,
    {
        let error = self.rejected(&format_args!("{expected:?}"));
        if *error != expected {
            panic!("rejected for another reason\n\n  expected {expected:?}\n  got {error:?}\n");
        }
        Self { expects_rejection: true, ..self }
    }

    /// Asserts that the code failed, and passes the error to the closure for further checks.
    #[track_caller]
    pub fn then_rejected_as(self, check: impl FnOnce(&E)) -> Self {
        check(self.rejected(&"a rejection"));
        Self { expects_rejection: true, ..self }
    }

    /// Appends past events before the next [`when`](Self::when).
    #[track_caller]
    pub fn given<A: Aggregate>(self, key: &str, events: impl Events<A>) -> StoreScenario {
        self.finished().given(key, events)
    }

    /// Appends past events that belong to no aggregate before the next [`when`](Self::when).
    #[track_caller]
    pub fn given_facts(self, events: impl Events<Facts>) -> StoreScenario {
        self.finished().given_facts(events)
    }

    /// Runs more code, on what the code before has left.
    ///
    /// # Panics
    /// As [`StoreScenario::when`], and if the outcome of the code before was not as expected.
    pub async fn when<F, U, R>(self, work: F) -> Done<U, R>
    where
        F: AsyncFnOnce(&mut Context) -> Result<U, R> + Clone,
        R: From<Error> + fmt::Debug,
    {
        self.finished().when(work).await
    }

    /// Ends the step: its outcome must have been expected.
    #[track_caller]
    fn finished(self) -> StoreScenario {
        let done = if self.expects_rejection { self } else { self.then_nothing_else() };
        done.scenario
    }

    #[track_caller]
    fn expect_of<A: Aggregate>(
        mut self,
        name: &str,
        is_it: impl Fn(&Change) -> bool,
        expected: Vec<EventDraft<A>>,
    ) -> Self {
        self.accepted();
        let Ok((_, changes)) = &mut self.outcome else { return self };
        let is_named = |name: &str| name == A::NAME || A::ALIASES.contains(&name);
        let change = changes.iter_mut().find(|it| is_named(&it.aggregate_type) && is_it(it));
        let got = change.map_or(&[][..], |change| {
            change.is_expected = true;
            &change.events
        });
        let expected = rows(expected, got);
        if let Some(difference) = difference(self.scenario.store.registry(), &expected, got) {
            panic!("{name}: the events are not the expected ones\n\n{difference}\n");
        }
        self
    }

    #[track_caller]
    fn accepted(&self) -> &(T, Vec<Change>) {
        match &self.outcome {
            Ok(done) => done,
            Err(error) => panic!("expected to be accepted, was rejected: {error:?}"),
        }
    }

    #[track_caller]
    fn rejected(&self, expected: &dyn fmt::Display) -> &E {
        match &self.outcome {
            Err(error) => error,
            Ok((_, changes)) => {
                let registry = self.scenario.store.registry();
                let events: Vec<_> =
                    changes.iter().flat_map(|change| &change.events).cloned().collect();
                panic!("expected {expected}, was accepted\n\n{}\n", listed(registry, &events))
            }
        }
    }
}

/// Appends events to the aggregate with this key, or creates it without any.
async fn write<A: Aggregate>(
    store: &EventStore,
    key: NaturalKey,
    events: Vec<EventDraft<A>>,
) -> Result<()> {
    if events.is_empty() {
        return store
            .with_context(async |ctx| ctx.load_or_create::<A>(key.clone()).await.map(drop))
            .await;
    }
    store.append::<A, _>(Stream::Key(key), Expected::Any, events).await.map(drop)
}

/// Emits events that belong to no aggregate.
async fn emit(store: &EventStore, events: Vec<EventDraft<Facts>>) -> Result<()> {
    let events = Mutex::new(Some(events));
    store
        .with_context(async |ctx| {
            let events = events.lock().unwrap_or_else(PoisonError::into_inner).take();
            ctx.emit_all(events.expect("BUG: a commit that rests on nothing met a conflict"))
        })
        .await
}

/// Makes the expected events, with the times and metadata of the actual ones where none are set.
#[track_caller]
fn rows<A: Aggregate>(drafts: Vec<EventDraft<A>>, got: &[RecordedEvent]) -> Vec<RecordedEvent> {
    let mut rows: Vec<RecordedEvent> = Vec::new();
    for draft in drafts {
        let mut row = expect("an expected event is invalid", draft.into_row(DateTime::UNIX_EPOCH));
        let before = rows.iter().filter(|row_before| row_before.event_type() == &*row.event_type);
        let alike = got.iter().filter(|event| event.event_type() == &*row.event_type);
        if let Some(event) = alike.clone().nth(before.count()) {
            if row.event_time == DateTime::UNIX_EPOCH {
                row.event_time = event.event_time();
            }
            if row.metadata.is_none() && !event.metadata().is_empty() {
                row.metadata = Some(Box::new(event.metadata().clone()));
            }
        }
        rows.push(row.into());
    }
    rows
}

#[track_caller]
fn expect<T>(what: &str, result: Result<T>) -> T {
    result.unwrap_or_else(|error| panic!("{what}: {}", Report::new(&error)))
}

impl fmt::Debug for StoreScenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreScenario").field("store", &self.store).finish_non_exhaustive()
    }
}

impl<T: fmt::Debug, E: fmt::Debug> fmt::Debug for Done<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Done")
            .field("scenario", &self.scenario)
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}
