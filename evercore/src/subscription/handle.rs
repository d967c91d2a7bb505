//! A subscription that runs in a task of its own.

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::progress::{SubscriptionProgress, SubscriptionStatus};
use crate::Result;

/// A subscription that runs in a task of its own. Dropping the handle stops the task where it is, and a line at level
/// `WARN` says so: the lease then ends by itself, and a batch that was being handled comes again.
/// [`shutdown`](Self::shutdown) is the graceful way.
#[derive(Debug)]
#[must_use = "dropping the handle stops the worker where it is, and its lease stays taken until it ends by itself: keep the handle, and call `shutdown`"]
pub struct SubscriptionHandle {
    task: JoinHandle<Result<()>>,
    stop: CancellationToken,
    progress: SubscriptionProgress,
}

impl SubscriptionHandle {
    pub(super) fn new(
        task: JoinHandle<Result<()>>,
        stop: CancellationToken,
        progress: SubscriptionProgress,
    ) -> Self {
        Self { task, stop, progress }
    }

    /// Stops it: the batch that is being handled is finished and recorded, and the lease given back, so that another
    /// worker can go on at once.
    ///
    /// # Errors
    /// What the subscription ended with, if it had ended already.
    pub async fn shutdown(self) -> Result<()> {
        self.stop.cancel();
        self.join().await
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// As [`SubscriptionBuilder::run`](crate::SubscriptionBuilder::run).
    ///
    /// # Panics
    /// If the task was ended from outside, as a runtime does that shuts down.
    pub async fn join(mut self) -> Result<()> {
        match (&mut self.task).await {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(error) => panic!("the task of a subscription was ended from outside: {error}"),
            },
        }
    }

    /// How it is getting on.
    #[must_use]
    pub fn status(&self) -> SubscriptionStatus {
        self.progress.status()
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.task.is_finished()
    }
}

impl Drop for SubscriptionHandle {
    fn drop(&mut self) {
        self.task.abort();
    }
}
