//! Defines reads of events by their tags, and the conditions of commits that rest on such reads.

use std::sync::Arc;

use crate::{Error, Position, RecordedEvent, Tag, Tags};

/// Events by their types and tags. An event matches the query if it matches one of its atoms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagQuery {
    /// The atoms, at least one.
    pub atoms: Vec<TagAtom>,
}

/// A part of a [`TagQuery`]. An event matches it if its type is one of the types and it has all of the tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagAtom {
    /// The stored names of the types, at least one.
    pub types: Vec<StoredEvent>,
    /// The tags, at least one, each once.
    pub tags: Vec<Tag>,
}

/// The stored names of an event type: that of its aggregate type and its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoredEvent {
    /// The name of the aggregate type.
    pub aggregate: Arc<str>,
    /// The name of the event type.
    pub event: Arc<str>,
}

/// A page of the events that match a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagRequest {
    /// The query.
    pub query: Arc<TagQuery>,
    /// Only events after this position.
    pub after: Position,
    /// The last position to read.
    pub up_to: Option<Position>,
    /// The most events to return, at least 1.
    pub limit: u32,
}

/// A page of events that were found by their tags.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TagPage {
    /// All matching events that were visible when the page was read, in position order, up to the limit of the request.
    pub events: Vec<RecordedEvent>,
    /// A position before which no other event can appear any more. It was looked up before the events were read, and is
    /// that of an event that was visible then, or [`Position::START`].
    pub frontier: Position,
    /// Whether there were no further matching events.
    pub at_end: bool,
}

/// A condition of a commit: exactly `seen` events match the query after the position `beyond`.
///
/// Together with the [frontier](TagPage::frontier) of the read, this says that the decision has seen every matching
/// event, in whatever order the events became visible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The name of the boundary that was read, for messages.
    pub boundary: &'static str,
    /// The query.
    pub query: Arc<TagQuery>,
    /// A frontier that was looked up before the events were read.
    pub beyond: Position,
    /// The number of matching events after that position which were read.
    pub seen: u64,
}

impl TagQuery {
    /// Returns whether an event with these names and tags matches.
    #[must_use]
    pub fn matches(&self, aggregate_type: &str, event_type: &str, tags: &Tags) -> bool {
        self.atoms.iter().any(|atom| atom.matches(aggregate_type, event_type, tags))
    }

    /// Returns the tags of the atoms as a text, for messages: those of one atom joined with ` and `, the atoms with ` or `,
    /// and the number of those that are left out if there are many.
    #[must_use]
    pub fn tags(&self) -> String {
        const MOST_SHOWN: usize = 10;
        let mut parts: Vec<String> = Vec::new();
        let mut left = self.atoms.iter();
        while parts.len() < MOST_SHOWN
            && let Some(atom) = left.next()
        {
            let tags: Vec<_> = atom.tags.iter().map(Tag::as_str).collect();
            let part = tags.join(" and ");
            if !parts.contains(&part) {
                parts.push(part);
            }
        }
        match left.count() {
            0 => parts.join(" or "),
            more => format!("{} or {more} more", parts.join(" or ")),
        }
    }

    /// Returns the tags that all matching events have.
    pub(crate) fn common_tags(&self) -> Vec<Tag> {
        let Some((first, others)) = self.atoms.split_first() else { return Vec::new() };
        let is_common = |tag: &&Tag| others.iter().all(|atom| atom.tags.contains(tag));
        let mut common: Vec<_> = first.tags.iter().filter(is_common).cloned().collect();
        common.sort_unstable();
        common
    }

    /// Returns whether events of a type with these names can match.
    pub(crate) fn selects_type(&self, aggregate_type: &str, event_type: &str) -> bool {
        let mut types = self.atoms.iter().flat_map(|atom| &atom.types);
        types.any(|known| known.is(aggregate_type, event_type))
    }
}

impl TagAtom {
    fn matches(&self, aggregate_type: &str, event_type: &str, tags: &Tags) -> bool {
        self.types.iter().any(|known| known.is(aggregate_type, event_type))
            && self.tags.iter().all(|tag| tags.contains(tag))
    }
}

impl StoredEvent {
    /// Returns a number for the names, which is the same in every program. Two types may have the same number.
    #[must_use]
    pub fn number(&self) -> i64 {
        Self::number_of(&self.aggregate, &self.event)
    }

    /// Returns the [`number`](Self::number) of a type with these names.
    #[must_use]
    pub fn number_of(aggregate: &str, event: &str) -> i64 {
        // No name holds a NUL.
        crate::tag::number(&[aggregate, "\0", event])
    }

    fn is(&self, aggregate_type: &str, event_type: &str) -> bool {
        *self.event == *event_type && *self.aggregate == *aggregate_type
    }
}

impl TagRequest {
    /// Makes a request for up to `limit` of all events that match a query.
    #[must_use]
    pub const fn new(query: Arc<TagQuery>, limit: u32) -> Self {
        Self { query, after: Position::START, up_to: None, limit }
    }
}

impl TagPage {
    /// Makes a page.
    #[must_use]
    pub const fn new(events: Vec<RecordedEvent>, frontier: Position, at_end: bool) -> Self {
        Self { events, frontier, at_end }
    }
}

impl Condition {
    /// Makes the error for a commit whose condition does not hold.
    #[must_use]
    pub fn conflict(&self) -> Error {
        Error::BoundaryConflict { boundary: self.boundary.to_owned(), tags: self.query.tags() }
    }
}
