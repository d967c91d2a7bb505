//! Wake-ups for those who follow the log.

use std::time::Duration;

use tokio::sync::watch;

/// Tells all that watch it that the log may have grown. For engines to hold.
///
/// A hint and nothing more: a watcher that is never told looks by itself, after the time that its engine gives it.
#[derive(Clone, Debug, Default)]
pub struct LogSignal(watch::Sender<()>);

/// Waits for a [`LogSignal`].
#[derive(Clone, Debug)]
pub struct LogWatch {
    told: watch::Receiver<()>,
    poll_interval: Duration,
}

impl LogSignal {
    /// A signal that nobody watches yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Wakes all that watch. Any number of calls before one of them looks is one wake-up for it.
    pub fn notify(&self) {
        if self.0.receiver_count() > 0 {
            self.0.send_replace(());
        }
    }

    /// Watches from now on. `poll_interval` is how long to wait at most before looking by oneself.
    #[must_use]
    pub fn watch(&self, poll_interval: Duration) -> LogWatch {
        LogWatch { told: self.0.subscribe(), poll_interval }
    }
}

impl LogWatch {
    /// How long to wait at most before looking by oneself: how soon the engine wants commits to be found that it is
    /// not told of.
    #[must_use]
    pub const fn poll_interval(&self) -> Duration {
        self.poll_interval
    }

    /// Returns once the signal was given after the last return, at once if it was given already; never again after the
    /// engine is gone.
    pub async fn notified(&mut self) {
        if self.told.changed().await.is_err() {
            std::future::pending().await
        }
    }
}
