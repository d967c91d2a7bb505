//! Defines events as they are stored in the log.

pub(crate) mod page;

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::evolution::retired::Part;
use crate::evolution::unreadable::Unreadable;
use crate::evolution::upcast;
use crate::{
    Aggregate, AggregateId, Codec, Error, Event, EventMeta, EventPlace, EventType, Metadata,
    Payload, Position, Registry, Result, RetiredType, Sequence, Tags,
};

/// An event as it is stored in the log.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedEvent {
    position: Position,
    recorded_at: DateTime<Utc>,
    aggregate_type: Arc<str>,
    event_type: Arc<str>,
    version: u32,
    payload: Payload,
    tags: Tags,
    meta: EventMeta,
}

/// The columns of an event's row, from which engines create a [`RecordedEvent`].
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each field is the accessor of the same name")]
#[non_exhaustive]
pub struct EventRow {
    pub position: Position,
    pub aggregate_id: AggregateId,
    pub sequence: Sequence,
    pub aggregate_type: Arc<str>,
    pub event_type: Arc<str>,
    pub version: u32,
    pub payload: Payload,
    pub event_time: DateTime<Utc>,
    pub recorded_at: DateTime<Utc>,
    pub reference: Option<Box<str>>,
    pub metadata: Option<Box<Metadata>>,
    pub tags: Tags,
}

impl EventRow {
    /// Makes the row of an event of version 1 that has neither a reference nor metadata, and whose time is that of its
    /// recording.
    #[must_use]
    pub const fn new(
        position: Position,
        aggregate_id: AggregateId,
        sequence: Sequence,
        aggregate_type: Arc<str>,
        event_type: Arc<str>,
        payload: Payload,
        recorded_at: DateTime<Utc>,
    ) -> Self {
        Self {
            position,
            aggregate_id,
            sequence,
            aggregate_type,
            event_type,
            version: 1,
            payload,
            event_time: recorded_at,
            recorded_at,
            reference: None,
            metadata: None,
            tags: Tags::NONE,
        }
    }
}

impl From<EventRow> for RecordedEvent {
    fn from(row: EventRow) -> Self {
        Self {
            position: row.position,
            recorded_at: row.recorded_at,
            aggregate_type: row.aggregate_type,
            event_type: row.event_type,
            version: row.version,
            payload: row.payload,
            tags: row.tags,
            meta: EventMeta {
                aggregate_id: row.aggregate_id,
                sequence: row.sequence,
                event_time: row.event_time,
                reference: row.reference,
                metadata: row.metadata,
            },
        }
    }
}

impl RecordedEvent {
    /// Returns a text that identifies this event in the store: its aggregate's id and its sequence, as in `17/3`. It is
    /// derived from stored values, so it is the same wherever the event is read.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}/{}", self.aggregate_id(), self.sequence())
    }

    /// Returns the place in the global log.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.position
    }

    /// Returns the aggregate's id.
    #[must_use]
    pub const fn aggregate_id(&self) -> AggregateId {
        self.meta.aggregate_id
    }

    /// Returns the number within the aggregate.
    #[must_use]
    pub const fn sequence(&self) -> Sequence {
        self.meta.sequence
    }

    /// Returns the stored name of the aggregate's type.
    #[must_use]
    pub fn aggregate_type(&self) -> &str {
        &self.aggregate_type
    }

    /// Returns the stored name of the event's type.
    #[must_use]
    pub fn event_type(&self) -> &str {
        &self.event_type
    }

    /// Returns the version of the event's shape.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// Returns the encoded event.
    #[must_use]
    pub const fn payload(&self) -> &Payload {
        &self.payload
    }

    /// Returns the tags by which it is found.
    #[must_use]
    pub const fn tags(&self) -> &Tags {
        &self.tags
    }

    /// Returns the event with other tags. For engines.
    #[must_use]
    pub fn with_tags(self, tags: Tags) -> Self {
        Self { tags, ..self }
    }

    /// Returns the time of the event, as its writer set it.
    #[must_use]
    pub const fn event_time(&self) -> DateTime<Utc> {
        self.meta.event_time
    }

    /// Returns the time at which the event was committed, by the clock of the writer's store.
    #[must_use]
    pub const fn recorded_at(&self) -> DateTime<Utc> {
        self.recorded_at
    }

    /// Returns the writer's own reference.
    #[must_use]
    pub fn reference(&self) -> Option<&str> {
        self.meta.reference()
    }

    /// Returns the event's metadata, such as its principal and its correlation id.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        self.meta.metadata()
    }

    /// Returns the data that [`Apply::apply`](crate::Apply::apply) receives with the event.
    #[must_use]
    pub const fn meta(&self) -> &EventMeta {
        &self.meta
    }

    /// Returns whether it is an `E`: the aggregate type and the event have the names of `E` or aliases of them, and `E`
    /// can read the version.
    #[must_use]
    pub fn is<E: Event>(&self) -> bool {
        is_one_of(&self.event_type, E::NAME, E::ALIASES)
            && is_one_of(&self.aggregate_type, E::Aggregate::NAME, E::Aggregate::ALIASES)
            && self.version <= E::VERSION
            && self.version >= upcast::oldest_readable(E::VERSION, E::UPCASTERS)
    }

    /// Decodes the event as an `E`, in its present shape.
    ///
    /// A [retired](crate::evolution::RetiredEvent) event no longer has an event type:
    /// [`Registry::decode_all`](crate::Registry::decode_all) returns the events that it splits into.
    ///
    /// # Errors
    /// - [`Error::WrongEventType`] if it is not an `E`.
    /// - [`Error::Decode`] if the payload does not fit the type, or the older shape that it is stored in.
    /// - [`Error::Upcast`] if an upcaster failed.
    /// - [`Error::MissingCodec`] if this build lacks the codec that it was written in.
    pub fn decode<E: Event>(&self) -> Result<E> {
        if !self.is::<E>() {
            return Err(Error::WrongEventType { event: Box::new(self.place()), wanted: E::NAME });
        }
        self.decode_known()
    }

    /// Decodes the event without checking that it is an `E`.
    pub(crate) fn decode_known<E: Event>(&self) -> Result<E> {
        upcast::read(&self.payload, self.version).map_err(|problem| self.unreadable(problem))
    }

    /// Returns whether the other event has the same type, stored under the same names and in the same version.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        // Engines share the names among the events of a page, so comparing pointers is mostly enough.
        let same = |a: &Arc<str>, b: &Arc<str>| Arc::ptr_eq(a, b) || a == b;
        self.version == other.version
            && same(&self.event_type, &other.event_type)
            && same(&self.aggregate_type, &other.aggregate_type)
    }

    /// Splits a retired event into its parts.
    pub(crate) fn parts(&self, retired: &RetiredType) -> Result<Vec<Part>> {
        retired.parts(&self.payload, self.version).map_err(|problem| self.unreadable(problem))
    }

    pub(crate) fn unreadable(&self, problem: Unreadable) -> Error {
        self.place().unreadable(problem)
    }

    /// Returns the event as JSON, whatever its codec, for tools. If `registry` knows the type in this version and the
    /// payload fits it, the type serializes it; otherwise the bytes alone decide, as in [`Payload::to_json`].
    ///
    /// # Errors
    /// If the type cannot be used:
    /// - [`Error::UnknownEvent`] for a message in Protocol Buffers whose type is not in the registry.
    /// - [`Error::Decode`] if the bytes are damaged, or if the message has no serde implementation.
    /// - [`Error::MissingCodec`] if this build lacks the codec that it was written in.
    ///
    /// # Example
    /// ```standalone_crate
    /// # use evercore::{Aggregate, Error, Position, state_event};
    /// # #[derive(Aggregate, Default)]
    /// # struct Account { balance: i64 }
    /// # #[state_event(aggregate = Account)]
    /// # struct BalanceSet { balance: i64 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let store = evercore::EventStore::builder().open(evercore_memory::MemoryEngine::new()).await?;
    /// # store.with_context(async |ctx| {
    /// #     let mut account = ctx.create::<Account>().await?;
    /// #     ctx.apply(&mut account, BalanceSet { balance: 7 })
    /// # }).await?;
    /// for event in store.read_log(Position::START, 100).await?.events {
    ///     let json = event.to_json(store.registry())?;
    ///     assert_eq!(json.to_string(), r#"{"balance":7}"#);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn to_json(&self, registry: &Registry) -> Result<serde_json::Value> {
        let event_type = match self.payload.codec() {
            Codec::Json => None,
            _ => registry.type_as_stored(self),
        };
        let rust_type = event_type.map_or("serde_json::Value", EventType::rust_type);
        let typed = event_type.map(|event_type| event_type.json_of(&self.payload));
        match (typed, self.payload.codec()) {
            (Some(Ok(json)), _) => Ok(json),
            (Some(Err(error)), Codec::Protobuf) => Err(self.undecodable(rust_type, error)),
            (None, Codec::Protobuf) => Err(Error::UnknownEvent(Box::new(self.place()))),
            (_, Codec::Json | Codec::Cbor | Codec::MessagePack) => {
                self.payload.to_json().map_err(|error| self.undecodable(rust_type, error))
            }
        }
    }

    pub(crate) fn undecodable(
        &self,
        rust_type: &'static str,
        source: crate::format::error::DecodeError,
    ) -> Error {
        Error::undecodable(self.place(), rust_type, source)
    }

    /// Identifies the event in a message.
    pub(crate) fn place(&self) -> EventPlace {
        EventPlace {
            position: self.position,
            aggregate_type: self.aggregate_type.as_ref().to_owned(),
            aggregate_id: self.meta.aggregate_id,
            sequence: self.meta.sequence,
            event_type: self.event_type.as_ref().to_owned(),
            version: self.version,
        }
    }
}

/// Compares the present name first, which is by far the likeliest.
fn is_one_of(found: &str, name: &str, aliases: &[&str]) -> bool {
    *found == *name || aliases.contains(&found)
}
