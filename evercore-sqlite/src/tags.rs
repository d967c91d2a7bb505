//! Finds events by their tags, and judges conditions of commits about such events.
//!
//! The index holds a number for each tag, and two tags may have the same one. Each event that the index names is
//! therefore compared with the query by the text of its tags: a collision costs a look at an event, and changes neither
//! a page nor a verdict.

mod candidates;

use std::sync::Arc;

use evercore::boundary::{Tag, Tags};
use evercore::engine::{Condition, TagAtom, TagPage, TagQuery, TagRequest};
use evercore::{Error, Position, RecordedEvent};
use rusqlite::types::ValueRef;
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use crate::error::Problem;
use crate::log::{position, size};
use crate::read_transaction::read_transaction;
use crate::row::{Page, json, tags};
use crate::types::{EventTypeId, Names, Types};
use candidates::{Candidates, READ_TAG, Strand};

const FIND_EVENT_TYPE: &str = include_str!("tags/find_event_type.sql");
const READ_BY_TAG: &str = include_str!("tags/read_by_tag.sql");
const READ_HEAD: &str = "SELECT COALESCE(MAX(position), 0) FROM events";
const READ_POSITIONS: &str = include_str!("tags/read_positions.sql");
const READ_TAGS: &str = "SELECT event_type_id, tags FROM events WHERE position = ?1";

/// The index of the position that the index of tags names, in the rows of [`READ_BY_TAG`].
const NAMED: usize = 14;

/// The most events that one statement reads.
const MOST_AT_ONCE: usize = 1024;

/// Reads pages of one moment.
struct Pages<'a> {
    connection: &'a Connection,
    names: Arc<Names>,
    read_tag: CachedStatement<'a>,
    read_positions: CachedStatement<'a>,
    read_by_tag: CachedStatement<'a>,
    page: Page<'a>,
    head: Position,
}

/// Events of one type that have all tags of an atom.
struct Wanted<'a> {
    event_type: EventTypeId,
    atom: &'a TagAtom,
}

/// Reads a page for each request, all as of one moment. There is one writer at a time, so positions become visible in
/// order, and nothing can appear before the last visible event.
pub(crate) fn read_tagged(
    connection: &Connection,
    types: &Types,
    requests: &[TagRequest],
) -> Result<Vec<TagPage>, Problem> {
    read_transaction(connection, || {
        let head = connection.prepare_cached(READ_HEAD)?.query_one([], |row| row.get(0))?;
        let mut pages = Pages {
            connection,
            names: types.known(),
            read_tag: connection.prepare_cached(READ_TAG)?,
            read_positions: connection.prepare_cached(READ_POSITIONS)?,
            read_by_tag: connection.prepare_cached(READ_BY_TAG)?,
            page: Page::new(connection, types),
            head: position(head)?,
        };
        requests.iter().map(|request| pages.read(request)).collect()
    })
}

/// Returns the first condition that does not hold: other events match it than the decision has seen. Runs in the
/// transaction that is to store the decision's commit, before its events are written.
pub(crate) fn find_broken<'a>(
    connection: &Connection,
    names: &Names,
    conditions: &'a [Condition],
) -> Result<Option<&'a Condition>, Problem> {
    if conditions.is_empty() {
        return Ok(None);
    }
    let mut read_tag = connection.prepare_cached(READ_TAG)?;
    for condition in conditions {
        if !holds(connection, &mut read_tag, names, condition)? {
            return Ok(Some(condition));
        }
    }
    Ok(None)
}

fn holds(
    connection: &Connection,
    read_tag: &mut CachedStatement<'_>,
    names: &Names,
    condition: &Condition,
) -> Result<bool, Problem> {
    let Condition { boundary: _, query, beyond, seen } = condition;
    let wanted = resolve(connection, names, query)?;
    let mut candidates = candidates(read_tag, &wanted, *beyond, i64::MAX)?;
    let mut found = 0;
    while let Some(at) = candidates.next(read_tag)? {
        let (event_type, tags) = read_tags(connection, at)?;
        found += u64::from(wanted.iter().any(|wanted| wanted.has(event_type, &tags)));
        if found > *seen {
            return Ok(false);
        }
    }
    Ok(found == *seen)
}

impl Pages<'_> {
    fn read(&mut self, request: &TagRequest) -> Result<TagPage, Problem> {
        let TagRequest { query, after, up_to, limit } = request;
        let last = up_to.map_or(self.head, |up_to| up_to.min(self.head));
        let wanted = resolve(self.connection, &self.names, query)?;
        // One more than the page has room for, to find out whether it is the last.
        let most = size(*limit).saturating_add(1);
        if let [Wanted { event_type, atom: TagAtom { tags, .. } }] = &wanted[..]
            && let [tag] = &tags[..]
        {
            let mut events = self.read_by_tag(tag, *event_type, *after, last, most)?;
            let at_end = events.len() < most;
            events.truncate(size(*limit));
            return Ok(TagPage::new(events, self.head, at_end));
        }
        let mut candidates = candidates(&mut self.read_tag, &wanted, *after, last.get())?;
        let mut events = Vec::new();
        while events.len() < most {
            let at_once = (most - events.len()).min(MOST_AT_ONCE);
            let positions = candidates.take(&mut self.read_tag, at_once)?;
            if positions.is_empty() {
                return Ok(TagPage::new(events, self.head, true));
            }
            self.read_events(&positions, |event| {
                if query.matches(event.aggregate_type(), event.event_type(), event.tags()) {
                    events.push(event);
                }
            })?;
        }
        events.truncate(size(*limit));
        Ok(TagPage::new(events, self.head, false))
    }

    /// Reads up to `most` events of one type that have a tag. They need no candidates: one statement finds and reads them.
    fn read_by_tag(
        &mut self,
        tag: &Tag,
        event_type: EventTypeId,
        after: Position,
        last: Position,
        most: usize,
    ) -> Result<Vec<RecordedEvent>, Problem> {
        let mut events = Vec::new();
        let Some(first) = after.get().checked_add(1) else { return Ok(events) };
        let mut rows =
            self.read_by_tag.query(params![tag.index(), event_type.get(), first, last.get()])?;
        while events.len() < most
            && let Some(row) = rows.next()?
        {
            if row.get_ref(0)? == ValueRef::Null {
                return Err(astray(row.get(NAMED)?));
            }
            let is_of_type = row.get_ref(3)? == ValueRef::Integer(event_type.get());
            let event = self.page.event(row)?;
            if is_of_type && event.tags().contains(tag) {
                events.push(event);
            }
        }
        Ok(events)
    }

    fn read_events(
        &mut self,
        positions: &[i64],
        mut found: impl FnMut(RecordedEvent),
    ) -> Result<(), Problem> {
        let mut rows = self.read_positions.query([json(&positions)])?;
        for &at in positions {
            match rows.next()? {
                Some(row) if row.get::<_, i64>(0)? == at => found(self.page.event(row)?),
                _ => return Err(astray(at)),
            }
        }
        Ok(())
    }
}

/// Finds the numbers of the types of a query. A type without a number has no event.
fn resolve<'a>(
    connection: &Connection,
    names: &Names,
    query: &'a TagQuery,
) -> Result<Vec<Wanted<'a>>, Problem> {
    let mut wanted = Vec::new();
    for atom in &query.atoms {
        for stored in &atom.types {
            let known = names.aggregate(&stored.aggregate);
            let known = known.and_then(|aggregate| names.event(aggregate, &stored.event));
            let found = match known {
                Some(known) => Some(known),
                // Another process may have stored the type just now.
                None => connection
                    .prepare_cached(FIND_EVENT_TYPE)?
                    .query_one([&*stored.aggregate, &*stored.event], |row| row.get(0))
                    .optional()?
                    .map(EventTypeId::new),
            };
            wanted.extend(found.map(|event_type| Wanted { event_type, atom }));
        }
    }
    Ok(wanted)
}

fn candidates(
    read_tag: &mut CachedStatement<'_>,
    wanted: &[Wanted<'_>],
    after: Position,
    up_to: i64,
) -> Result<Candidates, Problem> {
    let strands = wanted.iter().map(|Wanted { event_type, atom }| {
        Strand::new(*event_type, atom.tags.iter().map(Tag::index), up_to)
    });
    Candidates::new(read_tag, strands, after.get())
}

fn read_tags(connection: &Connection, at: i64) -> Result<(EventTypeId, Tags), Problem> {
    let mut statement = connection.prepare_cached(READ_TAGS)?;
    let mut rows = statement.query([at])?;
    let row = rows.next()?.ok_or_else(|| astray(at))?;
    Ok((EventTypeId::new(row.get(0)?), tags(row, 1)?))
}

/// Makes the error for a position in the index that no event has. An event that is gone would otherwise be left out of
/// a decision without notice.
fn astray(at: i64) -> Problem {
    let problem = format!("it names position {at}, at which there is no event");
    Error::corrupt("event_tags", problem).into()
}

impl Wanted<'_> {
    fn has(&self, event_type: EventTypeId, tags: &Tags) -> bool {
        self.event_type == event_type && self.atom.tags.iter().all(|tag| tags.contains(tag))
    }
}
