//! Counts what the handlers of subscriptions do.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use foldhash::fast::RandomState;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::{Registry, Unit};

use super::histogram::{Histogram, SECONDS};

/// The most subscriptions that are counted apart.
pub(super) const MOST: usize = 1_000;

/// The name under which all further subscriptions are counted.
const OTHER: &str = "other";

/// The label of a subscription.
pub(super) type OfSubscription = [(&'static str, String); 1];

/// The metrics of all subscriptions.
pub(super) struct Subscriptions {
    handled: Family<OfSubscription, Counter>,
    handler: Family<OfSubscription, Histogram, fn() -> Histogram>,
    retries: Family<OfSubscription, Counter>,
    parked: Family<OfSubscription, Counter>,
    /// The children of the families, which are found here by a name that is borrowed.
    by_name: RwLock<HashMap<String, OfOne, RandomState>>,
}

/// The metrics of one subscription.
#[derive(Clone)]
struct OfOne {
    handled: Counter,
    handler: Histogram,
    retries: Counter,
    parked: Counter,
}

pub(super) fn label(subscription: &str) -> OfSubscription {
    [("subscription", subscription.to_owned())]
}

impl Subscriptions {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            handled: Family::default(),
            handler: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            retries: Family::default(),
            parked: Family::default(),
            by_name: RwLock::default(),
        };
        let Self { handled, handler, retries, parked, .. } = &metrics;
        registry.register("handled_events", "Events that handlers have handled", handled.clone());
        registry.register_with_unit(
            "handler_duration",
            "The time in which a handler has handled a batch",
            Unit::Seconds,
            handler.clone(),
        );
        registry.register(
            "handler_retries",
            "Failures of handlers after which the event was given again",
            retries.clone(),
        );
        registry.register("parked_events", "Events that were parked", parked.clone());
        metrics
    }

    pub(super) fn handled(&self, subscription: &str, events: usize, duration: Duration) {
        self.with(subscription, |of_one| {
            of_one.handled.inc_by(u64::try_from(events).unwrap_or(u64::MAX));
            of_one.handler.observe_duration(duration);
        });
    }

    pub(super) fn retries(&self, subscription: &str) {
        self.with(subscription, |of_one| {
            of_one.retries.inc();
        });
    }

    pub(super) fn parks(&self, subscription: &str, events: usize) {
        self.with(subscription, |of_one| {
            of_one.parked.inc_by(u64::try_from(events).unwrap_or(u64::MAX));
        });
    }

    fn with(&self, subscription: &str, count: impl Fn(&OfOne)) {
        let known = self.by_name.read().unwrap_or_else(PoisonError::into_inner);
        match known.get(subscription) {
            Some(of_one) => count(of_one),
            None => {
                drop(known);
                count(&self.add(subscription));
            }
        }
    }

    fn add(&self, subscription: &str) -> OfOne {
        let mut known = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
        let is_known = known.contains_key(subscription);
        let name = if is_known || known.len() < MOST { subscription } else { OTHER };
        known.entry(name.to_owned()).or_insert_with(|| self.of_one(&label(name))).clone()
    }

    fn of_one(&self, label: &OfSubscription) -> OfOne {
        OfOne {
            handled: self.handled.get_or_create_owned(label),
            handler: self.handler.get_or_create_owned(label),
            retries: self.retries.get_or_create_owned(label),
            parked: self.parked.get_or_create_owned(label),
        }
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::prometheus_text::encode;

    use super::*;

    #[test]
    fn only_so_many_subscriptions_are_counted_apart() {
        let mut registry = Registry::default();
        let metrics = Subscriptions::register(&mut registry);
        for number in 0..MOST + 5 {
            metrics.parks(&format!("client-{number}"), 2);
            metrics.retries(&format!("client-{number}"));
        }
        let mut text = String::new();
        encode(&mut text, &registry).expect("a text takes everything");
        let series = text.lines().filter(|line| line.starts_with("parked_events_total{")).count();
        assert_eq!(series, MOST + 1);
        assert!(text.contains("parked_events_total{subscription=\"client-999\"} 2\n"));
        assert!(text.contains("parked_events_total{subscription=\"other\"} 10\n"));
    }
}
