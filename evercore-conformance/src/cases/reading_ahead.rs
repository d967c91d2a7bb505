//! P7, P9, P10 and P11 while a subscription catches up: a page holds several batches, the next page is read while a
//! batch is handled, and several batches are settled together.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use evercore::{Batch, BoxError, Error, EventStore, FailurePolicy, Position, Result, Start, each};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::domain::counter;
use crate::fixture::Fixture;
use crate::journal::{Journal, cursor, idle, positions, until_true};

/// The time to wait for something that should not happen.
const BOUND: Duration = Duration::from_secs(2);

/// Sets a flag when it is dropped.
struct Dropped(Arc<AtomicBool>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

async fn events(store: &EventStore, count: i64) -> Result<()> {
    for value in 0..count {
        counter::create(store, value).await?;
    }
    Ok(())
}

pub(crate) async fn pages_that_were_read_ahead_are_handled_once(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    events(store, 27).await?;
    let journal = Journal::default();
    let worker = store.subscription("once").batch_size(2).spawn(journal.handler())?;
    idle(store, "once", &worker).await?;
    assert_eq!(journal.positions(), positions(&fixture.log().await?));
    worker.shutdown().await
}

/// The subscription is reset to the end while the worker handles its first batch and has already read the second.
pub(crate) async fn a_prefetched_page_is_dropped_with_the_lease(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    events(store, 20).await?;
    let (journal, gate) = (Journal::default(), Arc::new(Semaphore::new(0)));
    let is_dropped = Arc::new(AtomicBool::new(false));
    let worker =
        store.subscription("ahead").batch_size(2).poll_interval(Duration::from_millis(5)).spawn(
            {
                let (journal, gate) = (journal.clone(), Arc::clone(&gate));
                let is_dropped = Arc::clone(&is_dropped);
                async move |batch: Batch| {
                    let _dropped = Dropped(is_dropped);
                    journal.extend(&batch);
                    gate.acquire().await?.forget();
                    Ok::<_, BoxError>(())
                }
            },
        )?;
    until_true(async || Ok(journal.len() == 2)).await?;

    store.subscriptions().reset("ahead", Start::End).await?;
    // Not every engine reports the reset, so the handler may still be running.
    let told = until_true(async || Ok(is_dropped.load(Ordering::SeqCst)));
    let _: Result<Result<()>, _> = timeout(BOUND, told).await;
    gate.add_permits(Semaphore::MAX_PERMITS);
    events(store, 1).await?;
    let last = fixture.log().await?.last().map_or(Position::START, |event| event.position());
    store.wait_for("ahead", last).await?;

    let log = positions(&fixture.log().await?);
    assert_eq!(journal.positions(), [log[0], log[1], log[20]], "nothing between the two places");
    worker.shutdown().await
}

/// A page that was read before an event was parked contains later events of its aggregate.
pub(crate) async fn prefetched_events_wait_behind_parked_ones(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let parked = counter::create(store, 1).await?;
    let other = counter::create(store, 1).await?;
    for _ in 0..9 {
        counter::add(store, parked, 1).await?;
        counter::add(store, other, 1).await?;
    }
    let (journal, failures) = (Journal::default(), Arc::new(AtomicU32::new(0)));
    let worker =
        store.subscription("behind").batch_size(2).on_failure(FailurePolicy::park()).spawn(
            each({
                let (journal, failures) = (journal.clone(), Arc::clone(&failures));
                async move |event: evercore::RecordedEvent| {
                    if event.aggregate_id() == parked {
                        failures.fetch_add(1, Ordering::SeqCst);
                        return Err("not to my taste");
                    }
                    journal.extend(&[event]);
                    Ok(())
                }
            }),
        )?;
    idle(store, "behind", &worker).await?;

    let log = fixture.log().await?;
    let (waiting, others): (Vec<_>, Vec<_>) =
        log.iter().partition(|event| event.aggregate_id() == parked);
    assert_eq!(journal.positions(), positions(others));
    let failures = failures.load(Ordering::SeqCst);
    assert_eq!(
        failures, 2,
        "the first has failed in its batch and alone; the later ones wait for it"
    );
    let stored = store.subscriptions().parked("behind", Position::START, 20).await?.events;
    assert_eq!(positions(stored.iter().map(|parked| &parked.event)), positions(waiting));
    assert_eq!(stored.iter().filter(|parked| parked.reason.is_some()).count(), 1);
    worker.shutdown().await
}

/// Handled batches are settled while a later one takes its time.
pub(crate) async fn a_slow_batch_does_not_hold_back_the_record(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    events(store, 20).await?;
    let journal = Journal::default();
    let worker = store.subscription("slow").batch_size(2).spawn({
        let journal = journal.clone();
        async move |batch: Batch| {
            journal.extend(&batch);
            if journal.len() == 4 {
                pending::<()>().await;
            }
            Ok::<_, Error>(())
        }
    })?;
    let log = fixture.log().await?;
    until_true(async || Ok(journal.len() == 4)).await?;
    store.wait_for("slow", log[1].position()).await?;
    assert_eq!(cursor(store, "slow").await?, log[1].position(), "and nothing that is not handled");
    drop(worker);
    Ok(())
}

/// A worker fails while it catches up. All events that were not settled come again, in order.
pub(crate) async fn batches_to_be_recorded_together_come_again(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    events(store, 20).await?;
    let journal = Journal::default();
    let first = store.subscription("together").batch_size(2).spawn({
        let journal = journal.clone();
        async move |batch: Batch| {
            journal.extend(&batch);
            if journal.len() == 6 {
                pending::<()>().await;
            }
            Ok::<_, Error>(())
        }
    })?;
    until_true(async || Ok(journal.len() == 6)).await?;
    drop(first);
    // An operator frees the partition of a worker that is gone for good.
    let place = cursor(store, "together").await?;
    store.subscriptions().reset("together", Start::After(place)).await?;
    let second = store.subscription("together").batch_size(2).spawn(journal.handler())?;
    idle(store, "together", &second).await?;
    let log = fixture.log().await?;
    let again = log.iter().filter(|event| event.position() > place);
    assert!(place <= log[3].position(), "the third batch was not handled");
    assert_eq!(journal.positions(), [positions(&log[..6]), positions(again)].concat());
    second.shutdown().await
}
