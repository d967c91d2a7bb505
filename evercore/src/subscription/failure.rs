//! Decides what a subscription does when its handler fails.

use std::time::Duration;

use crate::HandlerRetry;

/// The policy for an event that the handler fails on, or that cannot be decoded: stop or park, with or without retries.
///
/// # Example
/// ```
/// use std::time::Duration;
/// use evercore::{FailurePolicy, HandlerRetry};
///
/// // Ten attempts, while later events wait. Then the event is parked, and redriven after hours.
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

/// The last resort when all attempts have failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum AtLast {
    #[default]
    Stop,
    Park,
}

impl FailurePolicy {
    /// Stops the subscription with [`Error::HandlerFailed`](crate::Error::HandlerFailed). The event is given again at
    /// the next run. The default.
    pub const fn stop() -> Self {
        Self { retry: None, redrive: None, at_last: AtLast::Stop }
    }

    /// Parks the event, and with it all later events of its aggregate, or of its
    /// [lane](crate::subscription::SubscriptionBuilder::lane), so that their order is kept; all other events are
    /// handled. Parked events can be listed and redriven: see [`Subscriptions`](crate::subscription::Subscriptions).
    /// Durable subscriptions only.
    pub const fn park() -> Self {
        Self { retry: None, redrive: None, at_last: AtLast::Park }
    }

    /// Retries an event as the policy says before the subscription stops or parks it. All later events of the partition
    /// wait meanwhile.
    pub const fn retry(mut self, policy: HandlerRetry) -> Self {
        self.retry = Some(policy);
        self
    }

    /// Redrives a parked event by itself, after the waits of the policy. Once the event was parked as often as the
    /// policy allows attempts, it stays parked until it is redriven by hand
    /// ([`Subscriptions::redrive`](crate::subscription::Subscriptions::redrive)). Each redrive gives the event to the
    /// handler once, without the attempts of [`retry`](Self::retry), so that only the later events of its lane
    /// wait.
    ///
    /// The time of the next redrive is stored with the event, by the database's clock, so that any worker that runs by
    /// then keeps it. Without [`park`](Self::park), this setting has no effect.
    pub const fn redrive(mut self, policy: HandlerRetry) -> Self {
        self.redrive = Some(policy);
        self
    }

    /// Returns whether the first failure stops the subscription, whichever event of the batch failed.
    pub(super) fn stops_at_once(self) -> bool {
        self.retry.is_none() && self.at_last == AtLast::Stop
    }

    /// Returns how long an event that was parked `given_up` times stays parked before it is redriven.
    pub(super) fn redrive_after(self, given_up: u32, random: f64) -> Option<Duration> {
        self.redrive?.wait_after(given_up, random)
    }
}
