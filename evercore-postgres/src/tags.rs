//! Reads events by their tags, and prepares the locks and conditions of commits.

use std::collections::BTreeMap;

use evercore::engine::{Commit, StoredEvent, TagAtom, TagPage, TagQuery, TagRequest};
use evercore::{Error, Position, RecordedEvent, Result};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{PgExecutor, Postgres};

use crate::error::classify;
use crate::readers::Readers;
use crate::row::{self, EVENT_COLUMNS, get};
use crate::statements::Statements;
use crate::types::{Known, Types};

/// The index of the frontier in the row without a position.
const FRONTIER: usize = 1;

/// The most locks on tags of a group. A commit that alone has more locks all tags of its types instead: the server has
/// room for a few thousand locks of all sessions together.
pub(crate) const MOST_LOCKS: usize = 500;

/// The atoms of queries, as the columns that `append` and `read_tagged` take: each once for each of its types.
#[derive(Debug, Default)]
pub(crate) struct AtomColumns<'a> {
    owners: Vec<i32>,
    types: Vec<Option<i32>>,
    aggregates: Vec<Option<&'a str>>,
    events: Vec<Option<&'a str>>,
    numbers: Vec<i64>,
    others: Vec<Option<String>>,
    tags: Vec<String>,
}

/// The locks on tags that a commit needs. A lock on a tag of a type stands for all events of the type that have the tag.
#[derive(Debug, Default)]
pub(crate) struct TagLocks {
    /// The types that the commit asks for or writes, by whose locks all their tags can be locked.
    types: Vec<i64>,
    /// The locks on what its conditions ask for: exclusive.
    pub(crate) asked: Vec<i64>,
    /// The locks on what its events can be found by: shared.
    pub(crate) written: Vec<i64>,
}

impl<'a> AtomColumns<'a> {
    /// Adds the atoms of the query that belongs to the `owner`th request or condition, from 1.
    pub(crate) fn push(&mut self, owner: i32, query: &'a TagQuery, known: &Known) {
        for TagAtom { types, tags } in &query.atoms {
            let Some((last, others)) = tags.split_last() else { continue };
            let texts: Vec<_> = tags.iter().map(evercore::boundary::Tag::as_str).collect();
            for StoredEvent { aggregate, event } in types {
                let id = known.event_id(aggregate, event);
                self.owners.push(owner);
                self.types.push(id);
                self.aggregates.push(id.is_none().then_some(&**aggregate));
                self.events.push(id.is_none().then_some(&**event));
                self.numbers.push(last.index());
                let others = others.iter().map(evercore::boundary::Tag::index);
                self.others.push((tags.len() > 1).then(|| numbers(others)));
                self.tags.push(texts.join("\n"));
            }
        }
    }

    /// Binds the columns of atoms that are looked for.
    fn bind<'q>(
        &'q self,
        query: Query<'q, Postgres, PgArguments>,
    ) -> Query<'q, Postgres, PgArguments> {
        self.bind_types(query).bind(&self.numbers).bind(&self.others).bind(&self.tags)
    }

    /// Binds the columns of atoms that are counted beyond a position, where one of the tags is enough to find few events.
    pub(crate) fn bind_conditions<'q>(
        &'q self,
        query: Query<'q, Postgres, PgArguments>,
    ) -> Query<'q, Postgres, PgArguments> {
        self.bind_types(query).bind(some(&self.numbers)).bind(some(&self.tags))
    }

    fn bind_types<'q>(
        &'q self,
        query: Query<'q, Postgres, PgArguments>,
    ) -> Query<'q, Postgres, PgArguments> {
        query
            .bind(some(&self.owners))
            .bind(some(&self.types))
            .bind(named(&self.aggregates))
            .bind(named(&self.events))
    }
}

impl TagLocks {
    /// Returns the locks that a commit needs.
    pub(crate) fn of(commit: &Commit) -> Self {
        let mut locks = Self::default();
        for condition in &commit.conditions {
            for TagAtom { types, tags } in &condition.query.atoms {
                // One tag is enough: an event that matches has all of them. Keys are mostly written from the general to
                // the specific, so the last one is shared with the fewest other decisions.
                let Some(tag) = tags.last() else { continue };
                for event_type in types {
                    let number = event_type.number();
                    locks.types.push(number);
                    locks.asked.push(number ^ tag.index());
                }
            }
        }
        for event in commit.events.iter().filter(|event| !event.tags.is_empty()) {
            let aggregate_type = commit.aggregate_type_of(event);
            let number = StoredEvent::number_of(aggregate_type, event.event_type);
            locks.types.push(number);
            locks.written.extend(event.tags.indexes().map(|tag| number ^ tag));
        }
        locks
    }

    /// Returns the number of locks, some of which may be the same.
    pub(crate) fn count(&self) -> usize {
        self.asked.len() + self.written.len()
    }

    /// Returns the locks of a group as the columns that `append` takes, in their order: the numbers, and whether each is
    /// exclusive.
    pub(crate) fn columns(group: &[&Self]) -> (Vec<i64>, Vec<bool>) {
        let mut tags: BTreeMap<i64, bool> = BTreeMap::new();
        for locks in group {
            for number in &locks.written {
                tags.entry(*number).or_default();
            }
            for number in &locks.asked {
                tags.insert(*number, true);
            }
        }
        let is_whole = tags.len() > MOST_LOCKS;
        if is_whole {
            tags.clear();
        }
        for number in group.iter().flat_map(|locks| &locks.types) {
            *tags.entry(*number).or_default() |= is_whole;
        }
        tags.into_iter().unzip()
    }
}

/// Reads the pages of several requests in one statement. `frontier` is known if the reader is a view.
pub(crate) async fn fetch(
    executor: impl PgExecutor<'_>,
    types: &Types,
    statements: &Statements,
    requests: &[TagRequest],
    frontier: Option<Position>,
) -> Result<Vec<PgRow>> {
    let known = types.known();
    let mut atoms = AtomColumns::default();
    for (number, request) in (1_i32..).zip(requests) {
        atoms.push(number, &request.query, &known);
    }
    let afters: Vec<_> = requests.iter().map(|request| request.after.get()).collect();
    let ends: Vec<_> = requests.iter().map(|request| request.up_to.map(Position::get)).collect();
    let mosts: Vec<_> = requests.iter().map(|request| most(request.limit)).collect();
    let query = sqlx::query(statements.read_tagged.sql())
        .bind(frontier.map(Position::get))
        .bind(&afters)
        .bind(&ends)
        .bind(&mosts);
    let rows = atoms.bind(query).fetch_all(executor).await;
    rows.map_err(|error| classify("read events by their tags", error))
}

/// Makes the pages of the rows that [`fetch`] has read.
pub(crate) async fn pages(
    mut rows: Vec<PgRow>,
    requests: &[TagRequest],
    types: &Types,
    readers: &Readers,
    statements: &Statements,
) -> Result<Vec<TagPage>> {
    let is_aside = |row: &PgRow| Ok::<_, Error>(get::<Option<i64>>(row, 0)?.is_none());
    let aside = rows.iter().map(is_aside).position(|is_aside| matches!(is_aside, Ok(true)));
    let aside = aside.map(|place| rows.remove(place));
    let aside = aside.ok_or_else(|| Error::corrupt("events", "a page has no frontier"))?;
    let frontier = Position::new(get(&aside, FRONTIER)?)?;
    let mut pages: Vec<_> =
        requests.iter().map(|_| TagPage::new(Vec::new(), frontier, true)).collect();
    let events = row::each_event(&rows, types, readers, statements).await?;
    for (row, event) in rows.iter().zip(events) {
        let number: i32 = get(row, EVENT_COLUMNS)?;
        let index = usize::try_from(number - 1).ok();
        let page = index.and_then(|index| pages.get_mut(index)).ok_or_else(|| {
            Error::corrupt("events", format!("a row is of request {number}, which there is not"))
        })?;
        page.events.push(event?);
    }
    for (page, request) in pages.iter_mut().zip(requests) {
        page.events.sort_by_key(RecordedEvent::position);
        // Each atom of the request has found its first events, and several may have found the same.
        page.events.dedup_by_key(|event| event.position());
        let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
        page.at_end = page.events.len() <= limit;
        page.events.truncate(limit);
    }
    Ok(pages)
}

/// Returns a column, or `None` if it is empty: NULL costs the server less than an array without elements.
pub(crate) fn some<T>(column: &[T]) -> Option<&[T]> {
    (!column.is_empty()).then_some(column)
}

/// Returns a column, or `None` if it has no value.
fn named<T>(column: &[Option<T>]) -> Option<&[Option<T>]> {
    column.iter().any(Option::is_some).then_some(column)
}

/// Returns the most rows to read: one more than a page has, which tells whether there are more.
fn most(limit: u32) -> i64 {
    i64::from(limit) + 1
}

/// Writes numbers as an array: `{1,2}`.
pub(crate) fn numbers(numbers: impl Iterator<Item = i64>) -> String {
    let numbers: Vec<_> = numbers.map(|number| number.to_string()).collect();
    format!("{{{}}}", numbers.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locks(asked: &[i64], written: &[i64]) -> TagLocks {
        TagLocks { types: vec![7], asked: asked.to_vec(), written: written.to_vec() }
    }

    #[test]
    fn the_locks_of_a_group_are_in_order_and_exclusive_if_one_commit_asks() {
        let (first, second) = (locks(&[5], &[9, 3]), locks(&[9], &[5]));
        let (numbers, exclusive) = TagLocks::columns(&[&first, &second]);
        assert_eq!(numbers, [3, 5, 7, 9]);
        assert_eq!(exclusive, [false, true, false, true]);
    }

    #[test]
    fn more_locks_than_the_server_has_room_for_become_those_of_the_types() {
        let many: Vec<_> = (100..).take(MOST_LOCKS + 1).collect();
        let (numbers, exclusive) = TagLocks::columns(&[&locks(&[], &many)]);
        assert_eq!((numbers, exclusive), (vec![7], vec![true]));
        let (numbers, _) = TagLocks::columns(&[&locks(&[], &many[1..])]);
        assert_eq!(numbers.len(), MOST_LOCKS + 1);
    }

    #[test]
    fn numbers_are_written_as_an_array() {
        assert_eq!(numbers([1, -2].into_iter()), "{1,-2}");
    }
}
