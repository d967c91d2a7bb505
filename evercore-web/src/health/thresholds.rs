//! Holds the longest lag and the most parked events of each subscription.

use std::collections::BTreeMap;
use std::time::Duration;

use evercore::subscription::{Condition, SubscriptionInfo};

/// The default time for which an event may wait.
const MAX_LAG: Duration = Duration::from_secs(60);

#[derive(Clone, Debug)]
pub(super) struct Thresholds {
    default_max_lag: Duration,
    by_name: BTreeMap<String, Threshold>,
}

/// The thresholds of one subscription.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Threshold {
    pub(super) max_lag: Option<Duration>,
    pub(super) max_parked: Option<u64>,
    pub(super) ignored: bool,
}

impl Thresholds {
    pub(super) fn set_default_max_lag(&mut self, lag: Duration) {
        self.default_max_lag = lag;
    }

    pub(super) fn of(&mut self, subscription: String) -> &mut Threshold {
        self.by_name.entry(subscription).or_default()
    }

    /// Returns why a subscription is not ready, in words; nothing if it is.
    pub(super) fn judge(&self, info: &SubscriptionInfo) -> Vec<String> {
        let of_its_own = self.by_name.get(info.name.as_str()).copied().unwrap_or_default();
        let mut why = Vec::new();
        if of_its_own.ignored {
            return why;
        }
        let (lag, most) = (lag_of(info), of_its_own.max_lag.unwrap_or(self.default_max_lag));
        // An operator has paused it, and knows that it stands still.
        if lag > most && info.condition != Condition::Paused {
            why.push(format!(
                "its oldest unhandled event has waited for {:.1} s, and {:.1} s are allowed{}",
                lag.as_secs_f64(),
                most.as_secs_f64(),
                remedy(info.condition),
            ));
        }
        if let Some(most) = of_its_own.max_parked.filter(|&most| info.parked > most) {
            why.push(format!("{} of its events are parked, and {most} are allowed", info.parked));
        }
        why
    }

    /// Returns the subscriptions that are expected and not among the stored ones.
    pub(super) fn missing<'a>(
        &'a self,
        stored: &'a [SubscriptionInfo],
    ) -> impl Iterator<Item = &'a str> {
        let is_stored = |name: &str| stored.iter().any(|info| info.name.as_str() == name);
        let expected = self.by_name.iter().filter(|(_, threshold)| !threshold.ignored);
        expected.map(|(name, _)| name.as_str()).filter(move |name| !is_stored(name))
    }
}

/// Returns the end of a reason: why a subscription that no worker runs is late, and what to do about it.
const fn remedy(condition: Condition) -> &'static str {
    match condition {
        Condition::Idle => {
            "; no worker runs it: start one, or delete or ignore the subscription if it is no longer used"
        }
        Condition::Failed => {
            "; no worker runs it, and the last one stopped at a failure: mend the cause, and start it again"
        }
        _ => "",
    }
}

/// Returns the time for which the oldest unhandled event has waited.
pub(super) fn lag_of(info: &SubscriptionInfo) -> Duration {
    info.lag_time.to_std().unwrap_or_default()
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { default_max_lag: MAX_LAG, by_name: BTreeMap::new() }
    }
}
