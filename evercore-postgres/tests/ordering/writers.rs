//! 24 writers of four kinds.

use std::fmt;
use std::time::Duration;

use evercore::{AggregateId, Error, EventStore, Expected, Position, Stream};
use evercore_postgres::PostgresContext;
use sqlx::{AssertSqlSafe, PgConnection};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::log::{Counted, Counter, Log, create, execute};

/// Four stores with three writers each.
const STORES: usize = 4;
const WRITERS_PER_STORE: usize = 3;
/// The number of writers of each other kind.
const OTHERS: usize = 4;

/// The time between the insert and the commit of a slow transaction.
const SLOW: Duration = Duration::from_millis(20);

/// The writers that run until the time is over.
#[derive(Debug)]
pub(crate) struct Writers {
    duration: Duration,
    plain: Vec<JoinHandle<usize>>,
    slow: Vec<JoinHandle<usize>>,
    rolled_back: Vec<JoinHandle<usize>>,
    prepared: Vec<JoinHandle<usize>>,
}

/// The number of transactions of each kind.
#[derive(Debug)]
pub(crate) struct Written {
    duration: Duration,
    plain: usize,
    slow: usize,
    rolled_back: usize,
    prepared: usize,
}

/// A connection that writes without the engine, following the rules in the migrations.
struct Raw {
    connection: PgConnection,
    schema: &'static str,
    counter: AggregateId,
    /// The counter's sequence.
    sequence: i64,
}

impl Writers {
    pub(crate) async fn start(log: &Log, duration: Duration) -> Self {
        let end = Instant::now() + duration;
        let mut writers = Self {
            duration,
            plain: Vec::new(),
            slow: Vec::new(),
            rolled_back: Vec::new(),
            prepared: Vec::new(),
        };
        for _ in 0..STORES {
            let store = log.store(2).await;
            for _ in 0..WRITERS_PER_STORE {
                writers.plain.push(tokio::spawn(write(store.clone(), end)));
            }
        }
        commit_slowly(log).await;
        let store = log.store(1).await;
        for _ in 0..OTHERS {
            writers.slow.push(tokio::spawn(write_slowly(store.clone(), log.schema, end)));
        }
        for _ in 0..OTHERS {
            let raw = Raw::open(log, &store).await;
            writers.rolled_back.push(tokio::spawn(raw.roll_back(end)));
        }
        let can_prepare = max_prepared_transactions(log).await >= OTHERS;
        for n in 0..OTHERS {
            let raw = Raw::open(log, &store).await;
            let prepared = if can_prepare {
                tokio::spawn(raw.prepare(n, log.clone(), end))
            } else {
                // Keeps the number of writers at 24.
                tokio::spawn(raw.roll_back(end))
            };
            writers.prepared.push(prepared);
        }
        if !can_prepare {
            println!(
                "LEFT OUT: prepared transactions, which max_prepared_transactions of this server forbids"
            );
        }
        writers
    }

    pub(crate) async fn finish(self) -> Written {
        Written {
            duration: self.duration,
            plain: total(self.plain).await,
            slow: total(self.slow).await,
            rolled_back: total(self.rolled_back).await,
            prepared: total(self.prepared).await,
        }
    }
}

/// Appends one to three events at a time. A commit that begins after another was acknowledged must come after it.
async fn write(store: EventStore, end: Instant) -> usize {
    let counter = create(&store).await;
    let mut last = Position::START;
    let mut commits = 0;
    while Instant::now() < end {
        let events = (0..=commits % 3).map(|_| Counted);
        let append = store.append::<Counter, _>(Stream::Id(counter), Expected::Any, events);
        let appended = append.await.expect("any state will do");
        let positions = appended.committed.positions;
        let first = positions.first().expect("events have positions");
        assert!(first > last, "{first} was given after {last} was answered");
        last = positions.last().expect("events have positions");
        commits += 1;
    }
    commits
}

/// Creates a table whose rows delay a commit: deferred constraints are checked last.
async fn commit_slowly(log: &Log) {
    let sql = format!(
        "CREATE TABLE {0}.slow (counter bigint);
         CREATE FUNCTION {0}.wait() RETURNS trigger LANGUAGE plpgsql
             AS $$ BEGIN PERFORM pg_sleep({1}); RETURN NULL; END $$;
         CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON {0}.slow
             DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION {0}.wait()",
        log.schema,
        SLOW.as_secs_f64(),
    );
    execute(&mut log.sql().await, sql).await;
}

/// Runs transactions that wait between their events and their commit.
async fn write_slowly(store: EventStore, schema: &str, end: Instant) -> usize {
    let counter = create(&store).await;
    let insert = format!("INSERT INTO {schema}.slow VALUES ($1)");
    let mut commits = 0;
    while Instant::now() < end {
        let commit = store.with_transaction(async |ctx: &mut PostgresContext| {
            let mut counter = ctx.load::<Counter>(counter).await?;
            ctx.apply(&mut counter, Counted)?;
            sqlx::query(AssertSqlSafe(insert.as_str()))
                .bind(counter.id().get())
                .execute(&mut **ctx.transaction())
                .await
                .map_err(|error| Error::storage("insert a row", error))?;
            Ok::<_, Error>(())
        });
        commit.await.expect("there is no other writer");
        commits += 1;
    }
    commits
}

impl Raw {
    async fn open(log: &Log, store: &EventStore) -> Self {
        let counter = create(store).await;
        Self { connection: log.sql().await, schema: log.schema, counter, sequence: 1 }
    }

    async fn execute(&mut self, sql: String) {
        execute(&mut self.connection, sql).await;
    }

    /// Begins a transaction and inserts the counter's next two events.
    async fn insert(&mut self) {
        self.execute(format!("BEGIN; SELECT {}.announce_floor()", self.schema)).await;
        let sql = format!(
            "INSERT INTO {0}.events
                 (aggregate_id, sequence, event_type_id, version, codec, payload, event_time, recorded_at)
             SELECT aggregate_id, {2} + n, event_type_id, version, codec, payload, now(), now()
             FROM {0}.events, generate_series(1, 2) AS n
             WHERE aggregate_id = {1} AND sequence = 1",
            self.schema, self.counter, self.sequence
        );
        self.execute(sql).await;
    }

    async fn roll_back(mut self, end: Instant) -> usize {
        let mut transactions = 0;
        while Instant::now() < end {
            self.insert().await;
            self.execute("ROLLBACK".to_owned()).await;
            transactions += 1;
        }
        transactions
    }

    /// Prepares transactions and ends them later on another connection; every fourth one is rolled back.
    async fn prepare(mut self, writer: usize, log: Log, end: Instant) -> usize {
        let mut other = log.sql().await;
        let mut transactions = 0;
        while Instant::now() < end {
            let name = format!("{}_{writer}_{transactions}", log.schema);
            self.insert().await;
            self.execute(format!("PREPARE TRANSACTION '{name}'")).await;
            // The transaction has to stay prepared for a while.
            sleep(SLOW / 2).await;
            transactions += 1;
            if transactions % 4 == 0 {
                execute(&mut other, format!("ROLLBACK PREPARED '{name}'")).await;
            } else {
                execute(&mut other, format!("COMMIT PREPARED '{name}'")).await;
                self.sequence += 2;
            }
        }
        transactions
    }
}

async fn max_prepared_transactions(log: &Log) -> usize {
    let shown: String = sqlx::query_scalar("SHOW max_prepared_transactions")
        .fetch_one(&mut log.sql().await)
        .await
        .expect("anyone may look");
    shown.parse().expect("a number")
}

async fn total(tasks: Vec<JoinHandle<usize>>) -> usize {
    let mut total = 0;
    for task in tasks {
        total += task.await.expect("no writer fails");
    }
    total
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { duration, plain, slow, rolled_back, prepared } = self;
        write!(
            f,
            "in {duration:?}: {plain} plain commits, {slow} of {SLOW:?}, {rolled_back} rolled back, {prepared} prepared"
        )
    }
}
