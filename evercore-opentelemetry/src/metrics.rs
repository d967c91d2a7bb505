//! Records what a store does on the instruments of an OpenTelemetry meter.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use evercore::observer::{CommitAnswer, Observation, Observer};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Histogram, Meter, ObservableGauge};

use crate::lags::Lags;

/// The bounds that the conventions advise for `db.client.operation.duration`, in seconds.
const DATABASE: [f64; 9] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];

/// The bounds that the conventions advise for `messaging.process.duration`, in seconds.
const MESSAGING: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// Numbers of commits.
const COMMITS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// An [`Observer`] that records on an OpenTelemetry meter: counters, gauges, and histograms with durations in seconds.
///
/// Names and attributes follow the [semantic conventions](https://opentelemetry.io/docs/specs/semconv/) where there are
/// any: commits and loads are `db.client.operation.duration`, and handlers `messaging.process.duration` and
/// `messaging.client.consumed.messages`, with `evercore` as the system. The others begin with `evercore.`:
/// [docs/metrics.md](https://github.com/evercore-rs/evercore/blob/main/docs/metrics.md) lists all.
///
/// The gauge `evercore.subscription.lag` has a value for each partition that a worker of this process works on. It has
/// none any more once the worker has released the partition, so that only the owner of a partition reports it.
///
/// # Example
/// ```standalone_crate
/// use evercore::EventStore;
/// use evercore_memory::MemoryEngine;
/// use evercore_opentelemetry::MeterObserver;
/// use opentelemetry::metrics::MeterProvider;
/// use opentelemetry_sdk::metrics::SdkMeterProvider;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> evercore::Result<()> {
/// let provider = SdkMeterProvider::builder().build(); // with an exporter
/// let observer = MeterObserver::new(&provider.meter("bank"));
/// let store = EventStore::builder().observer(observer).open(MemoryEngine::new()).await?;
/// # drop(store);
/// # Ok(())
/// # }
/// ```
pub struct MeterObserver {
    operations: Histogram<f64>,
    stored: Vec<KeyValue>,
    conflict: Vec<KeyValue>,
    refused: Vec<KeyValue>,
    failed: Vec<KeyValue>,
    load: Vec<KeyValue>,
    events: Counter<u64>,
    reruns: Counter<u64>,
    lookups: Counter<u64>,
    hit: KeyValue,
    miss: KeyValue,
    groups: Histogram<f64>,
    group_sizes: Histogram<u64>,
    frontier: Gauge<u64>,
    processed: Histogram<f64>,
    consumed: Counter<u64>,
    retries: Counter<u64>,
    parked: Counter<u64>,
    lags: Arc<Lags>,
    /// Reads the lags at each collection.
    _lag: ObservableGauge<u64>,
}

impl MeterObserver {
    /// Makes the instruments on a meter.
    #[must_use]
    pub fn new(meter: &Meter) -> Self {
        let counter = |name: &'static str, unit: &'static str, text: &'static str| {
            meter.u64_counter(name).with_unit(unit).with_description(text).build()
        };
        let gauge = |name: &'static str, unit: &'static str, text: &'static str| {
            meter.u64_gauge(name).with_unit(unit).with_description(text).build()
        };
        let seconds = |name: &'static str, bounds: &[f64], text: &'static str| {
            let builder = meter.f64_histogram(name).with_unit("s").with_description(text);
            builder.with_boundaries(bounds.to_vec()).build()
        };
        let lags = Arc::new(Lags::default());
        let reported = Arc::downgrade(&lags);
        let lag = meter
            .u64_observable_gauge("evercore.subscription.lag")
            .with_unit("{position}")
            .with_description("Positions between the cursor of a partition and the end of the log.")
            .with_callback(move |instrument| {
                if let Some(lags) = reported.upgrade() {
                    lags.report(instrument, place);
                }
            })
            .build();
        Self {
            operations: seconds(
                "db.client.operation.duration",
                &DATABASE,
                "Duration of database client operations.",
            ),
            stored: operation("commit", None),
            conflict: operation("commit", Some(CommitAnswer::Conflict)),
            refused: operation("commit", Some(CommitAnswer::Refused)),
            failed: operation("commit", Some(CommitAnswer::Failed)),
            load: operation("load", None),
            events: counter("evercore.commit.events", "{event}", "Events of stored commits."),
            reruns: counter(
                "evercore.context.reruns",
                "{rerun}",
                "Contexts that ran again after a conflict.",
            ),
            lookups: counter(
                "evercore.cache.lookups",
                "{lookup}",
                "Lookups in the cache of aggregates.",
            ),
            hit: KeyValue::new("evercore.cache.hit", true),
            miss: KeyValue::new("evercore.cache.hit", false),
            groups: seconds(
                "evercore.group.duration",
                &DATABASE,
                "Duration until the database answered commits that were sent together.",
            ),
            group_sizes: meter
                .u64_histogram("evercore.group.commits")
                .with_unit("{commit}")
                .with_description("Commits that were sent to the database together.")
                .with_boundaries(COMMITS.to_vec())
                .build(),
            frontier: gauge(
                "evercore.frontier.distance",
                "{position}",
                "Positions that were drawn and cannot be read yet.",
            ),
            processed: seconds(
                "messaging.process.duration",
                &MESSAGING,
                "Duration of processing operation.",
            ),
            consumed: counter(
                "messaging.client.consumed.messages",
                "{message}",
                "Number of messages that were delivered to the application.",
            ),
            retries: counter(
                "evercore.subscription.retries",
                "{retry}",
                "Failures of handlers after which the event was given again.",
            ),
            parked: counter("evercore.subscription.parked", "{event}", "Events that were parked."),
            lags,
            _lag: lag,
        }
    }

    fn committed(&self, duration: Duration, answer: CommitAnswer, events: usize) {
        let attributes = match answer {
            CommitAnswer::Stored => {
                self.events.add(number(events), &[]);
                &self.stored
            }
            CommitAnswer::Conflict => &self.conflict,
            CommitAnswer::Refused => &self.refused,
            _ => &self.failed,
        };
        self.operations.record(duration.as_secs_f64(), attributes);
    }
}

impl Observer for MeterObserver {
    fn observe(&self, observation: &Observation<'_>) {
        match *observation {
            Observation::Commit { duration, answer, events } => {
                self.committed(duration, answer, events);
            }
            Observation::Load { duration } => {
                self.operations.record(duration.as_secs_f64(), &self.load);
            }
            Observation::Rerun { .. } => self.reruns.add(1, &[]),
            Observation::CacheLookup { hit } => {
                let looked_up = if hit { &self.hit } else { &self.miss };
                self.lookups.add(1, std::slice::from_ref(looked_up));
            }
            Observation::Group { commits, duration } => {
                self.groups.record(duration.as_secs_f64(), &[]);
                self.group_sizes.record(number(commits), &[]);
            }
            Observation::Frontier { behind } => self.frontier.record(behind, &[]),
            Observation::Handled { subscription, partition, events, duration } => {
                let attributes = handled(subscription, partition);
                self.processed.record(duration.as_secs_f64(), &attributes);
                self.consumed.add(number(events), &attributes);
            }
            Observation::HandlerRetry { subscription, partition, .. } => {
                self.retries.add(1, &place(subscription, partition));
            }
            Observation::Parked { subscription, partition, events } => {
                self.parked.add(number(events), &place(subscription, partition));
            }
            Observation::Lag { subscription, partition, positions } => {
                self.lags.set(subscription, partition, positions);
            }
            Observation::Released { subscription, partition } => {
                self.lags.forget(subscription, partition);
            }
            _ => {}
        }
    }
}

/// Returns the attributes of a database operation. The answer that it failed with is the type of its error.
fn operation(name: &'static str, failure: Option<CommitAnswer>) -> Vec<KeyValue> {
    let mut attributes =
        vec![KeyValue::new("db.system.name", "evercore"), KeyValue::new("db.operation.name", name)];
    attributes.extend(failure.map(|answer| KeyValue::new("error.type", answer.name())));
    attributes
}

/// Returns the attributes of a partition of a subscription.
fn place(subscription: &str, partition: u32) -> [KeyValue; 2] {
    [
        KeyValue::new("messaging.destination.subscription.name", subscription.to_owned()),
        KeyValue::new("messaging.destination.partition.id", partition.to_string()),
    ]
}

/// Returns the attributes of events that a handler was given.
fn handled(subscription: &str, partition: u32) -> [KeyValue; 4] {
    let [subscription, partition] = place(subscription, partition);
    let system = KeyValue::new("messaging.system", "evercore");
    [system, KeyValue::new("messaging.operation.name", "handle"), subscription, partition]
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

impl fmt::Debug for MeterObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MeterObserver").finish_non_exhaustive()
    }
}
