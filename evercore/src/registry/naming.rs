//! Resolves the names in a filter to the stored names that they stand for.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{AggregateEntry, AggregateType, KnownEvent};
use crate::{EventFilter, EventType, Registry, Tag};

impl Registry {
    /// Returns the aggregate type that is or was stored under a name.
    pub(crate) fn aggregate_named(&self, name: &str) -> Option<&AggregateType> {
        self.named(name).map(|entry| &entry.aggregate)
    }

    /// Returns whether an event of any version is or was written under this name.
    pub(crate) fn has_event(&self, aggregate_type: &str, event_type: &str) -> bool {
        self.named(aggregate_type).is_some_and(|entry| entry.events.contains_key(event_type))
    }

    /// Expands a filter for reading the log. Each of its names stands for a type, and for everything that the type
    /// reads: events under its aliases, and retired events that may become it.
    pub(crate) fn as_read(&self, filter: &EventFilter) -> EventFilter {
        filter.with_names(
            |aggregate| match self.named(aggregate) {
                Some(entry) => entry.aggregate.names().map(str::to_owned).collect(),
                None => vec![aggregate.to_owned()],
            },
            |aggregate, event| match self.named(aggregate) {
                Some(entry) if entry.events.contains_key(event) => {
                    entry.read_for(event).into_iter().map(str::to_owned).collect()
                }
                _ => vec![event.to_owned()],
            },
        )
    }

    /// Returns the names under which events of a type may be stored, each with that of its aggregate type: its own, its
    /// aliases, and those of retired events that may become it.
    pub(crate) fn stored_events(
        &self,
        event: &EventType,
    ) -> impl Iterator<Item = (Arc<str>, Arc<str>)> {
        let entry = self.named(event.aggregate().name());
        let aggregates = entry.into_iter().flat_map(|entry| entry.aggregate.names());
        let events = entry.map(|entry| entry.read_for(event.name())).unwrap_or_default();
        aggregates.flat_map(move |aggregate| {
            let events: Vec<_> = events.iter().map(|event| Arc::from(*event)).collect();
            events.into_iter().map(move |event| (Arc::from(aggregate), event))
        })
    }

    /// Returns the event types that declare all of these tags.
    pub(crate) fn declaring(&self, tags: &[Tag]) -> impl Iterator<Item = &EventType> {
        self.events().filter(|event| {
            let is_declared = |tag: &Tag| event.tags().iter().any(|own| own.name == tag.name());
            tags.iter().all(is_declared)
        })
    }

    /// Rewrites a filter to present names, so that two filters can be compared whichever names they were written with.
    pub(crate) fn by_present_names(&self, filter: &EventFilter) -> EventFilter {
        filter.with_names(
            |aggregate| {
                let present = self.names.get(aggregate).copied();
                vec![present.unwrap_or(aggregate).to_owned()]
            },
            |aggregate, event| {
                let present = self.named(aggregate).and_then(|entry| entry.present_name(event));
                vec![present.unwrap_or(event).to_owned()]
            },
        )
    }

    fn named(&self, aggregate_type: &str) -> Option<&AggregateEntry> {
        self.aggregates.get(self.names.get(aggregate_type)?)
    }
}

impl AggregateEntry {
    /// Returns the stored names of all events that must be read for an event with this name.
    pub(super) fn read_for(&self, event: &str) -> BTreeSet<&'static str> {
        let wanted = self.events.get(event).map_or(&[][..], Vec::as_slice);
        let retired = self.events.values().flatten().filter(|known| match known {
            KnownEvent::Current(_) => false,
            KnownEvent::Retired(retired) => retired
                .into_events()
                .iter()
                .any(|part| wanted.iter().any(|wanted| wanted.is_same_type(part))),
        });
        wanted.iter().chain(retired).flat_map(|known| known.stored().names()).collect()
    }

    /// Returns the present name of the newest type that reads this name.
    fn present_name(&self, event: &str) -> Option<&'static str> {
        let known = self.events.get(event)?.iter();
        known.max_by_key(|known| known.stored().version).map(|known| known.stored().name)
    }
}
