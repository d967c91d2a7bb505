//! Names the queues of attempts.

use crate::{AggregateId, NaturalKey, Tag};

/// The key of a queue: an aggregate, named the way the closure has asked for it, or a boundary.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum TurnKey {
    Id(AggregateId),
    /// With the stored name of the aggregate's type.
    Key(&'static str, NaturalKey),
    /// A boundary, with its name and the tags of all its events.
    Boundary(&'static str, Vec<Tag>),
}
