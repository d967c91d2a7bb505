//! A worker stops soon, whatever it is waiting for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use evercore::engine::StorageEngine;
use evercore::subscription::SubscriptionState;
use evercore::{
    Batch, Error, EventStore, FailurePolicy, Handler, HandlerRetry, Received, RecordedEvent,
    Result, Router, Start, each,
};
use futures_util::StreamExt;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::assert::assert_error;
use crate::cancellation::Halting;
use crate::domain::counter::{self, Added};
use crate::fixture::Fixture;
use crate::journal::{Journal, idle, info, until_true};

/// The time limit of a stop. A stop takes milliseconds, whereas a lease lasts 30 s here and a retry waits an hour.
const BOUND: Duration = Duration::from_secs(10);

/// Retries after an hour or a hundred hours.
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

/// Runs a durable subscription in its own task.
fn run(
    store: &EventStore,
    name: &str,
    handler: impl Handler,
) -> (JoinHandle<Result<()>>, CancellationToken) {
    let stop = CancellationToken::new();
    let subscription = store.subscription(name).batch_size(1).stop_on(stop.clone());
    (tokio::spawn(subscription.run(handler)), stop)
}

/// Runs an ephemeral subscription in its own task.
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

/// Handles events one by one, each after a notification.
#[derive(Clone, Debug, Default)]
struct OnNotice {
    entered: Arc<Notify>,
    go_on: Arc<Notify>,
    journal: Journal,
}

impl OnNotice {
    async fn take(self, event: &RecordedEvent) -> Result<()> {
        self.entered.notify_one();
        self.go_on.notified().await;
        self.journal.extend(std::slice::from_ref(event));
        Ok(())
    }

    fn each(&self) -> impl Handler {
        let this = self.clone();
        each(async move |event: RecordedEvent| this.take(&event).await)
    }

    fn router(&self) -> impl Handler {
        let this = self.clone();
        Router::new().on(async move |added: Received<Added>| this.take(added.recorded()).await)
    }

    /// Lets `count` events be handled, then waits until the next one has begun.
    async fn handles(&self, count: usize) {
        for _ in 0..count {
            self.entered.notified().await;
            self.go_on.notify_one();
        }
        self.entered.notified().await;
    }
}

/// Handles two of five events and stops during the third, which is still handled.
async fn stops_after_three(
    notice: &OnNotice,
    task: JoinHandle<Result<()>>,
    stop: &CancellationToken,
) -> Result<()> {
    notice.handles(2).await;
    stop.cancel();
    notice.go_on.notify_one();
    soon(task).await.expect("it does not panic")?;
    assert_eq!(notice.journal.positions(), [1, 2, 3]);
    Ok(())
}

pub(crate) async fn a_stop_is_heard_between_the_events_of_a_batch(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    counters(store, 5).await?;

    let (notice, stop) = (OnNotice::default(), CancellationToken::new());
    let durable = store.subscription("each").stop_on(stop.clone()).run(notice.each());
    stops_after_three(&notice, tokio::spawn(durable), &stop).await?;
    let (notice, stop) = (OnNotice::default(), CancellationToken::new());
    let durable = store.subscription("router").stop_on(stop.clone()).run(notice.router());
    stops_after_three(&notice, tokio::spawn(durable), &stop).await?;
    for name in ["each", "router"] {
        assert_eq!(info(store, name).await?.cursor.get(), 3, "what was handled is recorded");
    }

    let (notice, stop) = (OnNotice::default(), CancellationToken::new());
    let ephemeral = store.ephemeral().start(Start::Beginning).stop_on(stop.clone());
    stops_after_three(&notice, tokio::spawn(ephemeral.run(notice.each())), &stop).await
}

/// The default of [`record_within`](evercore::subscription::SubscriptionBuilder::record_within) is a tenth of a second.
pub(crate) async fn a_slow_handler_is_recorded_between_its_events(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    counters(store, 200).await?;

    let notice = OnNotice::default();
    let strict = store.subscription("strict").record_within(Duration::ZERO);
    let worker = strict.spawn(notice.each())?;
    notice.handles(3).await;
    assert_eq!(info(store, "strict").await?.cursor.get(), 3);
    assert_eq!((worker.status().position.get(), worker.status().handled), (3, 3));
    drop(worker);
    store.subscriptions().pause("strict").await?;

    let notice = OnNotice::default();
    let worker = store.subscription("usual").spawn(notice.router())?;
    notice.handles(1).await;
    tokio::time::sleep(Duration::from_millis(150)).await;
    // The second event takes long, so both are settled before the third begins.
    notice.go_on.notify_one();
    notice.entered.notified().await;
    assert_eq!(info(store, "usual").await?.cursor.get(), 2);
    // A pause takes effect in the middle of a batch as well.
    store.subscriptions().pause("usual").await?;
    while worker.status().state != SubscriptionState::Paused {
        notice.go_on.notify_one();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(info(store, "usual").await?.cursor.get() < 200, "the pause was heard");
    soon(worker.shutdown()).await
}

pub(crate) async fn a_stop_is_heard_while_another_worker_has_the_lease(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    let owner = store.subscription("owned").spawn(Journal::default().handler())?;
    idle(store, "owned", &owner).await?;
    let second = store.subscription("owned").spawn(Journal::default().handler())?;
    let stop = CancellationToken::new();
    let third = store.subscription("owned").stop_on(stop.clone());
    let third = tokio::spawn(third.run(Journal::default().handler()));
    // The third worker notices what another one has settled, and tries to acquire the lease again.
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

    // This subscription cannot begin.
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
