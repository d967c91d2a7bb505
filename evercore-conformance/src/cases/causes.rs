//! The failure of a worker is reported with its root cause everywhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use evercore::subscription::{Condition, SubscriptionHandle, SubscriptionState};
use evercore::{
    Batch, Error, EventStore, FailurePolicy, Handler, HandlerRetry, Position, Result, Start,
};
use tokio::time::timeout;

use crate::assert::assert_error;
use crate::domain::counter;
use crate::fixture::Fixture;
use crate::journal::{Journal, idle, info, until, until_true};

const ROOT: &str = "no route to the mail server";

/// Returns a handler that fails with an error whose cause has a cause.
fn failing() -> impl Handler {
    async |_: Batch| {
        let root = std::io::Error::other(ROOT);
        Err::<(), _>(Error::storage("send a mail", Error::Unavailable { source: root.into() }))
    }
}

async fn ended(worker: &SubscriptionHandle) -> Result<()> {
    until_true(async || Ok(worker.is_finished())).await
}

/// Asserts that waiting fails, and returns the reported reason.
async fn refused(store: &EventStore, name: &str) -> Result<String> {
    let position = store.head().await?;
    assert_error!(store.wait_until_idle(name).await, Error::SubscriptionFailed { .. });
    match store.wait_for(name, position).await {
        Err(Error::SubscriptionFailed { name: failed, failure }) if failed == name => Ok(failure),
        other => panic!("the wait should be refused with the cause, not {other:?}"),
    }
}

pub(crate) async fn a_worker_says_what_it_has_ended_with(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    counter::create(store, 1).await?;
    let subscription = store.subscription("mails");
    let progress = subscription.progress();
    let worker = subscription.spawn(failing())?;
    ended(&worker).await?;
    for status in [worker.status(), progress.status()] {
        assert_eq!(status.state, SubscriptionState::Ended);
        let failure = status.failure.expect("it has failed");
        assert!(failure.contains("`mails`") && failure.ends_with(ROOT), "{failure}");
    }
    assert_error!(worker.join().await, Error::HandlerFailed { .. });
    let listed = &store.subscriptions().list().await?[0];
    assert_eq!(listed.condition, Condition::Failed);
    let failure = listed.partitions[0].failure.as_deref().expect("it is stored");
    assert!(failure.ends_with(ROOT), "{failure}");
    Ok(())
}

pub(crate) async fn a_worker_says_what_it_tries_again(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    counter::create(store, 1).await?;
    let is_mended = Arc::new(AtomicBool::new(false));
    let patient = HandlerRetry::default().attempts(100_000).longest(Duration::from_millis(5));
    let subscription = store.subscription("mails").on_failure(FailurePolicy::stop().retry(patient));
    let worker = subscription.spawn({
        let is_mended = Arc::clone(&is_mended);
        async move |_: Batch| {
            let is_mended = is_mended.load(Ordering::SeqCst);
            if is_mended { Ok(()) } else { Err(std::io::Error::other(ROOT)) }
        }
    })?;
    let failure = until(async || Ok(worker.status().failure)).await?;
    assert_eq!(failure, ROOT);
    is_mended.store(true, Ordering::SeqCst);
    store.wait_until_idle("mails").await?;
    until_true(async || Ok(worker.status().failure.is_none())).await?;
    worker.shutdown().await
}

pub(crate) async fn a_failed_worker_is_not_waited_for(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    counter::create(store, 1).await?;
    let worker = store.subscription("mails").spawn(failing())?;
    let failure = refused(store, "mails").await?;
    assert!(failure.ends_with(ROOT), "{failure}");
    drop(worker);
    // A position that was reached counts as handled, whatever failed since.
    store.wait_for("mails", Position::START).await?;

    let journal = Journal::default();
    let worker = store.subscription("mails").spawn(journal.handler())?;
    store.wait_until_idle("mails").await?;
    assert_eq!(journal.len(), 1);
    worker.shutdown().await
}

pub(crate) async fn a_panicked_worker_is_not_waited_for(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    counter::create(store, 1).await?;
    let panicking = async |batch: Batch| {
        assert!(batch.is_empty(), "there is a spider in it");
        Ok::<_, Error>(())
    };
    let worker = store.subscription("spiders").spawn(panicking)?;
    let failure = refused(store, "spiders").await?;
    assert!(failure.contains("panicked") && failure.contains("a spider"), "{failure}");
    let status = worker.status();
    assert_eq!((status.state, status.failure), (SubscriptionState::Ended, Some(failure)));
    assert_error!(worker.join().await, Error::HandlerFailed { .. });
    Ok(())
}

pub(crate) async fn a_worker_that_cannot_start_is_not_waited_for(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    counter::create(store, 1).await?;
    let beyond = Position::new(1_000)?;
    let worker = store
        .subscription("beyond")
        .start(Start::After(beyond))
        .spawn(Journal::default().handler())?;
    ended(&worker).await?;
    let failure = refused(store, "beyond").await?;
    assert!(failure.contains("beyond the end of the log"), "{failure}");
    assert_error!(worker.join().await, Error::StartBeyondEnd { .. });
    assert_error!(store.wait_until_idle("unknown").await, Error::UnknownSubscription { .. });
    Ok(())
}

pub(crate) async fn a_worker_that_was_dropped_is_not_waited_for(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    counter::create(store, 1).await?;
    let subscription = store.subscription("dropped");
    let progress = subscription.progress();
    drop(subscription.spawn(Journal::default().handler())?);
    // It may have handled the first one before.
    counter::create(store, 1).await?;
    let failure = refused(store, "dropped").await?;
    assert!(failure.contains("dropped"), "{failure}");
    let status = progress.status();
    assert_eq!((status.state, status.failure), (SubscriptionState::Ended, Some(failure)));

    // The dropped worker's lease lasts for another half minute.
    let worker = store.subscription("leased").spawn(Journal::default().handler())?;
    idle(store, "leased", &worker).await?;
    drop(worker);
    counter::create(store, 2).await?;
    let at_once = timeout(Duration::from_secs(10), refused(store, "leased")).await;
    at_once.expect("it does not wait for the lease to end").map(drop)
}

pub(crate) async fn a_worker_that_failed_in_another_process_is_not_waited_for(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    counter::create(store, 1).await?;
    let ended = store.subscription("mails").run(failing()).await;
    assert_error!(ended, Error::HandlerFailed { .. });
    let failure = refused(&fixture.neighbour().await?, "mails").await?;
    assert!(failure.ends_with(ROOT), "{failure}");
    Ok(())
}

pub(crate) async fn one_that_another_worker_has_taken_over_is_waited_for(
    fixture: &Fixture,
) -> Result<()> {
    let (store, other) = (fixture.store(), fixture.neighbour().await?);
    let id = counter::create(store, 1).await?;
    let first = store.subscription("shared").spawn(Journal::default().handler())?;
    idle(store, "shared", &first).await?;
    let journal = Journal::default();
    // This worker stands by, in another process.
    let second = other.subscription("shared").spawn(journal.handler())?;
    first.shutdown().await?;
    let failed = store.subscription("shared").lease(Duration::from_millis(10));
    assert_error!(
        failed.run(Journal::default().handler()).await,
        Error::InvalidSubscription { .. }
    );
    idle(&other, "shared", &second).await?;
    counter::add(store, id, 1).await?;
    store.wait_until_idle("shared").await?;
    assert_eq!(journal.len(), 1);
    assert_eq!(info(store, "shared").await?.condition, Condition::Running);
    second.shutdown().await
}

pub(crate) async fn a_failure_that_another_process_has_mended_is_forgotten(
    fixture: &Fixture,
) -> Result<()> {
    let (store, other) = (fixture.store(), fixture.neighbour().await?);
    counter::create(store, 1).await?;
    let ended = store.subscription("mails").run(failing()).await;
    assert_error!(ended, Error::HandlerFailed { .. });
    refused(store, "mails").await?;

    let second = other.subscription("mails").spawn(Journal::default().handler())?;
    other.wait_until_idle("mails").await?;
    second.shutdown().await?;
    counter::create(store, 2).await?;
    let end = store.head().await?;
    let waiting = timeout(Duration::from_secs(1), store.wait_for("mails", end)).await;
    assert!(waiting.is_err(), "the other one may come back: {waiting:?}");
    let second = other.subscription("mails").spawn(Journal::default().handler())?;
    store.wait_for("mails", end).await?;
    second.shutdown().await
}

/// Such waits belong, for example, to a subscription that never polls. Other subscriptions of the store keep working.
pub(crate) async fn no_wait_is_too_long_to_be_computed(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let journal = Journal::default();
    let follower = store.ephemeral().poll_interval(Duration::MAX).run(journal.handler());
    let follower = tokio::spawn(follower);
    let subscription = store.subscription("patient").lease(Duration::MAX);
    let subscription = subscription.poll_interval(Duration::MAX).record_within(Duration::MAX);
    let worker = subscription.spawn(Journal::default().handler())?;
    let usual = store.subscription("usual").spawn(Journal::default().handler())?;
    idle(store, "usual", &usual).await?;
    counter::create(store, 1).await?;
    until_true(async || Ok(journal.len() == 1)).await?;
    for name in ["usual", "patient"] {
        store.wait_until_idle(name).await?;
    }
    follower.abort();
    worker.shutdown().await?;
    usual.shutdown().await
}
