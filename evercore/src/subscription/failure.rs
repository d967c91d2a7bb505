//! What to do when a handler fails.

use crate::RetryPolicy;

/// What to do when a handler fails on an event, or the event cannot be decoded.
///
/// # Example
/// ```
/// use std::time::Duration;
/// use evercore::{FailurePolicy, RetryPolicy};
///
/// let patient = RetryPolicy::default().attempts(5).base(Duration::from_millis(100));
/// let policy = FailurePolicy::park().retry(patient);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct FailurePolicy {
    pub(super) retry: Option<RetryPolicy>,
    pub(super) at_last: AtLast,
}

/// What to do when all attempts have failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum AtLast {
    #[default]
    Stop,
    Park,
}

impl FailurePolicy {
    /// Stops the subscription with [`Error::HandlerFailed`](crate::Error::HandlerFailed). The event comes again when it
    /// is run again. The default.
    pub const fn stop() -> Self {
        Self { retry: None, at_last: AtLast::Stop }
    }

    /// Puts the event aside, and with it all later events of its aggregate, so that their order holds; everything else
    /// goes on. Parked events can be looked at and handled again: see
    /// [`Subscriptions`](crate::Subscriptions). Durable subscriptions only.
    pub const fn park() -> Self {
        Self { retry: None, at_last: AtLast::Park }
    }

    /// Tries an event again so often, and after such waits, before it does what it would have done at once. Everything
    /// behind the event waits.
    pub const fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = Some(policy);
        self
    }
}
