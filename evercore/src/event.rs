//! Defines events, and the data that accompanies them.

use chrono::{DateTime, Utc};

#[expect(unused_imports, reason = "the docs link to it")]
use crate::Error;
use crate::{
    Aggregate, AggregateId, Apply, BoundaryStates, Encoding, EventType, Facts, Metadata, Result,
    Scope, Sequence, Shape, TagName, Tags, Upcaster,
};

/// Something that has happened, to an aggregate or to none: then the aggregate is [`Facts`].
///
/// `#[event]` and `#[state_event]` write this implementation. The name and the version are stored with every event, so
/// they must not change once events have been written.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event",
    label = "not an event",
    note = "put `#[evercore::event(aggregate = …)]` on `{Self}`, or `#[evercore::event(tags(…))]` if it belongs to no aggregate"
)]
pub trait Event: Sized + Send + Sync + 'static {
    /// The aggregate that the event belongs to.
    type Aggregate: Aggregate;

    /// The stored name, unique among the events of the aggregate.
    const NAME: &'static str;

    /// The version of the event's shape, from 1.
    const VERSION: u32 = 1;

    /// Earlier names of the event.
    const ALIASES: &'static [&'static str] = &[];

    /// The upcasters from the older versions of its shape: the oldest first, the last one from the version before
    /// [`VERSION`](Self::VERSION). See [`Upcast`](crate::evolution::Upcast).
    const UPCASTERS: &'static [Upcaster] = &[];

    /// The oldest version that is stored anywhere, from 1. Each version from this one on needs an upcaster or an event
    /// type of its own, which is checked when a store is opened.
    const OLDEST_VERSION: u32 = 1;

    /// The tags that its events have, each with the number of its values. Boundaries find an event by them, and the
    /// compiler refuses one that names another tag.
    ///
    /// Their names are stored with every event, so they must not change once events have been written. Events that were
    /// written before a tag was declared get it by [`EventStore::backfill_tags`](crate::EventStore::backfill_tags).
    const TAGS: &'static [TagName] = &[];

    /// The names of the tags that its events had, and that new ones do not get: programs that still declare them are
    /// refused.
    const RETIRED_TAGS: &'static [&'static str] = &[];

    /// A description of the type's fields, if known: for a catalogue of released shapes.
    const SHAPE: Option<Shape> = None;

    /// The conversion to bytes and back: [`Encoding::serde`] for a type that implements serde's traits.
    const ENCODING: Encoding<Self>;

    /// Returns the tags of this event, whose names are in [`TAGS`](Self::TAGS).
    ///
    /// # Errors
    /// [`Error::InvalidTag`] if a value cannot be that of a tag.
    fn tags(&self) -> Result<Tags> {
        Ok(Tags::NONE)
    }
}

/// An event of the aggregate `T`, which applies it. Implemented for each [`Event`] whose aggregate is `T`, if `T`
/// implements [`Apply`] for it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event of `{T}`",
    label = "not an event of `{T}`",
    note = "put `#[evercore::event(aggregate = {T})]` on `{Self}`"
)]
pub trait EventOf<T>: Event<Aggregate: Apply<Self>> {
    /// Changes the state.
    #[doc(hidden)]
    fn apply_to(&self, state: &mut T, scope: &Scope<'_>, meta: &EventMeta);

    /// The type of the event.
    #[doc(hidden)]
    const TYPE: EventType;
}

impl<T, E> EventOf<T> for E
where
    E: Event,
    E::Aggregate: IsAggregate<T, E>,
{
    fn apply_to(&self, state: &mut T, scope: &Scope<'_>, meta: &EventMeta) {
        E::Aggregate::apply_as(self, state, scope, meta);
    }

    const TYPE: EventType = EventType::of::<E>();
}

/// States that an event's aggregate is `T`. The error if it is another one names both.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{E}` is an event of `{Self}`, not of `{T}`",
    label = "an event of `{Self}`",
    note = "an aggregate changes only by its own events: apply `{E}` to an aggregate `{Self}`, or declare an event with `aggregate = {T}`",
    note = "decisions on boundaries emit only events that belong to no aggregate, which are declared with `tags(…)` and without `aggregate = …`"
)]
pub trait IsAggregate<T, E: Event>: Apply<E> {
    /// Changes the state.
    fn apply_as(event: &E, state: &mut T, scope: &Scope<'_>, meta: &EventMeta);
}

impl<T: Apply<E>, E: Event> IsAggregate<T, E> for T {
    fn apply_as(event: &E, state: &mut T, _: &Scope<'_>, meta: &EventMeta) {
        state.apply(event, meta);
    }
}

/// A decision over boundaries emits events that belong to no aggregate.
impl<S: BoundaryStates, E: Event<Aggregate = Self>> IsAggregate<S, E> for Facts {
    fn apply_as(event: &E, states: &mut S, scope: &Scope<'_>, meta: &EventMeta) {
        states.apply_fact(event, scope, meta);
    }
}

/// An event that belongs to no aggregate. Implemented for each [`Event`] that is declared without one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event that belongs to no aggregate",
    label = "not such an event",
    note = "put `#[evercore::event(tags(…))]` on `{Self}`"
)]
pub trait Fact: Event<Aggregate: Apply<Self>> {
    /// The type of the event.
    #[doc(hidden)]
    const TYPE: EventType;
}

impl<E> Fact for E
where
    E: Event,
    E::Aggregate: IsFacts<E>,
{
    const TYPE: EventType = EventType::of::<E>();
}

/// States that an event belongs to no aggregate. The error if it belongs to one names both.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{E}` is an event of `{Self}`, and only events that belong to no aggregate are emitted here",
    label = "an event of `{Self}`",
    note = "`ctx.apply(&mut aggregate, event)` adds an event to its aggregate",
    note = "an event that belongs to no aggregate is declared with `#[evercore::event(tags(…))]`, without `aggregate = {Self}`"
)]
pub trait IsFacts<E: Event>: Apply<E> {}

#[diagnostic::do_not_recommend]
impl<E: Event<Aggregate = Self>> IsFacts<E> for Facts {}

/// The data about an event that is known when it is applied. It is the same when the event is first applied and at each
/// replay.
#[derive(Clone, Debug, PartialEq)]
pub struct EventMeta {
    pub(crate) aggregate_id: AggregateId,
    pub(crate) sequence: Sequence,
    pub(crate) event_time: DateTime<Utc>,
    pub(crate) reference: Option<Box<str>>,
    pub(crate) metadata: Option<Box<Metadata>>,
}

/// Optional data of an event beside its fields, for [`Context::apply_with`](crate::Context::apply_with).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EventOptions {
    pub(crate) event_time: Option<DateTime<Utc>>,
    pub(crate) reference: Option<Box<str>>,
    pub(crate) metadata: Option<Metadata>,
}

impl EventMeta {
    /// Returns the aggregate's id.
    #[must_use]
    pub const fn aggregate_id(&self) -> AggregateId {
        self.aggregate_id
    }

    /// Returns the event's number within the aggregate.
    #[must_use]
    pub const fn sequence(&self) -> Sequence {
        self.sequence
    }

    /// Returns the time of the event, to the microsecond: as set by the writer, or else the time at which it was
    /// staged.
    #[must_use]
    pub const fn event_time(&self) -> DateTime<Utc> {
        self.event_time
    }

    /// Returns the writer's own reference, such as the number of an order in another system.
    #[must_use]
    pub fn reference(&self) -> Option<&str> {
        self.reference.as_deref()
    }

    /// Returns the event's metadata, such as its principal and its correlation id.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        static NONE: std::sync::LazyLock<Metadata> = std::sync::LazyLock::new(Metadata::new);
        self.metadata.as_deref().unwrap_or(&NONE)
    }
}

impl EventOptions {
    /// Sets nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the time of the event, which is truncated to the microsecond. Default: the store's clock.
    #[must_use]
    pub const fn at(mut self, time: DateTime<Utc>) -> Self {
        self.event_time = Some(time);
        self
    }

    /// Sets the writer's own reference: up to [`MAX_LABEL_BYTES`](crate::limits::MAX_LABEL_BYTES) bytes without a NUL.
    #[must_use]
    pub fn reference(mut self, reference: impl Into<Box<str>>) -> Self {
        self.reference = Some(reference.into());
        self
    }

    /// Sets the event's own metadata. It takes precedence over that of the context and the task, which fill in the
    /// rest.
    #[must_use]
    pub fn metadata(mut self, metadata: Metadata) -> Self {
        self.metadata = Some(metadata);
        self
    }
}
