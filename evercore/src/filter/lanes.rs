//! Finds the lanes of events, and refuses events without one.

use super::EventFilter;
use crate::engine::Lane;
use crate::tag::{TagName, TagValues, name_problem};
use crate::{AggregateId, Error, RecordedEvent, Registry, Result, Tag, Tags};

impl EventFilter {
    /// Returns the name of the tag whose value is the lane of an event; `None` if that is its aggregate. For engines.
    #[must_use]
    pub fn lane_tag(&self) -> Option<&str> {
        self.lane.as_deref()
    }

    /// Returns the lane of an event: that of its one tag of the [name](Self::lane_tag). An event without exactly one
    /// such tag, which no handler is given, and every event if there is no name, is in the lane of its aggregate. For
    /// engines.
    #[must_use]
    pub fn lane_of(&self, aggregate_id: AggregateId, tags: &Tags) -> Lane {
        let Some(name) = self.lane_tag() else { return aggregate_id.into() };
        let mut values = tags.values(name);
        match (values.next(), values.next()) {
            (Some(value), None) => Lane::of_value(name, value),
            _ => aggregate_id.into(),
        }
    }

    /// Refuses types of the registry whose events would have no lane.
    pub(super) fn check_lane(&self, registry: &Registry) -> Result<()> {
        let Some(lane) = self.lane_tag() else { return Ok(()) };
        if let Some(problem) = name_problem(lane) {
            let (tag, problem) = (lane.to_owned(), format!("its name {problem}"));
            return Err(Error::InvalidTag { tag, problem });
        }
        let read = registry.as_read(self);
        // In the order of their names, so that the message is the same each time.
        let mut events: Vec<_> = registry.events().collect();
        events.sort_unstable_by_key(|event| (event.aggregate().name(), event.name()));
        for event in events {
            let has_name = |name: &str| event.tags().iter().any(|own| own.name == name);
            let has_tags = || self.tags.iter().map(Tag::name).all(has_name);
            if !read.names(event.aggregate().name(), event.name()) || !has_tags() {
                continue;
            }
            let problem = match event.tags().iter().find(|own| own.name == lane) {
                Some(TagName { values: TagValues::One, .. }) => continue,
                Some(_) => "its type declares the tag with any number of values, or none",
                None => "its type does not declare the tag",
            };
            return Err(Error::NoLane {
                event: format!("`{}` of `{}`", event.name(), event.aggregate().name()),
                tag: lane.to_owned(),
                problem: format!("{problem}; follow only events that have exactly one value of it"),
            });
        }
        Ok(())
    }

    /// Returns the index of the first of some events that has no lane, and the error about it.
    pub(crate) fn without_lane(&self, events: &[RecordedEvent]) -> Option<(usize, Error)> {
        let lane = self.lane_tag()?;
        let count = |event: &RecordedEvent| event.tags().values(lane).take(2).count();
        let index = events.iter().position(|event| count(event) != 1)?;
        let event = &events[index];
        let problem = if count(event) == 0 { "it has no such tag" } else { "it has several" };
        let (name, position) = (event.event_type(), event.position());
        let error = Error::NoLane {
            event: format!("`{name}` of `{}` at position {position}", event.aggregate_type()),
            tag: lane.to_owned(),
            problem: format!("{problem}; discard it, or leave its type out of the filter"),
        };
        Some((index, error))
    }
}
