//! Defines [`EventDraft`], an event that is not stored yet.

use std::fmt;
use std::marker::PhantomData;

use chrono::{DateTime, Utc};

use crate::clock::to_stored_precision;
use crate::engine::EventRow;
use crate::format::round_trip::RoundTrips;
use crate::metadata::check_label;
use crate::time_range::check_time;
use crate::{
    Aggregate, AggregateId, BoxError, Codec, Error, EventOf, EventOptions, EventType, Metadata,
    Payload, Position, Result, Sequence, Tags,
};

/// Encodes an event.
pub(crate) type Encode =
    Box<dyn FnOnce(Codec, RoundTrips) -> Result<Vec<u8>, BoxError> + Send + Sync>;

/// An event to append, with its options.
///
/// Every event of `A` converts into a draft, so that `[Opened { .. }.into(), Deposited { .. }.into()]` is a list of
/// drafts.
pub struct EventDraft<A> {
    pub(crate) event_type: &'static EventType,
    /// Called with the codec that the store selects.
    pub(crate) encode: Encode,
    pub(crate) tags: Result<Tags>,
    pub(crate) options: EventOptions,
    aggregate: PhantomData<fn() -> A>,
}

impl<A: Aggregate> EventDraft<A> {
    /// Sets the event's time, reference or metadata.
    #[must_use]
    pub fn with(mut self, options: EventOptions) -> Self {
        self.options = options;
        self
    }

    /// Returns the row that an engine would return for this event, for tests and tools: recorded at `now`, in JSON
    /// unless the event's type has a codec of its own. It is the first event of aggregate 1 and of the log; change the
    /// row's fields to put it elsewhere.
    ///
    /// # Errors
    /// - [`Error::Encode`] if the event's own `Serialize` fails.
    /// - [`Error::NotRoundTrip`] if decoding would not give the same event.
    /// - [`Error::InvalidMetadata`] if its time, reference or metadata cannot be stored.
    ///
    /// # Example
    /// ```standalone_crate
    /// # use evercore::{Aggregate, state_event};
    /// # #[derive(Aggregate, Default)]
    /// # struct Account { balance: i64 }
    /// # #[state_event(aggregate = Account)]
    /// # struct BalanceSet { balance: i64 }
    /// # fn main() -> evercore::Result<()> {
    /// use evercore::chrono::DateTime;
    /// use evercore::{EventDraft, RecordedEvent, Registry, Sequence};
    ///
    /// let draft = EventDraft::<Account>::from(BalanceSet { balance: 7 });
    /// let recorded = RecordedEvent::from(draft.into_row(DateTime::UNIX_EPOCH)?);
    ///
    /// let registry = Registry::linked()?;
    /// let account = registry.replay(Account::default(), Sequence::ZERO, &[recorded])?;
    /// assert_eq!(account.balance, 7);
    /// # Ok(())
    /// # }
    /// ```
    pub fn into_row(self, now: DateTime<Utc>) -> Result<EventRow> {
        let Self { event_type, encode, tags, options, .. } = self;
        let EventOptions { event_time, reference, metadata } = options;
        let codec = event_type.codec_in(Codec::default());
        let name = event_type.name();
        let encoded = encode(codec, RoundTrips::CHECKED)
            .map_err(|source| Error::unencodable(name, source))?;
        check_label("reference", reference.as_deref())?;
        metadata.as_ref().map_or(Ok(None), Metadata::check)?;
        let now = to_stored_precision(now);
        let event_time = event_time.map_or(now, to_stored_precision);
        check_time("event time", event_time)?;
        Ok(EventRow {
            position: Position::FIRST,
            aggregate_id: AggregateId::FIRST,
            sequence: Sequence::FIRST,
            aggregate_type: A::NAME.into(),
            event_type: name.into(),
            version: event_type.version(),
            payload: Payload::from_encoded(codec, encoded),
            event_time,
            recorded_at: now,
            reference,
            metadata: metadata.filter(|metadata| !metadata.is_empty()).map(Box::new),
            tags: tags?,
        })
    }
}

impl<A, E> From<E> for EventDraft<A>
where
    E: EventOf<A>,
{
    fn from(event: E) -> Self {
        Self {
            event_type: const { &E::TYPE },
            tags: event.tags(),
            encode: Box::new(move |codec, round_trips| {
                E::ENCODING.encode(&event, codec, round_trips)
            }),
            options: EventOptions::new(),
            aggregate: PhantomData,
        }
    }
}

impl<A> fmt::Debug for EventDraft<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventDraft")
            .field("event_type", &self.event_type)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
