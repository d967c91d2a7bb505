//! Wakes tasks that follow the log.

use std::time::Duration;

use tokio::sync::watch;

/// Notifies all its watches that the log may have grown. For engines to hold.
///
/// A notification is a hint and nothing more: a task that is never notified looks at the log by itself, after the poll
/// interval of its engine.
#[derive(Clone, Debug, Default)]
pub struct LogSignal(watch::Sender<()>);

/// Waits for a [`LogSignal`]. Made by [`LogSignal::watch`].
#[derive(Clone, Debug)]
pub struct LogWatch {
    told: watch::Receiver<()>,
    poll_interval: Duration,
}

impl LogSignal {
    /// Makes a signal without watches.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Notifies all watches. Any number of calls before a watch is awaited count as one notification.
    pub fn notify(&self) {
        if self.0.receiver_count() > 0 {
            self.0.send_replace(());
        }
    }

    /// Makes a watch that is notified from now on. `poll_interval` is the longest time to wait before looking without a
    /// notification.
    #[must_use]
    pub fn watch(&self, poll_interval: Duration) -> LogWatch {
        LogWatch { told: self.0.subscribe(), poll_interval }
    }
}

impl LogWatch {
    /// Returns the longest time to wait before looking without a notification. It bounds how late a commit is found
    /// that the engine does not hear of.
    #[must_use]
    pub const fn poll_interval(&self) -> Duration {
        self.poll_interval
    }

    /// Waits until the signal is given, and returns at once if that happened since the last return. Never returns once
    /// the engine is gone.
    pub async fn notified(&mut self) {
        if self.told.changed().await.is_err() {
            std::future::pending().await
        }
    }
}
