//! Cuts batches so that the event on which a handler fails is given alone.

use crate::{Position, RecordedEvent};

/// Events that are given one by one, since one of them made a batch fail. The events before them are given in batches
/// of their own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Suspects {
    first: Position,
    last: Position,
}

impl Suspects {
    pub(super) const fn none() -> Self {
        Self { first: Position::START, last: Position::START }
    }

    /// Suspects all of these events, at least one.
    pub(super) fn among(events: &[RecordedEvent]) -> Self {
        let (first, last) = (events.first(), events.last());
        let position =
            |event: Option<&RecordedEvent>| event.expect("BUG: a batch has events").position();
        Self { first: position(first), last: position(last) }
    }

    /// Returns how many of the events at the start of `rest` make the next batch.
    pub(super) fn next_batch(&self, rest: &[RecordedEvent], batch_size: usize) -> usize {
        match rest.first().map(RecordedEvent::position) {
            Some(next) if next <= self.last => {
                let before = rest.partition_point(|event| event.position() < self.first);
                before.clamp(1, batch_size)
            }
            _ => batch_size,
        }
    }
}
