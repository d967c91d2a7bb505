//! Identifies stored events in errors.

use std::fmt;

use crate::{AggregateId, DecodeError, Position, Sequence};

/// Identifies an event in a message: its place and its stored type.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventPlace {
    /// The position in the global log, or [`Position::START`] for an event that is not stored yet.
    pub position: Position,
    /// The aggregate's stored type.
    pub aggregate_type: String,
    /// The aggregate's id.
    pub aggregate_id: AggregateId,
    /// The sequence within the aggregate.
    pub sequence: Sequence,
    /// The event's stored name.
    pub event_type: String,
    /// The version of the event's shape.
    pub version: u32,
}

/// A stored event that could not be decoded, with the type and the field at which decoding failed.
#[derive(Debug, thiserror::Error)]
#[error(
    "{event} does not fit `{rust_type}` at field `{}`; give the type a new version if its shape changed",
    .source.field()
)]
#[non_exhaustive]
pub struct UndecodableEvent {
    /// The position of the event.
    pub event: EventPlace,
    /// The Rust type that was asked for.
    pub rust_type: &'static str,
    /// The decoder's error, with the field at which it failed.
    pub source: DecodeError,
}

impl fmt::Display for EventPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "event `{}` version {} at position {} ({} {}, sequence {})",
            self.event_type,
            self.version,
            self.position,
            self.aggregate_type,
            self.aggregate_id,
            self.sequence
        )
    }
}
