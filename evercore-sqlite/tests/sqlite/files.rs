//! Files that are closed, reopened, and shared.

use evercore::engine::StorageEngine;
use evercore::{EventStore, Position};
use evercore_sqlite::{SqliteEngine, SqliteOptions};

use crate::account::{Account, Deposited, balance, engine, file, open_account, store};
use crate::raw::{execute, number};

#[tokio::test]
async fn a_file_that_is_opened_again_holds_everything() {
    let (_folder, path) = file();
    let first = store(&path).await;
    let id = open_account(&first, &[1, 2, 3]).await.expect("it commits");
    let log = first.read_log(Position::START, 10).await.expect("a page");
    first.close().await.expect("it closes");

    let second = store(&path).await;
    assert_eq!(balance(&second, id).await.expect("it loads"), 6);
    assert_eq!(second.read_log(Position::START, 10).await.expect("a page"), log);
    let other = open_account(&second, &[4]).await.expect("it commits");
    assert!(other > id, "{other} was given before");
}

#[tokio::test]
async fn a_store_that_is_dropped_without_a_close_has_what_it_acknowledged() {
    let (_folder, path) = file();
    let id = open_account(&store(&path).await, &[1, 2, 3]).await.expect("it commits");
    assert_eq!(balance(&store(&path).await, id).await.expect("it loads"), 6);
}

#[tokio::test]
async fn a_closed_store_leaves_one_file_and_refuses_work() {
    let (folder, path) = file();
    let store = store(&path).await;
    let id = open_account(&store, &[1]).await.expect("it commits");
    store.close().await.expect("it closes");
    store.close().await.expect("and once more");
    let files: Vec<_> = std::fs::read_dir(folder.path())
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert_eq!(files, ["bank.db"]);
    for refused in [
        open_account(&store, &[1]).await.map(drop),
        balance(&store, id).await.map(drop),
        store.read_log(Position::START, 1).await.map(drop),
        store.migrate().await,
        store.warmup().await,
    ] {
        assert!(matches!(refused, Err(evercore::Error::Closed)), "{refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_engines_on_one_file_see_each_others_types_ids_and_events() {
    let (_folder, path) = file();
    let (one, other) = (store(&path).await, store(&path).await);
    // The other store knows no type yet, and has to find the ones that were stored.
    let id = open_account(&one, &[1]).await.expect("it commits");
    assert_eq!(balance(&other, id).await.expect("it loads"), 1);
    let second = open_account(&other, &[2]).await.expect("it commits");
    assert_ne!(id, second);

    let deposits = |store: EventStore| async move {
        for _ in 0..50 {
            store
                .with_context(async |ctx| {
                    let mut account = ctx.load::<Account>(id).await?;
                    ctx.apply(&mut account, Deposited { amount: 1 })
                })
                .await?;
        }
        Ok::<_, evercore::Error>(())
    };
    let (left, right) =
        tokio::join!(tokio::spawn(deposits(one.clone())), tokio::spawn(deposits(other.clone())));
    left.expect("no panic").expect("every deposit lands");
    right.expect("no panic").expect("every deposit lands");
    assert_eq!(balance(&one, id).await.expect("it loads"), 101);
    assert_eq!(balance(&other, id).await.expect("it loads"), 101);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_engines_that_create_one_file_at_once_all_succeed() {
    let (_folder, path) = file();
    let opening: Vec<_> = (0..8)
        .map(|_| {
            let path = path.clone();
            tokio::spawn(async move { engine(&path).await })
        })
        .collect();
    for engine in opening {
        engine.await.expect("it opens and migrates").close().await.expect("it closes");
    }
    assert_eq!(number(&path, "SELECT COUNT(*) FROM evercore_migrations").await, 3);
}

#[tokio::test]
async fn the_position_of_a_deleted_event_is_not_given_again() {
    let (_folder, path) = file();
    let store = store(&path).await;
    open_account(&store, &[1, 2, 3]).await.expect("it commits");
    execute(&path, "DELETE FROM events WHERE position = 3").await;
    open_account(&store, &[4]).await.expect("it commits");
    let log = store.read_log(Position::START, 10).await.expect("a page");
    let positions: Vec<_> = log.events.iter().map(|event| event.position().get()).collect();
    assert_eq!(positions, [1, 2, 4]);
}

#[tokio::test]
async fn a_file_with_tables_of_its_owner_keeps_them() {
    let (_folder, path) = file();
    let connection = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
    let mut connection =
        sqlx::ConnectOptions::connect(&connection.create_if_missing(true)).await.expect("it opens");
    sqlx::raw_sql("CREATE TABLE invoices (id INTEGER); INSERT INTO invoices VALUES (17);")
        .execute(&mut connection)
        .await
        .expect("it runs");
    drop(connection);
    open_account(&store(&path).await, &[1]).await.expect("it commits");
    assert_eq!(number(&path, "SELECT id FROM invoices").await, 17);
}

#[tokio::test]
async fn a_writer_that_is_kept_waiting_is_told_that_the_database_is_busy() {
    let (_folder, path) = file();
    let options = SqliteOptions::default().busy_timeout(std::time::Duration::from_millis(50));
    let engine = SqliteEngine::open(&path, options).await.expect("it opens");
    let store = EventStore::builder().open(engine).await.expect("it migrates");
    let id = open_account(&store, &[1]).await.expect("it commits");

    let mut other = crate::raw::connect(&path).await;
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.expect("it locks");
    let refused = open_account(&store, &[2]).await.expect_err("another process writes");
    assert!(matches!(refused, evercore::Error::Busy { .. }), "{refused:?}");
    assert!(refused.is_retryable());
    assert_eq!(balance(&store, id).await.expect("readers do not wait"), 1);
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.expect("it unlocks");
    open_account(&store, &[3]).await.expect("the writer has recovered");
    assert_eq!(number(&path, "SELECT COUNT(*) FROM events").await, 2);
}
