//! What has a state: aggregates, and how events change them.

use crate::snapshot::SnapshotPolicy;
use crate::{Event, EventMeta, UnknownEvents};

/// A consistency boundary: a state that only its own events change.
///
/// `#[derive(Aggregate)]` writes this implementation. [`Default`] is the state before the first event.
///
/// A hand-written implementation works as well; announce it with [`register_aggregate!`](crate::register_aggregate), or
/// put it into a [`Registry`](crate::Registry) of your own.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an aggregate",
    label = "not an aggregate",
    note = "add `#[derive(evercore::Aggregate, Default)]` to `{Self}`"
)]
pub trait Aggregate: Default + Send + Sync + 'static {
    /// The stored name, unique in a program. Once something was written, a name that is given up moves to
    /// [`ALIASES`](Self::ALIASES).
    const NAME: &'static str;

    /// Names that older programs know it by. A database keeps the name under which it knows the type; it may know one of
    /// them and no more.
    const ALIASES: &'static [&'static str] = &[];

    /// How snapshots are taken, if they are.
    const SNAPSHOTS: Option<SnapshotPolicy<Self>> = None;

    /// How a state is copied. States that cannot be are not kept by
    /// [`cache_aggregates`](crate::EventStoreBuilder::cache_aggregates).
    ///
    /// The derive sets it where the type is [`Clone`]; by hand, it is `Some(Self::clone)`.
    const CLONE: Option<fn(&Self) -> Self> = None;

    /// What becomes of stored events that the program does not know.
    const UNKNOWN_EVENTS: UnknownEvents<Self> = UnknownEvents::Fail;
}

/// How an event changes a state.
///
/// It runs when the event happens and at each replay, so it depends on nothing but its arguments and cannot fail: what
/// may be refused is refused before the event is made.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say how `{E}` changes it",
    label = "`impl Apply<{E}> for {Self}` is missing",
    note = "write `impl Apply<{E}> for {Self} {{ fn apply(&mut self, event: &{E}, meta: &EventMeta) {{ … }} }}`, or make `{E}` a `#[state_event]`, whose fields are copied"
)]
pub trait Apply<E: Event>: Aggregate {
    /// Changes the state.
    fn apply(&mut self, event: &E, meta: &EventMeta);
}
