//! Shares the events of a page among the batches that are cut from it.

use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

use crate::RecordedEvent;

/// A run of events in a page of the log. Cheap to clone and to split.
#[derive(Clone, Debug)]
pub(crate) struct PageEvents {
    page: Arc<Vec<RecordedEvent>>,
    range: Range<usize>,
}

/// One event of a page. Cheap to clone; it keeps the whole page alive.
#[derive(Clone)]
pub(crate) struct PageEvent {
    page: Arc<Vec<RecordedEvent>>,
    index: usize,
}

impl PageEvents {
    /// Returns the first `count` events, and those that follow.
    pub(crate) fn split_at(&self, count: usize) -> (Self, Self) {
        let middle = self.range.end.min(self.range.start + count);
        let part = |range| Self { page: Arc::clone(&self.page), range };
        (part(self.range.start..middle), part(middle..self.range.end))
    }

    /// Returns the event with this index.
    pub(crate) fn event(&self, index: usize) -> PageEvent {
        PageEvent { page: Arc::clone(&self.page), index: self.range.start + index }
    }
}

impl From<Vec<RecordedEvent>> for PageEvents {
    fn from(events: Vec<RecordedEvent>) -> Self {
        let range = 0..events.len();
        Self { page: Arc::new(events), range }
    }
}

impl Deref for PageEvents {
    type Target = [RecordedEvent];

    fn deref(&self) -> &[RecordedEvent] {
        &self.page[self.range.clone()]
    }
}

impl Deref for PageEvent {
    type Target = RecordedEvent;

    fn deref(&self) -> &RecordedEvent {
        &self.page[self.index]
    }
}

impl fmt::Debug for PageEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
