//! Describes aggregate and event types as they are announced to a registry.

use std::any::{Any, TypeId, type_name};
use std::fmt;

use serde_json::Value;

use super::replay::{self, Replaying};
use crate::evolution::retired::{Part, Parts};
use crate::evolution::unreadable::Unreadable;
use crate::evolution::upcast::{self, ShapeType, Upcaster};
use crate::format::codec;
use crate::format::round_trip::RoundTrips;
use crate::{
    Aggregate, Apply, Codec, DecodeError, Event, EventMeta, Fingerprint, Payload, Result,
    RetiredEvent, Shape, Split, TagName, Tags,
};

/// The description of an aggregate type in a [`Registry`](crate::Registry).
#[derive(Clone, Copy)]
pub struct AggregateType {
    pub(super) name: &'static str,
    pub(super) aliases: &'static [&'static str],
    pub(super) rust_type: fn() -> &'static str,
    pub(super) type_id: TypeId,
    can_be_copied: bool,
    pub(super) snapshot_shape: Option<Fingerprint>,
    pub(super) begin_replay: fn() -> Box<dyn Replaying>,
    unique: &'static [TagName],
}

/// The description of an event type in a [`Registry`](crate::Registry).
#[derive(Clone, Copy)]
pub struct EventType {
    pub(super) stored: StoredType,
    shape: Option<Shape>,
    tags: &'static [TagName],
    retired_tags: &'static [&'static str],
    stored_tags: fn(&Payload, u32) -> Result<Result<Tags>, Unreadable>,
    part_tags: fn(&dyn Any) -> Result<Tags>,
    own_codec: Option<Codec>,
    writes: fn(Codec) -> bool,
    check: fn(&Payload, u32) -> Result<(), Unreadable>,
    apply: fn(&mut dyn Any, &Payload, u32, &EventMeta) -> Result<(), Unreadable>,
    json_of: fn(&Payload) -> Result<Value, DecodeError>,
}

/// The description of a retired event's type in a [`Registry`](crate::Registry).
#[derive(Clone, Copy)]
pub struct RetiredType {
    pub(super) stored: StoredType,
    into: &'static [EventType],
    split: fn(&Payload, u32) -> Result<Vec<Part>, Unreadable>,
}

/// The names and versions under which the events of a type are stored.
#[derive(Clone, Copy)]
pub(super) struct StoredType {
    pub(super) aggregate: AggregateType,
    pub(super) name: &'static str,
    pub(super) aliases: &'static [&'static str],
    pub(super) version: u32,
    pub(super) oldest_version: u32,
    /// The oldest version that it reads.
    pub(super) reads_from: u32,
    pub(super) upcasters: &'static [Upcaster],
    pub(super) rust_type: fn() -> &'static str,
    pub(super) type_id: TypeId,
    pub(super) shape: ShapeType,
}

impl AggregateType {
    /// Describes the aggregate type `T`.
    #[must_use]
    pub const fn of<T: Aggregate>() -> Self {
        Self {
            name: T::NAME,
            aliases: T::ALIASES,
            rust_type: type_name::<T>,
            type_id: TypeId::of::<T>(),
            can_be_copied: T::CLONE.is_some(),
            snapshot_shape: match T::SNAPSHOTS {
                Some(policy) => Some(policy.fingerprint()),
                None => None,
            },
            begin_replay: replay::begin::<T>,
            unique: match T::UNIQUE {
                Some(unique) => unique.names(),
                None => &[],
            },
        }
    }

    /// Returns whether states can be copied, so that one can stay in memory while a copy is changed.
    pub(crate) const fn can_be_copied(&self) -> bool {
        self.can_be_copied
    }

    /// Returns the name that the type is stored under.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the names that older programs know it by.
    #[must_use]
    pub const fn aliases(&self) -> &'static [&'static str] {
        self.aliases
    }

    /// Returns the names of the unique values of its states.
    #[must_use]
    pub const fn unique(&self) -> &'static [TagName] {
        self.unique
    }

    pub(crate) fn rust_type(&self) -> &'static str {
        (self.rust_type)()
    }

    /// Returns all names that it is or was stored under, the present one first.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }
}

impl EventType {
    /// Describes the event type `E`.
    #[must_use]
    pub const fn of<E: Event>() -> Self
    where
        E::Aggregate: Apply<E>,
    {
        Self {
            stored: StoredType {
                aggregate: AggregateType::of::<E::Aggregate>(),
                name: E::NAME,
                aliases: E::ALIASES,
                version: E::VERSION,
                oldest_version: E::OLDEST_VERSION,
                reads_from: upcast::oldest_readable(E::VERSION, E::UPCASTERS),
                upcasters: E::UPCASTERS,
                rust_type: type_name::<E>,
                type_id: TypeId::of::<E>(),
                shape: ShapeType::of::<E>(),
            },
            shape: E::SHAPE,
            tags: E::TAGS,
            retired_tags: E::RETIRED_TAGS,
            stored_tags: |payload, version| Ok(upcast::read::<E>(payload, version)?.tags()),
            part_tags: |part| part.downcast_ref::<E>().map_or(Ok(Tags::NONE), E::tags),
            own_codec: E::ENCODING.own_codec(),
            writes: |codec| E::ENCODING.writes(codec),
            check: |payload, version| upcast::read::<E>(payload, version).map(drop),
            apply: |state, payload, version, meta| {
                let event: E = upcast::read(payload, version)?;
                let state = state
                    .downcast_mut::<E::Aggregate>()
                    .expect("BUG: an event was looked up under another aggregate");
                state.apply(&event, meta);
                Ok(())
            },
            json_of: |payload| {
                let event: E = payload.decode()?;
                let json = E::ENCODING
                    .encode(&event, Codec::Json, RoundTrips::TRUSTED)
                    .map_err(DecodeError::whole)?;
                codec::json::decode(&json)
            },
        }
    }

    /// Returns the name that the events are stored under.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.stored.name
    }

    /// Returns the type of its aggregate.
    #[must_use]
    pub const fn aggregate(&self) -> AggregateType {
        self.stored.aggregate
    }

    /// Earlier names of the event.
    #[must_use]
    pub const fn aliases(&self) -> &'static [&'static str] {
        self.stored.aliases
    }

    /// Returns the version of its shape.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.stored.version
    }

    /// Returns the shape of the Rust type, if it is known.
    #[must_use]
    pub const fn shape(&self) -> Option<Shape> {
        self.shape
    }

    /// Returns the tags that its events have.
    #[must_use]
    pub const fn tags(&self) -> &'static [TagName] {
        self.tags
    }

    /// Returns the names of the tags that its events had, and that new ones do not get.
    #[must_use]
    pub const fn retired_tags(&self) -> &'static [&'static str] {
        self.retired_tags
    }

    /// Returns the tags of a stored event of a version which this type reads.
    pub(super) fn tags_of(
        &self,
        payload: &Payload,
        version: u32,
    ) -> Result<Result<Tags>, Unreadable> {
        (self.stored_tags)(payload, version)
    }

    /// Returns the tags of a part of a retired event, if the part is of this type.
    pub(super) fn tags_of_part(&self, part: &dyn Any) -> Result<Tags> {
        (self.part_tags)(part)
    }

    /// Returns the codec that a store which writes in `codec` uses for it: its own, if it has one.
    pub(crate) fn codec_in(&self, codec: Codec) -> Codec {
        self.own_codec.unwrap_or(codec)
    }

    pub(super) fn writes(&self, codec: Codec) -> bool {
        (self.writes)(codec)
    }

    /// Decodes an event and encodes it as JSON.
    pub(crate) fn json_of(&self, payload: &Payload) -> Result<Value, DecodeError> {
        (self.json_of)(payload)
    }

    /// Returns the name of the Rust type, for a message.
    #[must_use]
    pub fn rust_type(&self) -> &'static str {
        (self.stored.rust_type)()
    }

    pub(crate) const fn type_id(&self) -> TypeId {
        self.stored.type_id
    }

    /// Checks that an event of a version which this type reads can be read.
    pub(super) fn check(&self, payload: &Payload, version: u32) -> Result<(), Unreadable> {
        (self.check)(payload, version)
    }

    /// Reads an event of a version which this type reads, and applies it to the state of the type's aggregate.
    pub(crate) fn apply(
        &self,
        state: &mut dyn Any,
        payload: &Payload,
        version: u32,
        meta: &EventMeta,
    ) -> Result<(), Unreadable> {
        (self.apply)(state, payload, version, meta)
    }
}

impl RetiredType {
    /// Describes a retired event that is dropped.
    #[must_use]
    pub const fn dropped<R: RetiredEvent>() -> Self {
        // A dropped event is never decoded, so it reads every version.
        Self { stored: StoredType::retired::<R>(1), into: &[], split: |_, _| Ok(Vec::new()) }
    }

    /// Describes a retired event that is split.
    #[must_use]
    pub const fn split<R: Split>() -> Self {
        Self {
            stored: StoredType::retired::<R>(upcast::oldest_readable(R::VERSION, R::UPCASTERS)),
            into: R::INTO,
            split: |payload, version| {
                let event: R = upcast::read_shape(payload, version, R::VERSION, R::UPCASTERS)?;
                let mut parts = Parts::new();
                event.split(&mut parts).map_err(|source| Unreadable::Split { source })?;
                Ok(parts.into_parts())
            },
        }
    }

    /// Returns the name that the events are stored under.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.stored.name
    }

    /// Returns the type of its aggregate.
    #[must_use]
    pub const fn aggregate(&self) -> AggregateType {
        self.stored.aggregate
    }

    /// Returns the last version of its shape.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.stored.version
    }

    /// The events that it may split into; none if it is dropped.
    #[must_use]
    pub const fn into_events(&self) -> &'static [EventType] {
        self.into
    }

    /// Splits a stored event into its parts.
    pub(crate) fn parts(&self, payload: &Payload, version: u32) -> Result<Vec<Part>, Unreadable> {
        (self.split)(payload, version)
    }
}

impl StoredType {
    const fn retired<R: RetiredEvent>(reads_from: u32) -> Self {
        Self {
            aggregate: AggregateType::of::<R::Aggregate>(),
            name: R::NAME,
            aliases: R::ALIASES,
            version: R::VERSION,
            oldest_version: R::OLDEST_VERSION,
            reads_from,
            upcasters: R::UPCASTERS,
            rust_type: type_name::<R>,
            type_id: TypeId::of::<R>(),
            shape: ShapeType::of::<R>(),
        }
    }

    /// Returns all names that it is or was written under, the present one first.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }

    pub(super) const fn reads(&self, version: u32) -> bool {
        self.reads_from <= version && version <= self.version
    }
}

impl fmt::Debug for AggregateType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AggregateType")
            .field("name", &self.name)
            .field("rust_type", &self.rust_type())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stored.fmt_as("EventType", f)
    }
}

impl fmt::Debug for RetiredType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stored.fmt_as("RetiredType", f)
    }
}

impl StoredType {
    fn fmt_as(&self, type_name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(type_name)
            .field("aggregate", &self.aggregate.name)
            .field("name", &self.name)
            .field("version", &self.version)
            .field("rust_type", &(self.rust_type)())
            .finish_non_exhaustive()
    }
}
