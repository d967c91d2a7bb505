//! Knows the tags of the events under each stored name, and computes those of a stored event.

use std::collections::{BTreeMap, BTreeSet};

use super::{AggregateType, KnownEvent};
use crate::{Error, RecordedEvent, Registry, Result, Tags};

/// The tags of the events that are stored under one name.
#[derive(Debug, Default)]
pub(crate) struct NamedTags {
    /// Whether this program writes events under the name.
    pub(crate) is_written: bool,
    /// The names of the tags that the events have.
    pub(crate) given: BTreeSet<&'static str>,
    /// The names of the tags that the events had, and that new ones do not get.
    pub(crate) retired: BTreeSet<&'static str>,
}

impl Registry {
    /// Returns the tags of the events under each name that is written, or that events with tags are or were stored
    /// under. Each name of an event is with that of its aggregate type.
    pub(crate) fn tags_by_name(&self) -> Vec<(AggregateType, BTreeMap<&'static str, NamedTags>)> {
        let mut all: BTreeMap<&'static str, (AggregateType, BTreeMap<_, NamedTags>)> =
            BTreeMap::new();
        for event in self.events() {
            let aggregate = event.aggregate();
            let Some(entry) = self.aggregate_stored_as(aggregate.name()) else { continue };
            let (_, names) =
                all.entry(aggregate.name()).or_insert_with(|| (aggregate, BTreeMap::new()));
            names.entry(event.name()).or_default().is_written = true;
            for name in entry.read_for(event.name()) {
                let tags = names.entry(name).or_default();
                tags.given.extend(event.tags().iter().map(|tag| tag.name));
                tags.retired.extend(event.retired_tags());
            }
        }
        for named in all.values_mut().flat_map(|(_, names)| names.values_mut()) {
            named.retired.retain(|name| !named.given.contains(name));
        }
        all.into_values().collect()
    }

    /// Computes the tags of a stored event from its fields. Those of a retired event are the tags of its parts.
    pub(crate) fn tags_of(&self, event: &RecordedEvent) -> Result<Tags> {
        let invalid = |error| match error {
            Error::InvalidTag { tag, problem } => {
                let problem = format!("{problem}; it is that of {}", event.place());
                Error::InvalidTag { tag, problem }
            }
            error => error,
        };
        match self.known_event(event) {
            Some(KnownEvent::Current(known)) => known
                .tags_of(event.payload(), event.version())
                .map_err(|problem| event.unreadable(problem))?
                .map_err(invalid),
            Some(KnownEvent::Retired(retired)) => {
                let mut tags = Tags::NONE;
                for part in event.parts(retired)? {
                    for known in retired.into_events() {
                        let own = known.tags_of_part(part.event());
                        tags = own.and_then(|own| tags.with(&own, |_| true)).map_err(invalid)?;
                    }
                }
                Ok(tags)
            }
            None => Err(Error::UnknownEvent(Box::new(event.place()))),
        }
    }
}
