//! Finds events by their tags.

use std::iter::Peekable;
use std::sync::Arc;

use evercore::boundary::{Tag, Tags};
use evercore::engine::{Condition, TagAtom, TagPage, TagQuery, TagRequest};
use evercore::{Error, Position, RecordedEvent};
use foldhash::HashMap;

use crate::log::Log;
use crate::read::{View, to_length};

/// The positions of the events with each tag, in the order of the log.
#[derive(Debug, Default)]
pub(crate) struct TagIndex(HashMap<Box<str>, Vec<Position>>);

impl TagIndex {
    pub(crate) fn add(&mut self, tags: &Tags, position: Position) {
        tags.iter().for_each(|tag| self.add_tag(tag, position));
    }

    /// Adds an event to those that have a tag.
    pub(crate) fn add_tag(&mut self, tag: &str, position: Position) {
        match self.0.get_mut(tag) {
            Some(positions) => {
                // New events come last.
                if positions.last().is_none_or(|last| *last < position) {
                    positions.push(position);
                } else if let Err(place) = positions.binary_search(&position) {
                    positions.insert(place, position);
                }
            }
            None => drop(self.0.insert(tag.into(), vec![position])),
        }
    }

    /// Returns the positions after `after` of the events with a tag.
    fn after(&self, tag: &Tag, after: Position) -> &[Position] {
        let positions = self.0.get(tag.as_str()).map_or(&[][..], Vec::as_slice);
        &positions[positions.partition_point(|&position| position <= after)..]
    }

    /// Returns the positions of the rarest of an atom's tags, since all matching events have it.
    fn candidates(&self, atom: &TagAtom, after: Position) -> &[Position] {
        let positions = atom.tags.iter().map(|tag| self.after(tag, after));
        positions.min_by_key(|positions| positions.len()).unwrap_or_default()
    }
}

impl Log {
    /// Checks that exactly the events that a decision has seen match its condition.
    pub(crate) fn check(&self, condition: &Condition) -> Result<(), Error> {
        let Condition { query, beyond, seen, .. } = condition;
        let found = self.matching(query, *beyond).count();
        if u64::try_from(found) == Ok(*seen) { Ok(()) } else { Err(condition.conflict()) }
    }

    /// Iterates over the events after a position that match a query.
    fn matching<'a>(
        &'a self,
        query: &'a TagQuery,
        after: Position,
    ) -> impl Iterator<Item = &'a RecordedEvent> {
        let atoms = query.atoms.iter().map(|atom| self.tags.candidates(atom, after));
        merged(atoms.map(|positions| positions.iter().copied().peekable()).collect())
            .map(|position| self.event(position))
            .filter(|event| query.matches(event.aggregate_type(), event.event_type(), event.tags()))
    }
}

impl View<'_> {
    pub(crate) fn read_tagged(&self, requests: &[TagRequest]) -> Vec<TagPage> {
        requests.iter().map(|request| self.read_page(request)).collect()
    }

    fn read_page(&self, request: &TagRequest) -> TagPage {
        let TagRequest { query, after, up_to, limit } = request;
        let (query, limit) = (Arc::clone(query), to_length(*limit));
        let last = up_to.map_or(self.head, |up_to| up_to.min(self.head));
        let visible =
            self.log.matching(&query, *after).take_while(|event| event.position() <= last);
        let mut events: Vec<_> = visible.take(limit.saturating_add(1)).cloned().collect();
        let at_end = events.len() <= limit;
        events.truncate(limit);
        TagPage::new(events, self.head, at_end)
    }
}

/// Merges lists of positions into one, in which each position is once.
fn merged(
    mut lists: Vec<Peekable<impl Iterator<Item = Position>>>,
) -> impl Iterator<Item = Position> {
    std::iter::from_fn(move || {
        let next = lists.iter_mut().filter_map(|list| list.peek().copied()).min()?;
        for list in &mut lists {
            list.next_if_eq(&next);
        }
        Some(next)
    })
}
