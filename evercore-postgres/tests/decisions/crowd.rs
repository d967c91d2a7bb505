//! Clients of several stores that subscribe students to courses, by the rules or without a decision.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use evercore::engine::StorageEngine;
use evercore::{Error, EventStore, RetryPolicy};
use evercore_postgres::{PostgresEngine, PostgresOptions};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::courses::{Load, MOST_COURSES, SEATS, Seats, Seen, Subscribed};
use crate::faults::{Fault, Faulty};
use crate::judge::Judged;

/// The clients that decide, over these stores.
const DECIDERS: usize = 16;
const STORES: usize = 4;

/// The clients that write without a decision, each with a store of its own, so that they share no transaction.
const FORCERS: usize = 6;

/// The interval between the writes of a client that does not decide.
const PACE: Duration = Duration::from_millis(2);

/// The courses and students that clients meet at, and the attempts after which all go on with others.
const COURSES: usize = 8;
const STUDENTS: usize = 40;
const ATTEMPTS: usize = 200;

/// The interval between two looks at whether a crowd may stop.
const LOOK: Duration = Duration::from_millis(250);

/// A separate schema, with or without a fault.
#[derive(Debug)]
pub(crate) struct Schema {
    pub(crate) name: &'static str,
    url: String,
    fault: Fault,
}

/// The clients at work.
#[derive(Debug)]
pub(crate) struct Crowd<'a> {
    schema: &'a Schema,
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    is_over: AtomicBool,
    attempts: AtomicUsize,
    landed: AtomicUsize,
    conflicts: AtomicUsize,
}

impl Schema {
    pub(crate) async fn new(name: &'static str, fault: Fault) -> Self {
        let url = throwaway_postgres::url().unwrap_or_else(|failure| panic!("{failure}"));
        let schema = Self { name, url, fault };
        let mut sql = schema.sql().await;
        execute(&mut sql, format!("DROP SCHEMA IF EXISTS {name} CASCADE")).await;
        schema.store().await;
        execute(&mut sql, slow_commits(name)).await;
        if fault == Fault::NoLocks {
            crate::faults::leave_out_locks(&mut sql, name).await;
        }
        schema
    }

    pub(crate) async fn sql(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.expect("the server answers")
    }

    /// Opens a store, as another process would.
    pub(crate) async fn store(&self) -> EventStore {
        let options: PostgresOptions = self.url.parse().expect("a URL");
        let options = options.schema(self.name).expect("a schema name").writers(2);
        let engine = PostgresEngine::open(options).await.expect("the server answers");
        let engine: Arc<dyn StorageEngine> = match self.fault {
            Fault::None | Fault::NoLocks => Arc::new(engine),
            fault => Arc::new(Faulty { engine, fault }),
        };
        let patient = EventStore::builder().retry(RetryPolicy::default().attempts(10_000));
        let store = patient.open_shared(engine).await.expect("it migrates");
        store.warmup().await.expect("the server answers");
        store
    }
}

/// Delays some commits after they have drawn their positions: deferred constraints are checked last.
fn slow_commits(schema: &str) -> String {
    format!(
        "CREATE FUNCTION {schema}.wait() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             IF random() < 0.3 THEN PERFORM pg_sleep(random() * 0.006); END IF;
             RETURN NULL;
         END $$;
         CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON {schema}.events
             DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION {schema}.wait()"
    )
}

impl<'a> Crowd<'a> {
    pub(crate) async fn start(schema: &'a Schema) -> Self {
        let shared = Arc::<Shared>::default();
        let mut clients = Vec::new();
        for _ in 0..STORES {
            let store = schema.store().await;
            for _ in 0..DECIDERS / STORES {
                clients.push(tokio::spawn(decide(store.clone(), Arc::clone(&shared))));
            }
        }
        for _ in 0..FORCERS {
            clients.push(tokio::spawn(force(schema.store().await, Arc::clone(&shared))));
        }
        Self { schema, shared, clients }
    }

    /// Lets the clients work until a number of decisions is enough, and judges what they have
    /// written.
    pub(crate) async fn stop_when(self, is_enough: impl AsyncFn(usize) -> bool) -> Judged {
        let mut look = interval(LOOK);
        while !is_enough(self.shared.landed.load(Ordering::Relaxed)).await {
            assert!(!self.clients.iter().any(JoinHandle::is_finished), "a client has failed");
            look.tick().await;
        }
        self.shared.is_over.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.await.expect("no client fails");
        }
        let mut judged = Judged::read(self.schema).await;
        judged.conflicts = self.shared.conflicts.load(Ordering::Relaxed);
        judged
    }
}

/// Decides again and again.
async fn decide(store: EventStore, shared: Arc<Shared>) {
    while !shared.is_over.load(Ordering::Relaxed) {
        let attempt = shared.attempts.fetch_add(1, Ordering::Relaxed);
        let (course, student) = place(attempt, attempt % COURSES);
        let (course, student) = (course.as_str(), student.as_str());
        let runs = AtomicUsize::new(0);
        let decided = store.with_context(async |ctx| {
            runs.fetch_add(1, Ordering::Relaxed);
            let (seats, load) = ctx.read((Seats::of(course), Load::of(student))).await?;
            if seats.taken < SEATS && load.courses < MOST_COURSES {
                let seen = Some(Seen { of_course: seats.taken, of_student: load.courses });
                let (course, student) = (course.to_owned(), student.to_owned());
                ctx.emit(Subscribed { course, student, seen })?;
                return Ok(1);
            }
            Ok::<_, Error>(0)
        });
        let landed = decided.await.expect("it is tried again after a conflict");
        shared.landed.fetch_add(landed, Ordering::Relaxed);
        shared.conflicts.fetch_add(runs.into_inner() - 1, Ordering::Relaxed);
    }
}

/// Writes without a decision, to courses with even numbers.
async fn force(store: EventStore, shared: Arc<Shared>) {
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for step in 0.. {
        if shared.is_over.load(Ordering::Relaxed) {
            return;
        }
        pace.tick().await;
        let attempt = shared.attempts.load(Ordering::Relaxed);
        let (course, student) = place(attempt, step * 2 % COURSES);
        let emitted = store.with_context(async |ctx| {
            let (course, student) = (course.clone(), student.clone());
            ctx.emit(Subscribed { course, student, seen: None })
        });
        emitted.await.expect("it rests on nothing");
    }
}

/// Returns a course and a student of the round that an attempt belongs to.
fn place(attempt: usize, course: usize) -> (String, String) {
    let round = attempt / ATTEMPTS;
    let student = attempt.wrapping_mul(0x9E37_79B1) / 1_024 % STUDENTS;
    (format!("{round}-{course}"), format!("{round}-{student}"))
}

pub(crate) async fn execute(connection: &mut PgConnection, sql: String) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.expect("the statement is right");
}
