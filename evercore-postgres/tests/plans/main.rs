//! How the server finds what it is asked for: by indexes, also in tables that are new and were never analysed.

use std::sync::Arc;
use std::time::Duration;

use evercore::engine::{MatchRequest, SubscriptionStorage};
use evercore::{
    Aggregate, AggregateId, Apply, Error, EventFilter, EventMeta, EventStore, Expected, NaturalKey,
    Partition, Position, Sequence, Stream, event,
};
use evercore_postgres::{PostgresEngine, PostgresOptions};
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::time::{Instant, sleep};

const SCHEMA: &str = "plans";
const ACCOUNTS: usize = 500;
const EVENTS: usize = 100;

#[derive(Aggregate, Default, Serialize, Deserialize)]
#[aggregate(snapshot_every = 40)]
struct Account {
    balance: i64,
}

#[event(aggregate = Account)]
struct Deposited {
    amount: i64,
}

impl Apply<Deposited> for Account {
    fn apply(&mut self, event: &Deposited, _meta: &EventMeta) {
        self.balance += event.amount;
    }
}

fn url() -> String {
    throwaway_postgres::url().unwrap_or_else(|failure| panic!("{failure}"))
}

async fn execute(connection: &mut PgConnection, sql: impl Into<String>) {
    sqlx::raw_sql(AssertSqlSafe(sql.into())).execute(connection).await.expect("it is right");
}

async fn engine() -> Arc<PostgresEngine> {
    engine_in(SCHEMA).await
}

async fn engine_in(schema: &str) -> Arc<PostgresEngine> {
    let options: PostgresOptions = url().parse().expect("a URL");
    let options = options.schema(schema).expect("a schema name");
    Arc::new(PostgresEngine::open(options).await.expect("the server answers"))
}

async fn open(engine: Arc<PostgresEngine>) -> EventStore {
    EventStore::builder().open_shared(engine).await.expect("it migrates")
}

/// How often the tables that grow were read from end to end, and how often by an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Scans {
    whole: i64,
    by_index: i64,
}

impl Scans {
    /// What all processes have reported. They do so at their end at the latest, which is waited for.
    async fn look(sql: &mut PgConnection) -> Self {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let working: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM pg_stat_activity
                 WHERE application_name = 'evercore' AND position($1 IN query) > 0",
            )
            .bind(format!("{SCHEMA}."))
            .fetch_one(&mut *sql)
            .await
            .expect("anyone may look");
            if working == 0 {
                break;
            }
            assert!(Instant::now() < deadline, "{working} processes have not ended");
            sleep(Duration::from_millis(10)).await;
        }
        let (whole, by_index): (i64, i64) = sqlx::query_as(
            "SELECT sum(seq_scan)::bigint, sum(idx_scan)::bigint
             FROM pg_stat_user_tables
             WHERE schemaname = $1 AND relname IN ('events', 'aggregates', 'snapshots', 'commits')",
        )
        .bind(SCHEMA)
        .fetch_one(&mut *sql)
        .await
        .expect("anyone may look");
        Self { whole, by_index }
    }
}

/// All that an application does, on each account in its turn.
async fn work(store: &EventStore, engine: &PostgresEngine, accounts: &[(usize, AggregateId)]) {
    for &(n, id) in accounts {
        let key = format!("account-{n}");
        let by_id = store.with_context(async |ctx| {
            let mut account = ctx.load::<Account>(id).await?;
            ctx.apply(&mut account, Deposited { amount: 1 })?;
            ctx.change_key(&mut account, format!("{key}-renamed"))
        });
        by_id.await.expect("nobody else writes to it");
        let by_key = store.with_context(async |ctx| {
            let renamed = format!("{key}-renamed");
            let mut account = ctx.load_by_key::<Account>(renamed).await?;
            ctx.guard(&account)?;
            ctx.change_key(&mut account, key.as_str())?;
            let new = ctx.create_with_key::<Account>(format!("{key}-new")).await?;
            Ok::<_, Error>(new.id())
        });
        by_key.await.expect("nobody else writes to it");
        let append =
            store.append::<Account, _>(Stream::Id(id), Expected::Any, [Deposited { amount: 1 }]);
        let appended = append.await.expect("any state will do");

        store.find_commit(appended.committed.id).await.expect("it can be asked");
        let after = appended.committed.positions.expect("it has an event").0;
        let before = Position::new(after.get() - 1).expect("it is not negative");
        assert_eq!(store.read_log(before, 10).await.expect("it can be read").events.len(), 1);
        let history = store.with_readonly_context(async |ctx| {
            ctx.read_log(Position::START, 10).await?;
            ctx.load_as_of::<Account>(id, evercore::AsOf::Sequence(Sequence::FIRST)).await?;
            ctx.history(id, Sequence::FIRST..).await
        });
        assert!(history.await.expect("it can be read").events.len() > 1);
        let key = NaturalKey::new(key).expect("a key");
        for filter in [EventFilter::new().aggregate::<Account>(), EventFilter::new().key(key)] {
            let request = MatchRequest {
                after: before,
                limit: 10,
                filter: Arc::new(filter),
                partition: Partition::WHOLE,
            };
            let page = engine.read_matching(request).await.expect("it can be read");
            assert_eq!(page.events.len(), 1);
        }
    }
}

/// Reads everything, and each page by an index: pages are smaller than any of the tables.
async fn verify(store: &EventStore) {
    let report = store.verify().page_size(100).run().await.expect("it can be read");
    assert!(report.is_clean(), "{report}");
}

/// Accounts with their numbers, which are in their keys.
async fn seed(store: &EventStore) -> Vec<(usize, AggregateId)> {
    let mut accounts = Vec::new();
    for n in 0..ACCOUNTS {
        let create = store.with_context(async |ctx| {
            let mut account = ctx.create_with_key::<Account>(format!("account-{n}")).await?;
            for _ in 0..EVENTS {
                ctx.apply(&mut account, Deposited { amount: 1 })?;
            }
            Ok::<_, Error>(account.id())
        });
        accounts.push((n, create.await.expect("the key is free")));
    }
    accounts
}

#[tokio::test]
async fn no_growing_table_is_read_from_end_to_end() {
    let mut sql = PgConnection::connect(&url()).await.expect("the server answers");
    execute(&mut sql, format!("DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")).await;
    open(engine().await).await.close().await.expect("nothing is under way");
    for table in ["events", "aggregates", "snapshots", "commits"] {
        // So that it is as it was made: neither analysed nor vacuumed.
        let alter = format!("ALTER TABLE {SCHEMA}.{table} SET (autovacuum_enabled = false)");
        execute(&mut sql, alter).await;
    }
    let made = Scans::look(&mut sql).await;

    // From the first event on, so that plans that were made for empty tables are in it.
    let engine = engine().await;
    let store = open(Arc::clone(&engine)).await;
    let accounts = seed(&store).await;
    work(&store, &engine, &accounts[..50]).await;
    verify(&store).await;
    store.close().await.expect("nothing is under way");
    let seeded = Scans::look(&mut sql).await;
    assert!(seeded.by_index > made.by_index, "they were counted: {seeded:?}");
    assert_eq!(seeded.whole, made.whole, "on tables that grew from nothing");

    let engine = self::engine().await;
    let store = open(Arc::clone(&engine)).await;
    work(&store, &engine, &accounts[50..100]).await;
    verify(&store).await;
    store.close().await.expect("nothing is under way");
    let worked = Scans::look(&mut sql).await;
    assert!(worked.by_index > seeded.by_index, "they were counted: {worked:?}");
    assert_eq!(worked.whole, seeded.whole, "on tables of 50,000 events");

    let mut control = PgConnection::connect(&url()).await.expect("the server answers");
    execute(&mut control, format!("SELECT count(*) FROM {SCHEMA}.events WHERE codec = 7")).await;
    control.close().await.expect("nothing is under way");
    let deadline = Instant::now() + Duration::from_secs(10);
    while Scans::look(&mut sql).await.whole == worked.whole {
        assert!(Instant::now() < deadline, "the control: a table that is read whole is noticed");
        sleep(Duration::from_millis(10)).await;
    }
}

/// A function that stays one is planned anew for each page of the log.
#[tokio::test]
async fn the_floors_are_a_part_of_the_statement_that_asks_for_them() {
    let store = open(engine_in("floors").await).await;
    let mut sql = PgConnection::connect(&url()).await.expect("the server answers");
    let explain = "EXPLAIN SELECT min(f.floor) FROM floors.floors(1) AS f";
    let plan: Vec<String> = sqlx::query_scalar(explain).fetch_all(&mut sql).await.expect("a plan");
    assert!(plan.iter().any(|step| step.contains("on pg_lock_status")), "{plan:#?}");
    store.close().await.expect("nothing is under way");
}
