//! Defines the request for a page of the global log, and the page.

use std::sync::Arc;

use crate::{EventFilter, Partition, Position, RecordedEvent};

/// The part of the global log to read. An event must meet all of its conditions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogQuery {
    /// Only events after this position.
    pub after: Position,
    /// The most events to return, at least 1.
    pub limit: u32,
    /// The filter that they match.
    pub filter: Arc<EventFilter>,
    /// The partition that their [lanes](EventFilter::lane_of) belong to.
    pub partition: Partition,
    /// Only events with this correlation id.
    pub correlation: Option<Arc<str>>,
}

impl LogQuery {
    /// Makes a query for up to `limit` events after a position, whatever they are.
    #[must_use]
    pub fn new(after: Position, limit: u32) -> Self {
        let (filter, partition) = (Arc::default(), Partition::WHOLE);
        Self { after, limit, filter, partition, correlation: None }
    }

    /// Sets the filter.
    #[must_use]
    pub fn filter(self, filter: Arc<EventFilter>) -> Self {
        Self { filter, ..self }
    }

    /// Sets the partition.
    #[must_use]
    pub fn partition(self, partition: Partition) -> Self {
        Self { partition, ..self }
    }

    /// Sets the correlation id.
    #[must_use]
    pub fn correlation(self, correlation: impl Into<Arc<str>>) -> Self {
        Self { correlation: Some(correlation.into()), ..self }
    }

    /// Returns whether the query has neither a filter nor a partition, so that only the position and the correlation id
    /// decide.
    #[must_use]
    pub fn is_of_all_events(&self) -> bool {
        self.partition == Partition::WHOLE && self.filter.is_of_all_events()
    }
}

/// A page of the global log.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LogPage {
    /// The events, in position order.
    pub events: Vec<RecordedEvent>,
    /// The position after which the next page starts: that of the last event or, with a filter or a partition, of the
    /// last event that the engine looked at. If there is none, it is that of the query. It never moves past positions
    /// without an event: a position that was drawn and not committed may be drawn again after a crash.
    pub end: Position,
    /// Whether this page reaches the end of the log as it is now.
    pub at_end: bool,
}

impl LogPage {
    /// Makes a page.
    #[must_use]
    pub const fn new(events: Vec<RecordedEvent>, end: Position, at_end: bool) -> Self {
        Self { events, end, at_end }
    }
}
