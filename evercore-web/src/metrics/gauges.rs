//! The gauges that a scrape reads from the database.

use evercore::subscription::{Condition, SubscriptionInfo};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use std::sync::atomic::AtomicU64;

use super::subscriptions::{MOST, OfSubscription, label};

type Count = Family<OfSubscription, Gauge>;
type Seconds = Family<OfSubscription, Gauge<f64, AtomicU64>>;

/// Registers what was found in the database; only that it is down, if nothing was.
pub(super) fn register(registry: &mut Registry, found: Option<&[SubscriptionInfo]>) {
    let up: Gauge = Gauge::default();
    up.set(i64::from(found.is_some()));
    registry.register("up", "Whether the scrape has reached the database", up);
    let Some(subscriptions) = found else { return };
    let seconds = Seconds::default();
    let (positions, parked) = (Count::default(), Count::default());
    let (leases, paused) = (Count::default(), Count::default());
    for info in subscriptions.iter().take(MOST) {
        let label = label(info.name.as_str());
        let lag = info.lag_time.to_std().unwrap_or_default();
        seconds.get_or_create(&label).set(lag.as_secs_f64());
        positions.get_or_create(&label).set(i64::try_from(info.lag).unwrap_or(i64::MAX));
        parked.get_or_create(&label).set(i64::try_from(info.parked).unwrap_or(i64::MAX));
        let owned = info.partitions.iter().filter(|place| place.owner.is_some()).count();
        leases.get_or_create(&label).set(i64::try_from(owned).unwrap_or(i64::MAX));
        paused.get_or_create(&label).set(i64::from(info.condition == Condition::Paused));
    }
    registry.register_with_unit(
        "subscription_lag",
        "The time for which the oldest unhandled event has waited",
        Unit::Seconds,
        seconds,
    );
    registry.register(
        "subscription_lag_positions",
        "Positions between the cursor and the end of the log",
        positions,
    );
    registry.register("subscription_parked", "Events that are parked now", parked);
    registry.register("subscription_leases", "Partitions that a worker owns", leases);
    registry.register("subscription_paused", "Whether an operator has paused it", paused);
}
