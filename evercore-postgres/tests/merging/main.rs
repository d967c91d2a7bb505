//! Reads by tags that wait at the same time are one statement, and still each gets its own pages.
//!
//! A lock on the index of tags holds up the reads that are under way, so that further ones wait.

use std::sync::Arc;
use std::time::Duration;

use evercore::boundary::Tag;
use evercore::engine::{Reader, StoredEvent, TagAtom, TagPage, TagQuery, TagRequest};
use evercore::{Error, EventStore, Result, event};
use evercore_postgres::{PostgresEngine, PostgresOptions};
use futures_util::future::join_all;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::task::JoinHandle;

const COURSES: usize = 40;

/// The most reads that are under way at once: two by their callers, and those that wait.
const STATEMENTS: i64 = 3;

const PATIENCE: Duration = Duration::from_secs(30);

#[event(name = "subscribed", tags(course))]
struct Subscribed {
    course: usize,
}

/// A store in which course number `n` has `n % 7 + 1` events.
struct Courses {
    engine: PostgresEngine,
    schema: &'static str,
    inspector: PgConnection,
    /// Holds the lock. In its transaction, the activity of sessions would not be looked up again.
    locker: PgConnection,
}

impl Courses {
    async fn new(schema: &'static str) -> Self {
        let server = throwaway_postgres::url().unwrap_or_else(|failure| panic!("{failure}"));
        let mut inspector = PgConnection::connect(&server).await.expect("a connection");
        let locker = PgConnection::connect(&server).await.expect("a connection");
        let drop = format!("DROP SCHEMA IF EXISTS {schema} CASCADE");
        sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut inspector).await.expect("it is ours");
        let separator = if server.contains('?') { '&' } else { '?' };
        let url = format!("{server}{separator}application_name={schema}");
        let options: PostgresOptions = url.parse().expect("a URL");
        let options = options.schema(schema).expect("a name");
        let engine = PostgresEngine::open(options).await.expect("it opens");
        let store = EventStore::builder().open_shared(Arc::new(engine.clone())).await;
        let store = store.expect("it opens");
        for course in 0..COURSES {
            let events = (0..expected(course)).map(|_| Subscribed { course });
            store.with_context(async |ctx| ctx.emit_all(events.clone())).await.expect("it lands");
        }
        Self { engine, schema, inspector, locker }
    }

    async fn execute(&mut self, sql: String) {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.locker).await.expect("it runs");
    }

    /// Holds up all reads by tags until [`go_on`](Self::go_on).
    async fn hold_up(&mut self) {
        self.execute(format!("BEGIN; LOCK {}.event_tags", self.schema)).await;
    }

    async fn go_on(&mut self) {
        self.execute("COMMIT".to_owned()).await;
    }

    /// Starts a read of each course, each in a task of its own, and waits until none can go further.
    async fn start(&mut self) -> Vec<JoinHandle<Result<usize>>> {
        let (engine, barrier) =
            (self.engine.clone(), Arc::new(tokio::sync::Barrier::new(COURSES + 1)));
        let reads = (0..COURSES)
            .map(|course| {
                let (engine, barrier) = (engine.clone(), Arc::clone(&barrier));
                tokio::spawn(async move {
                    barrier.wait().await;
                    read(&engine, course).await
                })
            })
            .collect();
        barrier.wait().await;
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while self.held_up().await < STATEMENTS {
            assert!(tokio::time::Instant::now() < deadline, "the reads do not meet the lock");
        }
        reads
    }

    /// Returns the number of the engine's sessions that wait for a lock.
    async fn held_up(&mut self) -> i64 {
        const COUNT: &str = "SELECT count(*) FROM pg_stat_activity
            WHERE application_name = $1 AND wait_event_type = 'Lock'";
        let count = sqlx::query_scalar(COUNT).bind(self.schema).fetch_one(&mut self.inspector);
        count.await.expect("a number")
    }
}

fn expected(course: usize) -> usize {
    course % 7 + 1
}

/// Reads the events of a course, and returns their number.
async fn read(engine: &PostgresEngine, course: usize) -> Result<usize> {
    let tag = Tag::new("course", course)?;
    let stored = StoredEvent { aggregate: "evercore.facts".into(), event: "subscribed".into() };
    let atoms = vec![TagAtom { types: vec![stored], tags: vec![tag.clone()] }];
    let request = TagRequest::new(Arc::new(TagQuery { atoms }), 100);
    let pages: Vec<TagPage> = engine.read_tagged(vec![request]).await?;
    let [page] = &pages[..] else { panic!("one request has one page, not {}", pages.len()) };
    assert!(page.at_end && page.events.iter().all(|event| event.tags().contains(&tag)));
    Ok(page.events.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_that_wait_are_one_statement_and_each_gets_its_own_page() {
    let mut courses = Courses::new("merging_pages").await;
    courses.hold_up().await;
    let reads = courses.start().await;
    // Further tasks start for every sixteen reads that wait.
    let held_up = courses.held_up().await;
    assert!(
        (STATEMENTS..=STATEMENTS + 2).contains(&held_up),
        "{held_up} of {COURSES} reads hold a session"
    );
    courses.go_on().await;
    for (course, read) in join_all(reads).await.into_iter().enumerate() {
        let found = read.expect("no panic").expect("it is read");
        assert_eq!(found, expected(course), "course {course}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_fails_does_not_fail_those_that_were_merged_with_it() {
    const SPOILT: usize = 5;
    let mut courses = Courses::new("merging_failures").await;
    courses
        .execute(format!(
            "UPDATE merging_failures.events SET codec = 77 WHERE tags = 'course:{SPOILT}'"
        ))
        .await;
    courses.hold_up().await;
    let reads = courses.start().await;
    courses.go_on().await;
    for (course, read) in join_all(reads).await.into_iter().enumerate() {
        let found = read.expect("no panic");
        match course {
            SPOILT => assert!(matches!(found, Err(Error::Corrupt { .. })), "{found:?}"),
            _ => assert_eq!(found.expect("it is read"), expected(course), "course {course}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_that_stop_waiting_do_not_hold_up_others() {
    let mut courses = Courses::new("merging_drops").await;
    courses.hold_up().await;
    let reads = courses.start().await;
    // Among them those that execute their own reads, and those that the others wait behind.
    let (dropped, kept): (Vec<_>, Vec<_>) =
        reads.into_iter().enumerate().partition(|(course, _)| course % 2 == 0);
    for (_, read) in &dropped {
        read.abort();
    }
    courses.go_on().await;
    for (course, read) in kept {
        let found = tokio::time::timeout(PATIENCE, read).await.expect("it ends");
        assert_eq!(found.expect("no panic").expect("it is read"), expected(course));
    }
    let after = read(&courses.engine, 3).await;
    assert_eq!(after.expect("it is read"), expected(3), "nothing stays behind");
}
