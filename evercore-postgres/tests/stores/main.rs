//! Several stores in one database, and several processes that open the same store.

mod runtimes;

use std::time::Duration;

use evercore::engine::StorageEngine;
use evercore::error::OpenProblem;
use evercore::{
    Aggregate, AggregateId, Apply, Codec, Error, EventMeta, EventStore, Migrate, Position, event,
};
use evercore_postgres::{PostgresContext, PostgresEngine, PostgresOptions};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection};
use throwaway_postgres::{Binaries, Server};

#[derive(Aggregate, Default)]
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

fn server() -> PgConnectOptions {
    let url = throwaway_postgres::url().unwrap_or_else(|failure| panic!("{failure}"));
    url.parse().expect("a URL")
}

async fn execute(connection: &mut PgConnection, sql: impl Into<String>) {
    sqlx::raw_sql(AssertSqlSafe(sql.into())).execute(connection).await.expect("it is right");
}

/// Returns options for a schema that does not exist yet.
async fn fresh(schema: &str) -> PostgresOptions {
    let mut sql = server().connect().await.expect("the server answers");
    execute(&mut sql, format!("DROP SCHEMA IF EXISTS {schema} CASCADE")).await;
    PostgresOptions::new(server()).schema(schema).expect("a schema name")
}

async fn open(options: PostgresOptions) -> EventStore {
    let engine = PostgresEngine::open(options).await.expect("the server answers");
    EventStore::builder().open(engine).await.expect("it migrates")
}

async fn deposit(store: &EventStore, key: &str, amount: i64) -> AggregateId {
    let deposit = store.with_context(async |ctx| {
        let mut account = ctx.load_or_create::<Account>(key).await?;
        ctx.apply(&mut account, Deposited { amount })?;
        Ok::<_, Error>(account.id())
    });
    deposit.await.expect("there is no other writer")
}

async fn balance(store: &EventStore, key: &str) -> i64 {
    let load = store.with_readonly_context(async |ctx| ctx.load_by_key::<Account>(key).await);
    load.await.expect("it is there").state().balance
}

async fn positions(store: &EventStore) -> Vec<i64> {
    let page = store.read_log(Position::START, 100).await.expect("it can be read");
    page.events.iter().map(|event| event.position().get()).collect()
}

#[tokio::test]
async fn ids_keys_and_positions_of_two_stores_are_their_own() {
    // Names that contain the schema name in the SQL files.
    let one = open(fresh("evercore_one").await).await;
    let two = open(fresh("two_evercore").await).await;

    let first = deposit(&one, "ada", 7).await;
    deposit(&one, "ada", 1).await;
    let second = deposit(&two, "ada", 5).await;

    assert_eq!(first, second, "each counts from the start");
    assert_eq!((balance(&one, "ada").await, balance(&two, "ada").await), (8, 5));
    assert_eq!(positions(&one).await, [1, 2]);
    assert_eq!(positions(&two).await, [1]);
}

#[tokio::test]
async fn the_view_shows_json_and_the_bytes_of_all_else() {
    let options = fresh("stores_view").await;
    for codec in [Codec::Json, Codec::Cbor] {
        let engine = PostgresEngine::open(options.clone()).await.expect("the server answers");
        let store = EventStore::builder().codec(codec).open(engine).await.expect("it migrates");
        deposit(&store, "ada", 7).await;
    }
    let mut sql = server().connect().await.expect("the server answers");
    execute(
        &mut sql,
        "INSERT INTO stores_view.events (position, aggregate_id, sequence, event_type_id, version, codec, payload, event_time, recorded_at)
             SELECT 3, aggregate_id, 3, event_type_id, version, 101, payload, event_time, recorded_at
             FROM stores_view.events WHERE position = 2",
    )
    .await;
    let rows: Vec<(String, Option<String>, Option<Vec<u8>>)> = sqlx::query_as(
        "SELECT codec, payload::text, encoded_payload FROM stores_view.event_log ORDER BY position",
    )
    .fetch_all(&mut sql)
    .await
    .expect("three rows");
    let cbor = b"\xA1\x66amount\x07".to_vec();
    let expected = [
        ("json".to_owned(), Some(r#"{"amount": 7}"#.to_owned()), None),
        ("cbor".to_owned(), None, Some(cbor.clone())),
        ("json zstd".to_owned(), None, Some(cbor)),
    ];
    assert_eq!(rows, expected);
}

#[tokio::test]
async fn the_view_shows_every_row_whatever_is_in_it() {
    let options = fresh("stores_view_all").await;
    let engine = PostgresEngine::open(options).await.expect("the server answers");
    let store = EventStore::builder().open(engine).await.expect("it migrates");
    deposit(&store, "ada", 7).await;
    let mut sql = server().connect().await.expect("the server answers");
    execute(
        &mut sql,
        r#"INSERT INTO stores_view_all.events (
               aggregate_id, sequence, event_type_id, version, codec, payload, metadata, event_time, recorded_at
           )
           SELECT
               e.aggregate_id + more.elsewhere, more.n, e.event_type_id + more.elsewhere, 1, more.codec,
               more.payload, more.metadata, 'infinity', '-infinity'
           FROM stores_view_all.events e
           CROSS JOIN (VALUES
               (2, 1, '{"a":"\\u0000"}'::bytea, '{"b":"\u0000"}', 0),
               (3, 1, '\xff00', NULL, 0),
               (4, 1, '{"a":', 'no JSON', 0),
               (5, 1, '{"a":1e400000}', '{"b":1}', 0),
               (6, 1, '{"a":"\\ud800"}', NULL, 0),
               (7, 1, (repeat('[', 20000) || repeat(']', 20000))::bytea, NULL, 0),
               (8, 1001, '\x07', NULL, 0),
               (9, 77, '\x00', NULL, 0),
               (10, 1, 'null', NULL, 77)
           ) AS more(n, codec, payload, metadata, elsewhere)"#,
    )
    .await;
    type Shown = (i64, Option<String>, Option<i32>, Option<String>);
    let rows: Vec<Shown> = sqlx::query_as(
        "SELECT sequence, payload::text, octet_length(encoded_payload), metadata::text
         FROM stores_view_all.event_log ORDER BY sequence",
    )
    .fetch_all(&mut sql)
    .await
    .expect("they are shown");
    let text = |text: &str| Some(text.to_owned());
    let expected = [
        (1, text(r#"{"amount": 7}"#), None, None),
        (2, None, Some(14), text(r#""{\"b\":\"\\u0000\"}""#)),
        (3, None, Some(2), None),
        (4, None, Some(5), text(r#""no JSON""#)),
        (5, None, Some(14), text(r#"{"b": 1}"#)),
        (6, None, Some(14), None),
        (7, None, Some(40_000), None),
        (8, None, Some(0), None),
        (9, None, Some(1), None),
        (10, text("null"), None, None),
    ];
    assert_eq!(rows, expected);
    sqlx::query("SELECT * FROM stores_view_all.event_log")
        .fetch_all(&mut sql)
        .await
        .expect("they are shown");
}

/// The server's lock table has room for `max_locks_per_transaction` times the number of connections, in total.
#[tokio::test]
async fn a_commit_of_many_keys_needs_few_locks() {
    let small = ["fsync=off", "max_connections=15", "max_prepared_transactions=0"];
    let server = Binaries::find()
        .and_then(|binaries| Server::start(&binaries, &small))
        .unwrap_or_else(|failure| panic!("{failure}"));
    let options: PostgresOptions = server.url().parse().expect("a URL");
    let engine = PostgresEngine::open(options.readers(2)).await.expect("the server answers");
    let store = EventStore::builder().open(engine).await.expect("it migrates");
    let create = async |name: &str| {
        let created = store.with_context(async |ctx| {
            for n in 0..10_000 {
                ctx.create_with_key::<Account>(format!("{name} {n}")).await?;
            }
            Ok::<_, Error>(())
        });
        created.await
    };
    create("first").await.expect("there is room for its locks");
    // A commit of many keys and one of few keys still exclude each other from the same key.
    let few = async |key: &str| {
        let created =
            store.with_context(async |ctx| ctx.create_with_key::<Account>(key).await.map(drop));
        created.await
    };
    for round in 0..3 {
        let name = format!("round {round}");
        let key = format!("{name} 9999");
        let (many, one) = tokio::join!(create(&name), few(&key));
        assert!(many.is_ok() != one.is_ok(), "{many:?}, {one:?}");
        let refused = many.err().or(one.err());
        assert!(matches!(&refused, Some(Error::KeyTaken { .. })), "{refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_in_one_store_does_not_block_the_other() {
    let slow = open(fresh("stores_slow").await).await;
    let quick = fresh("stores_quick").await.lock_timeout(Duration::from_millis(500));
    let quick = open(quick).await;
    // A row in this table makes a commit wait for the test, while it holds all its locks.
    let mut gate = server().connect().await.expect("the server answers");
    execute(
        &mut gate,
        "CREATE TABLE stores_slow.gate (n int);
         CREATE FUNCTION stores_slow.wait() RETURNS trigger LANGUAGE plpgsql
             AS $$ BEGIN PERFORM pg_advisory_xact_lock(71331, 1); RETURN NULL; END $$;
         CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON stores_slow.gate
             DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION stores_slow.wait()",
    )
    .await;
    execute(&mut gate, "BEGIN; SELECT pg_advisory_xact_lock(71331, 1)").await;

    let store = slow.clone();
    let commit = tokio::spawn(async move {
        store
            .with_transaction(async |ctx: &mut PostgresContext| {
                let mut account = ctx.create_with_key::<Account>("ada").await?;
                ctx.apply(&mut account, Deposited { amount: 1 })?;
                sqlx::query("INSERT INTO stores_slow.gate VALUES (1)")
                    .execute(&mut **ctx.transaction())
                    .await
                    .map_err(|error| Error::storage("insert a row", error))?;
                Ok::<_, Error>(())
            })
            .await
    });
    let engine = slow.engine() as &dyn std::any::Any;
    let engine: &PostgresEngine = engine.downcast_ref().expect("it is on PostgreSQL");
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while engine.frontier_holders().await.expect("anyone may look").is_empty() {
        assert!(tokio::time::Instant::now() < deadline, "the transaction has not appended");
        tokio::task::yield_now().await;
    }

    // The same id, key and type names.
    deposit(&quick, "ada", 1).await;
    deposit(&quick, "ada", 1).await;
    assert_eq!(positions(&quick).await, [1, 2]);
    assert_eq!(positions(&slow).await, [0_i64; 0]);

    execute(&mut gate, "COMMIT").await;
    commit.await.expect("no panic").expect("nothing speaks against it");
    assert_eq!(positions(&slow).await, [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_start_at_once_on_an_empty_database_all_come_up() {
    const ROUNDS: usize = 5;
    let mut sql = server().connect().await.expect("the server answers");
    for _ in 0..ROUNDS {
        execute(&mut sql, "DROP DATABASE IF EXISTS stores_empty WITH (FORCE)").await;
        execute(&mut sql, "CREATE DATABASE stores_empty").await;
        let empty = PostgresOptions::new(server().database("stores_empty"));
        for store in open_together(&empty).await {
            deposit(&store, "ada", 1).await;
            store.close().await.expect("nothing is under way");
        }
        let store = open(empty).await;
        assert_eq!(balance(&store, "ada").await, 8);
        store.close().await.expect("nothing is under way");
    }
    execute(&mut sql, "DROP DATABASE stores_empty").await;
}

/// Opens eight stores that look like separate processes to the server.
async fn open_together(options: &PostgresOptions) -> Vec<EventStore> {
    let processes: Vec<_> = (0..8)
        .map(|_| {
            let options = options.clone().readers(2).writers(1);
            tokio::spawn(async move {
                let engine = PostgresEngine::open(options).await?;
                EventStore::builder().open(engine).await
            })
        })
        .collect();
    let mut stores = Vec::new();
    for process in processes {
        stores.push(process.await.expect("no panic").expect("it comes up"));
    }
    stores
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_start_at_once_need_no_isolation_by_default() {
    let mut sql = server().connect().await.expect("the server answers");
    execute(&mut sql, "DROP DATABASE IF EXISTS stores_isolated WITH (FORCE)").await;
    execute(&mut sql, "CREATE DATABASE stores_isolated").await;
    let set = "ALTER DATABASE stores_isolated SET default_transaction_isolation = 'serializable'";
    execute(&mut sql, set).await;
    let isolated = PostgresOptions::new(server().database("stores_isolated"));
    for store in open_together(&isolated.without_session_timeouts()).await {
        store.close().await.expect("nothing is under way");
    }
    execute(&mut sql, "DROP DATABASE stores_isolated").await;
}

#[tokio::test]
async fn migrations_that_were_run_by_hand_make_a_store() {
    let options = fresh("stores_by_hand").await;
    let engine = PostgresEngine::open(options).await.expect("the server answers");
    let mut sql = server().connect().await.expect("the server answers");
    for migration in engine.migrations() {
        execute(&mut sql, migration.sql).await;
    }

    let builder = EventStore::builder().migrate(Migrate::Manually);
    let store = builder.open(engine).await.expect("it is open already");
    deposit(&store, "ada", 7).await;
    store.migrate().await.expect("there is nothing to do");
    assert_eq!(balance(&store, "ada").await, 7);
    let recorded: Vec<i64> =
        sqlx::query_scalar("SELECT version FROM stores_by_hand.evercore_migrations ORDER BY 1")
            .fetch_all(&mut sql)
            .await
            .expect("the table is there");
    let versions: Vec<i64> = store.migrations().iter().map(|step| step.version).collect();
    assert_eq!(recorded, versions);
}

#[tokio::test]
async fn the_longest_name_of_a_schema_is_no_worse_than_others() {
    let name = "s".repeat(48);
    let options = fresh(&name).await;
    let store = open(options).await;
    deposit(&store, "ada", 7).await;
    assert_eq!(balance(&store, "ada").await, 7);
    assert_eq!(positions(&store).await, [1]);
    let mut sql = server().connect().await.expect("the server answers");
    execute(&mut sql, format!("DROP SCHEMA {name} CASCADE")).await;
}

#[tokio::test]
async fn a_database_that_cannot_keep_every_text_is_not_opened() {
    let mut sql = server().connect().await.expect("the server answers");
    for encoding in ["SQL_ASCII", "LATIN1"] {
        let name = format!("stores_{}", encoding.to_lowercase());
        execute(&mut sql, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
        let create = format!(
            "CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
        );
        execute(&mut sql, create).await;
        let opened = PostgresEngine::open(PostgresOptions::new(server().database(&name))).await;
        let refused = opened.map(drop).expect_err("it cannot keep every text");
        let Error::CannotOpen { problem: OpenProblem::NotUtf8 { encoding: found }, .. } = &refused
        else {
            panic!("it is about the encoding: {refused}")
        };
        assert_eq!(found, encoding);
        assert!(refused.to_string().contains("ENCODING 'UTF8'"), "{refused}");
        assert!(!refused.is_retryable());
        execute(&mut sql, format!("DROP DATABASE {name} WITH (FORCE)")).await;
    }
}
