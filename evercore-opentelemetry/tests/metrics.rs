//! The metrics of a store arrive at an exporter, with the names and units of the conventions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use evercore::observer::{Observation, Observer};
use evercore::subscription::SubscriptionHandle;
use evercore::{
    Aggregate, BoxError, Error, EventStore, FailurePolicy, HandlerRetry, RecordedEvent, each,
    state_event,
};
use evercore_memory::MemoryEngine;
use evercore_opentelemetry::MeterObserver;
use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, Metric, MetricData};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, SdkMeterProvider};

#[derive(Aggregate, Clone, Default)]
struct Lamp {
    is_on: bool,
}

#[state_event(aggregate = Lamp)]
struct Switched {
    is_on: bool,
}

/// The last value of each series: for a histogram, the number of its values and their sum.
struct Exported {
    units: BTreeMap<String, String>,
    series: BTreeMap<(String, String), (f64, f64)>,
}

impl Exported {
    fn of(exporter: &InMemoryMetricExporter) -> Result<Self, BoxError> {
        let mut exported = Self { units: BTreeMap::new(), series: BTreeMap::new() };
        let finished = exporter.get_finished_metrics()?;
        for metric in finished.iter().flat_map(|of| of.scope_metrics()).flat_map(|of| of.metrics())
        {
            exported.take(metric);
        }
        Ok(exported)
    }

    fn take(&mut self, metric: &Metric) {
        let name = metric.name().to_owned();
        self.units.insert(name.clone(), metric.unit().to_owned());
        let mut put = |attributes: String, value| {
            self.series.insert((name.clone(), attributes), value);
        };
        match metric.data() {
            AggregatedMetrics::U64(MetricData::Sum(sum)) => sum
                .data_points()
                .for_each(|point| put(text(point.attributes()), (float(point.value()), 0.0))),
            AggregatedMetrics::U64(MetricData::Gauge(gauge)) => gauge
                .data_points()
                .for_each(|point| put(text(point.attributes()), (float(point.value()), 0.0))),
            AggregatedMetrics::U64(MetricData::Histogram(histogram)) => {
                histogram.data_points().for_each(|point| {
                    put(text(point.attributes()), (float(point.count()), float(point.sum())));
                });
            }
            AggregatedMetrics::F64(MetricData::Histogram(histogram)) => {
                histogram.data_points().for_each(|point| {
                    put(text(point.attributes()), (float(point.count()), point.sum()));
                });
            }
            other => panic!("{name} is {other:?}"),
        }
    }

    fn value(&self, name: &str, attributes: &str) -> (f64, f64) {
        let key = (name.to_owned(), attributes.to_owned());
        *self.series.get(&key).unwrap_or_else(|| panic!("no {key:?} in {:?}", self.series))
    }
}

/// Returns attributes as text, sorted.
fn text<'a>(attributes: impl Iterator<Item = &'a KeyValue>) -> String {
    let mut pairs: Vec<_> = attributes.map(|pair| format!("{}={}", pair.key, pair.value)).collect();
    pairs.sort_unstable();
    pairs.join(" ")
}

fn float(number: u64) -> f64 {
    f64::from(u32::try_from(number).expect("few"))
}

/// Makes commits with each answer that this engine gives, and parks the events of a lamp. Returns the worker.
async fn work(store: &EventStore) -> Result<SubscriptionHandle, BoxError> {
    let create = async || {
        let create = store.with_context(async |ctx| {
            let mut lamp = ctx.create::<Lamp>().await?;
            ctx.apply(&mut lamp, Switched { is_on: true })?;
            Ok::<_, Error>(lamp.id())
        });
        create.await
    };
    let (bad, _good) = (create().await?, create().await?);
    let (attempts, rival) = (AtomicU32::new(0), store.detached());
    let switch = store.with_context(async |ctx| {
        let mut lamp = ctx.load::<Lamp>(bad).await?;
        if attempts.fetch_add(1, Ordering::Relaxed) < 2 {
            let switch = rival.with_context(async |ctx| {
                let mut lamp = ctx.load::<Lamp>(bad).await?;
                let is_on = !lamp.state().is_on;
                ctx.apply(&mut lamp, Switched { is_on })
            });
            switch.await?;
        }
        ctx.apply(&mut lamp, Switched { is_on: true })
    });
    switch.await?;
    let key = async || {
        store.with_context(async |ctx| ctx.create_with_key::<Lamp>("kitchen").await.map(drop)).await
    };
    // Neither in the cache nor in storage.
    store.with_context(async |ctx| ctx.find_by_key::<Lamp>("cellar").await.map(drop)).await?;
    key().await?;
    assert!(matches!(key().await, Err(Error::KeyTaken { .. })));

    let retry = HandlerRetry::default().attempts(3).longest(Duration::from_millis(5));
    let handler = each(
        async move |event: RecordedEvent| {
            if event.aggregate_id() == bad { Err("not to my taste") } else { Ok(()) }
        },
    );
    let policy = FailurePolicy::park().retry(retry);
    let worker = store.subscription("letters").on_failure(policy).spawn(handler)?;
    tokio::time::timeout(Duration::from_secs(10), store.wait_until_idle("letters")).await??;
    Ok(worker)
}

#[tokio::test]
async fn each_metric_arrives_with_a_plausible_value() -> Result<(), BoxError> {
    let exporter = InMemoryMetricExporter::default();
    let provider = SdkMeterProvider::builder().with_periodic_exporter(exporter.clone()).build();
    let observer = Arc::new(MeterObserver::new(&provider.meter("lamps")));
    let builder = EventStore::builder().observer(Arc::clone(&observer)).cache_aggregates(100);
    let store = builder.open(MemoryEngine::new()).await?;
    let worker = work(&store).await?;
    // The engine in memory does not have these.
    observer.observe(&Observation::Group { commits: 3, duration: Duration::from_millis(250) });
    observer.observe(&Observation::Frontier { behind: 7 });
    provider.force_flush()?;

    let exported = Exported::of(&exporter)?;
    let operation = "db.client.operation.duration";
    let of = |name: &str| format!("db.operation.name={name} db.system.name=evercore");
    for (attributes, count) in [
        (of("commit"), 6.0),
        (format!("{} error.type=conflict", of("commit")), 2.0),
        (format!("{} error.type=refused", of("commit")), 1.0),
    ] {
        let (counted, seconds) = exported.value(operation, &attributes);
        assert_eq!(counted, count, "{attributes}");
        assert!(seconds > 0.0 && seconds < 60.0, "{attributes}: {seconds} s");
    }
    let (loads, seconds) = exported.value(operation, &of("load"));
    assert!(loads >= 1.0 && seconds > 0.0 && seconds < 60.0, "{loads} in {seconds} s");
    assert_eq!(exported.value("evercore.commit.events", "").0, 5.0);
    assert_eq!(exported.value("evercore.context.reruns", "").0, 1.0);
    assert!(exported.value("evercore.cache.lookups", "evercore.cache.hit=true").0 >= 1.0);
    assert!(exported.value("evercore.cache.lookups", "evercore.cache.hit=false").0 >= 1.0);
    assert_eq!(exported.value("evercore.group.duration", ""), (1.0, 0.25));
    assert_eq!(exported.value("evercore.group.commits", ""), (1.0, 3.0));
    assert_eq!(exported.value("evercore.frontier.distance", "").0, 7.0);

    let place =
        "messaging.destination.partition.id=0 messaging.destination.subscription.name=letters";
    let handled = format!("{place} messaging.operation.name=handle messaging.system=evercore");
    let (batches, seconds) = exported.value("messaging.process.duration", &handled);
    assert!(batches == 1.0 && seconds > 0.0 && seconds < 60.0, "{batches} in {seconds} s");
    assert_eq!(exported.value("messaging.client.consumed.messages", &handled).0, 1.0);
    assert_eq!(exported.value("evercore.subscription.retries", place).0, 2.0);
    assert_eq!(exported.value("evercore.subscription.parked", place).0, 4.0);
    assert_eq!(exported.value("evercore.subscription.lag", place).0, 0.0);

    let is_in_seconds = |name: &str| name.ends_with(".duration");
    for (name, unit) in &exported.units {
        let expected = if is_in_seconds(name) { unit == "s" } else { unit.starts_with('{') };
        assert!(expected, "{name} is in {unit}");
    }
    assert_eq!(exported.units.len(), 12, "{:?}", exported.units);

    worker.shutdown().await?;
    exporter.reset();
    provider.force_flush()?;
    let released = Exported::of(&exporter)?;
    let lag = ("evercore.subscription.lag".to_owned(), place.to_owned());
    assert!(!released.series.contains_key(&lag), "an out-of-date lag: {:?}", released.series);
    assert_eq!(released.value("evercore.subscription.parked", place).0, 4.0);
    Ok(())
}
