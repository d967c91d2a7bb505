//! Events that happen no more, and what has become of those that did.

use std::any::{Any, TypeId, type_name};
use std::fmt;
use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use crate::{Aggregate, Apply, BoxError, Event, EventMeta, EventType, Upcaster};

/// An event that happens no more. Where it is stored, it is read as the events that it [splits](Split) into, or not at
/// all.
///
/// `#[retired_event]` writes this implementation and announces it. One that is written by hand goes into a registry by
/// [`RegistryBuilder::retired`](crate::RegistryBuilder::retired) or
/// [`dropped`](crate::RegistryBuilder::dropped).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a retired event",
    label = "not a retired event",
    note = "put `#[evercore::retired_event(aggregate = …)]` on `{Self}`"
)]
pub trait RetiredEvent: Sized + 'static {
    /// What it happened to.
    type Aggregate: Aggregate;

    /// The stored name.
    const NAME: &'static str;

    /// The last version of its shape, from 1.
    const VERSION: u32 = 1;

    /// Other names under which it was written.
    const ALIASES: &'static [&'static str] = &[];

    /// The way up from older versions of its shape, as [`Event::UPCASTERS`].
    const UPCASTERS: &'static [Upcaster] = &[];

    /// The oldest version that is stored anywhere, as [`Event::OLDEST_VERSION`].
    const OLDEST_VERSION: u32 = 1;

    /// The events that it may become; none if it is dropped.
    const INTO: &'static [EventType] = &[];
}

/// What a retired event has become.
///
/// All parts count as the one event that is stored: they have its sequence, its position and its
/// [`EventMeta`].
///
/// # Example
/// ```standalone_crate
/// use evercore::{Aggregate, BoxError, Parts, Split, retired_event, state_event};
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
/// /// Said both at once, whether or not there was something to say.
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
    message = "`{Self}` does not say what has become of it",
    label = "`impl Split for {Self}` is missing",
    note = "write `impl Split for {Self} {{ fn split(self, parts: &mut Parts<Self>) -> Result<(), BoxError> {{ … }} }}`, or leave out `into`, and it is dropped"
)]
pub trait Split: RetiredEvent + DeserializeOwned {
    /// Pushes the events that it stands for, in the order in which they happened. It depends on nothing but the event,
    /// so that it reads the same each time.
    ///
    /// # Errors
    /// Why it cannot be split. Whoever reads the event fails with [`Error::Upcast`](crate::Error::Upcast), which says
    /// which event it is.
    fn split(self, parts: &mut Parts<Self>) -> Result<(), BoxError>;
}

/// Says that a retired event may become an `E`. `#[retired_event(into = […])]` writes it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say that it may become `{E}`",
    label = "not in the `into` of `{Self}`",
    note = "add `{E}` to `into`: subscriptions that follow `{E}` are then given the stored `{Self}` as well"
)]
pub trait SplitInto<E>: RetiredEvent {}

/// The events that a retired one has become. Filled by [`Split::split`].
pub struct Parts<R> {
    parts: Vec<Part>,
    retired: PhantomData<fn() -> R>,
}

/// One event that a retired one has become.
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

    pub(crate) fn apply(&self, state: &mut dyn Any, meta: &EventMeta) {
        (self.apply)(state, &*self.event, meta);
    }

    /// The event as its type, if it is of that type.
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
