//! Decisions that rest on events of many aggregates, found by their tags.
//!
//! - [`macro@Boundary`](macro@crate::Boundary) makes a boundary of a struct, and [`trait@Boundary`] is what it implements.
//! - [`Context::read`](crate::Context::read) reads boundaries, and [`Context::emit`](crate::Context::emit) adds an event
//!   that belongs to no aggregate.
//! - [`EventStore::execute_on`](crate::EventStore::execute_on) lets boundaries [decide](crate::Decide) on a command.
//! - [`Replay`] builds the states of boundaries from given events, for tests.
//! - [`Tag`] and [`Tags`] are the labels by which events are found.

pub(crate) mod key;
pub(crate) mod reading;
mod replay;
pub(crate) mod states;

use std::any::Any;

use crate::evolution::retired::Part;
use crate::evolution::unreadable::Unreadable;
use crate::evolution::upcast;
use crate::{Aggregate, Apply, Event, EventMeta, EventType, Payload, Result};

pub use crate::event::Fact;
pub use crate::tag::{Tag, TagName, TagValues, Tags};
pub use key::BoundaryKey;
pub use reading::Boundaries;
pub use replay::Replay;

/// A state that is built from all events of some types with the same tags, whatever aggregates they belong to.
///
/// `#[derive(Boundary)]` writes this implementation, and the function `of`, which makes a [`BoundaryKey`] from the values
/// of the tags. [`Default`] is the state before the first event. Each of its events is applied by an [`Apply`].
///
/// # Example: a boundary by hand
/// ```standalone_crate
/// use evercore::boundary::{Boundary, BoundaryEvent, BoundaryKey, Facts, Tag};
/// use evercore::{Apply, Error, EventMeta, EventStore, event};
/// # use evercore_memory as _;
///
/// #[event(tags(course))]
/// struct SeatTaken { course: u32 }
///
/// #[derive(Default)]
/// struct Seats { taken: u32 }
///
/// impl Apply<SeatTaken> for Seats {
///     fn apply(&mut self, _: &SeatTaken, _: &EventMeta) {
///         self.taken += 1;
///     }
/// }
///
/// impl Boundary for Seats {
///     const NAME: &'static str = "Seats";
///     const EVENTS: &'static [BoundaryEvent<Self>] = &[BoundaryEvent::of::<SeatTaken>(&["course"])];
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Error> {
/// let store = EventStore::connect("memory:").await?;
/// store
///     .with_context(async |ctx| {
///         let seats = ctx.read(BoundaryKey::<Seats>::new([Tag::new("course", 42)])).await?;
///         if seats.taken < 30 {
///             ctx.emit(SeatTaken { course: 42 })?;
///         }
///         Ok::<_, Error>(())
///     })
///     .await
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a boundary",
    label = "not a boundary",
    note = "add `#[derive(evercore::Boundary, Default)]` and `#[boundary(key(…), events(…))]` to `{Self}`"
)]
pub trait Boundary: Default + Send + Sync + 'static {
    /// The name in messages.
    const NAME: &'static str;

    /// The events that its state is built from, each with the names of the tags by which it is found.
    const EVENTS: &'static [BoundaryEvent<Self>];
}

/// An event of a [`Boundary`].
#[derive(Clone, Copy, Debug)]
pub struct BoundaryEvent<B> {
    pub(crate) event: EventType,
    pub(crate) tags: &'static [&'static str],
    apply: fn(&mut B, &Payload, u32, &EventMeta) -> Result<(), Unreadable>,
    part_tags: fn(&dyn Any) -> Result<Tags>,
    apply_part: fn(&mut B, &dyn Any, &EventMeta),
}

impl<B: Boundary> BoundaryEvent<B> {
    /// Declares an event that is found by the tags with these names, which the event has and the key of the boundary
    /// gives.
    ///
    /// # Panics
    /// If there is no name, or if the event has no tag of such a name. In a constant, this is a compile error.
    #[must_use]
    pub const fn of<E: Event>(tags: &'static [&'static str]) -> Self
    where
        B: Apply<E>,
        E::Aggregate: Apply<E>,
    {
        assert!(!tags.is_empty(), "an event of a boundary is found by at least one tag");
        let mut index = 0;
        while index < tags.len() {
            assert!(
                declares(E::TAGS, tags[index]),
                "an event of the boundary has no tag of the name by which it is to be found: add it to its `#[event(…, tags(…))]`"
            );
            index += 1;
        }
        Self::declared::<E>(tags)
    }

    /// Declares an event with tags that have been checked.
    pub(crate) const fn declared<E: Event>(tags: &'static [&'static str]) -> Self
    where
        B: Apply<E>,
        E::Aggregate: Apply<E>,
    {
        Self {
            event: EventType::of::<E>(),
            tags,
            apply: |state, payload, version, meta| {
                let event: E = upcast::read(payload, version)?;
                state.apply(&event, meta);
                Ok(())
            },
            part_tags: |event| match event.downcast_ref::<E>() {
                Some(event) => event.tags(),
                None => Ok(Tags::NONE),
            },
            apply_part: |state, event, meta| {
                if let Some(event) = event.downcast_ref::<E>() {
                    state.apply(event, meta);
                }
            },
        }
    }

    /// Reads a stored event of this type and applies it.
    pub(crate) fn apply(
        &self,
        state: &mut B,
        payload: &Payload,
        version: u32,
        meta: &EventMeta,
    ) -> Result<(), Unreadable> {
        (self.apply)(state, payload, version, meta)
    }

    /// Applies a part of a retired event, which is of this type, if it `is_wanted` by its tags.
    pub(crate) fn apply_part(
        &self,
        state: &mut B,
        part: &Part,
        meta: &EventMeta,
        is_wanted: impl FnOnce(&Tags) -> bool,
    ) -> Result<()> {
        if is_wanted(&(self.part_tags)(part.event())?) {
            (self.apply_part)(state, part.event(), meta);
        }
        Ok(())
    }
}

/// The aggregate type of events that belong to no aggregate.
///
/// The events that one commit emits belong to a fresh aggregate of this type, which never gets others.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts;

#[diagnostic::do_not_recommend]
impl Aggregate for Facts {
    const NAME: &'static str = "evercore.facts";
}

#[diagnostic::do_not_recommend]
impl<E: Event<Aggregate = Self>> Apply<E> for Facts {
    fn apply(&mut self, _: &E, _: &EventMeta) {}
}

/// Returns whether a tag of this name is declared.
pub(crate) const fn declares(tags: &[TagName], name: &str) -> bool {
    let mut index = 0;
    while index < tags.len() {
        if is_equal(tags[index].name.as_bytes(), name.as_bytes()) {
            return true;
        }
        index += 1;
    }
    false
}

const fn is_equal(a: &[u8], b: &[u8]) -> bool {
    let mut index = 0;
    while index < a.len() && index < b.len() && a[index] == b[index] {
        index += 1;
    }
    index == a.len() && index == b.len()
}
