//! Bounds the handlers of a worker that run at the same time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// The slots of a worker, one for each handler that may run.
#[derive(Clone, Debug)]
pub(super) struct Slots(Arc<Semaphore>);

/// The slot of a task, which its handler holds while it runs. It is given back before the task's commit, so that other
/// handlers run meanwhile, and the commits of small tasks are stored together.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    slots: Slots,
    held: Arc<Mutex<Held>>,
}

#[derive(Debug)]
struct Held {
    permit: Option<OwnedSemaphorePermit>,
    since: Instant,
    /// The time for which it was held before it was given back.
    total: Duration,
}

impl Slots {
    pub(super) fn new(slots: usize) -> Self {
        Self(Arc::new(Semaphore::new(slots)))
    }

    /// Takes a slot if one is free.
    pub(super) fn take(&self) -> Option<Slot> {
        let permit = Some(Arc::clone(&self.0).try_acquire_owned().ok()?);
        let held = Held { permit, since: Instant::now(), total: Duration::ZERO };
        Some(Slot { slots: self.clone(), held: Arc::new(Mutex::new(held)) })
    }

    /// Returns the number of slots that are free.
    pub(super) fn free(&self) -> usize {
        self.0.available_permits()
    }

    /// Waits until a slot is free.
    pub(super) async fn freed(&self) {
        drop(self.0.acquire().await);
    }
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the slot again if it was given back: the handler is about to run once more.
    pub(crate) async fn hold(&self) {
        if self.lock().permit.is_none() {
            let permit = Arc::clone(&self.slots.0).acquire_owned().await;
            let mut held = self.lock();
            held.permit = permit.ok();
            held.since = Instant::now();
        }
    }

    /// Gives the slot back, since the handler has returned.
    pub(crate) fn give_back(&self) {
        let mut held = self.lock();
        if held.permit.take().is_some() {
            let held_for = held.since.elapsed();
            held.total += held_for;
        }
    }

    /// Returns the time for which the handler has run.
    pub(super) fn held_for(&self) -> Duration {
        self.lock().total
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_slot_that_is_given_back_is_free_for_another() {
        let slots = Slots::new(1);
        let first = slots.take().expect("one is free");
        assert!(slots.take().is_none());
        assert!(slots.freed().now_or_never().is_none());
        first.give_back();
        first.give_back();
        assert_eq!(slots.free(), 1);
        let second = slots.take().expect("it was given back");
        assert!(first.hold().now_or_never().is_none(), "the second holds it");
        drop(second);
        first.hold().await;
        assert_eq!(slots.free(), 0);
        drop(first);
        assert_eq!(slots.free(), 1);
    }
}
