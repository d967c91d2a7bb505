//! Defines the request for a page of the global log.

use std::sync::Arc;

use crate::{EventFilter, Partition, Position};

/// The part of the global log to read. An event must meet all of its conditions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogQuery {
    /// Only events after this position.
    pub after: Position,
    /// The most events to return, at least 1.
    pub limit: u32,
    /// The filter that they match.
    pub filter: Arc<EventFilter>,
    /// The partition that their aggregates belong to.
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
        self.partition == Partition::WHOLE && *self.filter == EventFilter::new()
    }
}
