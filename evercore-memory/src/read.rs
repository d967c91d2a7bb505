//! Reads the log as of a moment.

use std::sync::Arc;

use evercore::engine::{
    HistoryRequest, LoadRequest, LoadTarget, LoadedAggregate, LogQuery, StoredSnapshot,
};
use evercore::{AggregateId, LogPage, Position, RecordedEvent, Sequence};

use crate::log::{Log, StoredAggregate, Version, count};

/// The most events that one call looks at for a filter or a partition, unless it asks for more.
const MOST_LOOKED_AT: usize = 10_000;

/// The log as it was at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    pub(crate) log: &'a Log,
    pub(crate) version: Version,
    pub(crate) head: Position,
}

impl View<'_> {
    pub(crate) fn load(&self, request: &LoadRequest) -> Option<LoadedAggregate> {
        let id = match &request.target {
            LoadTarget::Id(id) => *id,
            LoadTarget::Key(key) => {
                let holder = (Arc::from(request.aggregate_type), key.clone());
                self.log.keys.get(&holder)?.at(self.version).copied().flatten()?
            }
            LoadTarget::Unique(value) => {
                self.log.unique.holder(request.aggregate_type, value, self.version)?
            }
        };
        let stored = self.stored(id)?;
        let mut loaded = LoadedAggregate::new(id, Arc::clone(&stored.aggregate_type));
        loaded.key = stored.key.at(self.version).cloned().flatten();
        if *loaded.aggregate_type != *request.aggregate_type {
            return Some(loaded);
        }
        let visible = self.events_of(stored, request.up_to).len();
        loaded.snapshot = stored
            .snapshot
            .as_ref()
            .filter(|snapshot| request.snapshot == Some(snapshot.fingerprint))
            .filter(|snapshot| count(snapshot.sequence) <= visible)
            .map(|snapshot| StoredSnapshot::new(snapshot.sequence, snapshot.state.clone()));
        let after = loaded.snapshot.as_ref().map_or(Sequence::ZERO, |snapshot| snapshot.sequence);
        loaded.events = self.page_of(stored, after, request.up_to, request.limit);
        Some(loaded)
    }

    pub(crate) fn read_history(&self, request: HistoryRequest) -> Vec<RecordedEvent> {
        let HistoryRequest { id, after, up_to, limit } = request;
        self.stored(id).map_or_else(Vec::new, |stored| self.page_of(stored, after, up_to, limit))
    }

    pub(crate) fn read_log(&self, query: &LogQuery) -> LogPage {
        let (most, is_of_all) = (to_length(query.limit), query.is_of_all_events());
        let most_looked_at = if is_of_all { usize::MAX } else { MOST_LOOKED_AT.max(most) };
        let after = usize::try_from(query.after.get()).unwrap_or(usize::MAX);
        let visible = &self.log.events[..usize::try_from(self.head.get()).expect("BUG: a count")];
        let mut page = LogPage::new(Vec::new(), query.after, true);
        for (looked_at, event) in visible.get(after..).unwrap_or_default().iter().enumerate() {
            if page.events.len() == most || looked_at == most_looked_at {
                page.at_end = false;
                break;
            }
            let is_correlated = query.correlation.is_none()
                || event.metadata().correlation_id() == query.correlation.as_deref();
            let matches = is_correlated && (is_of_all || self.is_followed(query, event));
            if matches || !is_of_all {
                page.end = event.position();
            }
            if matches {
                page.events.push(event.clone());
            }
        }
        page
    }

    /// Returns whether an event matches the filter and the partition of a query.
    fn is_followed(&self, query: &LogQuery, event: &RecordedEvent) -> bool {
        let id = event.aggregate_id();
        let key = || self.stored(id).and_then(|stored| stored.key.at(self.version)?.as_ref());
        query.partition.contains(query.filter.lane_of(id, event.tags()))
            && query.filter.matches(event.aggregate_type(), event.event_type(), key(), event.tags())
    }

    fn stored(&self, id: AggregateId) -> Option<&StoredAggregate> {
        self.log.aggregates.get(&id).filter(|stored| stored.created <= self.version)
    }

    fn page_of(
        &self,
        stored: &StoredAggregate,
        after: Sequence,
        up_to: Option<Sequence>,
        most: u32,
    ) -> Vec<RecordedEvent> {
        let events = self.events_of(stored, up_to).get(count(after)..).unwrap_or_default();
        events
            .iter()
            .take(to_length(most))
            .map(|&position| self.log.event(position).clone())
            .collect()
    }

    /// Returns the positions of an aggregate's events that this view shows, up to a sequence.
    fn events_of<'s>(
        &self,
        stored: &'s StoredAggregate,
        up_to: Option<Sequence>,
    ) -> &'s [Position] {
        let visible = stored.events.partition_point(|&position| position <= self.head);
        let wanted = up_to.map_or(visible, count);
        &stored.events[..visible.min(wanted)]
    }
}

pub(crate) fn to_length(most: u32) -> usize {
    usize::try_from(most).unwrap_or(usize::MAX)
}
