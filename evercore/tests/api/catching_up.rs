//! What a subscription that is far behind asks of the engine.

use std::future::pending;
use std::time::Duration;

use evercore::{
    Aggregate, Apply, Batch, Error, EventMeta, EventStore, Result, SubscriptionBuilder, event,
};

use crate::counting::Counting;

const EVENTS: u64 = 200;

#[derive(Aggregate, Default)]
#[aggregate(name = "ladder")]
struct Ladder {
    rungs: u64,
}

#[event(aggregate = Ladder, name = "climbed")]
struct Climbed {}

impl Apply<Climbed> for Ladder {
    fn apply(&mut self, _: &Climbed, _: &EventMeta) {
        self.rungs += 1;
    }
}

async fn ladder() -> Result<(Counting, EventStore)> {
    let engine = Counting::default();
    let store = EventStore::builder().open(engine.clone()).await?;
    store
        .with_context(async |ctx| {
            let mut ladder = ctx.create::<Ladder>().await?;
            for _ in 0..EVENTS {
                ctx.apply(&mut ladder, Climbed {})?;
            }
            Ok::<_, Error>(())
        })
        .await?;
    Ok((engine, store))
}

/// How many settlements it takes to handle all events one by one.
async fn settlements(how: impl FnOnce(SubscriptionBuilder) -> SubscriptionBuilder) -> Result<u64> {
    let (engine, store) = ladder().await?;
    let subscription = how(store.subscription("climbers").batch_size(1));
    let worker = subscription.spawn(async |_: Batch| Ok::<_, Error>(()))?;
    store.wait_until_idle("climbers").await?;
    assert_eq!(worker.status().handled, EVENTS);
    worker.shutdown().await?;
    Ok(engine.settlements())
}

/// Time stands still, so that what is recorded is so for its number alone.
#[tokio::test(start_paused = true)]
async fn a_few_batches_are_recorded_together() -> Result<()> {
    assert_eq!(settlements(|subscription| subscription).await?, EVENTS.div_ceil(32));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn each_batch_is_recorded_where_that_is_asked_for() -> Result<()> {
    let each = settlements(|subscription| subscription.record_within(Duration::ZERO));
    assert_eq!(each.await?, EVENTS);
    Ok(())
}

#[tokio::test]
async fn a_page_is_read_ahead_and_no_more() -> Result<()> {
    let (engine, store) = ladder().await?;
    let worker = store.subscription("climbers").batch_size(1).spawn(async |_: Batch| {
        pending::<()>().await;
        Ok::<_, Error>(())
    })?;
    while engine.pages() < 2 {
        tokio::task::yield_now().await;
    }
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(engine.pages(), 2, "the one that is handled and the next one");
    drop(worker);
    Ok(())
}

#[tokio::test]
async fn more_time_than_the_lease_lasts_is_refused() -> Result<()> {
    let (_, store) = ladder().await?;
    let subscription = store.subscription("climbers").record_within(Duration::from_secs(60));
    let refused = subscription.run(async |_: Batch| Ok::<_, Error>(())).await;
    assert!(matches!(refused, Err(Error::InvalidSubscription { .. })), "{refused:?}");
    Ok(())
}
