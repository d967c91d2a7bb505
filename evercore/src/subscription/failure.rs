//! What to do when a handler fails.

use std::time::Duration;

use crate::HandlerRetry;

/// What to do when a handler fails on an event, or the event cannot be decoded.
///
/// # Example
/// ```
/// use std::time::Duration;
/// use evercore::{FailurePolicy, HandlerRetry};
///
/// // Ten attempts while everything behind the event waits; then others go on, and it is handled again by and by.
/// let by_and_by = HandlerRetry::default().base(Duration::from_secs(3_600)).longest(Duration::from_secs(86_400));
/// let policy = FailurePolicy::park().retry(HandlerRetry::default()).redrive(by_and_by);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct FailurePolicy {
    pub(super) retry: Option<HandlerRetry>,
    pub(super) redrive: Option<HandlerRetry>,
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
        Self { retry: None, redrive: None, at_last: AtLast::Stop }
    }

    /// Puts the event aside, and with it all later events of its aggregate, so that their order holds; everything else
    /// goes on. Parked events can be looked at and handled again: see
    /// [`Subscriptions`](crate::Subscriptions). Durable subscriptions only.
    pub const fn park() -> Self {
        Self { retry: None, redrive: None, at_last: AtLast::Park }
    }

    /// Tries an event again so often, and after such waits, before it does what it would have done at once. Everything
    /// behind the event waits.
    pub const fn retry(mut self, policy: HandlerRetry) -> Self {
        self.retry = Some(policy);
        self
    }

    /// Handles a parked event again by itself, after such waits, until it was parked so often. Then it stays parked until
    /// somebody sees to it ([`Subscriptions::redrive`](crate::Subscriptions::redrive)). Each time it is given to the handler
    /// once, without the attempts of [`retry`](Self::retry), so that nothing but the later events of its aggregate waits.
    ///
    /// When an event is to be handled again is stored with it, by the database's time, so that it holds whichever worker
    /// runs then. Without [`park`](Self::park), this does nothing.
    pub const fn redrive(mut self, policy: HandlerRetry) -> Self {
        self.redrive = Some(policy);
        self
    }

    /// Whether the first failure ends it, whichever event it is of.
    pub(super) fn stops_at_once(self) -> bool {
        self.retry.is_none() && self.at_last == AtLast::Stop
    }

    /// How long an event stays parked that has been given up so often, before it is handled again.
    pub(super) fn redrive_after(self, given_up: u32, random: f64) -> Option<Duration> {
        self.redrive?.wait_after(given_up, random)
    }
}
