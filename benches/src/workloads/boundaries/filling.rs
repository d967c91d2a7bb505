//! Fills a store with events that have tags, before decisions on them are measured.

use evercore::boundary::Facts;
use evercore::{EventDraft, EventStore, event};

use super::Subscribed;
use crate::engines::{Ground, Kind};

/// The number of steps of a commit.
const AT_ONCE: usize = 3_000;

/// The number of events that a filled store has of a course.
const OF_A_COURSE: i64 = 20;

/// The name of the campus that all visits of a filled store belong to.
pub(super) const LARGE: &str = "large";

/// A visit, of about 120 bytes of JSON.
#[event(name = "campus-visited", tags(campus, student))]
pub(super) struct Visited {
    campus: String,
    student: String,
    visit: i64,
    note: String,
}

/// The contents of a filled store: each student has two subscriptions and one visit, and each course has twenty
/// subscriptions. The events of each lie scattered over the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Filled {
    pub(super) courses: i64,
    pub(super) students: i64,
}

impl Visited {
    pub(super) fn of(campus: String, student: String, visit: i64) -> Self {
        let note = "through the gate on the northern side".to_owned();
        Self { campus, student, visit, note }
    }
}

impl Filled {
    /// Returns the events of a step: those of one course lie far apart, and so do those of one student.
    fn events(self, step: i64) -> [EventDraft<Facts>; 3] {
        let Self { courses, students } = self;
        let subscribed = |number: i64| {
            let student = Self::student((number * 7) % students);
            Subscribed::of(Self::course(number % courses), student, number).into()
        };
        let visitor = Self::student((step * 11) % students);
        let visited = Visited::of(LARGE.to_owned(), visitor, step);
        [subscribed(step), subscribed(step + students), visited.into()]
    }

    pub(super) fn course(number: i64) -> String {
        format!("old-{number}")
    }

    pub(super) fn student(number: i64) -> String {
        format!("old-{number}")
    }
}

/// Fills a store that is not open with about as many events. The index of the tags is made afterwards: many random
/// places of it would otherwise be written again and again.
pub(super) async fn fill(ground: &Ground, events: i64) -> anyhow::Result<Filled> {
    let (before, after) = match ground.kind {
        Kind::Memory => return write(&ground.store().await?, events).await,
        Kind::Sqlite => (
            include_str!("filling/sqlite_before.sql"),
            &[include_str!("filling/sqlite_after.sql")][..],
        ),
        Kind::Postgres => (
            include_str!("filling/postgres_before.sql"),
            // The same as autovacuum does some time after many inserts.
            &[include_str!("filling/postgres_after.sql"), "VACUUM (ANALYZE)", "CHECKPOINT"][..],
        ),
    };
    // Creates the tables.
    ground.store().await?.close().await?;
    ground.execute(before).await?;
    let store = ground.store().await?;
    let filled = write(&store, events).await?;
    store.close().await?;
    for statements in after {
        ground.execute(statements).await?;
    }
    Ok(filled)
}

async fn write(store: &EventStore, events: i64) -> anyhow::Result<Filled> {
    let students = (events / 3).max(1);
    let filled = Filled { students, courses: (2 * students / OF_A_COURSE).max(1) };
    for first in (0..students).step_by(AT_ONCE) {
        let end = (first + i64::try_from(AT_ONCE)?).min(students);
        let drafts = || (first..end).flat_map(|number| filled.events(number));
        store.with_context(async |ctx| ctx.emit_all(drafts())).await?;
    }
    Ok(filled)
}

/// Fills a store through the engine, and returns the number of tags that its events have.
pub(in crate::workloads) async fn fill_with_tags(
    store: &EventStore,
    events: i64,
) -> anyhow::Result<i64> {
    // Three events with two tags each.
    Ok(write(store, events).await?.students * 6)
}
