//! P10: a partition of a subscription has one owner at a time.

use std::sync::Arc;
use std::time::Duration;

use evercore::engine::{
    AcquireRequest, Acquired, Beat, Control, CursorMove, Detail, Grant, IfDifferent, LeaseKey,
    LeaseStatus, NewSubscription, NewlyParked, ParkedRequest, Registered, Settled, Settlement,
    StorageEngine, WhichParked,
};
use evercore::subscription::{Partition, SubscriptionHandle, SubscriptionState};
use evercore::{Batch, Error, EventFilter, EventStore, Position, Result, Start, SubscriptionName};
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::assert::assert_error;
use crate::domain::counter::{self, Counter};
use crate::fixture::Fixture;
use crate::journal::{Journal, cursor, idle, info, owns, stored, until, until_true};

/// A lease that does not expire during a case.
const LONG: Duration = Duration::from_secs(600);

/// A lease that expires soon.
const SHORT: Duration = Duration::from_millis(60);

fn name() -> SubscriptionName {
    SubscriptionName::new("leased").expect("a name")
}

/// Returns the name of a subscription that comes after [`name`].
fn other_name() -> SubscriptionName {
    SubscriptionName::new("other").expect("a name")
}

fn request(owner: &str, lease: Duration) -> AcquireRequest {
    AcquireRequest {
        subscription: name(),
        owner: owner.to_owned(),
        lease,
        filter: Arc::default(),
        partitions: 1,
    }
}

fn subscription(partitions: u32) -> NewSubscription {
    NewSubscription {
        name: name(),
        filter: Arc::new(EventFilter::new()),
        partitions,
        start: Start::Beginning,
        if_different: IfDifferent::Refuse,
    }
}

async fn register(engine: &dyn StorageEngine) -> Result<()> {
    engine.register(&subscription(1)).await.map(drop)
}

async fn acquire(engine: &dyn StorageEngine, owner: &str, lease: Duration) -> Result<Grant> {
    granted(engine, &request(owner, lease)).await
}

async fn granted(engine: &dyn StorageEngine, request: &AcquireRequest) -> Result<Grant> {
    match engine.acquire(request).await? {
        Acquired::Granted(grant) => Ok(grant),
        other => panic!("{} should have got the lease, not {other:?}", request.owner),
    }
}

/// A request for one of two partitions.
fn request_of_two(owner: &str) -> AcquireRequest {
    AcquireRequest { partitions: 2, ..request(owner, LONG) }
}

fn step(lease: &LeaseKey, from: i64, to: i64) -> Settlement {
    let position = |position| Position::new(position).expect("a position");
    Settlement {
        lease: lease.clone(),
        cursor: Some(CursorMove { from: position(from), to: position(to) }),
        parked: Vec::new(),
        unparked: None,
        failure: None,
    }
}

async fn status(engine: &dyn StorageEngine, lease: &LeaseKey) -> Result<LeaseStatus> {
    let beat = Beat { lease: lease.clone(), renew: None };
    Ok(engine.heartbeat(&[beat]).await?.leases[0])
}

/// Returns whether the stored subscription shows that a partition was asked for, and whether its owner is told.
async fn wanted(engine: &dyn StorageEngine, lease: &LeaseKey) -> Result<[bool; 2]> {
    let stored = engine.subscriptions(Some(&name()), Detail::Places).await?;
    let partition = &stored[0].partitions[usize::try_from(lease.partition).expect("few")];
    let told = status(engine, lease).await?;
    Ok([
        partition.lease.as_ref().is_some_and(|lease| lease.wanted),
        matches!(told, LeaseStatus::Held { wanted: true, .. }),
    ])
}

pub(crate) async fn a_lease_is_held_by_one(fixture: &Fixture) -> Result<()> {
    let engine = fixture.engine();
    register(engine).await?;
    let first = acquire(engine, "first", LONG).await?;
    assert_eq!(first.cursor, Position::START);
    let refused = engine.acquire(&request("second", LONG)).await?;
    assert!(matches!(&refused, Acquired::Taken { owner, .. } if owner == "first"), "{refused:?}");
    // The owner itself cannot take it again either: two workers may have the same name.
    let again = engine.acquire(&request("first", LONG)).await?;
    assert!(matches!(again, Acquired::Taken { .. }), "{again:?}");

    engine.release(&first.lease).await?;
    let second = acquire(engine, "second", LONG).await?;
    assert!(second.lease.token > first.lease.token, "a token grows at each take-over");
    assert_eq!(status(engine, &first.lease).await?, LeaseStatus::Lost);
    engine.release(&first.lease).await?;
    assert!(matches!(status(engine, &second.lease).await?, LeaseStatus::Held { .. }));
    Ok(())
}

pub(crate) async fn racing_workers_get_one_lease(fixture: &Fixture) -> Result<()> {
    let engine = fixture.shared_engine();
    register(&*engine).await?;
    for round in 0..10 {
        let racing = (0..8).map(|runner| {
            let engine = Arc::clone(&engine);
            tokio::spawn(async move { engine.acquire(&request(&format!("{runner}"), LONG)).await })
        });
        let mut granted = Vec::new();
        for runner in racing.collect::<Vec<_>>() {
            if let Acquired::Granted(grant) = runner.await.expect("no panic")? {
                granted.push(grant);
            }
        }
        assert_eq!(granted.len(), 1, "in round {round}");
        engine.release(&granted[0].lease).await?;
    }
    Ok(())
}

pub(crate) async fn an_ended_lease_can_be_taken_over(fixture: &Fixture) -> Result<()> {
    let engine = fixture.engine();
    register(engine).await?;
    let first = acquire(engine, "first", SHORT).await?;
    let second = until(async || {
        Ok(match engine.acquire(&request("second", LONG)).await? {
            Acquired::Granted(grant) => Some(grant),
            _ => None,
        })
    })
    .await?;
    assert!(second.lease.token > first.lease.token);
    assert_eq!(status(engine, &first.lease).await?, LeaseStatus::Lost);
    Ok(())
}

pub(crate) async fn a_renewed_lease_does_not_end(fixture: &Fixture) -> Result<()> {
    let engine = fixture.engine();
    register(engine).await?;
    let first = acquire(engine, "first", Duration::from_millis(200)).await?;
    for _ in 0..12 {
        sleep(Duration::from_millis(40)).await;
        let beat = Beat { lease: first.lease.clone(), renew: Some(Duration::from_secs(20)) };
        let found = engine.heartbeat(&[beat]).await?.leases[0];
        assert!(matches!(found, LeaseStatus::Held { .. }), "{found:?}");
        let refused = engine.acquire(&request("second", LONG)).await?;
        assert!(matches!(refused, Acquired::Taken { .. }), "{refused:?}");
    }
    Ok(())
}

/// No other worker has taken the lease, so its owner may continue.
pub(crate) async fn a_lease_may_be_as_long_as_a_duration(fixture: &Fixture) -> Result<()> {
    let (store, engine) = (fixture.store(), fixture.engine());
    let id = counter::create(store, 1).await?;
    register(engine).await?;
    let lease = acquire(engine, "owner", Duration::MAX).await?.lease;
    let beat = Beat { lease: lease.clone(), renew: Some(Duration::MAX) };
    for _ in 0..2 {
        engine.heartbeat(std::slice::from_ref(&beat)).await?;
        let refused = engine.acquire(&request("another", Duration::MAX)).await?;
        assert!(matches!(refused, Acquired::Taken { .. }), "{refused:?}");
    }
    engine.ask_for(&lease, "another", Duration::MAX).await?;
    assert_eq!(wanted(engine, &lease).await?, [true, true]);

    let parked = NewlyParked {
        position: Position::new(1).expect("a position"),
        lane: id.into(),
        reason: Some("bad".to_owned()),
        redrive_after: Some(Duration::MAX),
    };
    engine.settle(&Settlement { parked: vec![parked], ..step(&lease, 0, 1) }).await?;
    let told = status(engine, &lease).await?;
    assert!(matches!(told, LeaseStatus::Held { redrive: false, .. }), "{told:?}");
    let parked = store.subscriptions().parked("leased", Position::START, 10).await?.events;
    assert!(!parked[0].redrive && parked[0].redrive_at.is_some(), "{parked:?}");
    Ok(())
}

pub(crate) async fn a_lease_that_ended_and_was_not_taken_can_be_renewed(
    fixture: &Fixture,
) -> Result<()> {
    let engine = fixture.engine();
    register(engine).await?;
    let first = acquire(engine, "first", SHORT).await?;
    until_true(async || {
        let stored = engine.subscriptions(Some(&name()), Detail::Places).await?;
        Ok(stored[0].partitions[0].lease.as_ref().is_some_and(|lease| lease.ended))
    })
    .await?;
    let beat = Beat { lease: first.lease.clone(), renew: Some(LONG) };
    assert!(matches!(engine.heartbeat(&[beat]).await?.leases[0], LeaseStatus::Held { .. }));
    let refused = engine.acquire(&request("second", LONG)).await?;
    assert!(matches!(refused, Acquired::Taken { .. }), "{refused:?}");
    Ok(())
}

pub(crate) async fn a_worker_that_lost_the_lease_moves_nothing(fixture: &Fixture) -> Result<()> {
    let engine = fixture.engine();
    for value in 0..3 {
        counter::create(fixture.store(), value).await?;
    }
    register(engine).await?;
    let zombie = acquire(engine, "zombie", LONG).await?.lease;
    engine.settle(&step(&zombie, 0, 1)).await?;
    engine.release(&zombie).await?;
    assert_error!(engine.settle(&step(&zombie, 1, 2)).await, Error::LeaseLost { .. });

    let owner = acquire(engine, "owner", LONG).await?.lease;
    engine.settle(&step(&owner, 1, 3)).await?;
    // Neither forward nor back.
    for to in [2, 3] {
        assert_error!(engine.settle(&step(&zombie, 1, to)).await, Error::LeaseLost { .. });
        assert_error!(engine.settle(&step(&zombie, 3, to)).await, Error::LeaseLost { .. });
    }
    assert_eq!(cursor(fixture.store(), "leased").await?.get(), 3);
    Ok(())
}

/// The cursor's position is part of the fence.
pub(crate) async fn a_settlement_from_elsewhere_is_refused(fixture: &Fixture) -> Result<()> {
    let engine = fixture.engine();
    for value in 0..5 {
        counter::create(fixture.store(), value).await?;
    }
    register(engine).await?;
    let owner = acquire(engine, "owner", LONG).await?.lease;
    assert_eq!(engine.settle(&step(&owner, 0, 3)).await?, Settled::Now);
    assert_error!(engine.settle(&step(&owner, 0, 5)).await, Error::LeaseLost { .. });
    assert_error!(engine.settle(&step(&owner, 2, 4)).await, Error::LeaseLost { .. });
    assert_eq!(engine.settle(&step(&owner, 3, 5)).await?, Settled::Now);
    Ok(())
}

/// The answer to the first settlement may have been lost.
pub(crate) async fn a_settlement_sent_twice_is_recorded_once(fixture: &Fixture) -> Result<()> {
    let engine = fixture.engine();
    for value in 0..3 {
        counter::create(fixture.store(), value).await?;
    }
    register(engine).await?;
    let owner = acquire(engine, "owner", LONG).await?.lease;
    assert_eq!(engine.settle(&step(&owner, 0, 3)).await?, Settled::Now);
    assert_eq!(engine.settle(&step(&owner, 0, 3)).await?, Settled::Before);
    Ok(())
}

/// The subscription's row is a new one, although it has the same name.
pub(crate) async fn a_lease_of_a_deleted_subscription_is_of_no_use(
    fixture: &Fixture,
) -> Result<()> {
    let engine = fixture.engine();
    counter::create(fixture.store(), 1).await?;
    register(engine).await?;
    let old = acquire(engine, "old", LONG).await?.lease;
    engine.control(&name(), &Control::Delete).await?;
    assert_eq!(status(engine, &old).await?, LeaseStatus::Lost);
    assert_error!(engine.settle(&step(&old, 0, 1)).await, Error::LeaseLost { .. });
    let gone = engine.acquire(&request("new", LONG)).await?;
    assert!(matches!(gone, Acquired::Unknown), "{gone:?}");

    register(engine).await?;
    let new = acquire(engine, "new", LONG).await?.lease;
    assert_ne!(new.token, old.token);
    assert_error!(engine.settle(&step(&old, 0, 1)).await, Error::LeaseLost { .. });
    Ok(())
}

/// The lease stays useless after another worker has acquired a new one, because tokens are never reused.
pub(crate) async fn a_lease_of_a_reset_subscription_is_of_no_use(fixture: &Fixture) -> Result<()> {
    let engine = fixture.engine();
    counter::create(fixture.store(), 1).await?;
    register(engine).await?;
    let old = acquire(engine, "old", LONG).await?.lease;
    engine.control(&name(), &Control::Reset(Start::Beginning)).await?;
    assert_eq!(status(engine, &old).await?, LeaseStatus::Lost);
    assert_error!(engine.settle(&step(&old, 0, 1)).await, Error::LeaseLost { .. });

    let new = acquire(engine, "new", LONG).await?.lease;
    assert_ne!(new.token, old.token);
    assert_error!(engine.settle(&step(&old, 0, 1)).await, Error::LeaseLost { .. });
    assert_eq!(cursor(fixture.store(), "leased").await?, Position::START);
    Ok(())
}

/// Events read with the old filter must not move the cursor of the new one.
pub(crate) async fn a_lease_ends_when_what_is_followed_changes(fixture: &Fixture) -> Result<()> {
    let engine = fixture.engine();
    counter::create(fixture.store(), 1).await?;
    register(engine).await?;
    let old = acquire(engine, "old", LONG).await?.lease;
    let filter = Arc::new(EventFilter::new().aggregate::<Counter>());
    let changed = NewSubscription {
        filter: Arc::clone(&filter),
        if_different: IfDifferent::Replace,
        ..subscription(1)
    };
    engine.register(&changed).await?;
    assert_eq!(status(engine, &old).await?, LeaseStatus::Lost);
    assert_error!(engine.settle(&step(&old, 0, 1)).await, Error::LeaseLost { .. });

    let new = granted(engine, &AcquireRequest { filter, ..request("new", LONG) }).await?;
    assert!(new.lease.token > old.token, "a token is never used again");
    assert_error!(engine.settle(&step(&old, 0, 1)).await, Error::LeaseLost { .. });
    engine.settle(&step(&new.lease, 0, 1)).await.map(drop)
}

pub(crate) async fn registering_tells_whether_the_subscription_is_new(
    fixture: &Fixture,
) -> Result<()> {
    let engine = fixture.engine();
    counter::create(fixture.store(), 1).await?;
    let at_the_end = NewSubscription { start: Start::End, ..subscription(1) };
    let end = fixture.store().head().await?;
    assert_eq!(engine.register(&at_the_end).await?, Registered::New { cursor: end });
    assert_eq!(engine.register(&at_the_end).await?, Registered::Unchanged);
    let of_two = NewSubscription { if_different: IfDifferent::Replace, ..subscription(2) };
    assert_eq!(engine.register(&of_two).await?, Registered::Replaced);
    assert_eq!(engine.register(&of_two).await?, Registered::Unchanged);
    Ok(())
}

pub(crate) async fn a_second_worker_is_refused_with_the_owners_name(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    let journal = Journal::default();
    let worker = store.subscription("owned").owner("the first").spawn(journal.handler())?;
    owns(&worker, |partitions| partitions == [0]).await?;
    let second = fixture.neighbour().await?;
    let refused = second.subscription("owned").fail_if_owned().run(journal.handler()).await;
    assert_error!(refused, Error::SubscriptionOwned { owner, .. } if owner == "the first");
    worker.shutdown().await
}

pub(crate) async fn a_worker_that_stands_by_takes_over_at_once(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let neighbour = fixture.neighbour().await?;
    let (first, second) = (Journal::default(), Journal::default());
    let owner = store.subscription("handed over").spawn(first.handler())?;
    owns(&owner, |partitions| partitions == [0]).await?;
    let waiting = neighbour.subscription("handed over").spawn(second.handler())?;
    counter::create(store, 1).await?;
    idle(store, "handed over", &owner).await?;
    assert_eq!(waiting.status().state, SubscriptionState::StandingBy);
    assert_eq!((first.len(), second.len()), (1, 0));

    // A lease lasts 30 s, longer than this case may take.
    let began = tokio::time::Instant::now();
    owner.shutdown().await?;
    counter::create(store, 2).await?;
    until_true(async || Ok(second.len() == 1)).await?;
    assert!(began.elapsed() < Duration::from_secs(15), "it waited for the lease to end");
    assert_eq!(first.len(), 1);
    waiting.shutdown().await
}

/// The worker releases nothing, like a process that was killed.
pub(crate) async fn a_worker_that_is_gone_is_replaced_when_its_lease_ends(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    let neighbour = fixture.neighbour().await?;
    counter::create(store, 1).await?;
    let lease = Duration::from_millis(1_200);
    let (entered, first) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let stuck = store.subscription("taken over").lease(lease).spawn({
        let (entered, first) = (Arc::clone(&entered), Arc::clone(&first));
        async move |_: Batch| {
            entered.notify_one();
            first.notified().await;
            Ok::<_, Error>(())
        }
    })?;
    entered.notified().await;
    drop(stuck);
    let journal = Journal::default();
    let next = neighbour.subscription("taken over").lease(lease).spawn(journal.handler())?;
    idle(store, "taken over", &next).await?;
    assert_eq!(journal.len(), 1, "what was not recorded comes again");
    next.shutdown().await
}

/// The lease is renewed while the handler runs.
pub(crate) async fn a_slow_handler_keeps_its_lease(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let neighbour = fixture.neighbour().await?;
    counter::create(store, 1).await?;
    let lease = Duration::from_secs(3);
    let journal = Journal::default();
    let slow = {
        let journal = journal.clone();
        async move |batch: Batch| {
            sleep(lease * 2).await;
            journal.extend(&batch);
            Ok::<_, Error>(())
        }
    };
    let worker = store.subscription("slow").lease(lease).spawn(slow)?;
    owns(&worker, |partitions| partitions == [0]).await?;
    let other = Journal::default();
    let waiting = neighbour.subscription("slow").lease(lease).spawn(other.handler())?;
    idle(store, "slow", &worker).await?;
    assert_eq!((journal.len(), other.len()), (1, 0));
    worker.shutdown().await?;
    waiting.shutdown().await
}

/// Another worker may handle the events now.
pub(crate) async fn a_handler_is_stopped_when_its_lease_is_lost(fixture: &Fixture) -> Result<()> {
    struct Witness(Arc<Notify>);
    impl Drop for Witness {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }

    let store = fixture.store();
    counter::create(store, 1).await?;
    let (entered, stopped) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let worker = store.subscription("stopped").poll_interval(Duration::from_millis(10)).spawn({
        let (entered, stopped) = (Arc::clone(&entered), Arc::clone(&stopped));
        async move |batch: Batch| {
            if batch[0].position().get() == 1 && batch.len() == 1 {
                let _witness = Witness(stopped);
                entered.notify_one();
                std::future::pending::<()>().await;
            }
            Ok::<_, Error>(())
        }
    })?;
    entered.notified().await;
    // The owner loses the lease as in a takeover, but without the wait.
    store.subscriptions().reset("stopped", Start::End).await?;
    stopped.notified().await;
    // The worker continues from the new position.
    counter::create(store, 2).await?;
    idle(store, "stopped", &worker).await?;
    worker.shutdown().await
}

pub(crate) async fn a_shut_down_worker_finishes_its_batch(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    counter::create(store, 1).await?;
    let journal = Journal::default();
    let entered = Arc::new(Notify::new());
    let worker = store.subscription("finished").spawn({
        let (journal, entered) = (journal.clone(), Arc::clone(&entered));
        async move |batch: Batch| {
            entered.notify_one();
            sleep(Duration::from_millis(50)).await;
            journal.extend(&batch);
            Ok::<_, Error>(())
        }
    })?;
    entered.notified().await;
    worker.shutdown().await?;
    assert_eq!(journal.len(), 1);
    let stored = info(store, "finished").await?;
    assert_eq!((stored.lag, stored.partitions[0].owner.as_deref()), (0, None));
    Ok(())
}

pub(crate) async fn partitions_are_shared_among_workers(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let neighbour = fixture.neighbour().await?;
    let journal = Journal::default();
    // No lease expires here: each partition was given up by its owner.
    let subscription =
        |store: &evercore::EventStore| store.subscription("shared").partitions(4).lease(LONG);
    let first = subscription(store).spawn(journal.handler())?;
    owns(&first, |partitions| partitions == [0, 1, 2, 3]).await?;

    let second = subscription(&neighbour).spawn(journal.handler())?;
    for worker in [&first, &second] {
        owns(worker, |partitions| partitions.len() == 2).await?;
    }
    for value in 0..40 {
        counter::create(store, value).await?;
    }
    idle(store, "shared", &first).await?;
    let mut seen = journal.positions();
    seen.sort_unstable();
    assert_eq!(seen, crate::journal::positions(&fixture.log().await?), "each was given once");

    second.shutdown().await?;
    owns(&first, |partitions| partitions == [0, 1, 2, 3]).await?;
    first.shutdown().await
}

/// The first process owns all of them until others come, and those divide what a dead one has left.
pub(crate) async fn subscriptions_are_shared_among_processes(fixture: &Fixture) -> Result<()> {
    const NAMES: [&str; 6] = ["one", "two", "three", "four", "five", "six"];
    let lease = Duration::from_secs(3);
    let stores = [fixture.store().clone(), fixture.neighbour().await?, fixture.neighbour().await?];
    let journal = Journal::default();
    let run = |store: &EventStore| -> Result<Vec<SubscriptionHandle>> {
        let run = |name| store.subscription(name).lease(lease).spawn(journal.handler());
        NAMES.into_iter().map(run).collect()
    };
    let owned = |workers: &[SubscriptionHandle]| -> usize {
        workers.iter().map(|worker| worker.status().partitions.len()).sum()
    };

    let first = run(&stores[0])?;
    until_true(async || Ok(owned(&first) == 6)).await?;
    let (second, third) = (run(&stores[1])?, run(&stores[2])?);
    until_true(async || Ok([&first, &second, &third].map(|workers| owned(workers)) == [2, 2, 2]))
        .await?;
    for value in 0..20 {
        counter::create(fixture.store(), value).await?;
    }
    for name in NAMES {
        fixture.store().wait_until_idle(name).await?;
    }

    // A process that is killed releases nothing.
    drop(third);
    until_true(async || Ok([&first, &second].map(|workers| owned(workers)) == [3, 3])).await?;
    for worker in first.into_iter().chain(second) {
        worker.shutdown().await?;
    }
    Ok(())
}

pub(crate) async fn the_order_of_an_aggregate_holds_in_partitions(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let mut counters = Vec::new();
    for value in 0..5 {
        counters.push(counter::create(store, value).await?);
    }
    for round in 0..40 {
        counter::add(store, counters[round % 5], 1).await?;
    }
    let journal = Journal::default();
    let worker =
        store.subscription("in order").partitions(3).batch_size(4).spawn(journal.handler())?;
    idle(store, "in order", &worker).await?;
    let events = journal.events();
    assert_eq!(events.len(), 45);
    for id in counters {
        let of_one: Vec<_> =
            events.iter().filter(|event| event.aggregate_id() == id).cloned().collect();
        crate::assert::assert_unbroken(&of_one);
        assert_eq!(of_one.len(), 9);
    }
    worker.shutdown().await
}

/// No other worker gets it for as long as the request lasts.
pub(crate) async fn a_worker_that_asks_for_a_partition_gets_it(fixture: &Fixture) -> Result<()> {
    let engine = fixture.engine();
    engine.register(&subscription(2)).await?;
    let leases = [
        granted(engine, &request_of_two("owner")).await?.lease,
        granted(engine, &request_of_two("owner")).await?.lease,
    ];
    let given_to = async |lease: &LeaseKey, owner: &str, not_to: &str| {
        engine.release(lease).await?;
        let refused = engine.acquire(&request_of_two(not_to)).await?;
        assert!(matches!(refused, Acquired::Taken { .. }), "{refused:?}");
        granted(engine, &request_of_two(owner)).await
    };
    engine.ask_for(&leases[0], "first", LONG).await?;
    engine.ask_for(&leases[0], "second", LONG).await?;
    assert_eq!(wanted(engine, &leases[0]).await?, [true, true]);
    assert_eq!(wanted(engine, &leases[1]).await?, [false, false]);
    given_to(&leases[0], "first", "second").await?;

    // The first worker that asked is gone, and another one asks.
    engine.ask_for(&leases[1], "first", SHORT).await?;
    until_true(async || Ok(wanted(engine, &leases[1]).await? == [false, false])).await?;
    engine.ask_for(&leases[1], "second", LONG).await?;
    assert_eq!(wanted(engine, &leases[1]).await?, [true, true]);
    given_to(&leases[1], "second", "first").await.map(drop)
}

/// Workers that stand by look at short intervals, and an engine may count parked events one by one.
pub(crate) async fn a_look_at_the_leases_leaves_out_what_waits(fixture: &Fixture) -> Result<()> {
    let engine = fixture.engine();
    let id = counter::create(fixture.store(), 1).await?;
    counter::add(fixture.store(), id, 1).await?;
    engine.register(&subscription(2)).await?;
    engine.register(&NewSubscription { name: other_name(), ..subscription(1) }).await?;
    let owned = granted(engine, &request_of_two("owner")).await?;
    let given_back = granted(engine, &request_of_two("another")).await?;
    let lease = if owned.partition.contains(id) { &owned.lease } else { &given_back.lease };
    let parked = NewlyParked {
        position: Position::new(1).expect("a position"),
        lane: id.into(),
        reason: Some("bad".to_owned()),
        redrive_after: None,
    };
    let failure = Some("it fails".to_owned());
    engine.settle(&Settlement { parked: vec![parked], failure, ..step(lease, 0, 1) }).await?;
    engine.release(&given_back.lease).await?;
    engine.ask_for(&owned.lease, "another", LONG).await?;
    engine.control(&other_name(), &Control::Pause).await?;

    let all = engine.subscriptions(None, Detail::Backlog).await?;
    assert_eq!(all.iter().map(|stored| stored.parked).collect::<Vec<_>>(), [Some(1), Some(0)]);
    let places = || all.iter().flat_map(|stored| &stored.partitions);
    assert!(places().all(|place| place.waiting_since.is_some()), "{all:?}");
    for name in [None, Some(name()), Some(other_name())] {
        let looked = engine.subscriptions(name.as_ref(), Detail::Places).await?;
        let mut expected = all.clone();
        expected.retain(|stored| name.as_ref().is_none_or(|name| stored.name == *name));
        for stored in &mut expected {
            stored.parked = None;
            for place in &mut stored.partitions {
                place.waiting_since = None;
            }
        }
        assert_eq!(format!("{looked:?}"), format!("{expected:?}"));
    }
    Ok(())
}

pub(crate) async fn only_events_to_redrive_are_reported(fixture: &Fixture) -> Result<()> {
    let (store, engine) = (fixture.store(), fixture.engine());
    let (one, other) = (counter::create(store, 1).await?, counter::create(store, 2).await?);
    counter::add(store, one, 1).await?;
    counter::add(store, other, 1).await?;
    register(engine).await?;
    let lease = acquire(engine, "owner", LONG).await?.lease;
    let parked =
        |position, aggregate_id: evercore::AggregateId, reason: Option<&str>| NewlyParked {
            position: Position::new(position).expect("a position"),
            lane: aggregate_id.into(),
            reason: reason.map(str::to_owned),
            redrive_after: None,
        };
    let settle = async |cursor, parked: Vec<NewlyParked>| {
        engine.settle(&Settlement { cursor, parked, ..step(&lease, 0, 0) }).await
    };
    let told = async || {
        let found = status(engine, &lease).await?;
        Ok::<_, Error>(matches!(found, LeaseStatus::Held { redrive: true, .. }))
    };
    let to_redrive = async || {
        let request = ParkedRequest {
            subscription: name(),
            after: Position::START,
            limit: 10,
            partition: Partition::WHOLE,
            which: WhichParked::ToRedrive,
        };
        let parked = engine.parked_events(&request).await?;
        Ok::<_, Error>(
            parked.iter().map(|parked| parked.event.position().get()).collect::<Vec<_>>(),
        )
    };

    let both = vec![parked(1, one, Some("bad")), parked(2, other, Some("bad"))];
    settle(step(&lease, 0, 2).cursor, both).await?;
    assert_eq!((told().await?, to_redrive().await?), (false, vec![]));
    engine.control(&name(), &Control::Redrive).await?;
    assert_eq!((told().await?, to_redrive().await?), (true, vec![1, 2]));

    // Events that wait behind a parked one are redriven together with it.
    settle(step(&lease, 2, 3).cursor, vec![parked(3, one, None)]).await?;
    settle(None, vec![parked(2, other, Some("still bad"))]).await?;
    settle(step(&lease, 3, 4).cursor, vec![parked(4, other, None)]).await?;
    assert_eq!((told().await?, to_redrive().await?), (true, vec![1, 3]));

    for position in to_redrive().await? {
        let unparked = Some(Position::new(position).expect("a position"));
        engine.settle(&Settlement { cursor: None, unparked, ..step(&lease, 0, 0) }).await?;
    }
    assert_eq!((told().await?, to_redrive().await?), (false, vec![]));
    assert_eq!(info(store, "leased").await?.parked, 2);
    Ok(())
}

/// An operator discards the event while a worker handles it.
pub(crate) async fn an_event_discarded_during_its_redrive_holds_nothing_back(
    fixture: &Fixture,
) -> Result<()> {
    let (store, engine) = (fixture.store(), fixture.engine());
    let id = counter::create(store, 1).await?;
    for _ in 0..3 {
        counter::add(store, id, 1).await?;
    }
    register(engine).await?;
    let lease = acquire(engine, "owner", LONG).await?.lease;
    let at = |position| Position::new(position).expect("a position");
    let park = |position, reason: Option<&str>| NewlyParked {
        position: at(position),
        lane: id.into(),
        reason: reason.map(str::to_owned),
        redrive_after: None,
    };
    let settle = async |cursor, parked| {
        let settlement = Settlement { cursor, parked: vec![parked], ..step(&lease, 0, 0) };
        engine.settle(&settlement).await
    };
    let to_redrive = async || {
        let (after, which) = (Position::START, WhichParked::ToRedrive);
        let (subscription, partition) = (name(), Partition::WHOLE);
        let request = ParkedRequest { subscription, after, limit: 10, partition, which };
        let parked = engine.parked_events(&request).await?;
        let positions = parked.iter().map(|parked| parked.event.position().get());
        Ok::<_, Error>(positions.collect::<Vec<_>>())
    };
    let discard = |position| Control::Discard {
        position: at(position),
        by: "ada".to_owned(),
        reason: "no use".to_owned(),
    };
    settle(step(&lease, 0, 1).cursor, park(1, Some("bad"))).await?;
    settle(step(&lease, 1, 2).cursor, park(2, None)).await?;
    engine.control(&name(), &Control::RedriveEvent(at(1))).await?;
    assert_eq!(to_redrive().await?, [1, 2], "none is left out that a later one could overtake");

    // The handler fails on it again: it is not parked again, and the later event is handled nevertheless.
    engine.control(&name(), &discard(1)).await?;
    settle(None, park(1, Some("still bad"))).await?;
    assert_eq!((to_redrive().await?, info(store, "leased").await?.parked), (vec![2], 1));

    // An event was parked behind one that no longer exists.
    engine.control(&name(), &discard(2)).await?;
    settle(step(&lease, 2, 3).cursor, park(3, None)).await?;
    settle(step(&lease, 3, 4).cursor, park(4, None)).await?;
    assert_eq!(to_redrive().await?, [3, 4]);
    Ok(())
}

/// A single new cursor would repeat or skip events.
pub(crate) async fn partitions_at_different_places_stay_as_they_are(
    fixture: &Fixture,
) -> Result<()> {
    let engine = fixture.engine();
    counter::create(fixture.store(), 1).await?;
    engine.register(&subscription(2)).await?;
    let first = granted(engine, &request_of_two("worker")).await?.lease;
    let second = granted(engine, &request_of_two("worker")).await?.lease;
    engine.settle(&step(&first, 0, 1)).await?;
    engine.release(&first).await?;
    engine.release(&second).await?;
    let of_three = NewSubscription { if_different: IfDifferent::Replace, ..subscription(3) };
    assert_error!(engine.register(&of_three).await, Error::SubscriptionNotIdle { .. });
    Ok(())
}

pub(crate) async fn the_number_of_partitions_changes_when_idle(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    for value in 0..10 {
        counter::create(store, value).await?;
    }
    let journal = Journal::default();
    let of = |partitions| store.subscription("resized").partitions(partitions).replace_stored();
    let worker = of(3).spawn(journal.handler())?;
    idle(store, "resized", &worker).await?;
    let refused = of(5).run(journal.handler()).await;
    assert_error!(refused, Error::SubscriptionNotIdle { .. });
    worker.shutdown().await?;

    let worker = of(5).spawn(journal.handler())?;
    idle(store, "resized", &worker).await?;
    assert_eq!(stored(store, "resized", &worker).await?.partitions.len(), 5);
    counter::create(store, 1).await?;
    idle(store, "resized", &worker).await?;
    assert_eq!(journal.len(), 11, "each was given once");
    worker.shutdown().await
}
