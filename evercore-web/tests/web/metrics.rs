//! Scrapes of a store that works, and of one whose database is down.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use evercore::engine::StorageEngine;
use evercore::task;
use evercore::task::{Claimed, Handlers, Task, TaskError};
use evercore::{
    Error, EventStore, FailurePolicy, HandlerRetry, RecordedEvent, Result, RetryPolicy, each,
};
use evercore_memory::MemoryEngine;
use evercore_sqlite::{SqliteEngine, SqliteOptions};
use evercore_web::Metrics;

use crate::client::Server;
use crate::engine::{Mood, Watched};
use crate::exposition::Exposition;
use crate::lamps::{self, Lamp, Switched};
use crate::until;

#[task(queue = "errands")]
struct Errand {
    is_possible: bool,
}

/// Leaves a dead, a due and a scheduled task in a queue that is paused.
async fn leave_errands(store: &EventStore) -> Result<()> {
    store.enqueue(Errand { is_possible: false }).await?;
    let handlers = Handlers::new().on(async |errand: Claimed<Errand>| {
        assert!(!errand.is_possible);
        Err(TaskError::permanent("it is impossible"))
    });
    assert_eq!(store.queue("errands").run_due(handlers).await?.dead, 1);
    store.enqueue(Errand { is_possible: true }).await?;
    let later = Task::new(Errand { is_possible: true }).after(Duration::from_secs(3_600));
    store.enqueue(later).await?;
    store.queues().pause("errands").await
}

/// Works with a store so that each metric has something to count, and returns what a scrape says.
pub(crate) async fn scraped(engine: Arc<dyn StorageEngine>) -> Result<Exposition> {
    let metrics = Metrics::new();
    let patient = RetryPolicy::default().longest(Duration::from_millis(5));
    let builder = EventStore::builder().observer(metrics.clone()).retry(patient);
    let store = builder.cache_aggregates(100).open_shared(engine).await?;
    let server = Server::start(metrics.router(&store)).await;

    // Stored, and in the cache after it.
    let bad = lamps::create(&store).await?;
    lamps::create(&store).await?;
    lamps::switch(&store, bad).await?;
    conflict(&store, bad).await?;
    let key = async || {
        store.with_context(async |ctx| ctx.create_with_key::<Lamp>("kitchen").await.map(drop)).await
    };
    // Neither in the cache nor in storage.
    store.with_context(async |ctx| ctx.find_by_key::<Lamp>("cellar").await.map(drop)).await?;
    key().await?;
    let taken = key().await;
    assert!(matches!(taken, Err(Error::KeyTaken { .. })), "{taken:?}");
    store
        .with_context(async |ctx| {
            let mut lamp = ctx.load::<Lamp>(bad).await?;
            ctx.apply(&mut lamp, Switched { is_on: true })?;
            ctx.apply(&mut lamp, Switched { is_on: false })
        })
        .await?;

    leave_errands(&store).await?;

    let retry = HandlerRetry::default().attempts(2).longest(Duration::from_millis(5));
    let handler = each(
        async move |event: RecordedEvent| {
            if event.aggregate_id() == bad { Err("not to my taste") } else { Ok(()) }
        },
    );
    let policy = FailurePolicy::park().retry(retry);
    let worker = store.subscription("letters").on_failure(policy).spawn(handler)?;
    store.wait_until_idle("letters").await?;
    let read = until("the engine and the worker have reported all", async || {
        let answer = server.get("/metrics").await;
        assert_eq!(
            (answer.status, &*answer.content_type),
            (200, "text/plain; version=0.0.4; charset=utf-8")
        );
        let read = Exposition::read(&answer.text);
        let letters = Some(("subscription", "letters"));
        (read.value("evercore_subscription_leases", letters) == Some(1.0)
            && read.value("evercore_subscription_parked", letters) == Some(7.0)
            && read.value("evercore_parked_events_total", letters) == Some(7.0))
        .then_some(read)
    });
    let read = read.await;
    worker.shutdown().await?;
    Ok(read)
}

/// Makes a context conflict twice. A conflict on a cached state is no rerun yet: the state had to be proven first.
async fn conflict(store: &EventStore, id: evercore::AggregateId) -> Result<()> {
    let (rival, attempts) = (store.detached(), AtomicU32::new(0));
    store
        .with_context(async |ctx| {
            let mut lamp = ctx.load::<Lamp>(id).await?;
            if attempts.fetch_add(1, Ordering::Relaxed) < 2 {
                lamps::switch(&rival, id).await?;
            }
            ctx.apply(&mut lamp, Switched { is_on: true })
        })
        .await
}

fn assert_plausible(read: &Exposition) {
    let value = |name: &str, label| read.value(&format!("evercore_{name}"), label);
    let commits = |answer| value("commit_duration_seconds_count", Some(("answer", answer)));
    let letters = |name| value(name, Some(("subscription", "letters")));
    assert_eq!(value("up", None), Some(1.0));
    assert_eq!(commits("stored"), Some(8.0 + 3.0));
    assert_eq!(commits("conflict"), Some(2.0));
    assert_eq!(commits("refused"), Some(1.0));
    assert_eq!(commits("failed"), Some(0.0));
    assert_eq!(value("stored_events_total", None), Some(8.0));
    assert_eq!(value("reruns_total", None), Some(1.0));
    assert!(value("load_duration_seconds_count", None) >= Some(1.0), "{read:?}");
    assert!(value("cache_lookups_total", Some(("result", "hit"))) >= Some(1.0), "{read:?}");
    assert!(value("cache_lookups_total", Some(("result", "miss"))) >= Some(1.0), "{read:?}");
    assert_eq!(letters("handled_events_total"), Some(1.0));
    assert_eq!(letters("handler_retries_total"), Some(1.0));
    assert_eq!(letters("handler_duration_seconds_count"), Some(1.0));
    assert_eq!(letters("subscription_lag_positions"), Some(0.0));
    assert_eq!(letters("subscription_lag_seconds"), Some(0.0));
    assert_eq!(letters("subscription_paused"), Some(0.0));
    let errands = |name| value(name, Some(("queue", "errands")));
    for gauge in ["queue_due", "queue_scheduled", "queue_dead", "queue_paused"] {
        assert_eq!(errands(gauge), Some(1.0), "{gauge}");
    }
    assert_eq!(errands("queue_running"), Some(0.0));
    assert!(errands("queue_wait_seconds") < Some(60.0), "{read:?}");
    let stored = Some(("answer", "stored"));
    for (name, label) in
        [("commit_duration_seconds_sum", stored), ("load_duration_seconds_sum", None)]
    {
        let sum = value(name, label).expect("it is there");
        assert!(sum > 0.0 && sum < 60.0, "{name} {sum}");
    }
}

#[tokio::test]
async fn a_scrape_counts_what_a_store_in_memory_did() -> Result<()> {
    assert_plausible(&scraped(Arc::new(MemoryEngine::new())).await?);
    Ok(())
}

#[tokio::test]
async fn a_scrape_counts_what_a_store_on_sqlite_did() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let engine =
        SqliteEngine::open(folder.path().join("lamps.db"), SqliteOptions::default()).await?;
    let read = scraped(Arc::new(engine)).await?;
    assert_plausible(&read);
    assert_eq!(read.value("evercore_group_commits_sum", None), Some(11.0 + 3.0));
    assert!(read.value("evercore_group_duration_seconds_count", None) >= Some(1.0), "{read:?}");
    Ok(())
}

#[tokio::test]
async fn a_scrape_succeeds_while_the_database_is_down() -> Result<()> {
    let (engine, metrics) = (Arc::new(Watched::default()), Metrics::new());
    let builder = EventStore::builder().observer(metrics.clone());
    let store = builder.open_shared(engine.clone()).await?;
    lamps::create(&store).await?;
    let handler = each(async |_: RecordedEvent| Ok::<_, Error>(()));
    let worker = store.subscription("letters").spawn(handler)?;
    store.wait_until_idle("letters").await?;
    worker.shutdown().await?;
    let server = Server::start(metrics.router(&store)).await;
    let gauges = ["lag_seconds", "lag_positions", "parked", "leases", "paused"];
    for (mood, up) in
        [(Mood::Answers, 1.0), (Mood::Fails, 0.0), (Mood::Answers, 1.0), (Mood::Hangs, 0.0)]
    {
        engine.set(mood);
        let began = Instant::now();
        let read = until("the scrape notices", async || {
            let answer = server.get("/metrics").await;
            assert_eq!(answer.status, 200, "{answer:?}");
            let read = Exposition::read(&answer.text);
            (read.value("evercore_up", None) == Some(up)).then_some(read)
        });
        let read = read.await;
        assert!(began.elapsed() < Duration::from_secs(15), "{mood:?}: {:?}", began.elapsed());
        let stored =
            read.value("evercore_commit_duration_seconds_count", Some(("answer", "stored")));
        assert_eq!(stored, Some(1.0), "{mood:?}");
        for gauge in gauges {
            let name = format!("evercore_subscription_{gauge}");
            let value = read.value(&name, Some(("subscription", "letters")));
            assert_eq!(value.is_some(), up == 1.0, "{name} {mood:?}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_scrape_says_which_subscriptions_are_paused() -> Result<()> {
    let (store, metrics) = (EventStore::builder().open(MemoryEngine::new()).await?, Metrics::new());
    for name in ["letters", "reports"] {
        let handler = each(async |_: RecordedEvent| Ok::<_, Error>(()));
        let worker = store.subscription(name).spawn(handler)?;
        store.wait_until_idle(name).await?;
        worker.shutdown().await?;
    }
    store.subscriptions().pause("letters").await?;
    let server = Server::start(metrics.router(&store)).await;
    let read = Exposition::read(&server.get("/metrics").await.text);
    let paused = |name| read.value("evercore_subscription_paused", Some(("subscription", name)));
    assert_eq!((paused("letters"), paused("reports")), (Some(1.0), Some(0.0)));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_scrape_succeeds_while_the_engine_blocks_its_thread() -> Result<()> {
    let (engine, metrics) = (Arc::new(Watched::default()), Metrics::new());
    let builder = EventStore::builder().observer(metrics.clone());
    let store = builder.open_shared(engine.clone()).await?;
    lamps::create(&store).await?;
    let server = Server::start(metrics.router(&store)).await;
    engine.set(Mood::Blocks);
    let began = Instant::now();
    let read = Exposition::read(&server.get("/metrics").await.text);
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    assert_eq!(read.value("evercore_up", None), Some(0.0));
    let stored = Some(("answer", "stored"));
    assert_eq!(read.value("evercore_commit_duration_seconds_count", stored), Some(1.0));
    engine.set(Mood::Answers);
    let is_up = async || {
        let read = Exposition::read(&server.get("/metrics").await.text);
        (read.value("evercore_up", None) == Some(1.0)).then_some(())
    };
    until("the database is up again", is_up).await;
    Ok(())
}
