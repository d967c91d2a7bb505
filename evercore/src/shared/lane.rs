//! Names the queues of attempts.

use crate::{AggregateId, NaturalKey};

/// What attempts queue for: an aggregate, as the closure has asked for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Lane {
    Id(AggregateId),
    /// With the stored name of its type.
    Key(&'static str, NaturalKey),
}
