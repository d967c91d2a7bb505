//! Walks through the index of tags, and yields the positions that could match a query.
//!
//! The rows of each tag and event type are in position order. A position must be in the rows of all tags of an atom, so
//! the walk leaps: it looks in the rows of one tag for the first position that is not before that of another. The work
//! is bounded by the rarest of the tags, whatever the others are.

use std::collections::VecDeque;

use rusqlite::{CachedStatement, params};

use crate::error::Problem;
use crate::types::EventTypeId;

/// The statement by which candidates are read; it is prepared once for several walks.
pub(super) const READ_TAG: &str = include_str!("read_tag.sql");

/// The numbers of positions that one statement reads, after a leap and at most.
const FEWEST: u32 = 32;
const MOST: u32 = 1024;

/// The positions that match by the index, each once, in order.
pub(super) struct Candidates(Vec<(i64, Strand)>);

/// The positions of events of one type that have all of some tags, by the index.
pub(super) struct Strand(Vec<Cursor>);

/// The rows of one tag and event type.
struct Cursor {
    tag: i64,
    event_type: EventTypeId,
    up_to: i64,
    /// The next positions, as far as they were read.
    ahead: VecDeque<i64>,
    /// The last position that was read.
    last: i64,
    /// Whether there are no further rows.
    is_at_end: bool,
    /// The number of positions that the last statement was to read.
    most: u32,
}

impl Candidates {
    /// Begins after a position.
    pub(super) fn new(
        read_tag: &mut CachedStatement<'_>,
        strands: impl Iterator<Item = Strand>,
        after: i64,
    ) -> Result<Self, Problem> {
        let mut begun = Vec::new();
        for mut strand in strands {
            if let Some(first) = strand.after(read_tag, after)? {
                begun.push((first, strand));
            }
        }
        Ok(Self(begun))
    }

    pub(super) fn next(
        &mut self,
        read_tag: &mut CachedStatement<'_>,
    ) -> Result<Option<i64>, Problem> {
        let Some(next) = self.0.iter().map(|(next, _)| *next).min() else { return Ok(None) };
        let mut index = 0;
        while let Some((first, strand)) = self.0.get_mut(index) {
            if *first > next {
                index += 1;
                continue;
            }
            match strand.after(read_tag, next)? {
                Some(following) => *first = following,
                None => drop(self.0.swap_remove(index)),
            }
        }
        Ok(Some(next))
    }

    /// Returns the next positions, up to a number of them.
    pub(super) fn take(
        &mut self,
        read_tag: &mut CachedStatement<'_>,
        most: usize,
    ) -> Result<Vec<i64>, Problem> {
        let mut taken = Vec::new();
        while taken.len() < most
            && let Some(next) = self.next(read_tag)?
        {
            taken.push(next);
        }
        Ok(taken)
    }
}

impl Strand {
    /// Makes a strand of the numbers of tags.
    pub(super) fn new(
        event_type: EventTypeId,
        tags: impl Iterator<Item = i64>,
        up_to: i64,
    ) -> Self {
        Self(tags.map(|tag| Cursor::new(tag, event_type, up_to)).collect())
    }

    /// Returns the first position after another one.
    fn after(
        &mut self,
        read_tag: &mut CachedStatement<'_>,
        after: i64,
    ) -> Result<Option<i64>, Problem> {
        let Some(mut at) = after.checked_add(1) else { return Ok(None) };
        'leap: loop {
            for cursor in &mut self.0 {
                match cursor.seek(read_tag, at)? {
                    None => return Ok(None),
                    Some(found) if found > at => {
                        at = found;
                        continue 'leap;
                    }
                    Some(_) => {}
                }
            }
            return Ok(Some(at));
        }
    }
}

impl Cursor {
    fn new(tag: i64, event_type: EventTypeId, up_to: i64) -> Self {
        let (ahead, last) = (VecDeque::new(), i64::MIN);
        Self { tag, event_type, up_to, ahead, last, is_at_end: false, most: FEWEST }
    }

    /// Returns the first position that is not before another one. Such positions only grow from call to call.
    fn seek(
        &mut self,
        read_tag: &mut CachedStatement<'_>,
        from: i64,
    ) -> Result<Option<i64>, Problem> {
        while self.ahead.pop_front_if(|position| *position < from).is_some() {}
        if self.ahead.is_empty() && !self.is_at_end {
            self.read(read_tag, from)?;
        }
        Ok(self.ahead.front().copied())
    }

    fn read(&mut self, read_tag: &mut CachedStatement<'_>, from: i64) -> Result<(), Problem> {
        let goes_on = self.last.checked_add(1) == Some(from);
        self.most = if goes_on { (self.most * 4).min(MOST) } else { FEWEST };
        let range = params![self.tag, self.event_type.get(), from, self.up_to, self.most];
        let mut rows = read_tag.query(range)?;
        let mut found = 0;
        while let Some(row) = rows.next()? {
            self.last = row.get(0)?;
            self.ahead.push_back(self.last);
            found += 1;
        }
        self.is_at_end = found < self.most;
        Ok(())
    }
}
