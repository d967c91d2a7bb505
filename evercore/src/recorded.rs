//! Events as the log holds them.

pub(crate) mod page;

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::error::EventPlace;
use crate::evolution::retired::Part;
use crate::evolution::upcast::{self, Unreadable};
use crate::{
    Aggregate, AggregateId, Codec, Error, Event, EventMeta, EventType, Metadata, Payload, Position,
    Registry, Result, RetiredType, Sequence,
};

/// An event as the log holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedEvent {
    position: Position,
    recorded_at: DateTime<Utc>,
    aggregate_type: Arc<str>,
    event_type: Arc<str>,
    version: u32,
    payload: Payload,
    meta: EventMeta,
}

/// The columns of an event's row, for engines to make a [`RecordedEvent`] of.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each field is the accessor of the same name")]
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
    /// A text that names this event and no other of the store: its aggregate's id and its sequence, as in `17/3`. Made
    /// of what is stored anyway, so it is the same wherever the event is read.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}/{}", self.aggregate_id(), self.sequence())
    }

    /// The place in the global log.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.position
    }

    /// The aggregate.
    #[must_use]
    pub const fn aggregate_id(&self) -> AggregateId {
        self.meta.aggregate_id
    }

    /// The number within the aggregate.
    #[must_use]
    pub const fn sequence(&self) -> Sequence {
        self.meta.sequence
    }

    /// The stored name of the aggregate's type.
    #[must_use]
    pub fn aggregate_type(&self) -> &str {
        &self.aggregate_type
    }

    /// The stored name of the event's type.
    #[must_use]
    pub fn event_type(&self) -> &str {
        &self.event_type
    }

    /// The version of the event's shape.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// The encoded event.
    #[must_use]
    pub const fn payload(&self) -> &Payload {
        &self.payload
    }

    /// When it happened, as its writer said.
    #[must_use]
    pub const fn event_time(&self) -> DateTime<Utc> {
        self.meta.event_time
    }

    /// When the store took it, by the clock of the writer's store.
    #[must_use]
    pub const fn recorded_at(&self) -> DateTime<Utc> {
        self.recorded_at
    }

    /// The writer's own reference.
    #[must_use]
    pub fn reference(&self) -> Option<&str> {
        self.meta.reference()
    }

    /// Who caused it and what it belongs to.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        self.meta.metadata()
    }

    /// What [`Apply::apply`](crate::Apply::apply) is told about it.
    #[must_use]
    pub const fn meta(&self) -> &EventMeta {
        &self.meta
    }

    /// Whether it is an `E`: the aggregate's type and the event's name, or aliases of them, and a version that `E` reads.
    #[must_use]
    pub fn is<E: Event>(&self) -> bool {
        is_one_of(&self.event_type, E::NAME, E::ALIASES)
            && is_one_of(&self.aggregate_type, E::Aggregate::NAME, E::Aggregate::ALIASES)
            && self.version <= E::VERSION
            && self.version >= upcast::oldest_readable(E::VERSION, E::UPCASTERS)
    }

    /// The event as its type, in its present shape.
    ///
    /// A [retired](crate::RetiredEvent) event has no type any more:
    /// [`Registry::decode_all`](crate::Registry::decode_all) gives what has become of it.
    ///
    /// # Errors
    /// - [`Error::WrongEventType`] if it is not an `E`.
    /// - [`Error::Decode`] if it does not fit its type, or the older shape that it is stored in.
    /// - [`Error::Upcast`] if an upcaster failed.
    /// - [`Error::MissingCodec`] if this build lacks the codec that it was written in.
    pub fn decode<E: Event>(&self) -> Result<E> {
        if !self.is::<E>() {
            return Err(Error::WrongEventType { event: Box::new(self.place()), wanted: E::NAME });
        }
        self.decode_known()
    }

    /// [`decode`](Self::decode) where it is known to be an `E`.
    pub(crate) fn decode_known<E: Event>(&self) -> Result<E> {
        upcast::read(&self.payload, self.version).map_err(|problem| self.unreadable(problem))
    }

    /// Whether the other event has the same type, stored under the same names and in the same version.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        // Engines share the names of a page's events.
        let same = |a: &Arc<str>, b: &Arc<str>| Arc::ptr_eq(a, b) || a == b;
        self.version == other.version
            && same(&self.event_type, &other.event_type)
            && same(&self.aggregate_type, &other.aggregate_type)
    }

    /// What has become of a retired event.
    pub(crate) fn parts(&self, retired: &RetiredType) -> Result<Vec<Part>> {
        retired.parts(&self.payload, self.version).map_err(|problem| self.unreadable(problem))
    }

    pub(crate) fn unreadable(&self, problem: Unreadable) -> Error {
        self.place().unreadable(problem)
    }

    /// The event as JSON, whatever its codec, for tools: as its type would write it, where `registry` knows the type in
    /// this version and the event fits it, and else by what its bytes say, as [`Payload::to_json`] has it.
    ///
    /// # Errors
    /// Where the type does not help:
    /// - [`Error::UnknownEvent`] for a message in Protocol Buffers whose type is not in the registry.
    /// - [`Error::Decode`] if the bytes are damaged, or the message is one that serde does not know.
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

    /// Which event this is, for a message.
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

/// The present name is by far the likeliest.
fn is_one_of(found: &str, name: &str, aliases: &[&str]) -> bool {
    *found == *name || aliases.contains(&found)
}
