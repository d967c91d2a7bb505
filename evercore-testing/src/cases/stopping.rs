//! A stop is heard wherever a worker waits, and soon.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use evercore::engine::StorageEngine;
use evercore::{
    Batch, Error, EventStore, FailurePolicy, Handler, HandlerRetry, Result, Start,
    SubscriptionState, each,
};
use futures_util::StreamExt;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::assert::assert_error;
use crate::cancellation::Halting;
use crate::domain::counter;
use crate::fixture::Fixture;
use crate::journal::{Journal, idle, info, until_true};

/// How long a stop may take. It takes milliseconds; a lease lasts 30 s here, and an event waits an hour.
const BOUND: Duration = Duration::from_secs(10);

/// Tries again after an hour or a hundred.
fn in_an_hour() -> FailurePolicy {
    let hour = Duration::from_secs(360_000);
    FailurePolicy::stop().retry(HandlerRetry::default().attempts(100).base(hour).longest(hour))
}

async fn soon<T>(stopping: impl Future<Output = T>) -> T {
    timeout(BOUND, stopping).await.expect("what was stopped should end soon")
}

/// Stops a task that follows the log.
async fn stops(task: JoinHandle<Result<()>>, stop: &CancellationToken) -> Result<()> {
    stop.cancel();
    soon(task).await.expect("it does not panic")
}

/// Runs a durable subscription in a task of its own.
fn run(
    store: &EventStore,
    name: &str,
    handler: impl Handler,
) -> (JoinHandle<Result<()>>, CancellationToken) {
    let stop = CancellationToken::new();
    let subscription = store.subscription(name).batch_size(1).stop_on(stop.clone());
    (tokio::spawn(subscription.run(handler)), stop)
}

/// Runs an ephemeral one.
fn follow(
    store: &EventStore,
    policy: FailurePolicy,
    handler: impl Handler,
) -> (JoinHandle<Result<()>>, CancellationToken) {
    let stop = CancellationToken::new();
    let follower = store.ephemeral().start(Start::Beginning).batch_size(1).on_failure(policy);
    (tokio::spawn(follower.stop_on(stop.clone()).run(handler)), stop)
}

async fn counters(store: &EventStore, count: i64) -> Result<()> {
    for value in 0..count {
        counter::create(store, value).await?;
    }
    Ok(())
}

pub(crate) async fn a_stop_is_heard_while_there_is_nothing_to_do(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    counters(store, 2).await?;
    let worker = store.subscription("handle").spawn(Journal::default().handler())?;
    idle(store, "handle", &worker).await?;
    soon(worker.shutdown()).await?;

    let journal = Journal::default();
    let (task, stop) = run(store, "token", journal.handler());
    until_true(async || Ok(journal.len() == 2)).await?;
    stops(task, &stop).await?;

    let journal = Journal::default();
    let (task, stop) = follow(store, FailurePolicy::stop(), journal.handler());
    until_true(async || Ok(journal.len() == 2)).await?;
    stops(task, &stop).await?;

    let stop = CancellationToken::new();
    let events = store.ephemeral().start(Start::Beginning).stop_on(stop.clone()).stream();
    let mut events = std::pin::pin!(events);
    for _ in 0..2 {
        events.next().await.expect("there are two")?;
    }
    let next = async { soon(events.next()).await };
    let (next, ()) = tokio::join!(next, async { stop.cancel() });
    assert!(next.is_none(), "{next:?}");
    Ok(())
}

pub(crate) async fn a_stop_is_heard_after_the_batch_that_is_handled(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    counters(store, 3).await?;
    let (entered, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let busy = || {
        let (entered, go_on) = (Arc::clone(&entered), Arc::clone(&go_on));
        each(async move |_| {
            entered.notify_one();
            go_on.notified().await;
            Ok::<_, Error>(())
        })
    };
    let worker = store.subscription("handle").batch_size(1).spawn(busy())?;
    entered.notified().await;
    let stopped = soon(worker.shutdown());
    tokio::join!(stopped, async { go_on.notify_one() }).0?;
    assert_eq!(
        info(store, "handle").await?.lag,
        2,
        "the batch is recorded, and the next not begun"
    );

    for is_durable in [true, false] {
        let (task, stop) = match is_durable {
            true => run(store, "token", busy()),
            false => follow(store, FailurePolicy::stop(), busy()),
        };
        entered.notified().await;
        stop.cancel();
        go_on.notify_one();
        soon(task).await.expect("it does not panic")?;
    }
    assert_eq!(info(store, "token").await?.lag, 2);
    Ok(())
}

pub(crate) async fn a_stop_is_heard_while_another_worker_has_the_lease(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    let owner = store.subscription("owned").spawn(Journal::default().handler())?;
    idle(store, "owned", &owner).await?;
    let second =
        store.subscription("owned").wait_for_lease().spawn(Journal::default().handler())?;
    let stop = CancellationToken::new();
    let third = store.subscription("owned").wait_for_lease().stop_on(stop.clone());
    let third = tokio::spawn(third.run(Journal::default().handler()));
    // It hears of what another one has recorded, and looks for the lease again.
    counters(store, 1).await?;
    store.wait_until_idle("owned").await?;
    assert_eq!(second.status().state, SubscriptionState::StandingBy);
    soon(second.shutdown()).await?;
    stops(third, &stop).await?;
    soon(owner.shutdown()).await
}

pub(crate) async fn a_stop_is_heard_before_a_failed_event_is_tried_again(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    counters(store, 1).await?;
    let failing = async |_: Batch| Err::<(), _>("no");
    let worker = store.subscription("handle").on_failure(in_an_hour()).spawn(failing)?;
    until_true(async || Ok(worker.status().state == SubscriptionState::Retrying)).await?;
    soon(worker.shutdown()).await?;

    let stop = CancellationToken::new();
    let subscription = store.subscription("token").on_failure(in_an_hour()).stop_on(stop.clone());
    let progress = subscription.progress();
    let task = tokio::spawn(subscription.run(failing));
    until_true(async || Ok(progress.status().state == SubscriptionState::Retrying)).await?;
    stops(task, &stop).await?;

    let has_failed = Arc::new(AtomicBool::new(false));
    let (task, stop) = follow(store, in_an_hour(), {
        let has_failed = Arc::clone(&has_failed);
        async move |_: Batch| {
            has_failed.store(true, Ordering::SeqCst);
            Err::<(), _>("no")
        }
    });
    until_true(async || Ok(has_failed.load(Ordering::SeqCst))).await?;
    stops(task, &stop).await
}

pub(crate) async fn a_stop_is_heard_while_one_event_after_another_is_parked(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    counters(store, 4).await?;
    let stop = CancellationToken::new();
    let subscription = store.subscription("parks").batch_size(1).on_failure(FailurePolicy::park());
    let ended = subscription.stop_on(stop.clone()).run(async move |_: Batch| {
        stop.cancel();
        Err::<(), _>("no")
    });
    soon(ended).await?;
    let stored = info(store, "parks").await?;
    assert_eq!((stored.parked, stored.lag), (1, 3), "the others are left for the next run");
    Ok(())
}

pub(crate) async fn a_stop_is_heard_while_the_store_is_away(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    counters(store, 3).await?;
    let is_away = Arc::new(AtomicBool::new(false));
    let engine = Halting::cut_off_while(Arc::clone(&is_away), fixture.shared_engine());
    let engine: Arc<dyn StorageEngine> = Arc::new(engine);
    let cut_off = fixture.builder().open_shared(engine).await?;
    let cutting = || {
        let is_away = Arc::clone(&is_away);
        async move |_: Batch| {
            is_away.store(true, Ordering::SeqCst);
            Ok::<_, Error>(())
        }
    };
    let worker = cut_off.subscription("handle").batch_size(1).spawn(cutting())?;
    until_true(async || Ok(worker.status().state == SubscriptionState::Retrying)).await?;
    let failure = worker.status().failure.expect("it waits for the store");
    assert!(failure.ends_with("it is cut off"), "{failure}");
    soon(worker.shutdown()).await?;

    // One that cannot begin.
    let subscription = cut_off.subscription("new");
    let progress = subscription.progress();
    let worker = subscription.spawn(cutting())?;
    until_true(async || Ok(progress.status().failure.is_some())).await?;
    soon(worker.shutdown()).await?;

    is_away.store(false, Ordering::SeqCst);
    let (task, stop) = follow(&cut_off, FailurePolicy::stop(), cutting());
    until_true(async || Ok(is_away.load(Ordering::SeqCst))).await?;
    stops(task, &stop).await
}

pub(crate) async fn a_stop_is_heard_while_it_is_paused(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let worker = store.subscription("paused").spawn(Journal::default().handler())?;
    idle(store, "paused", &worker).await?;
    store.subscriptions().pause("paused").await?;
    until_true(async || Ok(worker.status().state == SubscriptionState::Paused)).await?;
    soon(worker.shutdown()).await?;

    let stop = CancellationToken::new();
    let subscription = store.subscription("paused").stop_on(stop.clone());
    let progress = subscription.progress();
    let task = tokio::spawn(subscription.run(Journal::default().handler()));
    until_true(async || Ok(progress.status().state == SubscriptionState::Paused)).await?;
    stops(task, &stop).await
}

pub(crate) async fn a_pause_is_heard_before_a_failed_event_is_tried_again(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    counters(store, 1).await?;
    let failing = async |_: Batch| Err::<(), _>("no");
    let often = HandlerRetry::default().attempts(100_000).longest(Duration::from_millis(5));
    let subscription = store.subscription("paused").on_failure(FailurePolicy::stop().retry(often));
    let worker = subscription.spawn(failing)?;
    until_true(async || Ok(worker.status().state == SubscriptionState::Retrying)).await?;
    store.subscriptions().pause("paused").await?;
    soon(until_true(async || Ok(worker.status().state == SubscriptionState::Paused))).await?;
    soon(worker.shutdown()).await
}

pub(crate) async fn a_closed_store_ends_its_workers(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    counters(store, 1).await?;
    let idling = store.subscription("idle").spawn(Journal::default().handler())?;
    idle(store, "idle", &idling).await?;
    let (entered, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let busy = store.subscription("busy").spawn({
        let (entered, go_on) = (Arc::clone(&entered), Arc::clone(&go_on));
        async move |_: Batch| {
            entered.notify_one();
            go_on.notified().await;
            Ok::<_, Error>(())
        }
    })?;
    entered.notified().await;
    let failing = store.subscription("failing").on_failure(in_an_hour());
    let failing = failing.spawn(async |_: Batch| Err::<(), _>("no"))?;
    until_true(async || Ok(failing.status().state == SubscriptionState::Retrying)).await?;
    let (follower, _stop) = follow(store, FailurePolicy::stop(), Journal::default().handler());

    soon(store.close()).await?;
    go_on.notify_one();
    for worker in [idling, busy, failing] {
        assert_error!(soon(worker.join()).await, Error::Closed);
    }
    assert_error!(soon(follower).await.expect("it does not panic"), Error::Closed);
    Ok(())
}
