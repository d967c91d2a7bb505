//! Decides on commands: turns a state and a command into events, without access to storage.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::boundary::states::Scope;
use crate::clock::to_stored_precision;
use crate::engine::TagQuery;
use crate::format::round_trip::RoundTrips;
use crate::{
    Aggregate, AggregateId, BoxError, Codec, Error, EventMeta, EventOf, EventOptions, EventType,
    Metadata, Payload, Result, Sequence, Tags,
};

/// Decides on a command: which events happen, or why the command is rejected.
///
/// Implemented for an aggregate, for a [boundary](trait@crate::Boundary), or for a tuple of up to six boundaries, which
/// decide together: `impl Decide<Subscribe> for (Seats, Load)`. A store executes the first with
/// [`execute`](crate::EventStore::execute), and the others with [`execute_on`](crate::EventStore::execute_on).
///
/// A command can be any type. The decision reads the state and [emits](Decision::emit) events, each of which is applied
/// at once, so that later rules see it. The decision may run more than once for one command, because a conflict means
/// that the state was stale. So it must have no side effects: call other services beforehand and put their answers into
/// the command.
///
/// # Example
/// ```standalone_crate
/// # use evercore::{Aggregate, Apply, EventMeta, event};
/// use evercore::{Decide, Decision};
///
/// # #[derive(Aggregate, Default)]
/// # struct Account { balance: i64 }
/// # #[event(aggregate = Account)]
/// # struct MoneyWithdrawn { amount: i64 }
/// # impl Apply<MoneyWithdrawn> for Account {
/// #     fn apply(&mut self, event: &MoneyWithdrawn, _: &EventMeta) { self.balance -= event.amount }
/// # }
/// struct Withdraw { amount: i64 }
///
/// #[derive(Debug, PartialEq)]
/// enum BankError { InsufficientFunds }
///
/// impl Decide<Withdraw> for Account {
///     type Error = BankError;
///
///     fn decide(account: &mut Decision<'_, Self>, command: &Withdraw) -> Result<(), BankError> {
///         if account.balance < command.amount {
///             return Err(BankError::InsufficientFunds);
///         }
///         account.emit(MoneyWithdrawn { amount: command.amount });
///         Ok(())
///     }
/// }
///
/// let mut account = Account { balance: 50 };
/// let mut decision = Decision::on(&mut account);
/// assert_eq!(Account::decide(&mut decision, &Withdraw { amount: 30 }), Ok(()));
/// assert_eq!(decision.balance, 20);
/// assert_eq!(Account::decide(&mut decision, &Withdraw { amount: 30 }), Err(BankError::InsufficientFunds));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not decide on `{C}`",
    label = "`impl Decide<{C}> for {Self}` is missing",
    note = "write `impl Decide<{C}> for {Self} {{ type Error = …; fn decide(decision: &mut Decision<'_, Self>, command: &{C}) -> Result<(), Self::Error> {{ … }} }}`"
)]
pub trait Decide<C>: Sized + Send + Sync + 'static {
    /// The type of a rejection.
    type Error;

    /// Decides on a command.
    ///
    /// # Errors
    /// The reason why the command is rejected. Nothing is stored then, even if events were emitted before.
    fn decide(decision: &mut Decision<'_, Self>, command: &C) -> Result<(), Self::Error>;
}

/// A decision in progress: the state, which it derefs to, and the events emitted so far.
///
/// The state changes only through events.
pub struct Decision<'a, T> {
    state: &'a mut T,
    id: AggregateId,
    sequence: Sequence,
    now: DateTime<Utc>,
    metadata: Option<Box<Metadata>>,
    codec: Codec,
    round_trips: RoundTrips,
    /// The queries of the boundaries, if it decides on boundaries that were read.
    queries: Option<Vec<Arc<TagQuery>>>,
    emitted: Vec<Emitted>,
}

/// An event that a decision has emitted. It is encoded at once, but checked only when it is staged.
#[derive(Debug)]
pub struct Emitted {
    pub(crate) event_type: &'static EventType,
    pub(crate) payload: Result<Payload, BoxError>,
    pub(crate) tags: Result<Tags>,
    pub(crate) meta: EventMeta,
}

/// The reason why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError<E> {
    /// The decision rejected it.
    #[error(transparent)]
    Rejected(E),
    /// The aggregate or the boundaries could not be read, or the events could not be staged or committed.
    #[error(transparent)]
    Store(#[from] Error),
}

impl<'a, T> Decision<'a, T> {
    /// Starts a decision on a state, without a store. For unit tests of domain logic.
    ///
    /// By default, it is about aggregate 1, before its first event, at the start of the Unix epoch; the setters change
    /// that. The state can also be that of a boundary, or a tuple of them; each takes any event of its types then,
    /// whatever the tags.
    pub fn on(state: &'a mut T) -> Self {
        Self {
            state,
            id: AggregateId::FIRST,
            sequence: Sequence::ZERO,
            now: DateTime::UNIX_EPOCH,
            metadata: None,
            codec: Codec::default(),
            round_trips: RoundTrips::CHECKED,
            queries: None,
            // Most commands emit one event.
            emitted: Vec::with_capacity(1),
        }
    }

    /// Sets the time of the decision, which is truncated to the microsecond.
    #[must_use]
    pub fn at(mut self, now: DateTime<Utc>) -> Self {
        self.now = to_stored_precision(now);
        self
    }

    /// Sets the metadata of the events. An event's own metadata takes precedence.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Option<Metadata>) -> Self {
        self.metadata = metadata.filter(|metadata| !metadata.is_empty()).map(Box::new);
        self
    }

    /// Sets the codec for events that have none of their own. Default: JSON.
    #[must_use]
    pub const fn in_codec(mut self, codec: Codec) -> Self {
        self.codec = codec;
        self
    }

    /// Sets which events are read back. Default: all of them.
    pub(crate) const fn checking(mut self, round_trips: RoundTrips) -> Self {
        self.round_trips = round_trips;
        self
    }

    /// Sets what the boundaries are about. By default, they take any event of their types.
    pub(crate) fn within(mut self, queries: Vec<Arc<TagQuery>>) -> Self {
        self.queries = Some(queries);
        self
    }

    /// Sets the aggregate of the events, and the sequence of the last one before them.
    pub(crate) const fn after(mut self, id: AggregateId, sequence: Sequence) -> Self {
        (self.id, self.sequence) = (id, sequence);
        self
    }

    /// Emits an event and applies it to the state. A decision on boundaries applies it to each one that it matches. It is
    /// stored only if the decision succeeds.
    pub fn emit<E>(&mut self, event: E)
    where
        E: EventOf<T>,
    {
        self.emit_with(event, EventOptions::new());
    }

    /// Emits an event with its own time, reference or metadata.
    pub fn emit_with<E>(&mut self, event: E, options: EventOptions)
    where
        E: EventOf<T>,
    {
        let EventOptions { event_time, reference, metadata } = options;
        let meta = EventMeta {
            aggregate_id: self.id,
            sequence: self.sequence.next(),
            event_time: event_time.map_or(self.now, to_stored_precision),
            reference,
            metadata: match metadata {
                Some(own) => {
                    let all = match self.metadata.as_deref() {
                        Some(around) => own.within(around.clone()),
                        None => own,
                    };
                    (!all.is_empty()).then(|| Box::new(all))
                }
                None => self.metadata.clone(),
            },
        };
        let tags = event.tags();
        let scope = Scope { tags: tags.as_ref().ok(), queries: self.queries.as_deref() };
        event.apply_to(self.state, &scope, &meta);
        self.sequence = meta.sequence;
        let event_type = const { &E::TYPE };
        let codec = event_type.codec_in(self.codec);
        let encoded = E::ENCODING.encode(&event, codec, self.round_trips);
        let payload = encoded.map(|bytes| Payload::from_encoded(codec, bytes));
        self.emitted.push(Emitted { event_type, payload, tags, meta });
    }

    /// Returns the time of the decision, which is also the default time of its events. It does not change during the
    /// decision.
    #[must_use]
    pub const fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// Returns the state.
    #[must_use]
    pub const fn state(&self) -> &T {
        self.state
    }

    /// Returns the events emitted so far, in order.
    #[must_use]
    pub fn emitted(&self) -> &[Emitted] {
        &self.emitted
    }

    pub(crate) fn into_emitted(self) -> Vec<Emitted> {
        self.emitted
    }
}

impl<T: Aggregate> Decision<'_, T> {
    /// Sets the id of the aggregate, and the sequence of the last event that its state contains.
    #[must_use]
    pub fn of(self, id: AggregateId, sequence: Sequence) -> Self {
        self.after(id, sequence)
    }

    /// Returns the aggregate's id.
    #[must_use]
    pub const fn id(&self) -> AggregateId {
        self.id
    }

    /// Returns the sequence of the last event that the state contains, including emitted ones. [`Sequence::ZERO`] means
    /// that the aggregate has no events yet: it is new.
    #[must_use]
    pub const fn sequence(&self) -> Sequence {
        self.sequence
    }
}

impl<T> Deref for Decision<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.state
    }
}

impl<T: fmt::Debug> fmt::Debug for Decision<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decision")
            .field("state", &self.state)
            .field("emitted", &self.emitted)
            .finish_non_exhaustive()
    }
}

impl Emitted {
    /// Returns the type of the event.
    #[must_use]
    pub const fn event_type(&self) -> &EventType {
        self.event_type
    }

    /// Returns the encoded event.
    ///
    /// # Errors
    /// The reason why it cannot be encoded; a [`RoundTripMismatch`](crate::format::RoundTripMismatch) if decoding would
    /// not give the same event.
    pub fn payload(&self) -> Result<&Payload, &BoxError> {
        self.payload.as_ref()
    }

    /// Returns its tags.
    ///
    /// # Errors
    /// [`Error::InvalidTag`] if a value cannot be that of a tag, or if there are too many.
    pub fn tags(&self) -> Result<&Tags, &Error> {
        self.tags.as_ref()
    }

    /// Returns the data that its [`Apply`](crate::Apply) received.
    #[must_use]
    pub const fn meta(&self) -> &EventMeta {
        &self.meta
    }
}

impl<E> CommandError<E> {
    /// Returns the rejection, if the decision rejected the command.
    #[must_use]
    pub fn rejection(&self) -> Option<&E> {
        match self {
            Self::Rejected(error) => Some(error),
            Self::Store(_) => None,
        }
    }
}
