//! The log lines at level `WARN` and above of workers with problems, and of stores whose database is late.

mod commands;
mod lines;
mod opening;
mod sources;
mod tasks;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use evercore::{
    Aggregate, Apply, Batch, Error, EventMeta, EventStore, FailurePolicy, Handler, HandlerRetry,
    Result, RetryPolicy, Start, event,
};
use evercore_memory::MemoryEngine;
use lines::Lines;
use tracing::Level;

const ROOT: &str = "no route to the mail server";

#[derive(Aggregate, Default)]
struct Mile {
    walked: u32,
}

#[event(aggregate = Mile, name = "walked")]
struct Walked {}

impl Apply<Walked> for Mile {
    fn apply(&mut self, _: &Walked, _: &EventMeta) {
        self.walked += 1;
    }
}

async fn miles(count: u32) -> Result<EventStore> {
    let store = EventStore::builder().open(MemoryEngine::new()).await?;
    let walk = store.with_context(async |ctx| {
        let mut mile = ctx.create::<Mile>().await?;
        for _ in 0..count {
            ctx.apply(&mut mile, Walked {})?;
        }
        Ok::<_, Error>(())
    });
    walk.await?;
    Ok(store)
}

async fn walk_hot(store: &EventStore) -> Result<()> {
    store
        .with_context(async |ctx| {
            let mut mile = ctx.load_or_create::<Mile>("hot").await?;
            ctx.apply(&mut mile, Walked {})
        })
        .await
}

/// Returns a handler that fails with an error whose cause has a cause.
fn failing() -> impl Handler {
    async |_: Batch| {
        let root = std::io::Error::other(ROOT);
        Err::<(), _>(Error::storage("send a mail", Error::Unavailable { source: root.into() }))
    }
}

#[tokio::test]
async fn a_failed_worker_logs_its_subscription_position_and_cause() -> Result<()> {
    let store = miles(1).await?;
    let (lines, _guard) = Lines::watch();
    store.subscription("mails").run(failing()).await.expect_err("its handler fails");
    let failed = lines.one(Level::WARN, "a handler failed; the worker stops");
    for part in ["subscription=mails", "partition=0", "position=1", "event=walked", ROOT] {
        assert!(failed.contains(part), "{part} is missing: {failed}");
    }
    let ended = lines.one(Level::ERROR, "a worker has ended");
    for part in ["subscription=mails", "failed at position 1", ROOT] {
        assert!(ended.contains(part), "{part} is missing: {ended}");
    }
    Ok(())
}

#[tokio::test]
async fn a_panic_is_logged_with_its_message() -> Result<()> {
    let store = miles(1).await?;
    let (lines, _guard) = Lines::watch();
    let panicking = async |batch: Batch| {
        assert!(batch.is_empty(), "there is a spider in it");
        Ok::<_, Error>(())
    };
    store.subscription("spiders").run(panicking).await.expect_err("its handler panics");
    let ended = lines.one(Level::ERROR, "a worker has ended");
    assert!(ended.contains("the handler panicked") && ended.contains("a spider"), "{ended}");
    Ok(())
}

#[tokio::test]
async fn retries_and_parked_events_are_logged() -> Result<()> {
    let store = miles(2).await?;
    let (lines, _guard) = Lines::watch();
    let twice = HandlerRetry::default().attempts(2).longest(Duration::from_millis(1));
    let subscription = store.subscription("mails").on_failure(FailurePolicy::park().retry(twice));
    let worker = subscription.spawn(failing())?;
    store.wait_until_idle("mails").await?;
    for what in ["a handler failed; retrying", "a handler failed; parking the event"] {
        let line = lines.one(Level::WARN, what);
        for part in ["subscription=mails", "partition=0", "position=1", "event=walked", ROOT] {
            assert!(line.contains(part), "{part} is missing: {line}");
        }
    }
    let behind = lines.one(Level::WARN, "parking events behind parked events");
    for part in ["subscription=mails", "position=2", "events=1"] {
        assert!(behind.contains(part), "{part} is missing: {behind}");
    }

    store.subscriptions().redrive("mails").await?;
    store.wait_until_idle("mails").await?;
    let again = lines.one(Level::WARN, "the event stays parked");
    assert!(again.contains("position=1") && again.contains(ROOT), "{again}");
    worker.shutdown().await
}

#[tokio::test]
async fn a_dropped_worker_is_logged() -> Result<()> {
    let store = miles(1).await?;
    let (lines, _guard) = Lines::watch();
    drop(store.subscription("dropped").spawn(failing())?);
    store.wait_until_idle("dropped").await.expect_err("no worker runs it");
    let line = lines.one(Level::WARN, "a worker was dropped while it ran");
    assert!(line.contains("subscription=dropped"), "{line}");
    Ok(())
}

#[tokio::test]
async fn a_subscription_that_cannot_run_is_logged() -> Result<()> {
    let store = miles(1).await?;
    let (lines, _guard) = Lines::watch();
    let beyond = Start::After(evercore::Position::new(100)?);
    store.subscription("beyond").start(beyond).run(failing()).await.expect_err("it lies beyond");
    let line = lines.one(Level::ERROR, "a worker has ended");
    assert!(line.contains("subscription=beyond") && line.contains("the end of the log"), "{line}");
    Ok(())
}

#[tokio::test]
async fn a_subscription_is_logged_when_it_is_first_stored_and_when_it_is_replaced() -> Result<()> {
    let store = miles(2).await?;
    let (lines, _guard) = Lines::watch();
    let ignoring = async |_: Batch| -> Result<()> { Ok(()) };
    let at_the_end = || store.subscription("mails").start(Start::End);
    let other = at_the_end().event::<Walked>().replace_stored();
    for (number, subscription) in (1..).zip([at_the_end(), at_the_end(), other]) {
        let worker = subscription.spawn(ignoring)?;
        let works = async {
            while lines.all(Level::INFO, "a worker acquired a partition").len() < number {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), works).await.expect("it works in time");
        worker.shutdown().await?;
    }
    let stored = lines.one(Level::INFO, "stored a new subscription");
    for part in ["subscription=mails", "cursor=2", "partitions=1", "filter="] {
        assert!(stored.contains(part), "{part} is missing: {stored}");
    }
    let replaced = lines.one(Level::INFO, "replaced the filter or the partitions");
    assert!(replaced.contains("subscription=mails") && replaced.contains("walked"), "{replaced}");
    Ok(())
}

#[tokio::test]
async fn a_waiting_or_stopped_worker_is_logged() -> Result<()> {
    let store = miles(1).await?;
    let (lines, _guard) = Lines::watch();
    let is_given = Arc::new(AtomicBool::new(false));
    let handler = {
        let is_given = Arc::clone(&is_given);
        async move |_: Batch| {
            is_given.store(true, Ordering::SeqCst);
            Ok::<_, Error>(())
        }
    };
    let first = store.subscription("shared").spawn(handler.clone())?;
    store.wait_until_idle("shared").await?;
    let second = store.subscription("shared").spawn(handler)?;
    while lines.all(Level::INFO, "a worker stands by").is_empty() {
        tokio::task::yield_now().await;
    }
    first.shutdown().await?;
    second.shutdown().await?;
    assert_eq!(lines.all(Level::INFO, "a worker stands by").len(), 1, "once, not at each look");
    assert_eq!(lines.all(Level::INFO, "a worker was stopped").len(), 2);
    assert_eq!(lines.all(Level::WARN, "").len(), 0, "nothing went wrong");
    Ok(())
}

#[tokio::test]
async fn a_failed_ephemeral_subscription_logs_its_cause() -> Result<()> {
    let store = miles(1).await?;
    let (lines, _guard) = Lines::watch();
    let twice = HandlerRetry::default().attempts(2).longest(Duration::from_millis(1));
    let follower = store.ephemeral().start(Start::Beginning);
    let ended = follower.on_failure(FailurePolicy::stop().retry(twice)).run(failing()).await;
    ended.expect_err("its handler fails");
    let again = lines.one(Level::WARN, "a handler failed; retrying");
    for part in ["position=1", "event=walked", ROOT] {
        assert!(again.contains(part), "{part} is missing: {again}");
    }
    let line = lines.one(Level::ERROR, "an ephemeral subscription has ended");
    assert!(line.contains(ROOT), "{line}");
    Ok(())
}

/// A closure that holds a turn waits for a writer that waits for it. The retry policy alone would wait forever.
#[tokio::test(start_paused = true)]
async fn a_turn_that_lasts_too_long_is_logged() -> Result<()> {
    let patient = RetryPolicy::default().longest(Duration::MAX);
    let store = EventStore::builder().retry(patient).open(MemoryEngine::new()).await?;
    let (lines, _guard) = Lines::watch();
    let runs = AtomicU32::new(0);
    let walk = store.with_context(async |ctx| {
        let mut mile = ctx.load_or_create::<Mile>("hot").await?;
        if runs.fetch_add(1, Ordering::Relaxed) < 3 {
            let beside = store.clone();
            tokio::spawn(async move { walk_hot(&beside).await }).await.expect("no panic")?;
        }
        ctx.apply(&mut mile, Walked {})?;
        Ok::<_, Error>(mile.state().walked)
    });
    let walked = tokio::time::timeout(Duration::from_secs(3_600), walk).await;
    assert_eq!(walked.expect("it does not wait for itself")?, 4);
    let said = lines.all(Level::WARN, "waits for a task that writes to the same aggregate");
    assert_eq!(said.len(), 2, "the first run has no turn: {said:?}");
    assert!(said.iter().all(|line| line.contains("hot") && line.contains("patience=5s")));
    Ok(())
}
