//! Idle transactions: which calls wait for them, and how the transactions end.

use std::time::Duration;

use evercore::engine::StorageEngine;
use evercore::{AggregateId, Batch, Error, EventStore, Position};
use evercore_postgres::{PostgresContext, PostgresEngine};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use crate::{Counted, Counter, connect, execute, open, options, server};

const WITHIN: Duration = Duration::from_secs(30);

async fn count(store: &EventStore) -> AggregateId {
    let counted = store.with_context(async |ctx| {
        let mut counter = ctx.create::<Counter>().await?;
        ctx.apply(&mut counter, Counted { number: 1 })?;
        Ok::<_, Error>(counter.id())
    });
    counted.await.expect("nothing speaks against it")
}

async fn shown(store: &EventStore) -> usize {
    store.read_log(Position::START, 100).await.expect("it can be read").events.len()
}

async fn until_shown(store: &EventStore, wanted: usize) {
    let deadline = Instant::now() + WITHIN;
    while shown(store).await < wanted {
        assert!(Instant::now() < deadline, "{} of {wanted} are shown", shown(store).await);
        // Polling without a pause would keep the server busy.
        sleep(Duration::from_millis(10)).await;
    }
}

/// Events are appended last, so a closure that hangs has not announced a floor yet.
#[tokio::test]
async fn a_transaction_whose_closure_hangs_keeps_no_reader_waiting_and_is_ended() {
    let server = server(&["fsync=off"]);
    let limit = Duration::from_secs(1);
    let url = server.url() + "?idle_in_transaction_timeout_ms=1000&answer_timeout_ms=20000";
    let options = options(&url);
    let engine = PostgresEngine::open(options).await.expect("the server answers");
    let store = EventStore::builder().open(engine).await.expect("it migrates");
    let counter = count(&store).await;
    let follower = store.subscription("all").spawn(async |_: Batch| Ok::<_, Error>(()));
    let follower = follower.expect("a name");

    let hangs = Notify::new();
    let hanging = store.with_transaction(async |ctx: &mut PostgresContext| {
        let mut counter = ctx.load::<Counter>(counter).await?;
        ctx.apply(&mut counter, Counted { number: 2 })?;
        hangs.notify_one();
        // Not a wait for a condition: the transaction stays idle for this long.
        sleep(3 * limit).await;
        Ok::<_, Error>(())
    });
    let others = async {
        hangs.notified().await;
        count(&store).await;
        store.wait_until_idle("all").await.expect("it can be asked");
        assert_eq!(shown(&store).await, 2, "what was committed meanwhile");
    };
    let (ended, ()) = tokio::join!(hanging, others);
    let error = ended.expect_err("the server has ended it");
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    assert_eq!(shown(&store).await, 2, "nothing of it has landed");
    follower.shutdown().await.expect("it stops");
}

#[tokio::test]
async fn an_unrelated_idle_transaction_blocks_no_reader() {
    let server = server(&["fsync=off"]);
    let store = open(&server.url()).await;
    count(&store).await;
    let mut idle = connect(&server).await;
    let reads = "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT count(*) FROM evercore.events";
    execute(&mut idle, reads).await;
    let mut idle_writer = connect(&server).await;
    let writes = "CREATE TABLE notes (n bigint); BEGIN; INSERT INTO notes VALUES (1)";
    execute(&mut idle_writer, writes).await;
    count(&store).await;
    assert_eq!(shown(&store).await, 2);
}

/// A writer that has announced a floor by hand and then does nothing is ended by the timeout of its role.
#[tokio::test]
async fn a_writer_that_falls_idle_holds_the_frontier_until_the_timeout_ends_it() {
    let server = server(&["fsync=off"]);
    let store = open(&server.url()).await;
    count(&store).await;
    let mut writer = connect(&server).await;
    execute(&mut writer, "BEGIN; SELECT evercore.announce_floor()").await;
    count(&store).await;
    assert_eq!(shown(&store).await, 1, "it may still append");
    let engine: &dyn StorageEngine = store.engine();
    let engine: &dyn std::any::Any = engine;
    let engine: &PostgresEngine = engine.downcast_ref().expect("it is on PostgreSQL");
    let holders = engine.frontier_holders().await.expect("the server answers");
    assert_eq!(holders.len(), 1, "{holders:?}");
    execute(&mut writer, "SET idle_in_transaction_session_timeout = '100ms'").await;
    until_shown(&store, 2).await;
}
