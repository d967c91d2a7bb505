//! The pool with which user code reads beside the writer.

use std::any::Any;
use std::time::Duration;

use evercore::error::OpenProblem;
use evercore::{Error, EventStore};
use evercore_sqlite::{SqliteContext, SqliteEngine, SqliteOptions};
use sqlx::{Connection, SqlitePool};
use tokio::time::timeout;

use crate::account::{file, open_account};
use crate::bank::BankError;

/// Generous: a commit takes milliseconds.
const BOUND: Duration = Duration::from_secs(20);

async fn open(path: &std::path::Path) -> EventStore {
    let options = SqliteOptions::default().readers(2).busy_timeout(Duration::from_millis(500));
    let engine = SqliteEngine::open(path, options).await.expect("it opens");
    EventStore::builder().open(engine).await.expect("it migrates")
}

fn engine(store: &EventStore) -> &SqliteEngine {
    (store.engine() as &dyn Any).downcast_ref().expect("it is SQLite")
}

async fn count(connection: &mut sqlx::SqliteConnection) -> i64 {
    let count = sqlx::query_scalar("SELECT count(*) FROM events");
    count.fetch_one(connection).await.expect("a number")
}

async fn insert(store: &EventStore) -> Result<(), BankError> {
    store
        .with_transaction(async |ctx: &mut SqliteContext| {
            sqlx::query("CREATE TABLE IF NOT EXISTS notes (text TEXT)")
                .execute(&mut **ctx.transaction())
                .await?;
            let insert = sqlx::query("INSERT INTO notes VALUES ('new')");
            insert.execute(&mut **ctx.transaction()).await?;
            Ok(())
        })
        .await
}

async fn notes(pool: &SqlitePool) -> i64 {
    let count = sqlx::query_scalar("SELECT count(*) FROM notes");
    count.fetch_one(pool).await.expect("a number")
}

#[tokio::test]
async fn a_long_read_blocks_no_commit() {
    let (_folder, path) = file();
    let store = open(&path).await;
    open_account(&store, &[1]).await.expect("it commits");
    let pool = engine(&store).read_pool().expect("a pool");
    let mut connection = pool.acquire().await.expect("a connection");
    let mut reading = connection.begin().await.expect("a transaction");
    let before = count(&mut reading).await;
    assert!(before >= 1);

    timeout(BOUND, open_account(&store, &[2])).await.expect("soon").expect("it commits");
    timeout(BOUND, insert(&store)).await.expect("soon").expect("it commits");
    assert_eq!(count(&mut reading).await, before, "the reader sees one moment");
    drop(reading);
    drop(connection);
    assert_eq!(notes(&pool).await, 1, "the next read sees the rest");
    store.close().await.expect("it closes");
}

#[tokio::test]
async fn a_read_does_not_wait_for_an_open_transaction() {
    let (_folder, path) = file();
    let store = open(&path).await;
    insert(&store).await.expect("it commits");
    let pool = engine(&store).read_pool().expect("a pool");
    store
        .with_transaction(async |ctx: &mut SqliteContext| {
            let delete = sqlx::query("DELETE FROM notes");
            delete.execute(&mut **ctx.transaction()).await?;
            assert_eq!(timeout(BOUND, notes(&pool)).await.expect("soon"), 1);
            Ok::<_, BankError>(())
        })
        .await
        .expect("it commits");
    assert_eq!(notes(&pool).await, 0);
}

#[tokio::test]
async fn a_write_through_the_pool_is_refused() {
    let (_folder, path) = file();
    let store = open(&path).await;
    insert(&store).await.expect("it commits");
    let pool = engine(&store).read_pool().expect("a pool");
    for write in [
        "INSERT INTO notes VALUES ('forbidden')",
        "DELETE FROM events",
        "CREATE TABLE mine (id INTEGER)",
        "PRAGMA query_only = OFF; INSERT INTO notes VALUES ('forbidden')",
    ] {
        let refused = sqlx::raw_sql(write).execute(&pool).await.expect_err("it is read-only");
        assert!(refused.to_string().contains("attempt to write a readonly database"), "{refused}");
    }
    assert_eq!(notes(&pool).await, 1);
}

#[tokio::test]
async fn the_pool_is_one_and_bounded() {
    let (_folder, path) = file();
    let store = open(&path).await;
    let pool = engine(&store).read_pool().expect("a pool");
    let again = engine(&store).read_pool().expect("a pool");
    let held = (pool.acquire().await.expect("one"), again.acquire().await.expect("two"));
    let refused = pool.acquire().await.expect_err("there are two readers");
    assert!(matches!(refused, sqlx::Error::PoolTimedOut), "{refused}");
    drop(held);
    pool.acquire().await.expect("it is free again");
}

#[tokio::test]
async fn closing_the_store_closes_the_pool() {
    let (_folder, path) = file();
    let store = open(&path).await;
    let pool = engine(&store).read_pool().expect("a pool");
    let held = pool.acquire().await.expect("a connection");
    timeout(BOUND, store.close()).await.expect("it waits no longer than told").expect("it closes");
    drop(held);
    let refused = pool.acquire().await.expect_err("it is closed");
    assert!(matches!(refused, sqlx::Error::PoolClosed), "{refused}");
    let refused = engine(&store).read_pool().expect_err("it is closed");
    assert!(matches!(refused, Error::Closed), "{refused}");
}

#[tokio::test]
async fn a_database_in_memory_has_no_pool() {
    let engine = SqliteEngine::in_memory(SqliteOptions::default()).await.expect("it opens");
    let refused = engine.read_pool().expect_err("each read would block the writer");
    let is_told = matches!(refused, Error::CannotOpen { problem: OpenProblem::InMemory, .. });
    assert!(is_told && refused.to_string().contains("in memory"), "{refused}");
}
