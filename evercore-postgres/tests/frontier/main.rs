//! A reader of the log never passes events that are not committed yet, and waits for nothing else.

mod holders;
mod observed;
mod pages;

use std::time::Duration;

use evercore::{
    Aggregate, AggregateId, Apply, Batch, Error, EventMeta, EventStore, Position, event,
};
use evercore_postgres::{PostgresEngine, PostgresOptions};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

#[derive(Aggregate, Default)]
struct Counter(i64);

#[event(aggregate = Counter)]
struct Counted;

impl Apply<Counted> for Counter {
    fn apply(&mut self, _event: &Counted, _meta: &EventMeta) {
        self.0 += 1;
    }
}

/// A store in its own schema, with two aggregates that have one event each.
struct Log {
    store: EventStore,
    url: String,
    schema: &'static str,
    slow: AggregateId,
    fast: AggregateId,
}

impl Log {
    async fn new(schema: &'static str) -> Self {
        Self::with(schema, |options| options).await
    }

    async fn with(schema: &'static str, with: fn(PostgresOptions) -> PostgresOptions) -> Self {
        let url = throwaway_postgres::url().unwrap_or_else(|failure| panic!("{failure}"));
        let mut connection = Self::connect(&url).await;
        execute(&mut connection, format!("DROP SCHEMA IF EXISTS {schema} CASCADE")).await;
        let options: PostgresOptions = url.parse().expect("a URL");
        let options = with(options.schema(schema).expect("a schema name"));
        let engine = PostgresEngine::open(options).await.expect("the server answers");
        let store = EventStore::builder().open(engine).await.expect("it migrates");
        let slow = count(&store, None).await;
        let fast = count(&store, None).await;
        Self { store, url, schema, slow, fast }
    }

    async fn connect(url: &str) -> PgConnection {
        PgConnection::connect(url).await.expect("the server answers")
    }

    /// Opens a writer that has announced its floor and drawn a position, and then does nothing.
    async fn slow_writer(&self) -> PgConnection {
        let mut writer = Self::connect(&self.url).await;
        execute(&mut writer, "BEGIN".to_owned()).await;
        execute(&mut writer, format!("SELECT {}.announce_floor()", self.schema)).await;
        self.append(&mut writer).await;
        writer
    }

    /// Appends the slow aggregate's next event.
    async fn append(&self, writer: &mut PgConnection) {
        let sql = format!(
            "INSERT INTO {0}.events
                 (aggregate_id, sequence, event_type_id, version, codec, payload, event_time, recorded_at)
             SELECT aggregate_id, 2, event_type_id, version, codec, payload, now(), now()
             FROM {0}.events WHERE aggregate_id = {1} AND sequence = 1",
            self.schema, self.slow
        );
        execute(writer, sql).await;
    }

    /// Commits an event after the slow writer's position.
    async fn overtake(&self) {
        count(&self.store, Some(self.fast)).await;
    }

    /// Returns the aggregates of the events that a reader sees, in order.
    async fn shown(&self) -> Vec<AggregateId> {
        let page = self.store.read_log(Position::START, 100).await.expect("it can be read");
        page.events.iter().map(|event| event.aggregate_id()).collect()
    }

    /// Returns the position up to which a reader would read that relies on the highest visible position.
    async fn highest_visible(&self) -> i64 {
        let mut reader = Self::connect(&self.url).await;
        let sql = format!("SELECT max(position) FROM {}.events", self.schema);
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut reader).await.expect("a number")
    }
}

async fn execute(connection: &mut PgConnection, sql: String) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.expect("the statement is right");
}

async fn count(store: &EventStore, id: Option<AggregateId>) -> AggregateId {
    let counted = store
        .with_context(async |ctx| {
            let mut counter = match id {
                Some(id) => ctx.load::<Counter>(id).await?,
                None => ctx.create().await?,
            };
            ctx.apply(&mut counter, Counted)?;
            Ok::<_, Error>(counter.id())
        })
        .await;
    counted.expect("there is no other writer")
}

#[tokio::test]
async fn nothing_behind_an_open_writer_is_shown_before_it_ends() {
    let log = Log::new("frontier_open").await;
    let mut writer = log.slow_writer().await;
    log.overtake().await;

    assert_eq!(log.shown().await, [log.slow, log.fast]);
    let naive_cursor = log.highest_visible().await;

    execute(&mut writer, "COMMIT".to_owned()).await;
    assert_eq!(log.shown().await, [log.slow, log.fast, log.slow, log.fast]);
    let page = log.store.read_log(Position::START, 100).await.expect("it can be read");
    let late = page.events[2].position().get();
    assert!(late < naive_cursor, "the control: a naive reader at {naive_cursor} never sees {late}");
}

#[tokio::test]
async fn a_rollback_releases_what_is_behind_it() {
    let log = Log::new("frontier_rollback").await;
    let mut writer = log.slow_writer().await;
    log.overtake().await;
    assert_eq!(log.shown().await, [log.slow, log.fast]);

    execute(&mut writer, "ROLLBACK".to_owned()).await;
    assert_eq!(log.shown().await, [log.slow, log.fast, log.fast]);
}

#[tokio::test]
async fn a_savepoint_that_is_rolled_back_gives_no_floor_up() {
    let log = Log::new("frontier_savepoint").await;
    let mut writer = log.slow_writer().await;
    execute(&mut writer, "SAVEPOINT s; SELECT 1; ROLLBACK TO s".to_owned()).await;
    log.overtake().await;
    assert_eq!(log.shown().await, [log.slow, log.fast]);
    execute(&mut writer, "COMMIT".to_owned()).await;
    assert_eq!(log.shown().await, [log.slow, log.fast, log.slow, log.fast]);
}

#[tokio::test]
async fn a_lost_writer_holds_nothing_back() {
    let log = Log::new("frontier_lost").await;
    let writer = log.slow_writer().await;
    log.overtake().await;
    assert_eq!(log.shown().await, [log.slow, log.fast]);

    writer.close().await.expect("it says goodbye");
    // The server notices the closed connection asynchronously.
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    while log.shown().await.len() < 3 {
        assert!(tokio::time::Instant::now() < deadline, "the writer's floor is still held");
        tokio::task::yield_now().await;
    }
    assert_eq!(log.shown().await, [log.slow, log.fast, log.fast]);
}

#[tokio::test]
async fn a_prepared_transaction_holds_its_floor_without_a_process() {
    let log = Log::new("frontier_prepared").await;
    let mut writer = log.slow_writer().await;
    execute(&mut writer, "PREPARE TRANSACTION 'frontier_prepared'".to_owned()).await;
    writer.close().await.expect("it says goodbye");
    log.overtake().await;
    assert_eq!(log.shown().await, [log.slow, log.fast]);

    let mut other = Log::connect(&log.url).await;
    execute(&mut other, "COMMIT PREPARED 'frontier_prepared'".to_owned()).await;
    assert_eq!(log.shown().await, [log.slow, log.fast, log.slow, log.fast]);
}

#[tokio::test]
async fn unrelated_transactions_cost_nothing() {
    let log = Log::new("frontier_unrelated").await;
    let other = Log::new("frontier_other_store").await;
    let mut reader = Log::connect(&log.url).await;
    let read = format!("BEGIN; SELECT count(*) FROM {}.events", log.schema);
    execute(&mut reader, read).await;
    let mut writer = Log::connect(&log.url).await;
    execute(
        &mut writer,
        "BEGIN; CREATE TEMPORARY TABLE t (n int); INSERT INTO t VALUES (1)".to_owned(),
    )
    .await;
    let _slow_elsewhere = other.slow_writer().await;

    log.overtake().await;
    assert_eq!(log.shown().await, [log.slow, log.fast, log.fast]);
}

/// An acknowledged event that cannot be read yet is still outstanding.
#[tokio::test]
async fn a_subscription_behind_an_open_writer_is_not_idle() {
    let log = Log::new("frontier_idle").await;
    let worker = log.store.subscription("all").spawn(async |_: Batch| Ok::<_, Error>(()));
    let worker = worker.expect("a name");
    log.store.wait_until_idle("all").await.expect("it can be asked");
    let mut writer = log.slow_writer().await;
    log.overtake().await;

    let idle = log.store.wait_until_idle("all");
    let too_early = tokio::time::timeout(Duration::from_millis(500), idle).await;
    assert!(too_early.is_err(), "an event that was acknowledged is not handled");
    let stored = log.store.subscriptions().find("all").await.expect("it can be asked");
    let stored = stored.expect("it runs");
    assert_eq!((stored.cursor.get(), stored.head.get()), (2, 4));

    execute(&mut writer, "COMMIT".to_owned()).await;
    log.store.wait_until_idle("all").await.expect("it can be asked");
    assert_eq!(worker.status().handled, 4);
    worker.shutdown().await.expect("it stops");
}

#[tokio::test]
async fn a_log_without_events_is_read_to_its_start() {
    let log = Log::new("frontier_empty").await;
    let mut connection = Log::connect(&log.url).await;
    // The state before the first position was ever drawn.
    let sql =
        format!("TRUNCATE {0}.events; ALTER SEQUENCE {0}.event_positions RESTART", log.schema);
    execute(&mut connection, sql).await;
    let page = log.store.read_log(Position::START, 100).await.expect("it can be read");
    assert_eq!((page.events.len(), page.end, page.at_end), (0, Position::START, true));
}

#[tokio::test]
async fn floors_are_told_apart_beyond_32_bits() {
    for (schema, position) in [("frontier_31", 1_i64 << 31), ("frontier_32", 1_i64 << 32)] {
        let log = Log::new(schema).await;
        let mut connection = Log::connect(&log.url).await;
        // The slow writer's floor is below the boundary, its position on it, and the next position above.
        let sql = format!("SELECT setval('{schema}.event_positions', {})", position - 1);
        execute(&mut connection, sql).await;
        let mut writer = log.slow_writer().await;
        log.overtake().await;
        assert_eq!(log.shown().await, [log.slow, log.fast], "at {position}");
        execute(&mut writer, "COMMIT".to_owned()).await;
        assert_eq!(log.shown().await, [log.slow, log.fast, log.slow, log.fast], "at {position}");
    }
}
