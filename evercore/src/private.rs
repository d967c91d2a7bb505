//! What generated code calls. Not public interface: it changes without notice.
//!
//! Programs of older editions use the macros as well, with names that are keywords by now:
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

use ::serde::Serialize;
use ::serde::de::DeserializeOwned;

pub use ::core;
pub use inventory;
pub use serde;
pub use serde_json;

use crate::{
    Aggregate, Apply, Encoding, Event, EventType, Fingerprint, RetiredEvent, SnapshotPolicy,
    Upcast, Upcaster,
};

/// A state that snapshots can be taken of.
#[diagnostic::on_unimplemented(
    message = "`{Self}` takes snapshots and cannot be serialized",
    label = "`Serialize` or `Deserialize` is missing",
    note = "add `#[derive(serde::Serialize, serde::Deserialize)]` to `{Self}`, or leave out `snapshot_every`"
)]
pub trait SnapshotState: Aggregate + Serialize + DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: Aggregate + Serialize + DeserializeOwned> SnapshotState for T {}

/// The policy of `#[aggregate(snapshot_every = …)]`.
#[must_use]
pub const fn snapshots<T: SnapshotState>(every: u32, fingerprint: u64) -> SnapshotPolicy<T> {
    SnapshotPolicy::json(every, Fingerprint::new(fingerprint))
}

/// How a state is copied. Only a type that is [`Clone`] has the constant itself; for all others, the one of
/// [`WithoutClone`] is found.
#[derive(Debug)]
pub struct Copying<T>(PhantomData<T>);

impl<T: Clone> Copying<T> {
    /// By [`Clone`].
    pub const CLONE: Option<fn(&T) -> T> = Some(T::clone);
}

/// How a state is copied that cannot be.
pub trait WithoutClone<T> {
    /// Not at all.
    const CLONE: Option<fn(&T) -> T> = None;
}

impl<T> WithoutClone<T> for Copying<T> {}

/// An older shape of an event.
#[diagnostic::on_unimplemented(
    message = "the older shape `{Self}` cannot be read",
    label = "`Deserialize` is missing",
    note = "add `#[derive(serde::Deserialize)]` to `{Self}`"
)]
pub trait OlderShape: DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned> OlderShape for T {}

/// The step of `#[event(upcast_from = […])]` from one shape to the next.
#[must_use]
pub const fn upcaster<Old, New>() -> Upcaster
where
    Old: OlderShape + 'static,
    New: Upcast<Old> + 'static,
{
    Upcaster::typed::<Old, New>()
}

/// An entry of `#[retired_event(into = […])]`.
#[must_use]
pub const fn part<R, E>() -> EventType
where
    R: RetiredEvent,
    E: Event<Aggregate = R::Aggregate>,
    E::Aggregate: Apply<E>,
{
    EventType::of::<E>()
}

/// What serde can do for an event. Only a type that serde knows has the constant itself; for all others, the one of
/// [`WithoutSerde`] is found.
#[derive(Debug)]
pub struct Serde<E>(PhantomData<E>);

impl<E: Serialize + DeserializeOwned> Serde<E> {
    /// By serde.
    pub const ENCODING: Option<Encoding<E>> = Some(Encoding::serde());
}

/// What serde can do for a type that it does not know.
pub trait WithoutSerde<E> {
    /// Nothing.
    const ENCODING: Option<Encoding<E>> = None;
}

impl<E> WithoutSerde<E> for Serde<E> {}

/// A message made with prost.
#[cfg(feature = "protobuf")]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no message of Protocol Buffers",
    label = "not a message",
    note = "put `#[derive(prost::Message)]` on `{Self}`, below `#[event(…)]`, or choose another codec"
)]
pub trait Message: prost::Message + Default {}

#[cfg(feature = "protobuf")]
#[diagnostic::do_not_recommend]
impl<E: prost::Message + Default> Message for E {}

/// The encoding of `#[event(codec = protobuf)]`: whatever serde can do, it is written in Protocol Buffers.
#[cfg(feature = "protobuf")]
#[must_use]
pub const fn protobuf<E: Message>(serde: Option<Encoding<E>>) -> Encoding<E> {
    match serde {
        Some(serde) => serde.and_protobuf().codec(crate::Codec::Protobuf),
        None => Encoding::protobuf(),
    }
}

/// The encoding of `#[event(codec = protobuf)]`, in a build without it.
///
/// # Panics
/// Always, at compile time.
#[cfg(not(feature = "protobuf"))]
#[must_use]
pub const fn protobuf<E>(_: Option<Encoding<E>>) -> Encoding<E> {
    panic!(
        "this build lacks Protocol Buffers; switch on the feature `protobuf` of the crate `evercore`"
    )
}

/// Stands in where an event does not say its aggregate, beside the error about that.
#[derive(Debug, Default)]
pub struct UnknownAggregate;

impl Aggregate for UnknownAggregate {
    const NAME: &'static str = "";
}

/// How a field of a `#[state_event]` sets a field of the state. `V` is what the event holds.
///
/// Not a matter of `From`: a silent conversion between numbers or texts is not what a copy means.
#[diagnostic::on_unimplemented(
    message = "a state's field of type `{Self}` cannot be copied from an event's field of type `{V}`",
    label = "the event's field is `{V}`, the state's field of the same name is `{Self}`",
    note = "the event's field needs the state's type `T`, which has to be `Clone`, or `Option<T>`, which leaves the state as it is on `None`; `#[state(skip)]` keeps it in the event only"
)]
pub trait SetFrom<V> {
    /// Sets the field.
    fn set_from(&mut self, value: &V);
}

/// Sets a field of a state.
///
/// The value comes first: from the state's type alone, the compiler would take the value's for granted, and complain
/// about that instead.
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

/// Serde for `Option<Option<T>>` fields: absent is `None`, null is `Some(None)`.
pub mod double_option {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// Serializes the inner option. The outer `None` is skipped by the field's attributes.
    ///
    /// # Errors
    /// What the serializer says.
    pub fn serialize<T, S>(value: &Option<Option<T>>, serializer: S) -> Result<S::Ok, S::Error>
    where
        T: Serialize,
        S: Serializer,
    {
        value.as_ref().and_then(Option::as_ref).serialize(serializer)
    }

    /// Deserializes a field that is there.
    ///
    /// # Errors
    /// What the deserializer says.
    pub fn deserialize<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
    where
        T: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        Option::deserialize(deserializer).map(Some)
    }
}
