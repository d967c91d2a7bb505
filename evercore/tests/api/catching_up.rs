//! The requests of a subscription that is far behind, and its handling of the answers.

use std::future::pending;
use std::time::Duration;

use evercore::subscription::SubscriptionBuilder;
use evercore::{
    Aggregate, Apply, Batch, BoxError, Error, EventFilter, EventMeta, EventStore, Result, event,
};
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::{Instant, sleep, timeout};

use crate::counting::Counting;

/// In virtual time.
const BOUND: Duration = Duration::from_secs(60);

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

/// An event that never happens.
#[event(aggregate = Ladder, name = "fell")]
struct Fell {}

impl Apply<Fell> for Ladder {
    fn apply(&mut self, _: &Fell, _: &EventMeta) {
        self.rungs = 0;
    }
}

async fn ladder() -> Result<(Counting, EventStore)> {
    ladder_on(Counting::default()).await
}

async fn ladder_on(engine: Counting) -> Result<(Counting, EventStore)> {
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

/// Returns the number of settlements for handling all events one by one.
async fn settlements(how: impl FnOnce(SubscriptionBuilder) -> SubscriptionBuilder) -> Result<u64> {
    let (engine, store) = ladder().await?;
    let subscription = how(store.subscription("climbers").batch_size(1));
    let worker = subscription.spawn(async |_: Batch| Ok::<_, Error>(()))?;
    store.wait_until_idle("climbers").await?;
    assert_eq!(worker.status().handled, EVENTS);
    worker.shutdown().await?;
    Ok(engine.settlements())
}

/// Time stands still, so only the number of batches causes a settlement.
#[tokio::test(start_paused = true)]
async fn a_few_batches_are_recorded_together() -> Result<()> {
    assert_eq!(settlements(|subscription| subscription).await?, EVENTS.div_ceil(32));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn each_batch_is_recorded_on_request() -> Result<()> {
    let each = settlements(|subscription| subscription.record_within(Duration::ZERO));
    assert_eq!(each.await?, EVENTS);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn skipped_events_are_recorded_later() -> Result<()> {
    let (engine, store) = ladder().await?;
    let subscription = store.subscription("climbers").filter(EventFilter::new().event::<Fell>());
    let worker = subscription.spawn(async |_: Batch| Ok::<_, Error>(()))?;
    for (after, settlements) in [(200, 0), (100, 1), (1_000, 1)] {
        sleep(Duration::from_millis(after)).await;
        assert_eq!(engine.settlements(), settlements, "after another {after} ms");
    }
    worker.shutdown().await
}

#[tokio::test(start_paused = true)]
async fn nothing_is_recorded_where_nothing_has_moved() -> Result<()> {
    let engine = Counting::default();
    let store = EventStore::builder().open(engine.clone()).await?;
    let worker = store.subscription("climbers").spawn(async |_: Batch| Ok::<_, Error>(()))?;
    sleep(Duration::from_secs(10)).await;
    assert!(engine.pages() > 0, "it has looked");
    assert_eq!(engine.settlements(), 0);
    worker.shutdown().await
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

#[tokio::test(start_paused = true)]
async fn a_page_that_is_out_of_reach_is_asked_for_again() -> Result<()> {
    let silence = |_| Error::Unavailable { source: "the server does not answer".into() };
    let (_, store) = ladder_on(Counting::with_page_errors((0..9).map(silence))).await?;
    let begun = Instant::now();
    let worker = store.subscription("climbers").spawn(async |_: Batch| Ok::<_, Error>(()))?;
    timeout(BOUND, store.wait_until_idle("climbers")).await.expect("it is reached")?;
    // A random delay of up to 2.5 s. Delays that do not grow would add up to 45 ms at most.
    assert!(begun.elapsed() > Duration::from_millis(45), "{:?}", begun.elapsed());
    assert_eq!(worker.status().handled, EVENTS);
    worker.shutdown().await
}

#[tokio::test(start_paused = true)]
async fn a_page_that_makes_no_sense_ends_the_work() -> Result<()> {
    let nonsense = Error::corrupt("an event", "without a type");
    let (_, store) = ladder_on(Counting::with_page_errors([nonsense])).await?;
    let worker = store.subscription("climbers").spawn(async |_: Batch| Ok::<_, Error>(()))?;
    let ended = timeout(BOUND, worker.join()).await.expect("it says so");
    assert!(matches!(ended, Err(Error::Corrupt { .. })), "{ended:?}");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_is_to_stop_finishes_its_batch_and_no_more() -> Result<()> {
    let (_, store) = ladder().await?;
    let (begun, mut batches) = unbounded_channel();
    let worker = store.subscription("climbers").batch_size(1).spawn(async move |_: Batch| {
        begun.send(())?;
        sleep(Duration::from_millis(1)).await;
        Ok::<_, BoxError>(())
    })?;
    batches.recv().await.expect("there are some");
    worker.shutdown().await?;
    assert_eq!(batches.try_recv(), Err(TryRecvError::Disconnected), "another one was begun");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_ends_the_work_is_given_once() -> Result<()> {
    let (_, store) = ladder().await?;
    let (begun, mut batches) = unbounded_channel();
    let work = store.subscription("climbers").run(async move |batch: Batch| {
        begun.send(batch.len())?;
        Err::<(), BoxError>("it is slippery".into())
    });
    let ended = work.await;
    assert!(
        matches!(ended, Err(Error::HandlerFailed { position, .. }) if position.get() == 1),
        "{ended:?}"
    );
    assert!(batches.recv().await.expect("there are some") > 1);
    assert_eq!(batches.try_recv(), Err(TryRecvError::Disconnected), "it was given again");
    Ok(())
}
