//! Connections for reads, views, and damaged rows.

use std::path::Path;
use std::time::Duration;

use evercore::engine::{LogQuery, StorageEngine};
use evercore::{Error, EventStore, Position};
use evercore_sqlite::{SqliteEngine, SqliteOptions};

use crate::account::{balance, file, open_account, store};
use crate::dropping::drop_after;
use crate::raw::execute;

fn all() -> LogQuery {
    LogQuery::new(Position::START, 100)
}

async fn small_engine(path: &Path) -> SqliteEngine {
    let options = SqliteOptions::default().readers(2).busy_timeout(Duration::from_millis(200));
    SqliteEngine::open(path, options).await.expect("it opens")
}

#[tokio::test]
async fn a_view_gives_its_connection_back_however_it_is_dropped() {
    let (_folder, path) = file();
    open_account(&store(&path).await, &[1, 2, 3]).await.expect("it commits");
    let engine = small_engine(&path).await;
    for polls in 0..20 {
        drop(engine.begin_read().await.expect("a view"));
        drop_after(polls, engine.begin_read()).await;
        let view = engine.begin_read().await.expect("a view");
        drop_after(polls, view.read_log(all())).await;
        drop(view);
    }
    let views = (engine.begin_read().await, engine.begin_read().await);
    let page = views.0.expect("a view").read_log(all()).await.expect("a page");
    assert_eq!(page.events.len(), 3);
    views.1.expect("another view");
}

#[tokio::test]
async fn more_views_than_there_may_be_are_busy_and_leave_other_reads_alone() {
    let (_folder, path) = file();
    let id = open_account(&store(&path).await, &[1]).await.expect("it commits");
    let store = EventStore::builder().open(small_engine(&path).await).await.expect("it opens");
    let held = (store.engine().begin_read().await, store.engine().begin_read().await);
    let refused = store.engine().begin_read().await.expect_err("both connections are held");
    assert!(matches!(refused, Error::Busy { .. }), "{refused:?}");
    assert!(refused.is_retryable());
    assert_eq!(store.history(id, ..).await.expect("a history").events.len(), 1);
    drop(held);
    assert_eq!(balance(&store, id).await.expect("it loads"), 1);
}

#[tokio::test]
async fn dropped_reads_give_their_connections_back() {
    let (_folder, path) = file();
    let id = open_account(&store(&path).await, &[1]).await.expect("it commits");
    let store = EventStore::builder().open(small_engine(&path).await).await.expect("it opens");
    for polls in 0..20 {
        drop_after(polls, store.history(id, ..)).await;
        drop_after(polls, store.read_log(Position::START, 10)).await;
    }
    assert_eq!(store.history(id, ..).await.expect("a history").events.len(), 1);
}

#[tokio::test]
async fn a_view_of_a_file_or_of_memory_does_not_show_later_commits() {
    let (_folder, path) = file();
    let file = SqliteEngine::open(&path, SqliteOptions::default()).await.expect("it opens");
    let memory = SqliteEngine::in_memory(SqliteOptions::default()).await.expect("it opens");
    for engine in [file, memory] {
        let store = EventStore::builder().open(engine).await.expect("it migrates");
        open_account(&store, &[1]).await.expect("it commits");
        let view = store.engine().begin_read().await.expect("a view");
        open_account(&store, &[2, 3]).await.expect("a view does not keep writers waiting");
        let (before, now) = (view.read_log(all()).await, store.engine().read_log(all()).await);
        let before = before.expect("a page");
        assert_eq!(before.events.len(), 1);
        assert!(before.at_end);
        assert_eq!(now.expect("a page").events.len(), 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_and_writers_of_a_database_in_memory_do_not_fail_each_other() {
    let store = EventStore::connect("sqlite::memory:").await.expect("it opens");
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                for _ in 0..50 {
                    let id = open_account(&store, &[1, 2]).await?;
                    assert_eq!(balance(&store, id).await?, 3);
                    assert_eq!(store.history(id, ..).await?.events.len(), 2);
                }
                Ok::<_, Error>(())
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic").expect("no failure");
    }
}

#[tokio::test]
async fn pages_of_the_log_lead_to_its_end_and_stay_there() {
    let (_folder, path) = file();
    let store = store(&path).await;
    let empty = store.read_log(Position::START, 2).await.expect("a page");
    assert!(empty.events.is_empty() && empty.at_end && empty.end == Position::START, "{empty:?}");
    open_account(&store, &[1, 2, 3, 4]).await.expect("it commits");
    let mut ends = Vec::new();
    let mut after = Position::START;
    for _ in 0..3 {
        let page = store.read_log(after, 2).await.expect("a page");
        ends.push((page.events.len(), page.end.get(), page.at_end));
        after = page.end;
    }
    assert_eq!(ends, [(2, 2, false), (2, 4, true), (0, 4, true)]);
    let beyond = store.read_log(Position::new(99).expect("a position"), 2).await.expect("a page");
    assert_eq!((beyond.events.len(), beyond.end.get(), beyond.at_end), (0, 99, true));
}

#[tokio::test]
async fn a_damaged_row_is_an_error_that_names_the_column() {
    let damages = [
        ("UPDATE events SET codec = 99", "codec"),
        ("UPDATE events SET codec = 99999", "events.codec"),
        ("UPDATE events SET event_time = 9223372036854775807", "events.event_time"),
        ("UPDATE events SET metadata = 'x', correlation_id = 'y'", "metadata column"),
        ("UPDATE events SET tags = 'course'", "tags"),
        ("UPDATE events SET tags = 'b:1' || char(10) || 'a:1'", "tags"),
        ("PRAGMA foreign_keys = OFF; UPDATE events SET event_type_id = 99", "events.event_type_id"),
    ];
    for (damage, column) in damages {
        let (_folder, path) = file();
        let store = store(&path).await;
        let id = open_account(&store, &[1]).await.expect("it commits");
        execute(&path, damage).await;
        match store.history(id, ..).await {
            Err(Error::Corrupt { what, .. }) => assert_eq!(what, column, "{damage}"),
            other => panic!("{damage}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn an_aggregate_that_lacks_its_last_event_before_a_page_ends_is_damaged() {
    let (_folder, path) = file();
    let store = store(&path).await;
    let amounts: Vec<i64> = (1..=1001).collect();
    let id = open_account(&store, &amounts).await.expect("it commits");
    assert_eq!(balance(&store, id).await.expect("two pages"), 501_501);
    execute(&path, "DELETE FROM events WHERE sequence IN (999, 1000)").await;
    let damaged = balance(&store, id).await.expect_err("the first page ends early");
    assert!(matches!(damaged, Error::Corrupt { what: "events", .. }), "{damaged:?}");
}
