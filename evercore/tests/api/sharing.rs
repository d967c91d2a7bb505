//! Workers that share the partitions of a subscription.

use std::sync::Arc;
use std::time::Duration;

use evercore::engine::{
    AcquireRequest, Detail, IfDifferent, LeaseKey, NewSubscription, StoredPartition,
    SubscriptionStorage,
};
use evercore::subscription::Partition;
use evercore::{
    Aggregate, Error, EventStore, Expected, NaturalKey, Position, RecordedEvent, Result, Start,
    Stream, SubscriptionName, each, state_event,
};
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::{sleep, timeout};

use crate::counting::Counting;

/// The delay of an answer: longer than a worker waits before it asks again.
const WAY: Duration = Duration::from_secs(3);

/// In virtual time.
const BOUND: Duration = Duration::from_secs(20);

/// Longer than the test takes, both in virtual and in real time.
const LEASE: Duration = Duration::from_secs(3_600);

#[derive(Aggregate, Default)]
#[aggregate(name = "till")]
struct Till {
    sum: i64,
}

#[state_event(aggregate = Till, name = "counted")]
struct Counted {
    sum: i64,
}

fn name() -> SubscriptionName {
    SubscriptionName::new("shared").expect("a name")
}

async fn until(engine: &Counting, what: &str, is_so: impl Fn(&[StoredPartition]) -> bool) {
    let seen = async {
        loop {
            let stored =
                engine.subscriptions(Some(&name()), Detail::Places).await.expect("memory answers");
            if stored.first().is_some_and(|stored| is_so(&stored.partitions)) {
                return;
            }
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(BOUND, seen).await.unwrap_or_else(|_| panic!("{what}"));
}

async fn lease_of(engine: &Counting, partition: u32) -> LeaseKey {
    let stored = engine.subscriptions(Some(&name()), Detail::Places).await.expect("memory answers");
    let index = usize::try_from(partition).expect("small");
    let lease = stored[0].partitions[index].lease.as_ref().expect("it is owned");
    LeaseKey { subscription: name(), partition, token: lease.token }
}

#[tokio::test(start_paused = true)]
async fn a_partition_on_its_way_is_worked_on_when_another_is_handed_over() -> Result<()> {
    let engine = Counting::with_slow_grants(WAY);
    let store = EventStore::builder().open(engine.clone()).await?;
    let (handled, mut events) = unbounded_channel();
    let worker = store
        .subscription("shared")
        .partitions(2)
        .lease(LEASE)
        .poll_interval(Duration::from_millis(10))
        .spawn(each(async move |event: RecordedEvent| handled.send(event.aggregate_id())))?;
    until(&engine, "it is given both", |places| places.iter().all(|place| place.lease.is_some()))
        .await;

    // The worker does not know yet that it has the second partition.
    engine.ask_for(&lease_of(&engine, 0).await, "another", LEASE).await?;
    until(&engine, "it gives the first back", |places| places[0].lease.is_none()).await;
    for key in ["north", "south"] {
        let stream = Stream::Key(NaturalKey::new(key)?);
        store.append::<Till, _>(stream, Expected::Any, [Counted { sum: 1 }]).await?;
    }

    let id = timeout(BOUND, events.recv()).await.expect("one is handled").expect("it is sent");
    assert!(Partition::new(1, 2)?.contains(id), "{id} is of the partition that was handed over");
    worker.shutdown().await
}

/// The lease expires while the heartbeat is delayed, so the partition is free when the worker looks for another one.
#[tokio::test(start_paused = true)]
async fn a_worker_can_take_a_partition_from_itself() -> Result<()> {
    let engine = Counting::with_a_late_heartbeat(WAY);
    let store = EventStore::builder().open(engine.clone()).await?;
    let new = NewSubscription {
        name: name(),
        filter: Arc::default(),
        partitions: 2,
        start: Start::Beginning,
        if_different: IfDifferent::Refuse,
    };
    engine.register(&new).await?;
    let NewSubscription { name: subscription, filter, partitions, .. } = new;
    let owner = "another".to_owned();
    engine
        .acquire(&AcquireRequest { subscription, owner, lease: LEASE, filter, partitions })
        .await?;

    let worker = store.subscription("shared").partitions(2).lease(WAY / 2);
    let worker = worker.spawn(each(async move |_| Ok::<_, Error>(())))?;
    until(&engine, "it is given the other", |places| places[1].lease.is_some()).await;
    let first = lease_of(&engine, 1).await;
    sleep(WAY * 2).await;
    assert!(lease_of(&engine, 1).await.token > first.token, "it was not taken anew");
    assert_eq!(worker.status().partitions, [1]);
    worker.shutdown().await
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_does_not_reach_its_partition_looks_for_it_again() -> Result<()> {
    let engine = Counting::unreachable_at_first(3);
    let store = EventStore::builder().open(engine.clone()).await?;
    let worker = store.subscription("shared").spawn(each(async move |_| Ok::<_, Error>(())))?;
    until(&engine, "it is given its partition", |places| places[0].lease.is_some()).await;
    worker.shutdown().await
}

/// Its cursor is not that of a worker which has worked on it, though it is beyond the beginning.
#[tokio::test(start_paused = true)]
async fn a_subscription_whose_worker_was_dropped_before_it_had_a_partition_is_not_waited_for()
-> Result<()> {
    let engine = Counting::unreachable_at_first(u64::MAX);
    let store = EventStore::builder().open(engine.clone()).await?;
    for key in ["north", "south"] {
        let stream = Stream::Key(NaturalKey::new(key)?);
        store.append::<Till, _>(stream, Expected::Any, [Counted { sum: 1 }]).await?;
    }
    let subscription = store.subscription("shared").start(Start::After(Position::new(1)?));
    let dropped = subscription.run(each(async move |_| Ok::<_, Error>(())));
    let stored = until(&engine, "it is stored", |places| !places.is_empty());
    tokio::select! {
        ended = dropped => panic!("{ended:?}"),
        () = stored => {}
    }
    let waited = timeout(BOUND, store.wait_until_idle("shared")).await;
    let waited = waited.expect("no worker is waited for");
    assert!(matches!(waited, Err(Error::SubscriptionFailed { .. })), "{waited:?}");
    Ok(())
}

/// These looks are repeated while others work, and an engine may count parked events one by one.
#[tokio::test(start_paused = true)]
async fn looks_that_are_repeated_leave_out_what_waits() -> Result<()> {
    let engine = Counting::default();
    let run = async || {
        let store = EventStore::builder().open(engine.clone()).await?;
        let worker = store.subscription("shared").lease(LEASE);
        Ok::<_, Error>((worker.spawn(each(async move |_| Ok::<_, Error>(())))?, store))
    };
    let (first, store) = run().await?;
    store.wait_until_idle("shared").await?;
    let (before, _) = engine.looks();
    let (standing_by, _) = run().await?;
    timeout(BOUND, async {
        while engine.looks().0 < before + 5 {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("a worker that stands by looks at the leases");
    assert_eq!(engine.looks().1, 0, "looks that count parked events");
    store.subscriptions().list().await?;
    assert_eq!(engine.looks().1, 1, "a list counts them");
    first.shutdown().await?;
    standing_by.shutdown().await
}

#[tokio::test(start_paused = true)]
async fn a_partition_granted_to_a_dropped_worker_is_given_back() -> Result<()> {
    let engine = Counting::with_slow_grants(WAY);
    let store = EventStore::builder().open(engine.clone()).await?;
    let stream = Stream::Key(NaturalKey::new("north")?);
    store.append::<Till, _>(stream, Expected::Any, [Counted { sum: 1 }]).await?;
    let ignore = || each(async move |_: RecordedEvent| Ok::<_, Error>(()));
    let mut dropped = Box::pin(store.subscription("shared").lease(LEASE).run(ignore()));
    let granted = until(&engine, "it is granted", |places| places[0].lease.is_some());
    tokio::select! {
        ended = &mut dropped => panic!("{ended:?}"),
        () = granted => {}
    }
    drop(dropped);

    let waited = timeout(BOUND, store.wait_until_idle("shared")).await;
    let waited = waited.expect("it does not wait for the end of the lease");
    assert!(matches!(waited, Err(Error::SubscriptionFailed { .. })), "{waited:?}");
    let worker = store.subscription("shared").lease(LEASE).spawn(ignore())?;
    timeout(BOUND, store.wait_until_idle("shared")).await.expect("the partition is free")?;
    worker.shutdown().await
}
