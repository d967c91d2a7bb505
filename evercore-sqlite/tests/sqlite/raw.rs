//! The contents of the file, as another program sees them.

use std::path::{Path, PathBuf};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Executor, Row, SqlSafeStr, SqliteConnection,
};

use crate::account::{Deposited, engine, file, open_account, store};
use chrono::{DateTime, Utc};
use evercore::engine::StorageEngine;
use evercore::{Codec, EventOptions, EventStore, Metadata};

pub(crate) async fn connect(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).connect().await.expect("the file opens")
}

pub(crate) async fn number(path: &Path, sql: &'static str) -> i64 {
    let mut connection = connect(path).await;
    let number = sqlx::query_scalar(sql).fetch_one(&mut connection).await.expect(sql);
    connection.close().await.expect("it closes");
    number
}

pub(crate) async fn execute(path: &Path, sql: &'static str) {
    let mut connection = connect(path).await;
    sqlx::raw_sql(sql).execute(&mut connection).await.expect(sql);
    connection.close().await.expect("it closes");
}

#[tokio::test]
async fn the_printed_migrations_are_the_files_and_make_the_schema() {
    let (_folder, path) = file();
    let engine = engine(&path).await;
    let printed = engine.migrations();
    let mut files = sql_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations"));
    files.sort();
    let contents: Vec<_> =
        files.iter().map(|file| std::fs::read_to_string(file).expect("a file")).collect();
    assert_eq!(
        printed.iter().map(|step| &step.sql).collect::<Vec<_>>(),
        contents.iter().collect::<Vec<_>>()
    );

    let (_by_hand_folder, by_hand) = file();
    let mut connection = SqliteConnectOptions::new()
        .filename(&by_hand)
        .create_if_missing(true)
        .connect()
        .await
        .expect("it opens");
    for step in printed {
        sqlx::raw_sql(AssertSqlSafe(step.sql)).execute(&mut connection).await.expect("it runs");
    }
    connection.close().await.expect("it closes");
    let store = store(&by_hand).await;
    open_account(&store, &[1]).await.expect("the schema that was made by hand is complete");
    let schema = "SELECT group_concat(sql, ';' ORDER BY name) FROM sqlite_schema";
    let mut schemas = Vec::new();
    for path in [&path, &by_hand] {
        let mut connection = connect(path).await;
        let schema: String =
            sqlx::query_scalar(schema).fetch_one(&mut connection).await.expect("a schema");
        schemas.push(schema);
    }
    assert_eq!(schemas[0], schemas[1]);
}

#[tokio::test]
async fn every_statement_prepares() {
    let (_folder, path) = file();
    engine(&path).await.close().await.expect("it closes");
    execute(&path, "ANALYZE").await;
    let mut connection = connect(&path).await;
    let statements = statements();
    assert!(statements.len() > 10, "found only {}", statements.len());
    for (file, sql) in statements {
        let prepared = (&mut connection).prepare(AssertSqlSafe(sql).into_sql_str()).await;
        prepared.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
}

#[tokio::test]
async fn no_statement_reads_a_whole_table_of_the_log() {
    let (_folder, path) = file();
    engine(&path).await.close().await.expect("it closes");
    // ANALYZE finds nothing yet, but creates the tables for its statistics.
    execute(&path, "ANALYZE").await;
    let mut connection = connect(&path).await;
    let tables = [
        "events",
        "e",
        "h",
        "aggregates",
        "a",
        "k",
        "commits",
        "c",
        "snapshots",
        "s",
        "event_tags",
        "i",
        "tasks",
        "ended_tasks",
    ];
    for (file, sql) in statements() {
        // The first three are about the names of types, which are few, read once, and written once, and `declare.sql`
        // looks for one aggregate of a type whose name is new. The next one is for the first run of a subscription that
        // starts at a time, because clocks need not agree with the positions.
        let exceptions = [
            "unique/declare.sql",
            "read_types.sql",
            "register_aggregate_types.sql",
            "register_event_types.sql",
            "resolve_start.sql",
        ];
        if exceptions.iter().any(|exception| file.ends_with(exception)) {
            continue;
        }
        for line in plan(&mut connection, &sql).await {
            let scanned = line.strip_prefix("SCAN ").and_then(|line| line.split(' ').next());
            assert!(
                !scanned.is_some_and(|table| tables.contains(&table)),
                "{}: {line}",
                file.display()
            );
            // There are few subscriptions and queues, and few rows in a page.
            let sorting = [
                "list.sql",
                "heartbeat.sql",
                "find_free.sql",
                "inspection/aggregates.sql",
                "inspection/subscriptions.sql",
                "tasks/queues.sql",
            ];
            let sorts_a_few = sorting.iter().any(|few| file.ends_with(few));
            assert!(sorts_a_few || !line.contains("TEMP B-TREE"), "{}: {line}", file.display());
        }
    }
}

/// Settling a batch and unparking an event must not scan the parked events.
#[tokio::test]
async fn recording_a_batch_scans_no_parked_events() {
    let (_folder, path) = file();
    engine(&path).await.close().await.expect("it closes");
    let mut connection = connect(&path).await;
    let recording = [
        "end_redrive.sql",
        "heartbeat.sql",
        "park.sql",
        "parked_lanes.sql",
        "redrive_lane.sql",
        "redrive_event.sql",
        "unpark.sql",
    ];
    let is_recording = |file: &PathBuf| recording.iter().any(|recording| file.ends_with(recording));
    let statements: Vec<_> =
        statements().into_iter().filter(|(file, _)| is_recording(file)).collect();
    assert_eq!(statements.len(), recording.len());
    for (file, sql) in statements {
        for line in plan(&mut connection, &sql).await {
            let is_of_parked = ["kept ", "parked_events "].iter().any(|table| line.contains(table));
            let is_looked_up =
                ["position=?)", "lane=?", "redrive_at<?)", "parked_events_to_redrive"]
                    .iter()
                    .any(|by| line.contains(by));
            assert!(!is_of_parked || is_looked_up, "{}: {line}", file.display());
        }
    }
}

/// Statistics that ANALYZE has gathered about a small log must not affect the plans for a large one.
#[tokio::test]
async fn no_plan_depends_on_old_statistics() {
    let plans = async |path: &Path| {
        let mut connection = connect(path).await;
        let mut plans = Vec::new();
        for (file, sql) in statements() {
            plans.push((file, plan(&mut connection, &sql).await));
        }
        plans
    };
    let (_folder, path) = file();
    engine(&path).await.close().await.expect("it closes");
    execute(&path, "ANALYZE").await;
    let right = plans(&path).await;

    let store = store(&path).await;
    open_account(&store, &[7]).await.expect("it commits");
    store.close().await.expect("it closes");
    execute(&path, "CREATE TABLE mine (n INTEGER); INSERT INTO mine VALUES (1); ANALYZE").await;
    assert_ne!(plans(&path).await, right, "the control: of one event, it would be read whole");
    engine(&path).await.close().await.expect("it closes");
    let after_one = plans(&path).await;
    assert_eq!(after_one, right);
    let kept = "SELECT count(*) FROM sqlite_stat1";
    assert_eq!(number(&path, kept).await, 1, "those of the user's table");

    let store = self::store(&path).await;
    for _ in 0..10 {
        open_account(&store, &[1; 100]).await.expect("it commits");
    }
    store.close().await.expect("it closes");
    execute(&path, "ANALYZE").await;
    engine(&path).await.close().await.expect("it closes");
    assert_eq!(plans(&path).await, right);
}

#[tokio::test]
async fn the_view_shows_every_row_whatever_is_in_it() {
    let (_folder, path) = file();
    let store = store(&path).await;
    open_account(&store, &[1, 2, 3, 4, 5, 6, 7, 8]).await.expect("it commits");
    store.close().await.expect("it closes");
    execute(
        &path,
        r#"UPDATE events SET payload = CAST('{"amount":"\u0000"}' AS BLOB) WHERE position = 1;
           UPDATE events SET payload = x'FF00' WHERE position = 2;
           UPDATE events SET payload = CAST('{"amount":' AS BLOB) WHERE position = 3;
           UPDATE events SET payload = CAST('{"amount":1e400000}' AS BLOB) WHERE position = 4;
           UPDATE events SET codec = 1001, payload = x'07' WHERE position = 5;
           UPDATE events SET codec = 77, metadata = 'no JSON' WHERE position = 6;
           UPDATE events SET event_type_id = 77, event_time = 9223372036854775807 WHERE position = 7;
           UPDATE events SET aggregate_id = 77 WHERE position = 8;"#,
    )
    .await;
    let mut connection = connect(&path).await;
    let rows: Vec<(i64, String, Vec<u8>)> = sqlx::query_as(
        "SELECT position, typeof(payload), CAST(payload AS BLOB) FROM event_log ORDER BY position",
    )
    .fetch_all(&mut connection)
    .await
    .expect("they are shown");
    let shown: Vec<_> = rows.iter().map(|(_, kind, payload)| (&**kind, &**payload)).collect();
    let json: &[u8] = br#"{"amount":8}"#;
    let expected: [(&str, &[u8]); 8] = [
        ("text", br#"{"amount":"\u0000"}"#),
        ("blob", b"\xFF\x00"),
        ("blob", br#"{"amount":"#),
        ("text", br#"{"amount":1e400000}"#),
        ("blob", b""),
        ("blob", br#"{"amount":6}"#),
        ("text", br#"{"amount":7}"#),
        ("text", json),
    ];
    assert_eq!(shown, expected);
    let all = sqlx::query("SELECT * FROM event_log").fetch_all(&mut connection).await;
    assert_eq!(all.expect("they are shown").len(), 8);
}

#[tokio::test]
async fn the_view_shows_the_log_to_people() {
    let (_folder, path) = file();
    let store = store(&path).await;
    let time: DateTime<Utc> = "1969-12-31T23:59:59.000001Z".parse().expect("a time");
    store
        .with_context(async |ctx| {
            let mut account = ctx.create_with_key::<crate::account::Account>("NL91").await?;
            let metadata = Metadata::new().correlation("order-17").principal("ada");
            let options = EventOptions::new().at(time).reference("r-1").metadata(metadata);
            ctx.apply_with(&mut account, Deposited { amount: 7 }, options)
        })
        .await
        .expect("it commits");
    let mut connection = connect(&path).await;
    let row =
        sqlx::query("SELECT * FROM event_log").fetch_one(&mut connection).await.expect("a row");
    let text = |column: &str| row.try_get::<String, _>(column).expect("a text");
    assert_eq!(text("aggregate_type"), "account");
    assert_eq!(text("natural_key"), "NL91");
    assert_eq!(text("event_type"), "deposited");
    assert_eq!(text("event_time"), "1969-12-31T23:59:59.000001Z");
    assert_eq!(text("codec"), "json");
    assert_eq!(text("payload"), r#"{"amount":7}"#);
    assert_eq!(text("reference"), "r-1");
    assert_eq!(text("correlation_id"), "order-17");
    assert_eq!(text("metadata"), r#"{"principal":"ada"}"#);
    let recorded_at: DateTime<Utc> = text("recorded_at").parse().expect("a time");
    assert!((Utc::now() - recorded_at).num_seconds().abs() < 60, "{recorded_at}");
}

#[tokio::test]
async fn the_view_shows_payloads_that_are_not_json_as_their_bytes() {
    let (_folder, path) = file();
    for builder in [
        EventStore::builder().codec(Codec::Cbor),
        EventStore::builder().codec(Codec::MessagePack).compress_above(0),
        EventStore::builder().compress_above(0),
    ] {
        let store = builder.open(engine(&path).await).await.expect("it opens");
        open_account(&store, &[7]).await.expect("it commits");
        store.close().await.expect("it closes");
    }
    execute(&path, "UPDATE events SET codec = 101 WHERE position = 3").await;
    let mut connection = connect(&path).await;
    let rows: Vec<(String, Vec<u8>)> =
        sqlx::query_as("SELECT codec, payload FROM event_log ORDER BY position")
            .fetch_all(&mut connection)
            .await
            .expect("three rows");
    let codecs: Vec<_> = rows.iter().map(|(codec, _)| codec.as_str()).collect();
    // Compression does not make such a small payload smaller.
    assert_eq!(codecs, ["cbor", "messagepack", "json zstd"]);
    assert_eq!(rows[0].1, b"\xA1\x66amount\x07");
    assert_eq!(rows[1].1, b"\x81\xA6amount\x07");
}

/// Returns all SQL files of the engine; those of inserts are completed with a row of values.
fn statements() -> Vec<(PathBuf, String)> {
    let files = sql_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let read = |file: PathBuf| {
        let mut sql = std::fs::read_to_string(&file).expect("a file");
        if file.ends_with("insert_events.sql") {
            sql.push_str("(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
        }
        if file.ends_with("insert_tagged_events.sql") {
            sql.push_str("(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
        }
        if file.ends_with("insert_event_tags.sql") {
            sql.push_str("(?, ?, ?)");
        }
        (file, sql)
    };
    files.into_iter().map(read).collect()
}

fn sql_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(sql_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "sql") {
            files.push(path);
        }
    }
    files
}

/// Returns SQLite's plan of each statement in a file, line by line.
async fn plan(connection: &mut SqliteConnection, sql: &str) -> Vec<String> {
    let without_comments: Vec<&str> = sql.lines().filter(|line| !line.starts_with("--")).collect();
    let mut lines = Vec::new();
    for statement in without_comments.join("\n").split(';').map(str::trim) {
        if statement.is_empty() || statement == "COMMIT" || statement.starts_with("BEGIN") {
            continue;
        }
        let explain = ["EXPLAIN QUERY PLAN ", statement].concat();
        let rows = sqlx::query(AssertSqlSafe(explain)).fetch_all(&mut *connection).await;
        for row in rows.unwrap_or_else(|error| panic!("{statement}: {error}")) {
            lines.push(row.try_get::<String, _>("detail").expect("a detail"));
        }
    }
    lines
}
