//! Defines aggregates, and the trait by which events change their state.

use crate::snapshot::SnapshotPolicy;
use crate::unique::UniqueValues;
use crate::{Event, EventMeta, UnknownEvents};

/// A consistency boundary: a state that only its own events change.
///
/// `#[derive(Aggregate)]` writes this implementation. [`Default`] is the state before the first event.
///
/// A hand-written implementation works as well; register it with [`register_aggregate!`](crate::register_aggregate), or
/// put it into a [`Registry`](crate::Registry) of your own.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an aggregate",
    label = "not an aggregate",
    note = "add `#[derive(evercore::Aggregate, Default)]` to `{Self}`"
)]
pub trait Aggregate: Default + Send + Sync + 'static {
    /// The stored name, unique in a program. If the aggregate is renamed after something was written, add the former
    /// name to [`ALIASES`](Self::ALIASES).
    const NAME: &'static str;

    /// Earlier names of the type. Each database knows the type under exactly one of its names, and keeps that name.
    const ALIASES: &'static [&'static str] = &[];

    /// The policy by which snapshots are taken; `None` for no snapshots.
    const SNAPSHOTS: Option<SnapshotPolicy<Self>> = None;

    /// A function that copies a state. Without it, states are not kept by
    /// [`cache_aggregates`](crate::EventStoreBuilder::cache_aggregates).
    ///
    /// The derive sets it where the type is [`Clone`]; by hand, it is `Some(Self::clone)`.
    const CLONE: Option<fn(&Self) -> Self> = None;

    /// The treatment of stored events that the program does not know.
    const UNKNOWN_EVENTS: UnknownEvents<Self> = UnknownEvents::Fail;

    /// The values of the state that no other aggregate of the type may have; `None` for no such values.
    ///
    /// The guide [Unique values](https://github.com/evercore-rs/evercore/blob/main/docs/unique-values.md) explains them.
    const UNIQUE: Option<UniqueValues<Self>> = None;
}

/// Changes a state by an event.
///
/// It runs when the event is first applied and at each replay, so it must depend on nothing but its arguments, and it
/// cannot fail: rules that may reject an event are checked before the event is created.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not apply `{E}`",
    label = "`impl Apply<{E}> for {Self}` is missing",
    note = "write `impl Apply<{E}> for {Self} {{ fn apply(&mut self, event: &{E}, meta: &EventMeta) {{ … }} }}`, or, if `{Self}` has all fields of `{E}` and they are only to be copied, put `#[state_event]` on `{E}` in place of `#[event]`"
)]
pub trait Apply<E: Event> {
    /// Changes the state.
    fn apply(&mut self, event: &E, meta: &EventMeta);
}
