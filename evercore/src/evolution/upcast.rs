//! Converts events from older shapes to their present one.

use std::any::{Any, TypeId, type_name};
use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::unreadable::Unreadable;
use crate::format::codec;
use crate::{BoxError, Codec, DecodeError, Event, Payload};

/// Converts an older shape of an event to the next one.
///
/// An event that changes its shape gets a new version, and its older shapes remain as plain structs that only need
/// `Deserialize`. `upcast_from` lists them, the oldest first: each is converted to the next, and the last to the event.
/// A shape without a type is changed as JSON, by `raw(…)` with a
/// `fn(serde_json::Value) -> Result<serde_json::Value, BoxError>`; the next shape is decoded from the JSON that it
/// returns.
///
/// Events are upcast when they are read: where an aggregate is loaded, in [`RecordedEvent::decode`] and in the
/// [`Router`]. Stored events do not change.
///
/// [`RecordedEvent::decode`]: crate::RecordedEvent::decode
/// [`Router`]: crate::Router
///
/// # Example
/// ```standalone_crate
/// use evercore::evolution::Upcast;
/// use evercore::{Aggregate, Apply, BoxError, EventMeta, event};
/// use serde::Deserialize;
/// use serde_json::Value;
///
/// #[derive(Aggregate, Default)]
/// struct Account { cents: i64 }
///
/// #[event(aggregate = Account, version = 3, upcast_from = [raw(name_the_amount), DepositedV2])]
/// struct Deposited { cents: i64, currency: String }
///
/// /// Version 1 was a bare number.
/// fn name_the_amount(old: Value) -> Result<Value, BoxError> {
///     Ok(serde_json::json!({ "euros": old }))
/// }
///
/// #[derive(Deserialize)]
/// struct DepositedV2 { euros: i64 }
///
/// impl Upcast<DepositedV2> for Deposited {
///     fn upcast(old: DepositedV2) -> Result<Self, BoxError> {
///         let cents = old.euros.checked_mul(100).ok_or("the amount is out of range")?;
///         Ok(Self { cents, currency: "EUR".to_owned() })
///     }
/// }
/// # impl Apply<Deposited> for Account {
/// #     fn apply(&mut self, event: &Deposited, _: &EventMeta) { self.cents += event.cents }
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Old}` cannot be upcast to `{Self}`",
    label = "`impl Upcast<{Old}> for {Self}` is missing",
    note = "each shape in `upcast_from` is upcast to the next one, and the last one to the event: write `impl Upcast<{Old}> for {Self} {{ fn upcast(old: {Old}) -> Result<Self, BoxError> {{ … }} }}`"
)]
pub trait Upcast<Old>: Sized {
    /// Creates the newer shape. It must depend on nothing but the older one, so that an event reads the same each time.
    ///
    /// # Errors
    /// The reason why it cannot be created. Reading the event then fails with [`Error::Upcast`](crate::Error::Upcast),
    /// which names the event and the version.
    fn upcast(old: Old) -> Result<Self, BoxError>;
}

/// A step from a version of an event's shape to the next. For [`Event::UPCASTERS`].
#[derive(Clone, Copy)]
pub struct Upcaster {
    old: ShapeType,
    new: ShapeType,
    step: Step,
}

/// The type of a shape.
#[derive(Clone, Copy)]
pub(crate) struct ShapeType {
    id: TypeId,
    name: fn() -> &'static str,
}

#[derive(Clone, Copy)]
enum Step {
    Typed(fn(Stage<'_>) -> Result<Box<dyn Any>, Failure>),
    Raw(fn(Value) -> Result<Value, BoxError>),
}

/// An event between two steps.
enum Stage<'a> {
    Stored(&'a Payload),
    Made(Box<dyn Any>),
}

/// The reason why a step failed.
enum Failure {
    Decode(Unreadable),
    Upcast(BoxError),
}

impl Upcaster {
    /// Converts from a shape that has a type, by its [`Upcast`]. The newer shape is [`serde_json::Value`] if the next
    /// step is [`raw`](Self::raw).
    #[must_use]
    pub const fn typed<Old, New>() -> Self
    where
        Old: DeserializeOwned + 'static,
        New: Upcast<Old> + 'static,
    {
        Self {
            old: ShapeType::of::<Old>(),
            new: ShapeType::of::<New>(),
            step: Step::Typed(|stage| {
                let old = stage.read::<Old>().map_err(Failure::Decode)?;
                let new = New::upcast(old).map_err(Failure::Upcast)?;
                Ok(Box::new(new))
            }),
        }
    }

    /// Converts from a shape that has no type any more, as JSON to JSON. Works with every codec whose payloads can be
    /// read without their type.
    #[must_use]
    pub const fn raw(upcast: fn(Value) -> Result<Value, BoxError>) -> Self {
        Self { old: ShapeType::JSON, new: ShapeType::JSON, step: Step::Raw(upcast) }
    }

    /// Returns the type of the older shape.
    pub(crate) fn old(&self) -> ShapeType {
        self.old
    }

    /// Returns the type of the newer shape.
    pub(crate) fn new_shape(&self) -> ShapeType {
        self.new
    }

    fn climb(&self, stage: Stage<'_>) -> Result<Box<dyn Any>, Failure> {
        match self.step {
            Step::Typed(step) => step(stage),
            Step::Raw(upcast) => {
                let json = stage.json().map_err(Failure::Decode)?;
                Ok(Box::new(upcast(json).map_err(Failure::Upcast)?))
            }
        }
    }
}

impl ShapeType {
    const JSON: Self = Self::of::<Value>();

    pub(crate) const fn of<T: 'static>() -> Self {
        Self { id: TypeId::of::<T>(), name: type_name::<T> }
    }

    pub(crate) fn rust_type(self) -> &'static str {
        (self.name)()
    }

    /// Returns whether the next step can take this shape as `other`: it is the same type, or JSON.
    pub(crate) fn can_become(self, other: Self) -> bool {
        self.id == other.id || self.id == Self::JSON.id
    }
}

impl Stage<'_> {
    fn json(self) -> Result<Value, Unreadable> {
        let json = match self {
            Self::Stored(payload) => payload.to_json(),
            Self::Made(made) => json_of(made),
        };
        json.map_err(Unreadable::decode::<Value>)
    }

    fn read<T: DeserializeOwned + 'static>(self) -> Result<T, Unreadable> {
        let read = match self {
            Self::Stored(payload) => {
                payload.encoded().and_then(|bytes| codec::decode(payload.codec(), &bytes))
            }
            Self::Made(made) => match made.downcast::<T>() {
                Ok(made) => return Ok(*made),
                Err(made) => from_json(made),
            },
        };
        read.map_err(Unreadable::decode::<T>)
    }
}

/// Decodes an event of any version that its type can read.
pub(crate) fn read<E: Event>(payload: &Payload, version: u32) -> Result<E, Unreadable> {
    if version == E::VERSION {
        payload.decode().map_err(Unreadable::decode::<E>)
    } else {
        read_old(payload, version)
    }
}

#[cold]
fn read_old<E: Event>(payload: &Payload, version: u32) -> Result<E, Unreadable> {
    match climb(payload, version, E::VERSION, E::UPCASTERS)?.downcast::<E>() {
        Ok(event) => Ok(*event),
        // Read by the event's own encoding, which need not use serde.
        Err(made) => json_of(made)
            .and_then(|json| serde_json::to_vec(&json).map_err(DecodeError::whole))
            .and_then(|json| E::ENCODING.decode(Codec::Json, &json))
            .map_err(Unreadable::decode::<E>),
    }
}

/// Decodes a retired shape, stored in any version up to `current`.
pub(crate) fn read_shape<T: DeserializeOwned + 'static>(
    payload: &Payload,
    version: u32,
    current: u32,
    upcasters: &[Upcaster],
) -> Result<T, Unreadable> {
    let stage = if version == current {
        Stage::Stored(payload)
    } else {
        Stage::Made(climb(payload, version, current, upcasters)?)
    };
    stage.read()
}

/// Returns the oldest version from which the upcasters lead to the current one.
pub(crate) const fn oldest_readable(current: u32, upcasters: &[Upcaster]) -> u32 {
    let mut oldest = current;
    let mut steps = upcasters;
    while let [_, rest @ ..] = steps {
        (oldest, steps) = (oldest.saturating_sub(1), rest);
    }
    oldest
}

fn climb(
    payload: &Payload,
    version: u32,
    current: u32,
    upcasters: &[Upcaster],
) -> Result<Box<dyn Any>, Unreadable> {
    let mut stage = Stage::Stored(payload);
    for (from, upcaster) in (oldest_readable(current, upcasters)..).zip(upcasters) {
        if from < version {
            continue;
        }
        match upcaster.climb(stage) {
            Ok(made) => stage = Stage::Made(made),
            Err(Failure::Decode(unreadable)) => return Err(unreadable),
            Err(Failure::Upcast(source)) => {
                return Err(Unreadable::Upcast { from, to: from + 1, source });
            }
        }
    }
    match stage {
        Stage::Made(made) => Ok(made),
        Stage::Stored(_) => Err(Unreadable::Upcast {
            from: version,
            to: current,
            source: "there is no upcaster from this version".into(),
        }),
    }
}

fn json_of(made: Box<dyn Any>) -> Result<Value, DecodeError> {
    made.downcast::<Value>().map(|json| *json).map_err(|_other| {
        // The registry refuses such a chain, so these upcasters were never registered.
        DecodeError::whole("an upcaster returns another shape than the next upcaster takes")
    })
}

fn from_json<T: DeserializeOwned>(made: Box<dyn Any>) -> Result<T, DecodeError> {
    serde_path_to_error::deserialize(json_of(made)?).map_err(DecodeError::located)
}

impl fmt::Debug for Upcaster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upcaster")
            .field("old", &self.old.rust_type())
            .field("new", &self.new.rust_type())
            .finish()
    }
}
