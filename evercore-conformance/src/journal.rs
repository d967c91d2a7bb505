//! Records the events that handlers receive.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use evercore::subscription::{SubscriptionHandle, SubscriptionInfo};
use evercore::{Batch, Error, EventStore, Handler, Position, RecordedEvent, Result};

/// Records all events that a handler receives. Clones share one list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Journal(Arc<Mutex<Vec<RecordedEvent>>>);

impl Journal {
    /// Returns a handler that records its events.
    pub(crate) fn handler(&self) -> impl Handler {
        let journal = self.clone();
        async move |batch: Batch| {
            journal.extend(&batch);
            Ok::<_, Error>(())
        }
    }

    pub(crate) fn extend(&self, events: &[RecordedEvent]) {
        self.events_mut().extend_from_slice(events);
    }

    pub(crate) fn events(&self) -> Vec<RecordedEvent> {
        self.events_mut().clone()
    }

    pub(crate) fn positions(&self) -> Vec<i64> {
        positions(self.events_mut().iter())
    }

    pub(crate) fn len(&self) -> usize {
        self.events_mut().len()
    }

    fn events_mut(&self) -> MutexGuard<'_, Vec<RecordedEvent>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn positions<'a>(events: impl IntoIterator<Item = &'a RecordedEvent>) -> Vec<i64> {
    events.into_iter().map(|event| event.position().get()).collect()
}

/// Waits until a worker that was just started has its lease and has handled all events.
pub(crate) async fn idle(
    store: &EventStore,
    name: &str,
    worker: &SubscriptionHandle,
) -> Result<()> {
    stored(store, name, worker).await?;
    owns(worker, |partitions| !partitions.is_empty()).await?;
    store.wait_until_idle(name).await
}

/// Waits until the set of partitions that a worker owns meets a condition.
pub(crate) async fn owns(
    worker: &SubscriptionHandle,
    are_right: impl Fn(&[u32]) -> bool,
) -> Result<()> {
    until_true(async || {
        assert!(!worker.is_finished(), "the worker has ended: {:?}", worker.status());
        Ok(are_right(&worker.status().partitions))
    })
    .await
}

/// Waits until a subscription that was just started is stored.
pub(crate) async fn stored(
    store: &EventStore,
    name: &str,
    worker: &SubscriptionHandle,
) -> Result<SubscriptionInfo> {
    until(async || {
        assert!(!worker.is_finished(), "the worker of {name} has ended before it began");
        store.subscriptions().find(name).await
    })
    .await
}

/// Returns the stored state of a subscription.
pub(crate) async fn info(store: &EventStore, name: &str) -> Result<SubscriptionInfo> {
    Ok(store.subscriptions().find(name).await?.expect("it was run"))
}

pub(crate) async fn cursor(store: &EventStore, name: &str) -> Result<Position> {
    Ok(info(store, name).await?.cursor)
}

/// Repeats a question until it has an answer. The case's time limit bounds the wait.
pub(crate) async fn until<T>(ask: impl AsyncFn() -> Result<Option<T>>) -> Result<T> {
    loop {
        if let Some(answer) = ask().await? {
            return Ok(answer);
        }
        tokio::task::yield_now().await;
    }
}

/// Waits until a condition is true.
pub(crate) async fn until_true(is_so: impl AsyncFn() -> Result<bool>) -> Result<()> {
    until(async || Ok(is_so().await?.then_some(()))).await
}
