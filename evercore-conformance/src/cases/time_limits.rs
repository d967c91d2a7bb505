//! Handlers that take longer than they may.

use std::future::pending;
use std::time::Duration;

use evercore::{
    AggregateId, Batch, BoxError, Error, FailurePolicy, Handler, HandlerError, Position, Received,
    RecordedEvent, Result, Router, Start, each,
};
use tokio::time::sleep;

use crate::assert::assert_error;
use crate::domain::counter::{self, Added};
use crate::fixture::Fixture;
use crate::journal::{Journal, idle};

/// Exceeded only by handlers that never return: the others are done when they are polled for the first time.
const LIMIT: Duration = Duration::from_millis(50);

async fn counters(fixture: &Fixture, count: i64) -> Result<Vec<AggregateId>> {
    let mut ids = Vec::new();
    for value in 0..count {
        ids.push(counter::create(fixture.store(), value).await?);
    }
    Ok(ids)
}

pub(crate) async fn a_handler_that_hangs_at_an_event_fails_at_that_event(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    let ids = counters(fixture, 4).await?;
    let journal = Journal::default();
    let one_by_one = {
        let journal = journal.clone();
        each(async move |event: RecordedEvent| {
            if event.decode::<Added>()?.by == 2 {
                pending::<()>().await;
            }
            journal.extend(&[event]);
            Ok::<_, Error>(())
        })
    };
    let routed = {
        let journal = journal.clone();
        Router::new().on(async move |added: Received<Added>| {
            if added.by == 2 {
                pending::<()>().await;
            }
            journal.extend(std::slice::from_ref(added.recorded()));
            Ok::<_, Error>(())
        })
    };
    let limited =
        |name| store.subscription(name).handle_within(LIMIT).on_failure(FailurePolicy::park());
    let workers = [
        ("each", limited("each").spawn(one_by_one)?),
        ("router", limited("router").spawn(routed)?),
    ];
    for (name, worker) in workers {
        idle(store, name, &worker).await?;
        worker.shutdown().await?;
        let parked = store.subscriptions().parked(name, Position::START, 10).await?.events;
        assert_eq!((parked.len(), parked[0].event.aggregate_id()), (1, ids[2]));
        let reason = parked[0].reason.as_deref().expect("it has failed itself");
        assert!(reason.contains("50ms") && reason.contains("handle_within"), "{reason}");
    }
    let mut positions = journal.positions();
    positions.sort_unstable();
    assert_eq!(positions, [1, 1, 2, 2, 4, 4], "the others are handled once by each");
    Ok(())
}

/// The progress of the first part of a handler does not count for the second part.
pub(crate) async fn a_handler_of_two_parts_hangs_as_a_whole(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    counters(fixture, 4).await?;
    let (first, second) = (Journal::default(), Journal::default());
    let handler = {
        let (first, second) = (first.clone(), second.clone());
        async move |batch: Batch| {
            let mut one_by_one = each(async move |event: RecordedEvent| {
                first.extend(&[event]);
                Ok::<_, Error>(())
            });
            let handled = one_by_one.handle(batch.clone()).await;
            handled.map_err(HandlerError::into_source)?;
            if batch.len() > 1 {
                pending::<()>().await;
            }
            second.extend(&batch);
            Ok::<_, BoxError>(())
        }
    };
    let subscription = store.subscription("two parts").handle_within(LIMIT);
    let worker = subscription.on_failure(FailurePolicy::park()).spawn(handler)?;
    idle(store, "two parts", &worker).await?;
    worker.shutdown().await?;
    let parked = store.subscriptions().parked("two parts", Position::START, 10).await?.events;
    assert_eq!(parked.len(), 0, "alone, each event is handled in time");
    assert_eq!(second.positions(), [1, 2, 3, 4], "none counts as handled without the second part");
    assert!(first.len() >= 4);
    Ok(())
}

pub(crate) async fn a_handler_that_hangs_in_a_batch_fails(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    counters(fixture, 3).await?;
    let hanging = async |_: Batch| {
        pending::<()>().await;
        Ok::<_, Error>(())
    };
    let ended = store.subscription("hangs").handle_within(LIMIT).run(hanging).await;
    assert_error!(ended, Error::HandlerFailed { source, position, .. }
        if position.get() == 1
            && matches!(source.downcast_ref(), Some(Error::HandlerTimedOut { limit }) if *limit == LIMIT));

    let follower = store.ephemeral().start(Start::Beginning).handle_within(LIMIT);
    let ended = follower.run(hanging).await;
    assert_error!(ended, Error::HandlerFailed { source, .. }
        if matches!(source.downcast_ref(), Some(Error::HandlerTimedOut { .. })));
    Ok(())
}

/// The events take longer than the limit together, and each of them much less.
pub(crate) async fn each_event_of_a_batch_has_its_own_time(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    counters(fixture, 12).await?;
    let journal = Journal::default();
    let slow = {
        let journal = journal.clone();
        each(async move |event: RecordedEvent| {
            sleep(Duration::from_millis(100)).await;
            journal.extend(&[event]);
            Ok::<_, Error>(())
        })
    };
    let subscription = store.subscription("slow").record_within(Duration::from_secs(10));
    let worker = subscription.handle_within(Duration::from_secs(1)).spawn(slow)?;
    idle(store, "slow", &worker).await?;
    worker.shutdown().await?;
    assert_eq!(journal.positions(), (1..=12).collect::<Vec<_>>());
    Ok(())
}

pub(crate) async fn a_handler_without_any_time_is_refused(fixture: &Fixture) -> Result<()> {
    let (store, handler) = (fixture.store(), Journal::default().handler());
    let durable = store.subscription("hasty").handle_within(Duration::ZERO);
    assert_error!(durable.run(handler.clone()).await, Error::InvalidSubscription { problem, .. }
        if problem.contains("handle_within"));
    let ephemeral = store.ephemeral().handle_within(Duration::ZERO);
    assert_error!(ephemeral.run(handler).await, Error::InvalidSubscription { problem, .. }
        if problem.contains("handle_within"));
    Ok(())
}
