//! Reads the log as of a moment.

use std::sync::Arc;

use evercore::engine::{
    HistoryRequest, LoadRequest, LoadedAggregate, LogPage, LogRequest, StoredSnapshot, Target,
};
use evercore::{AggregateId, Position, RecordedEvent, Sequence};

use crate::log::{Log, StoredAggregate, Version, count};

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
            Target::Id(id) => *id,
            Target::Key(key) => {
                let holder = (Arc::from(request.aggregate_type), key.clone());
                self.log.keys.get(&holder)?.at(self.version).copied().flatten()?
            }
        };
        let stored = self.stored(id)?;
        let mut loaded = LoadedAggregate {
            id,
            aggregate_type: Arc::clone(&stored.aggregate_type),
            key: stored.key.at(self.version).cloned().flatten(),
            snapshot: None,
            events: Vec::new(),
        };
        if *loaded.aggregate_type != *request.aggregate_type {
            return Some(loaded);
        }
        let visible = self.events_of(stored, request.up_to).len();
        loaded.snapshot = stored
            .snapshot
            .as_ref()
            .filter(|snapshot| request.snapshot == Some(snapshot.fingerprint))
            .filter(|snapshot| count(snapshot.sequence) <= visible)
            .map(|snapshot| StoredSnapshot {
                sequence: snapshot.sequence,
                state: snapshot.state.clone(),
            });
        let after = loaded.snapshot.as_ref().map_or(Sequence::ZERO, |snapshot| snapshot.sequence);
        loaded.events = self.page_of(stored, after, request.up_to, request.limit);
        Some(loaded)
    }

    pub(crate) fn read_history(&self, request: HistoryRequest) -> Vec<RecordedEvent> {
        let HistoryRequest { id, after, up_to, limit } = request;
        self.stored(id).map_or_else(Vec::new, |stored| self.page_of(stored, after, up_to, limit))
    }

    pub(crate) fn read_log(&self, request: &LogRequest) -> LogPage {
        let after = usize::try_from(request.after.get()).unwrap_or(usize::MAX);
        let visible = &self.log.events[..usize::try_from(self.head.get()).expect("BUG: a count")];
        let rest = visible.get(after..).unwrap_or_default();
        let is_wanted = |event: &&RecordedEvent| {
            request.correlation.is_none()
                || event.metadata().correlation_id() == request.correlation.as_deref()
        };
        let mut wanted = rest.iter().filter(is_wanted);
        let events: Vec<_> = wanted.by_ref().take(limit(request.limit)).cloned().collect();
        let at_end = wanted.next().is_none();
        let end = events.last().map_or(request.after, RecordedEvent::position);
        LogPage { events, end, at_end }
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
        events.iter().take(limit(most)).map(|&position| self.log.event(position).clone()).collect()
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

fn limit(most: u32) -> usize {
    usize::try_from(most).unwrap_or(usize::MAX)
}
