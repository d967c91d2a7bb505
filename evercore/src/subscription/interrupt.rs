//! Asks a handler to return between two events of its batch.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::sync::CancellationToken;

/// Asks a handler to return before the rest of its batch: the worker is stopped or paused, the partition goes to
/// another worker, or the handled events are to be recorded.
///
/// See [`Handler::handle_until`](crate::Handler::handle_until). Clones belong to the same batch.
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    is_requested: Arc<AtomicBool>,
    stop: CancellationToken,
}

impl Interrupt {
    /// Creates an interrupt that is not requested, for tests of handlers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates an interrupt that the token requests as well.
    pub(super) fn of(stop: CancellationToken) -> Self {
        Self { is_requested: Arc::default(), stop }
    }

    /// Asks the handler to return after the event that it is handling.
    pub fn request(&self) {
        self.is_requested.store(true, Ordering::Relaxed);
    }

    /// Returns whether the handler is to return after the event that it is handling.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.is_requested.load(Ordering::Relaxed) || self.stop.is_cancelled()
    }
}
