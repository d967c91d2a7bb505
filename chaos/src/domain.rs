//! The events that writers write: ledgers whose entries carry the number of the attempt that wrote them, and students who
//! enter and leave courses.

use std::collections::BTreeSet;

use evercore::{
    Aggregate, AggregateId, Apply, Boundary, EventMeta, Position, RecordedEvent, Result, Sequence,
    event,
};
use serde::{Deserialize, Serialize};

/// A list of entries.
#[derive(Aggregate, Debug, Default, PartialEq, Serialize, Deserialize)]
#[aggregate(snapshot_every = 10)]
pub(crate) struct Ledger {
    entries: usize,
}

/// An entry in a ledger.
#[event(aggregate = Ledger)]
pub(crate) struct Entered {
    /// The number of the attempt that wrote it, unique to that attempt.
    pub(crate) attempt: i64,
}

impl Apply<Entered> for Ledger {
    fn apply(&mut self, _event: &Entered, _meta: &EventMeta) {
        self.entries += 1;
    }
}

/// The seats of a course.
pub(crate) const SEATS: usize = 3;

/// The most courses of a student.
pub(crate) const MOST_COURSES: usize = 2;

/// A student enters or leaves a course. The decision rests on the course and the student that were asked about.
#[event(tags(course, student))]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moved {
    /// The number of the attempt that wrote it.
    pub(crate) attempt: i64,
    pub(crate) course: u32,
    pub(crate) student: u32,
    pub(crate) enters: bool,
    pub(crate) asked: Asked,
}

/// The boundaries that a decision has read, with the number of events in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) course: u32,
    pub(crate) of_course: usize,
    pub(crate) student: u32,
    pub(crate) of_student: usize,
}

/// The students of a course.
#[derive(Boundary, Debug, Default)]
#[boundary(key(course: u32), events(Moved))]
pub(crate) struct Course {
    pub(crate) students: BTreeSet<u32>,
    pub(crate) events: usize,
}

/// The courses of a student.
#[derive(Boundary, Debug, Default)]
#[boundary(key(student: u32), events(Moved))]
pub(crate) struct Student {
    pub(crate) courses: BTreeSet<u32>,
    pub(crate) events: usize,
}

impl Apply<Moved> for Course {
    fn apply(&mut self, moved: &Moved, _meta: &EventMeta) {
        self.take(moved);
    }
}

impl Apply<Moved> for Student {
    fn apply(&mut self, moved: &Moved, _meta: &EventMeta) {
        self.take(moved);
    }
}

impl Course {
    /// Applies an event. Returns whether the student was not in the course before it entered, or was before it left.
    pub(crate) fn take(&mut self, moved: &Moved) -> bool {
        self.events += 1;
        toggle(&mut self.students, moved.student, moved.enters)
    }
}

impl Student {
    /// Applies an event, as [`Course::take`].
    pub(crate) fn take(&mut self, moved: &Moved) -> bool {
        self.events += 1;
        toggle(&mut self.courses, moved.course, moved.enters)
    }
}

fn toggle(all: &mut BTreeSet<u32>, one: u32, enters: bool) -> bool {
    if enters { all.insert(one) } else { all.remove(&one) }
}

impl Moved {
    /// Decides on a student who asks for a course. One who is in it leaves. Otherwise, the student enters, or the first
    /// student of a full course leaves, or the student leaves the first of too many courses.
    pub(crate) fn decide(
        attempt: i64,
        (number, course): (u32, &Course),
        (asking, student): (u32, &Student),
    ) -> Self {
        let (of_course, of_student) = (course.events, student.events);
        let asked = Asked { course: number, of_course, student: asking, of_student };
        let moved = |course, student, enters| Self { attempt, course, student, enters, asked };
        if course.students.contains(&asking) {
            return moved(number, asking, false);
        }
        match (course.students.first(), student.courses.first()) {
            (Some(&first), _) if course.students.len() >= SEATS => moved(number, first, false),
            (_, Some(&first)) if student.courses.len() >= MOST_COURSES => {
                moved(first, asking, false)
            }
            _ => moved(number, asking, true),
        }
    }
}

/// Returns the number of the attempt that wrote an event, and the event if a student has moved.
pub(crate) fn attempt_of(event: &RecordedEvent) -> Result<(i64, Option<Moved>)> {
    if event.is::<Moved>() {
        let moved = event.decode::<Moved>()?;
        return Ok((moved.attempt, Some(moved)));
    }
    Ok((event.decode::<Entered>()?.attempt, None))
}

/// The identity of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Entry {
    pub(crate) position: Position,
    pub(crate) aggregate: AggregateId,
    pub(crate) sequence: Sequence,
}

impl From<&RecordedEvent> for Entry {
    fn from(event: &RecordedEvent) -> Self {
        Self {
            position: event.position(),
            aggregate: event.aggregate_id(),
            sequence: event.sequence(),
        }
    }
}

impl Entry {
    /// Checks numbers that were stored outside the log.
    pub(crate) fn new(position: i64, aggregate: i64, sequence: i64) -> evercore::Result<Self> {
        Ok(Self {
            position: Position::new(position)?,
            aggregate: AggregateId::new(aggregate)?,
            sequence: Sequence::new(sequence)?,
        })
    }

    /// Returns whether the parking handler fails on this event until it is mended. That is an aggregate's third event,
    /// so that some events are handled before it and later ones must wait behind it.
    pub(crate) fn is_bad(&self) -> bool {
        self.aggregate.get() % 4 == 1 && self.sequence.get() % 5 == 3
    }
}

impl std::fmt::Display for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { position, aggregate, sequence } = self;
        write!(f, "the event at position {position} (aggregate {aggregate}, sequence {sequence})")
    }
}
