//! Administration of subscriptions, and subscriptions that cannot be run.

use std::time::Duration;

use chrono::TimeDelta;
use evercore::subscription::{Condition, SubscriptionBuilder, SubscriptionState};
use evercore::{Batch, Error, EventFilter, FailurePolicy, Position, Result, Start};

use crate::assert::assert_error;
use crate::domain::counter::{self, Counter};
use crate::fixture::Fixture;
use crate::journal::{Journal, cursor, idle, info, stored, until_true};

pub(crate) async fn subscriptions_are_listed_with_what_they_do(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    for value in 0..3 {
        counter::create(store, value).await?;
    }
    let journal = Journal::default();
    let worker = store
        .subscription("b")
        .owner("worker 1")
        .aggregate::<Counter>()
        .spawn(journal.handler())?;
    idle(store, "b", &worker).await?;
    let stopped = store.subscription("a").start(Start::After(Position::new(1)?)).batch_size(1);
    let ended = stopped.run(async |_: Batch| Err::<(), _>("no")).await;
    assert_error!(ended, Error::HandlerFailed { .. });

    let head = fixture.log().await?.last().expect("it was written").position();
    let list = store.subscriptions().list().await?;
    let names: Vec<_> = list.iter().map(|info| info.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    let (a, b) = (&list[0], &list[1]);
    assert_eq!((a.condition, a.cursor.get(), a.head, a.lag), (Condition::Failed, 1, head, 2));
    assert!(a.lag_time >= TimeDelta::zero() && a.filter == EventFilter::new());
    assert_eq!(a.partitions[0].failure.as_deref(), Some("no"));
    assert_eq!((b.condition, b.cursor, b.lag), (Condition::Running, head, 0));
    assert_eq!((b.lag_time, b.parked), (TimeDelta::zero(), 0));
    assert_eq!(b.filter, EventFilter::new().aggregate::<Counter>());
    assert_eq!(b.partitions[0].owner.as_deref(), Some("worker 1"));
    assert!(b.partitions[0].leased_until.is_some());
    let status = worker.status();
    assert_eq!((status.position, status.head, status.handled), (head, head, 3));
    assert!(status.rate > 0.0);
    assert_eq!((status.state, status.partitions), (SubscriptionState::Live, vec![0]));
    worker.shutdown().await?;
    assert_eq!(info(store, "b").await?.condition, Condition::Idle);
    assert!(store.subscriptions().find("c").await?.is_none());
    Ok(())
}

pub(crate) async fn a_paused_subscription_handles_nothing_until_resumed(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    let journal = Journal::default();
    let worker = store
        .subscription("paused")
        .poll_interval(Duration::from_millis(20))
        .spawn(journal.handler())?;
    idle(store, "paused", &worker).await?;
    store.subscriptions().pause("paused").await?;
    until_true(async || Ok(worker.status().state == SubscriptionState::Paused)).await?;
    let stored = info(store, "paused").await?;
    assert_eq!((stored.condition, &stored.partitions[0].owner), (Condition::Paused, &None));
    counter::create(store, 1).await?;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(journal.len(), 0);
    store.subscriptions().resume("paused").await?;
    idle(store, "paused", &worker).await?;
    assert_eq!(journal.len(), 1);
    worker.shutdown().await
}

pub(crate) async fn a_reset_subscription_goes_on_from_there(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    for value in 0..4 {
        counter::create(store, value).await?;
    }
    let log = fixture.log().await?;
    let journal = Journal::default();
    let worker = store
        .subscription("reset")
        .poll_interval(Duration::from_millis(20))
        .spawn(journal.handler())?;
    idle(store, "reset", &worker).await?;
    let admin = store.subscriptions();
    admin.reset("reset", Start::After(log[1].position())).await?;
    idle(store, "reset", &worker).await?;
    worker.shutdown().await?;
    assert_eq!(journal.events(), [&log[..], &log[2..]].concat());

    admin.reset("reset", Start::Beginning).await?;
    assert_eq!(cursor(store, "reset").await?, Position::START);
    let beyond = Position::new(log[3].position().get() + 1_000)?;
    assert_error!(admin.reset("reset", Start::After(beyond)).await, Error::StartBeyondEnd { .. });
    Ok(())
}

pub(crate) async fn a_reset_forgets_what_was_parked(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    counter::create(store, 1).await?;
    let parking = || store.subscription("forgets").on_failure(FailurePolicy::park());
    let worker = parking().spawn(async |_: Batch| Err::<(), _>("no"))?;
    idle(store, "forgets", &worker).await?;
    worker.shutdown().await?;
    assert_eq!(info(store, "forgets").await?.parked, 1);
    store.subscriptions().reset("forgets", Start::Beginning).await?;
    assert_eq!(info(store, "forgets").await?.parked, 0);
    let journal = Journal::default();
    let worker = parking().spawn(journal.handler())?;
    idle(store, "forgets", &worker).await?;
    assert_eq!(journal.len(), 1, "it is handled once, not once more from where it was parked");
    worker.shutdown().await
}

pub(crate) async fn a_deleted_subscription_is_gone(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    counter::create(store, 1).await?;
    let journal = Journal::default();
    let running = || store.subscription("deleted").poll_interval(Duration::from_millis(20));
    let worker = running().spawn(journal.handler())?;
    idle(store, "deleted", &worker).await?;
    store.subscriptions().delete("deleted").await?;
    assert_error!(worker.join().await, Error::UnknownSubscription { name } if name == "deleted");
    assert!(store.subscriptions().list().await?.is_empty());

    let again = running().spawn(journal.handler())?;
    idle(store, "deleted", &again).await?;
    assert_eq!(journal.len(), 2, "it begins anew");
    again.shutdown().await
}

pub(crate) async fn an_unknown_subscription_is_named(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let admin = store.subscriptions();
    let answers = [
        admin.pause("unknown").await,
        admin.resume("unknown").await,
        admin.reset("unknown", Start::Beginning).await,
        admin.redrive("unknown").await,
        admin.delete("unknown").await,
        admin.parked("unknown", Position::START, 1).await.map(drop),
        store.wait_for("unknown", Position::START).await,
        store.wait_until_idle("unknown").await,
    ];
    for answer in answers {
        assert_error!(answer, Error::UnknownSubscription { name } if name == "unknown");
    }
    let refused = admin.parked("unknown", Position::START, 0).await;
    assert_error!(refused, Error::InvalidNumber { .. });
    Ok(())
}

/// Read-your-writes.
pub(crate) async fn waiting_for_a_position_ends_when_it_is_handled(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    let journal = Journal::default();
    let worker = store.subscription("waited for").spawn(journal.handler())?;
    stored(store, "waited for", &worker).await?;
    for round in 1..=10 {
        let (_, landed) = store
            .with_context_committed(async |ctx| {
                let mut counter = ctx.create::<Counter>().await?;
                ctx.apply(&mut counter, crate::domain::counter::Added { by: 1 })
            })
            .await?;
        let position = landed.and_then(|commit| commit.position()).expect("it has an event");
        store.wait_for("waited for", position).await?;
        assert_eq!(journal.len(), round);
        assert_eq!(journal.events().last().map(|event| event.position()), Some(position));
    }
    let (_, nothing) = store.with_context_committed(async |_| Ok::<_, Error>(())).await?;
    assert_eq!(nothing, None);
    worker.shutdown().await
}

pub(crate) async fn a_subscription_that_cannot_run_is_refused(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let named = |name: &str| store.subscription(name);
    let (long, some) = ("x".repeat(129), || named("some"));
    let millis = Duration::from_millis;
    let invalid: Vec<(SubscriptionBuilder, &str)> = vec![
        (named(""), "empty"),
        (named(&long), "129 bytes"),
        (named("a\0b"), "control"),
        (some().batch_size(0), "batch of 0"),
        (some().batch_size(2_001), "limit of 2000"),
        (some().lease(millis(20)), "too short"),
        (some().lease(millis(900)).poll_interval(millis(901)), "shorter than the poll interval"),
        (some().poll_interval(Duration::ZERO), "without a pause"),
        (some().owner(""), "owner"),
        (some().owner("x".repeat(129)), "owner"),
    ];
    for (subscription, problem) in invalid {
        let refused = subscription.run(Journal::default().handler()).await;
        assert_error!(&refused, Error::InvalidSubscription { problem: said, .. } if said.contains(problem));
    }
    for partitions in [0, 1_025] {
        let refused = some().partitions(partitions).run(Journal::default().handler()).await;
        assert_error!(refused, Error::InvalidNumber { .. });
    }
    for filter in [
        EventFilter::new().event_named("counter", "added by mistake"),
        EventFilter::new().aggregate_named("countess"),
        EventFilter::new().event_named("tally", "reset"),
    ] {
        let refused = some().filter(filter.clone()).run(Journal::default().handler()).await;
        assert_error!(refused, Error::UnknownFilterName { .. });
        let refused = store.ephemeral().filter(filter).run(Journal::default().handler()).await;
        assert_error!(refused, Error::UnknownFilterName { .. });
    }
    for name in ["", "a\0b", &"x".repeat(256)] {
        let filters = [
            EventFilter::new().aggregate_named(name),
            EventFilter::new().event_named("counter", name),
        ];
        for filter in filters.map(EventFilter::allow_unlinked) {
            let refused = some().filter(filter).run(Journal::default().handler()).await;
            assert_error!(refused, Error::InvalidFilterName { name: refused, .. } if refused == name);
        }
    }
    let refused = store.ephemeral().on_failure(FailurePolicy::park());
    let refused = refused.run(Journal::default().handler()).await;
    assert_error!(refused, Error::InvalidSubscription { problem, .. } if problem.contains("durable"));
    let refused = store.ephemeral().batch_size(0).run(Journal::default().handler()).await;
    assert_error!(refused, Error::InvalidSubscription { .. });
    assert!(store.subscriptions().list().await?.is_empty(), "nothing was stored");
    Ok(())
}
