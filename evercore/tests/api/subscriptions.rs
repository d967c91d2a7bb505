//! Subscriptions through the public API.

use std::pin::pin;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evercore::subscription::SubscriptionState;
use evercore::{
    Aggregate, Batch, Error, EventStore, Handler, HandlerError, Received, RecordedEvent, Router,
    Start, each, state_event,
};
use evercore_memory::MemoryEngine;
use futures_util::StreamExt;
use tokio_util::sync::CancellationToken;

use crate::counting::Counting;

#[derive(Aggregate, Default)]
#[aggregate(name = "gauge")]
struct Gauge {
    level: i64,
}

#[state_event(aggregate = Gauge, name = "set")]
struct LevelSet {
    level: i64,
}

async fn memory() -> EventStore {
    EventStore::builder().open(MemoryEngine::new()).await.expect("memory opens")
}

async fn set(store: &EventStore, level: i64) {
    let set = store
        .with_context(async |ctx| {
            let mut gauge = ctx.load_or_create::<Gauge>("the gauge").await?;
            ctx.apply(&mut gauge, LevelSet { level })
        })
        .await;
    set.expect("it lands");
}

async fn idle(store: &EventStore, name: &str) {
    while store.subscriptions().find(name).await.expect("memory answers").is_none() {
        tokio::task::yield_now().await;
    }
    store.wait_until_idle(name).await.expect("memory answers");
}

#[tokio::test]
async fn closures_over_batches_events_and_types_are_handlers() {
    let store = memory().await;
    let sums: Arc<[AtomicI64; 3]> = Arc::default();
    let (batches, events, types) = (Arc::clone(&sums), Arc::clone(&sums), Arc::clone(&sums));
    let workers = [
        store.subscription("batches").spawn(async move |batch: Batch| {
            for event in &batch {
                batches[0].fetch_add(event.decode::<LevelSet>()?.level, Ordering::SeqCst);
            }
            Ok::<_, Error>(())
        }),
        store.subscription("events").spawn(each(async move |event: RecordedEvent| {
            events[1].fetch_add(event.decode::<LevelSet>()?.level, Ordering::SeqCst);
            Ok::<_, Error>(())
        })),
        store.subscription("types").event::<LevelSet>().spawn(Router::new().on(
            async move |set: Received<LevelSet>| {
                types[2].fetch_add(set.level, Ordering::SeqCst);
                Ok::<_, Error>(())
            },
        )),
    ];
    for level in 1..=10 {
        set(&store, level).await;
    }
    for name in ["batches", "events", "types"] {
        idle(&store, name).await;
    }
    assert!(sums.iter().all(|sum| sum.load(Ordering::SeqCst) == 55), "{sums:?}");
    for worker in workers {
        worker.expect("the names are fine").shutdown().await.expect("it stops");
    }
}

/// A handler with state.
#[derive(Clone, Default)]
struct Averaging {
    seen: i64,
    sum: i64,
    average: Arc<Mutex<Option<i64>>>,
}

impl Handler for Averaging {
    async fn handle(&mut self, batch: Batch) -> Result<(), HandlerError> {
        for event in &batch {
            self.seen += 1;
            self.sum += event.decode::<LevelSet>()?.level;
        }
        *self.average.lock().expect("no panic") = Some(self.sum / self.seen);
        Ok(())
    }
}

#[tokio::test]
async fn a_handler_may_have_a_state() {
    let store = memory().await;
    let averaging = Averaging::default();
    let worker = store.subscription("average").spawn(averaging.clone()).expect("a name");
    for level in [2, 4, 9] {
        set(&store, level).await;
    }
    idle(&store, "average").await;
    assert_eq!(*averaging.average.lock().expect("no panic"), Some(5));
    worker.shutdown().await.expect("it stops");
}

#[tokio::test]
async fn a_token_stops_what_runs_in_the_callers_task() {
    let store = memory().await;
    let stop = CancellationToken::new();
    let seen = Arc::new(AtomicUsize::new(0));
    let handler = {
        let (seen, stop) = (Arc::clone(&seen), stop.clone());
        async move |batch: Batch| {
            seen.fetch_add(batch.len(), Ordering::SeqCst);
            stop.cancel();
            Ok::<_, Error>(())
        }
    };
    set(&store, 1).await;
    let durable = store.subscription("stopped").stop_on(stop.clone());
    durable.run(handler.clone()).await.expect("it was told to stop");
    assert_eq!(seen.load(Ordering::SeqCst), 1);
    let stored = store.subscriptions().find("stopped").await.expect("memory answers");
    assert_eq!(stored.expect("it ran").lag, 0, "the batch was recorded before it stopped");

    let ephemeral = store.ephemeral().start(Start::Beginning).stop_on(stop);
    ephemeral.run(handler).await.expect("it was told to stop");
}

#[tokio::test]
async fn a_dropped_handle_stops_the_worker() {
    let store = memory().await;
    let worker = store.subscription("dropped").spawn(async |_: Batch| Ok::<_, Error>(()));
    let worker = worker.expect("a name");
    idle(&store, "dropped").await;
    assert_eq!(worker.status().state, SubscriptionState::Live);
    drop(worker);
    // The dropped worker releases nothing, so others have to wait for the lease to expire.
    set(&store, 1).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let stored = store.subscriptions().find("dropped").await.expect("memory answers");
    assert_eq!(stored.expect("it ran").cursor.get(), 0);
}

#[tokio::test]
async fn a_bad_name_is_reported_when_it_is_run() {
    let store = memory().await;
    let refused = store.subscription("").spawn(async |_: Batch| Ok::<_, Error>(()));
    assert!(matches!(refused, Err(Error::InvalidSubscription { .. })));
}

#[tokio::test]
async fn a_stream_can_be_moved_to_a_task() {
    let store = memory().await;
    let events = store.ephemeral().event::<LevelSet>().start(Start::Beginning).stream();
    let task = tokio::spawn(async move {
        let mut events = pin!(events);
        let mut levels = Vec::new();
        while levels.len() < 3 {
            let event = events.next().await.expect("it never ends").expect("memory reads");
            levels.push(event.decode::<LevelSet>().expect("it is one").level);
        }
        levels
    });
    for level in 1..=3 {
        set(&store, level).await;
    }
    assert_eq!(task.await.expect("no panic"), [1, 2, 3]);
}

/// Time advances only when all tasks wait, so this takes no real time.
#[tokio::test(start_paused = true)]
async fn twenty_idle_subscriptions_cost_one_call_a_poll_interval() {
    const SECONDS: u64 = 120;
    let engine = Counting::default();
    let store = EventStore::builder().open(engine.clone()).await.expect("memory opens");
    set(&store, 1).await;
    let mut workers = Vec::new();
    for number in 0..20 {
        let subscription = store
            .subscription(format!("idle {number}"))
            .poll_interval(Duration::from_secs(1))
            .lease(Duration::from_secs(30));
        workers.push(subscription.spawn(async |_: Batch| Ok::<_, Error>(())).expect("a name"));
    }
    let followers: Vec<_> = (0..5)
        .map(|_| {
            let ephemeral = store.ephemeral().poll_interval(Duration::from_secs(1));
            tokio::spawn(ephemeral.run(async |_: Batch| Ok::<_, Error>(())))
        })
        .collect();
    while workers.iter().any(|worker| worker.status().state != SubscriptionState::Live) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // Waits for calls that were under way when the subscriptions reached the end of the log.
    tokio::time::sleep(Duration::from_secs(3)).await;

    let before = engine.calls();
    tokio::time::sleep(Duration::from_secs(SECONDS)).await;
    let calls = engine.calls() - before;
    println!("20 durable and 5 ephemeral subscriptions: {calls} calls in {SECONDS} s of idleness");
    assert!(calls <= SECONDS, "{calls} calls in {SECONDS} poll intervals");
    // The subscriptions stay alive all the same: their leases of 30 s were renewed for two minutes.
    assert!(workers.iter().all(|worker| worker.status().state == SubscriptionState::Live));

    followers.iter().for_each(tokio::task::JoinHandle::abort);
    for worker in workers {
        worker.shutdown().await.expect("it stops");
    }
}

#[tokio::test]
async fn a_closed_store_ends_all_that_follow_it() {
    let store = memory().await;
    let worker = store.subscription("closed").poll_interval(Duration::from_millis(5));
    let worker = worker.spawn(async |_: Batch| Ok::<_, Error>(())).expect("a name");
    idle(&store, "closed").await;
    let mut events = pin!(store.ephemeral().poll_interval(Duration::from_millis(5)).stream());
    assert!(futures_util::poll!(events.next()).is_pending());
    store.close().await.expect("memory closes");
    assert!(matches!(worker.join().await, Err(Error::Closed)));
    assert!(matches!(events.next().await, Some(Err(Error::Closed))));
    assert!(events.next().await.is_none());
}
