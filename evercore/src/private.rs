//! Provides the items that generated code calls. Not public: they change without notice.
//!
//! Programs of older editions use the macros as well, even with names that are keywords in newer editions:
//!
//! ```edition2021,standalone_crate
//! use evercore::{Aggregate, Registry, state_event};
//!
//! #[derive(Aggregate, Default)]
//! struct Account { gen: u8, r#async: Option<u8> }
//!
//! #[state_event(aggregate = Account)]
//! struct Opened { gen: u8, r#async: Option<Option<u8>> }
//!
//! # fn main() -> evercore::Result<()> {
//! assert!(Registry::linked()?.knows_event::<Opened>());
//! # Ok(())
//! # }
//! ```

use std::marker::PhantomData;

use ::serde::de::DeserializeOwned;
use ::serde::{Deserialize, Serialize};

pub use ::core;
pub use inventory;
pub use serde;
pub use serde_json;

pub use crate::report::debug_error;

use crate::boundary::{Boundary, BoundaryEvent};
use crate::const_text::ConstText;
use crate::{
    Aggregate, Apply, Encoding, Error, Event, EventOf, EventType, Fingerprint, NaturalKey, Result,
    RetiredEvent, SnapshotPolicy, Tag, Tags, Target, Upcast, Upcaster,
};

/// A state that snapshots can be taken of.
#[diagnostic::on_unimplemented(
    message = "`{Self}` takes snapshots, but cannot be serialized",
    label = "`Serialize` or `Deserialize` is missing",
    note = "add `#[derive(serde::Serialize, serde::Deserialize)]` to `{Self}`, or remove `snapshot_every`"
)]
pub trait SnapshotState: Aggregate + Serialize + DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: Aggregate + Serialize + DeserializeOwned> SnapshotState for T {}

/// Returns the policy of `#[aggregate(snapshot_every = …)]`.
#[must_use]
pub const fn snapshots<T: SnapshotState>(every: u32, fingerprint: u64) -> SnapshotPolicy<T> {
    SnapshotPolicy::json(every, Fingerprint::new(fingerprint))
}

/// The type of a field that names the aggregate of a command.
#[diagnostic::on_unimplemented(
    message = "a field of type `{Self}` does not name an aggregate",
    label = "has the type `{Self}`",
    note = "it is an `AggregateId`, a `NaturalKey`, the key as a `String`, or a `Target`"
)]
pub trait TargetField: Clone + TryInto<Target, Error: Into<Error>> {}

#[diagnostic::do_not_recommend]
impl<T: Clone + TryInto<Target, Error: Into<Error>>> TargetField for T {}

/// The type of a field that has the natural key of an aggregate.
#[diagnostic::on_unimplemented(
    message = "a field of type `{Self}` has no natural key",
    label = "has the type `{Self}`",
    note = "it is a `NaturalKey`, or the key as a `String`"
)]
pub trait KeyField: Clone + TryInto<NaturalKey, Error: Into<Error>> {}

#[diagnostic::do_not_recommend]
impl<T: Clone + TryInto<NaturalKey, Error: Into<Error>>> KeyField for T {}

/// Returns the target that a field names: `target = account`.
pub fn target<T: TargetField>(field: &T) -> Result<Target> {
    field.clone().try_into().map_err(Into::into)
}

/// Returns the target of `target = new_with_key(…)`.
pub fn new_with_key<T: KeyField>(field: &T) -> Result<Target> {
    Target::new_with_key(field.clone())
}

/// Returns the target of `target = key_or_new(…)`.
pub fn key_or_new<T: KeyField>(field: &T) -> Result<Target> {
    Target::key_or_new(field.clone())
}

/// Selects the function that copies a state. The inherent constant exists only if the type is [`Clone`]; for all other
/// types, that of [`WithoutClone`] is found.
#[derive(Debug)]
pub struct Copying<T>(PhantomData<T>);

impl<T: Clone> Copying<T> {
    /// Copies with [`Clone`].
    pub const CLONE: Option<fn(&T) -> T> = Some(T::clone);
}

/// The fallback for types that cannot be copied.
pub trait WithoutClone<T> {
    /// No function.
    const CLONE: Option<fn(&T) -> T> = None;
}

impl<T> WithoutClone<T> for Copying<T> {}

/// The type of a field of an event.
#[diagnostic::on_unimplemented(
    message = "an event cannot have a field of type `{Self}`, which serde cannot write and read",
    label = "has a field of type `{Self}`",
    note = "add `#[derive(serde::Serialize, serde::Deserialize)]` to `{Self}`, or to the type in it that is yours; for a type of another crate, enable that crate's feature `serde`, or write the field with `#[serde(with = \"…\")]`"
)]
pub trait FieldType<'de>: Serialize + Deserialize<'de> {}

#[diagnostic::do_not_recommend]
impl<'de, T: Serialize + Deserialize<'de>> FieldType<'de> for T {}

/// An older shape of an event.
#[diagnostic::on_unimplemented(
    message = "the older shape `{Self}` cannot be read",
    label = "`Deserialize` is missing",
    note = "add `#[derive(serde::Deserialize)]` to `{Self}`"
)]
pub trait OlderShape: DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned> OlderShape for T {}

/// Returns the step of `#[event(upcast_from = […])]` from one shape to the next.
#[must_use]
pub const fn upcaster<Old, New>() -> Upcaster
where
    Old: OlderShape + 'static,
    New: Upcast<Old> + 'static,
{
    Upcaster::typed::<Old, New>()
}

/// Returns an entry of `#[retired_event(into = […])]`.
#[must_use]
pub const fn part<R, E>() -> EventType
where
    R: RetiredEvent,
    E: EventOf<R::Aggregate>,
{
    E::TYPE
}

/// Selects an event's serde encoding. The inherent constant exists only if the type implements serde's traits; for all
/// other types, that of [`WithoutSerde`] is found.
#[derive(Debug)]
pub struct Serde<E>(PhantomData<E>);

impl<E: Serialize + DeserializeOwned> Serde<E> {
    /// Encodes with serde.
    pub const ENCODING: Option<Encoding<E>> = Some(Encoding::serde());
}

/// The fallback for types without serde's traits.
pub trait WithoutSerde<E> {
    /// No encoding.
    const ENCODING: Option<Encoding<E>> = None;
}

impl<E> WithoutSerde<E> for Serde<E> {}

/// A message generated by prost.
#[cfg(feature = "protobuf")]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a Protocol Buffers message",
    label = "not a message",
    note = "put `#[derive(prost::Message)]` on `{Self}`, below `#[event(…)]`, or choose another codec"
)]
pub trait Message: prost::Message + Default {}

#[cfg(feature = "protobuf")]
#[diagnostic::do_not_recommend]
impl<E: prost::Message + Default> Message for E {}

/// Returns the encoding of `#[event(codec = protobuf)]`: it writes Protocol Buffers, and reads all codecs if the type
/// has a serde encoding.
#[cfg(feature = "protobuf")]
#[must_use]
pub const fn protobuf<E: Message>(serde: Option<Encoding<E>>) -> Encoding<E> {
    match serde {
        Some(serde) => serde.and_protobuf().codec(crate::Codec::Protobuf),
        None => Encoding::protobuf(),
    }
}

/// Replaces the encoding of `#[event(codec = protobuf)]` in a build without Protocol Buffers.
///
/// # Panics
/// Always, at compile time.
#[cfg(not(feature = "protobuf"))]
#[must_use]
pub const fn protobuf<E>(_: Option<Encoding<E>>) -> Encoding<E> {
    panic!(
        "this build lacks Protocol Buffers; enable the feature `protobuf` of the crate `evercore`"
    )
}

/// The value of a tag.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the value of a tag",
    label = "does not implement `Display`",
    note = "the value of a tag is the field's `Display`; an `Option`, `Vec`, `VecDeque`, `BTreeSet`, `HashSet` or array of such values works as well, where it is written as such"
)]
pub trait TagValue: std::fmt::Display {}

#[diagnostic::do_not_recommend]
impl<T: std::fmt::Display + ?Sized> TagValue for T {}

/// Collects the tags of an event.
#[derive(Debug, Default)]
pub struct TagList {
    tags: Vec<Tag>,
    mistake: Option<crate::Error>,
}

impl TagList {
    /// Adds a tag.
    pub fn one<V: TagValue + ?Sized>(&mut self, name: &'static str, value: &V) {
        match Tag::new(name, value) {
            Ok(tag) => self.tags.push(tag),
            Err(mistake) => drop(self.mistake.get_or_insert(mistake)),
        }
    }

    /// Adds a tag if there is a value.
    pub fn optional<V: TagValue>(&mut self, name: &'static str, value: &Option<V>) {
        value.iter().for_each(|value| self.one(name, value));
    }

    /// Adds a tag for each value.
    pub fn many<'v, V: TagValue + 'v>(
        &mut self,
        name: &'static str,
        values: impl IntoIterator<Item = &'v V>,
    ) {
        values.into_iter().for_each(|value| self.one(name, value));
    }

    /// Returns the tags.
    ///
    /// # Errors
    /// [`Error::InvalidTag`](crate::Error::InvalidTag) if a value cannot be that of a tag, or if there are too many.
    pub fn finish(&mut self) -> crate::Result<Tags> {
        let Self { tags, mistake } = std::mem::take(self);
        match mistake {
            Some(mistake) => Err(mistake),
            None => Tags::new(tags),
        }
    }
}

/// A unique value of an aggregate.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a unique value",
    label = "does not implement `Display`",
    note = "a unique value is the field's `Display`; an `Option`, `Vec`, `VecDeque`, `BTreeSet`, `HashSet` or array of such values works as well, where it is written as such"
)]
pub trait UniqueValue: std::fmt::Display {}

#[diagnostic::do_not_recommend]
impl<T: std::fmt::Display + ?Sized> UniqueValue for T {}

/// Collects the unique values of a state.
#[derive(Debug, Default)]
pub struct UniqueList(TagList);

impl UniqueList {
    /// Adds a value.
    pub fn one<V: UniqueValue + ?Sized>(&mut self, name: &'static str, value: &V) {
        self.0.one(name, value);
    }

    /// Adds a value if there is one.
    pub fn optional<V: UniqueValue>(&mut self, name: &'static str, value: &Option<V>) {
        self.0.optional(name, value);
    }

    /// Adds each value.
    pub fn many<'v, V: UniqueValue + 'v>(
        &mut self,
        name: &'static str,
        values: impl IntoIterator<Item = &'v V>,
    ) {
        self.0.many(name, values);
    }

    /// Returns the values.
    ///
    /// # Errors
    /// [`Error::InvalidTag`](crate::Error::InvalidTag) as [`TagList::finish`].
    pub fn finish(&mut self) -> crate::Result<Tags> {
        self.0.finish()
    }
}

/// Refuses, at compile time, to find an event by a tag that it does not have.
///
/// # Panics
/// With the problem and the tags that the event has, if it declares no tag of this name.
pub const fn require_tag<E: Event>(name: &str, problem: &str) {
    if !crate::boundary::declares(E::TAGS, name) {
        let text = ConstText::new().push(problem).push_tags(E::TAGS);
        panic!("{}", text.as_str());
    }
}

/// Declares an event of a boundary whose tags have been [required](require_tag).
#[must_use]
pub const fn boundary_event<B, E>(tags: &'static [&'static str]) -> BoundaryEvent<B>
where
    B: Boundary + Apply<E>,
    E: Event,
    E::Aggregate: Apply<E>,
{
    BoundaryEvent::declared::<E>(tags)
}

/// The value that a boundary's key gives for a tag.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the value of a tag in a key",
    label = "does not implement `Display`",
    note = "a key takes one value for each tag, which is compared as its `Display`; if the event's field is an `Option<T>`, `Vec<T>` or another collection, the type in the key is `T`"
)]
pub trait KeyValue: std::fmt::Display {}

#[diagnostic::do_not_recommend]
impl<T: std::fmt::Display + ?Sized> KeyValue for T {}

/// Makes a tag of a boundary's key.
///
/// # Errors
/// [`Error::InvalidTag`](crate::Error::InvalidTag) if the value cannot be that of a tag.
pub fn tag<V: KeyValue + ?Sized>(name: &str, value: &V) -> crate::Result<Tag> {
    Tag::new(name, value)
}

/// The aggregate of an event that does not declare one, beside the error about that.
#[derive(Debug, Default)]
pub struct UnknownAggregate;

impl Aggregate for UnknownAggregate {
    const NAME: &'static str = "";
}

/// Sets a field of a state from a field of a `#[state_event]`. `V` is the type of the event's field.
///
/// Deliberately not based on `From`: copying a field should not silently convert numbers or strings.
#[diagnostic::on_unimplemented(
    message = "a state's field of type `{Self}` cannot be copied from an event's field of type `{V}`",
    label = "the event's field is `{V}`, the state's field of the same name is `{Self}`",
    note = "the event's field must have the state field's type `T`, which must be `Clone`, or `Option<T>`, which leaves the state unchanged on `None`; `#[state(skip)]` keeps the field in the event only"
)]
pub trait SetFrom<V> {
    /// Sets the field.
    fn set_from(&mut self, value: &V);
}

/// Sets a field of a state.
///
/// The value comes first: with the state first, the compiler would infer the value's type from the state's, and report
/// a mismatch there instead.
pub fn set<S: SetFrom<V>, V>(value: &V, state: &mut S) {
    state.set_from(value);
}

impl<T: Clone> SetFrom<T> for T {
    fn set_from(&mut self, value: &T) {
        self.clone_from(value);
    }
}

impl<T: Clone> SetFrom<T> for Option<T> {
    fn set_from(&mut self, value: &T) {
        *self = Some(value.clone());
    }
}

/// Implements serde for `Option<Option<T>>` fields: absent is `None`, null is `Some(None)`.
pub mod double_option {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// Serializes the inner option. The outer `None` is skipped by the field's attributes.
    ///
    /// # Errors
    /// The serializer's error.
    pub fn serialize<T, S>(value: &Option<Option<T>>, serializer: S) -> Result<S::Ok, S::Error>
    where
        T: Serialize,
        S: Serializer,
    {
        value.as_ref().and_then(Option::as_ref).serialize(serializer)
    }

    /// Deserializes a field that is present.
    ///
    /// # Errors
    /// The deserializer's error.
    pub fn deserialize<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
    where
        T: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        Option::deserialize(deserializer).map(Some)
    }
}
