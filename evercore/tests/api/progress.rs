//! The reported progress of a running subscription.

use std::sync::Arc;

use evercore::subscription::SubscriptionState;
use evercore::{Aggregate, Batch, Error, EventStore, Position, Result, event};
use evercore_memory::MemoryEngine;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

#[derive(Aggregate, Default)]
#[aggregate(name = "mile")]
struct Mile {
    walked: bool,
}

#[event(aggregate = Mile, name = "walked")]
struct Walked {}

impl evercore::Apply<Walked> for Mile {
    fn apply(&mut self, _: &Walked, _: &evercore::EventMeta) {
        self.walked = true;
    }
}

async fn miles(count: usize) -> Result<EventStore> {
    let store = EventStore::builder().open(MemoryEngine::new()).await?;
    for _ in 0..count {
        store
            .with_context(async |ctx| {
                let mut mile = ctx.create::<Mile>().await?;
                ctx.apply(&mut mile, Walked {})
            })
            .await?;
    }
    Ok(store)
}

#[tokio::test]
async fn a_subscription_in_the_callers_task_can_be_watched() -> Result<()> {
    let store = miles(10).await?;
    let stop = CancellationToken::new();
    let subscription = store.subscription("watched").batch_size(4).stop_on(stop.clone());
    let progress = subscription.progress();
    assert_eq!(progress.status().state, SubscriptionState::StandingBy);
    let (entered, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let running = subscription.run({
        let (entered, go_on) = (Arc::clone(&entered), Arc::clone(&go_on));
        async move |_: Batch| {
            entered.notify_one();
            go_on.notified().await;
            Ok::<_, Error>(())
        }
    });
    let watching = async {
        let mut seen = Vec::new();
        for _ in 0..3 {
            entered.notified().await;
            let status = progress.clone().status();
            assert_eq!(status.state, SubscriptionState::CatchingUp);
            seen.push((status.position.get(), status.handled));
            go_on.notify_one();
        }
        assert_eq!(seen, [(0, 0), (4, 4), (8, 8)]);
        while progress.status().state != SubscriptionState::Live {
            tokio::task::yield_now().await;
        }
        let status = progress.status();
        let end = Position::new(10).expect("a position");
        assert_eq!((status.position, status.head, status.handled), (end, end, 10));
        assert!(status.rate > 0.0);
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(running, watching);
    assert_eq!(progress.status().state, SubscriptionState::Ended);
    ended
}

#[tokio::test]
async fn a_subscription_that_was_just_spawned_can_be_waited_for() -> Result<()> {
    let store = miles(3).await?;
    let worker = store.subscription("new").spawn(async |_: Batch| Ok::<_, Error>(()))?;
    store.wait_until_idle("new").await?;
    let stored = store.subscriptions().find("new").await?.expect("it is stored");
    assert_eq!(stored.cursor, store.head().await?);
    worker.shutdown().await
}

#[tokio::test]
async fn a_subscription_that_cannot_start_is_not_waited_for() -> Result<()> {
    let store = miles(1).await?;
    let refused = store.subscription("bad").batch_size(0);
    let refused = refused.spawn(async |_: Batch| Ok::<_, Error>(()))?;
    let waited = store.wait_until_idle("bad").await;
    assert!(matches!(waited, Err(Error::SubscriptionFailed { .. })), "{waited:?}");
    assert!(matches!(refused.join().await, Err(Error::InvalidSubscription { .. })));
    Ok(())
}

#[tokio::test]
async fn the_head_of_the_log_is_its_last_event() -> Result<()> {
    assert_eq!(miles(0).await?.head().await?, Position::START);
    assert_eq!(miles(3).await?.head().await?, Position::new(3)?);
    Ok(())
}

#[tokio::test]
async fn a_subscription_is_live_when_all_of_its_partitions_are() -> Result<()> {
    let store = miles(10).await?;
    let go_on = Arc::new(Notify::new());
    let worker = store.subscription("halves").partitions(2).spawn({
        let go_on = Arc::clone(&go_on);
        async move |batch: Batch| {
            if batch[0].aggregate_id().get() % 2 == 1 {
                go_on.notified().await;
            }
            Ok::<_, Error>(())
        }
    })?;
    while worker.status().handled < 5 || worker.status().partitions != [0, 1] {
        tokio::task::yield_now().await;
    }
    // Gives the other partition the time to report that it has reached the end.
    for _ in 0..100 {
        assert_eq!(worker.status().state, SubscriptionState::CatchingUp);
        tokio::task::yield_now().await;
    }
    go_on.notify_one();
    while worker.status().state != SubscriptionState::Live {
        tokio::task::yield_now().await;
    }
    assert_eq!(worker.status().handled, 10);
    worker.shutdown().await
}
