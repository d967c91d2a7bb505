//! The gauges of queues, which a scrape reads from the database.

use std::sync::atomic::AtomicU64;

use evercore::chrono::Utc;
use evercore::task::QueueStatus;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::subscriptions::MOST;

/// The label of a queue.
type OfQueue = [(&'static str, String); 1];

type Count = Family<OfQueue, Gauge>;
type Seconds = Family<OfQueue, Gauge<f64, AtomicU64>>;

/// Registers what was counted in the queues.
pub(super) fn register(registry: &mut Registry, queues: &[QueueStatus]) {
    let (due, scheduled, running) = (Count::default(), Count::default(), Count::default());
    let (dead, paused, wait) = (Count::default(), Count::default(), Seconds::default());
    let now = Utc::now();
    for queue in queues.iter().take(MOST) {
        let label = [("queue", queue.name.to_string())];
        let counts = [
            (&due, queue.due),
            (&scheduled, queue.scheduled),
            (&running, queue.running),
            (&dead, queue.dead),
            (&paused, u64::from(queue.is_paused)),
        ];
        for (gauge, count) in counts {
            gauge.get_or_create(&label).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        let waited = queue.oldest_due.map(|due| (now - due).to_std().unwrap_or_default());
        wait.get_or_create(&label).set(waited.unwrap_or_default().as_secs_f64());
    }
    registry.register("queue_due", "Tasks that are due and wait for a worker", due);
    registry.register_with_unit(
        "queue_wait",
        "The time for which the oldest due task has waited for a worker",
        Unit::Seconds,
        wait,
    );
    registry.register("queue_scheduled", "Tasks whose time has not come", scheduled);
    registry.register("queue_running", "Tasks that workers are doing", running);
    registry.register("queue_dead", "Tasks that have failed for good", dead);
    registry.register("queue_paused", "Whether an operator has paused it", paused);
}
