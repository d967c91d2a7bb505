//! Processes notify each other of commits, and recover when notifications fail.

use std::time::Duration;

use evercore::engine::{LogWatch, StorageEngine};
use evercore::{Aggregate, Apply, Error, EventMeta, EventStore, event};
use evercore_postgres::{PostgresEngine, PostgresOptions};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::time::timeout;

#[derive(Aggregate, Default)]
struct Bell;

#[event(aggregate = Bell)]
struct Rung;

impl Apply<Rung> for Bell {
    fn apply(&mut self, _event: &Rung, _meta: &EventMeta) {}
}

/// Far more than a notification takes.
const BOUND: Duration = Duration::from_secs(10);

async fn process(schema: &str, with: fn(PostgresOptions) -> PostgresOptions) -> PostgresEngine {
    let url = throwaway_postgres::url().unwrap_or_else(|failure| panic!("{failure}"));
    let options: PostgresOptions = url.parse().expect("a URL");
    let options = with(options.schema(schema).expect("a schema name"));
    PostgresEngine::open(options).await.expect("the server answers")
}

async fn store(engine: &PostgresEngine) -> EventStore {
    EventStore::builder().open(engine.clone()).await.expect("it migrates")
}

async fn ring(store: &EventStore) {
    let rung = store
        .with_context(async |ctx| {
            let mut bell = ctx.create::<Bell>().await?;
            ctx.apply(&mut bell, Rung)
        })
        .await;
    rung.expect("there is no other writer");
}

/// Waits for the first wake-up: a listener sends one when it begins.
async fn listening(watch: &mut LogWatch) {
    timeout(BOUND, watch.notified()).await.expect("a listener begins with a look");
}

async fn query(sql: String) -> Vec<i32> {
    let url = throwaway_postgres::url().unwrap_or_else(|failure| panic!("{failure}"));
    let mut connection = PgConnection::connect(&url).await.expect("the server answers");
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut connection).await.expect("numbers")
}

#[tokio::test]
async fn a_commit_wakes_the_watchers_of_every_process() {
    let (here, there) = (process("bell_wakes", |o| o).await, process("bell_wakes", |o| o).await);
    let store = store(&here).await;
    let mut far = there.watch_log();
    listening(&mut far).await;
    let mut near = here.watch_log();
    ring(&store).await;
    timeout(BOUND, near.notified()).await.expect("a watcher of the same process is told");
    timeout(BOUND, far.notified()).await.expect("a watcher of another process is told");
}

#[tokio::test]
async fn no_notification_is_sent_without_a_commit() {
    let (here, there) = (process("bell_idle", |o| o).await, process("bell_idle", |o| o).await);
    let store = store(&here).await;
    let mut far = there.watch_log();
    listening(&mut far).await;
    let failed: Result<(), Error> = store
        .with_context(async |ctx| {
            let mut bell = ctx.create::<Bell>().await?;
            ctx.apply(&mut bell, Rung)?;
            Err(Error::Closed)
        })
        .await;
    assert!(failed.is_err());
    timeout(Duration::from_millis(100), far.notified()).await.expect_err("nothing was committed");
}

#[tokio::test]
async fn a_lost_listener_listens_again() {
    let (here, there) = (process("bell_lost", |o| o).await, process("bell_lost", |o| o).await);
    let store = store(&here).await;
    let mut far = there.watch_log();
    listening(&mut far).await;

    let terminated = query(
        "WITH listeners AS MATERIALIZED (
             SELECT pid FROM pg_stat_activity WHERE query = 'LISTEN \"bell_lost_log\"'
         )
         SELECT pid FROM listeners WHERE pg_terminate_backend(pid)"
            .to_owned(),
    )
    .await;
    assert_eq!(terminated.len(), 1, "one connection listens, however many watch");
    // The new listener begins with a wake-up, because notifications may have been missed.
    listening(&mut far).await;
    ring(&store).await;
    timeout(BOUND, far.notified()).await.expect("it listens again");
}

#[tokio::test]
async fn all_watchers_of_a_process_share_a_listener_that_ends_with_the_engine() {
    let listeners = || {
        query(
            "SELECT pid FROM pg_stat_activity WHERE query = 'LISTEN \"bell_shared_log\"'"
                .to_owned(),
        )
    };
    let engine = process("bell_shared", |o| o).await;
    let mut watches: Vec<_> = (0..20).map(|_| engine.watch_log()).collect();
    for watch in &mut watches {
        listening(watch).await;
    }
    assert_eq!(listeners().await.len(), 1);
    drop(engine);
    let gone = async {
        while !listeners().await.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    timeout(BOUND, gone).await.expect("the connection is closed");
}

#[tokio::test]
async fn without_notifications_the_process_is_told_of_its_own_commits_only() {
    let here = process("bell_off", PostgresOptions::without_notifications).await;
    let there = process("bell_off", |o| o).await;
    let store = store(&here).await;
    let (mut near, mut far) = (here.watch_log(), there.watch_log());
    listening(&mut far).await;
    ring(&store).await;
    timeout(BOUND, near.notified()).await.expect("a watcher of the same process is told");
    timeout(Duration::from_millis(100), far.notified())
        .await
        .expect_err("no notification was sent");
    assert!(near.poll_interval() < far.poll_interval(), "who is not told looks more often");
}
