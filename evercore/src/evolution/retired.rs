//! Defines retired events, which are no longer written, and how stored ones are read.

use std::any::{Any, TypeId, type_name};
use std::fmt;
use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use crate::{Aggregate, Apply, BoxError, Event, EventMeta, EventType, Upcaster};

/// An event that is no longer written. Stored ones are read as the events that it [splits](Split) into, or skipped.
///
/// `#[retired_event]` writes this implementation and registers it. A hand-written one is added to a registry by
/// [`RegistryBuilder::retired`](crate::registry::RegistryBuilder::retired) or
/// [`dropped`](crate::registry::RegistryBuilder::dropped).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a retired event",
    label = "not a retired event",
    note = "put `#[evercore::retired_event(aggregate = …)]` on `{Self}`"
)]
pub trait RetiredEvent: Sized + 'static {
    /// The aggregate that the event belongs to.
    type Aggregate: Aggregate;

    /// Returns the name that the events are stored under.
    const NAME: &'static str;

    /// The last version of its shape, from 1.
    const VERSION: u32 = 1;

    /// Earlier names of the event.
    const ALIASES: &'static [&'static str] = &[];

    /// The upcasters from older versions of its shape, as [`Event::UPCASTERS`].
    const UPCASTERS: &'static [Upcaster] = &[];

    /// The oldest version that is stored anywhere, as [`Event::OLDEST_VERSION`].
    const OLDEST_VERSION: u32 = 1;

    /// The events that it may split into; none if it is dropped.
    const INTO: &'static [EventType] = &[];
}

/// Splits a retired event into present ones.
///
/// All parts share the one stored event's sequence, position and [`EventMeta`].
///
/// # Example
/// ```standalone_crate
/// use evercore::evolution::{Parts, Split};
/// use evercore::{Aggregate, BoxError, retired_event, state_event};
///
/// #[derive(Aggregate, Default)]
/// struct Customer { name: String, city: Option<String> }
///
/// #[state_event(aggregate = Customer)]
/// struct Renamed { name: String }
///
/// #[state_event(aggregate = Customer)]
/// struct Moved { city: String }
///
/// /// Held the name and possibly the city, whether or not they had changed.
/// #[retired_event(aggregate = Customer, into = [Renamed, Moved])]
/// struct Changed { name: String, city: Option<String> }
///
/// impl Split for Changed {
///     fn split(self, parts: &mut Parts<Self>) -> Result<(), BoxError> {
///         parts.push(Renamed { name: self.name });
///         if let Some(city) = self.city {
///             parts.push(Moved { city });
///         }
///         Ok(())
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not define the events that it becomes",
    label = "`impl Split for {Self}` is missing",
    note = "write `impl Split for {Self} {{ fn split(self, parts: &mut Parts<Self>) -> Result<(), BoxError> {{ … }} }}`, or remove `into` to drop the event"
)]
pub trait Split: RetiredEvent + DeserializeOwned {
    /// Pushes the events that it stands for, in the order in which they happened. It must depend on nothing but the
    /// event, so that it reads the same each time.
    ///
    /// # Errors
    /// The reason why it cannot be split. Reading the event then fails with [`Error::Upcast`](crate::Error::Upcast),
    /// which names the event.
    fn split(self, parts: &mut Parts<Self>) -> Result<(), BoxError>;
}

/// Declares that a retired event may split into an `E`. `#[retired_event(into = […])]` writes it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not list `{E}` among the events that it becomes",
    label = "not in the `into` of `{Self}`",
    note = "add `{E}` to `into`: subscriptions that follow `{E}` are then given the stored `{Self}` as well"
)]
pub trait SplitInto<E>: RetiredEvent {}

/// The events that a retired one is split into. Filled by [`Split::split`].
pub struct Parts<R> {
    parts: Vec<Part>,
    retired: PhantomData<fn() -> R>,
}

/// One event that a retired one is split into.
pub(crate) struct Part {
    event_type: TypeId,
    event: Box<dyn Any + Send + Sync>,
    apply: fn(&mut dyn Any, &dyn Any, &EventMeta),
    rust_type: &'static str,
}

impl<R: RetiredEvent> Parts<R> {
    pub(crate) const fn new() -> Self {
        Self { parts: Vec::new(), retired: PhantomData }
    }

    /// Adds an event.
    pub fn push<E>(&mut self, event: E)
    where
        R: SplitInto<E>,
        E: Event<Aggregate = R::Aggregate>,
        R::Aggregate: Apply<E>,
    {
        self.parts.push(Part {
            event_type: TypeId::of::<E>(),
            event: Box::new(event),
            apply: |state, event, meta| {
                let state = state.downcast_mut::<E::Aggregate>();
                let state = state.expect("BUG: an event was looked up under another aggregate");
                let event = event.downcast_ref::<E>().expect("BUG: a part has changed its type");
                state.apply(event, meta);
            },
            rust_type: type_name::<E>(),
        });
    }

    pub(crate) fn into_parts(self) -> Vec<Part> {
        self.parts
    }
}

impl Part {
    pub(crate) const fn event_type(&self) -> TypeId {
        self.event_type
    }

    pub(crate) fn event(&self) -> &dyn Any {
        &*self.event
    }

    pub(crate) fn apply(&self, state: &mut dyn Any, meta: &EventMeta) {
        (self.apply)(state, &*self.event, meta);
    }

    /// Returns the event as an `E`, if it is of that type.
    pub(crate) fn into_event<E: Event>(self) -> Option<E> {
        let event: Box<dyn Any> = self.event;
        event.downcast().ok().map(|event| *event)
    }
}

impl<R> fmt::Debug for Parts<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.parts).finish()
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.rust_type)
    }
}
