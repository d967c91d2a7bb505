//! Holds a subscription that runs in a task of its own.

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::progress::{SubscriptionProgress, SubscriptionStatus};
use crate::Result;

/// A subscription that runs in a task of its own. Dropping the handle stops the task at once, and logs a line at level
/// `WARN`: the lease then stays taken until it expires, and a batch that was being handled is given again.
/// [`shutdown`](Self::shutdown) is the graceful way.
#[derive(Debug)]
#[must_use = "dropping the handle stops the worker immediately, and its lease stays taken until it expires: keep the handle, and call `shutdown`"]
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

    /// Stops the subscription: finishes and records the batch that is being handled, and gives the lease back, so that
    /// another worker can take over at once.
    ///
    /// # Errors
    /// The error that the subscription ended with, if it had already ended.
    pub async fn shutdown(self) -> Result<()> {
        self.stop.cancel();
        self.join().await
    }

    /// Waits until the subscription ends by itself.
    ///
    /// # Errors
    /// Those of [`SubscriptionBuilder::run`](crate::subscription::SubscriptionBuilder::run).
    ///
    /// # Panics
    /// If the task panicked outside of a handler, whose panics are failures, or was ended from outside, as by a runtime
    /// that shuts down.
    pub async fn join(mut self) -> Result<()> {
        match (&mut self.task).await {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(error) => {
                    panic!("the task of a subscription was aborted from outside: {error}")
                }
            },
        }
    }

    /// Returns the progress of the subscription.
    #[must_use]
    pub fn status(&self) -> SubscriptionStatus {
        self.progress.status()
    }

    /// Returns whether the subscription has ended.
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
