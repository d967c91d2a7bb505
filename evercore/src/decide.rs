//! Decisions: from a state and a command to events, without storage in sight.

use std::fmt;
use std::ops::Deref;

use chrono::{DateTime, Utc};

use crate::clock::to_stored_precision;
use crate::format::round_trip::RoundTrips;
use crate::{
    Aggregate, AggregateId, Apply, BoxError, Codec, Error, Event, EventMeta, EventOptions,
    EventType, Metadata, Payload, Sequence,
};

/// How an aggregate decides on a command: which events happen, or why none do.
///
/// The command is any type; the decision reads the state, and [emits](Decision::emit) events. Each is applied at once,
/// so later rules see it. It may be made more than once for one command, since a conflict means that it was made on a
/// stale state: keep it free of effects, and prepare before it what needs another service.
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
pub trait Decide<C>: Aggregate {
    /// Why a command is refused.
    type Error;

    /// Decides on a command.
    ///
    /// # Errors
    /// Why it is refused. Nothing happens then, whatever was emitted before.
    fn decide(decision: &mut Decision<'_, Self>, command: &C) -> Result<(), Self::Error>;
}

/// A decision under way: the state, which it derefs to, and the events that were emitted.
///
/// The state changes through events only.
pub struct Decision<'a, T> {
    state: &'a mut T,
    id: AggregateId,
    sequence: Sequence,
    now: DateTime<Utc>,
    metadata: Option<Box<Metadata>>,
    codec: Codec,
    round_trips: RoundTrips,
    emitted: Vec<Emitted>,
}

/// An event that a decision has emitted. It is encoded, and checked when it is staged.
#[derive(Debug)]
pub struct Emitted {
    pub(crate) event_type: &'static EventType,
    pub(crate) payload: Result<Payload, BoxError>,
    pub(crate) meta: EventMeta,
}

/// Why a command did not happen.
#[derive(Debug, thiserror::Error)]
pub enum CommandError<E> {
    /// The aggregate refused it.
    #[error(transparent)]
    Rejected(E),
    /// It could not be loaded, decided on, or landed.
    #[error(transparent)]
    Store(#[from] Error),
}

impl<'a, T: Aggregate> Decision<'a, T> {
    /// A decision on a state, without a store. For unit tests of domain logic.
    ///
    /// It stands at aggregate 1, before its first event, at the beginning of the Unix epoch; the setters say otherwise.
    pub fn on(state: &'a mut T) -> Self {
        Self {
            state,
            id: AggregateId::FIRST,
            sequence: Sequence::ZERO,
            now: DateTime::UNIX_EPOCH,
            metadata: None,
            codec: Codec::default(),
            round_trips: RoundTrips::CHECKED,
            // Most commands are one event.
            emitted: Vec::with_capacity(1),
        }
    }

    /// Sets which aggregate it is, and the last event that its state contains.
    #[must_use]
    pub fn of(mut self, id: AggregateId, sequence: Sequence) -> Self {
        (self.id, self.sequence) = (id, sequence);
        self
    }

    /// Sets the time of the decision. Kept to the microsecond.
    #[must_use]
    pub fn at(mut self, now: DateTime<Utc>) -> Self {
        self.now = to_stored_precision(now);
        self
    }

    /// Sets the metadata of the events. What they bring of their own counts before it.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Option<Metadata>) -> Self {
        self.metadata = metadata.filter(|metadata| !metadata.is_empty()).map(Box::new);
        self
    }

    /// Sets the codec of the events that have none of their own. Default: JSON.
    #[must_use]
    pub const fn in_codec(mut self, codec: Codec) -> Self {
        self.codec = codec;
        self
    }

    /// Sets which events are read back: all of them, where no store says otherwise.
    pub(crate) const fn checking(mut self, round_trips: RoundTrips) -> Self {
        self.round_trips = round_trips;
        self
    }

    /// Emits an event: it happens if the decision succeeds, and the state has it from now on.
    pub fn emit<E>(&mut self, event: E)
    where
        T: Apply<E>,
        E: Event<Aggregate = T>,
    {
        self.emit_with(event, EventOptions::new());
    }

    /// Emits an event with a time, a reference or metadata of its own.
    pub fn emit_with<E>(&mut self, event: E, options: EventOptions)
    where
        T: Apply<E>,
        E: Event<Aggregate = T>,
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
        self.state.apply(&event, &meta);
        self.sequence = meta.sequence;
        let event_type = const { &EventType::of::<E>() };
        let codec = event_type.codec_in(self.codec);
        let encoded = E::ENCODING.encode(&event, codec, self.round_trips);
        let payload = encoded.map(|bytes| Payload::from_encoded(codec, bytes));
        self.emitted.push(Emitted { event_type, payload, meta });
    }

    /// The time of the decision, which its events get. The same however often it is asked for.
    #[must_use]
    pub const fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// The aggregate.
    #[must_use]
    pub const fn id(&self) -> AggregateId {
        self.id
    }

    /// The last event that the state contains, emitted ones included. [`Sequence::ZERO`] before the first, which is how
    /// to tell a new aggregate.
    #[must_use]
    pub const fn sequence(&self) -> Sequence {
        self.sequence
    }

    /// The state.
    #[must_use]
    pub const fn state(&self) -> &T {
        self.state
    }

    /// What was emitted, in order.
    #[must_use]
    pub fn emitted(&self) -> &[Emitted] {
        &self.emitted
    }

    pub(crate) fn into_emitted(self) -> Vec<Emitted> {
        self.emitted
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
    /// The type of the event.
    #[must_use]
    pub const fn event_type(&self) -> &EventType {
        self.event_type
    }

    /// The encoded event.
    ///
    /// # Errors
    /// Why it cannot be encoded; a [`RoundTripMismatch`](crate::RoundTripMismatch) if it would not be read as it is.
    pub fn payload(&self) -> Result<&Payload, &BoxError> {
        self.payload.as_ref()
    }

    /// What its [`Apply`] was told.
    #[must_use]
    pub const fn meta(&self) -> &EventMeta {
        &self.meta
    }
}

impl<E> CommandError<E> {
    /// Why the aggregate refused, if that is what happened.
    #[must_use]
    pub fn rejection(&self) -> Option<&E> {
        match self {
            Self::Rejected(error) => Some(error),
            Self::Store(_) => None,
        }
    }
}
