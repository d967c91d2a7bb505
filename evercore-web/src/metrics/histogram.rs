//! A histogram of atomic numbers. That of the library takes a lock for each observation.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::{MetricType, TypedMetric};

/// The upper bounds of buckets, and the number of units in 1 of the exported values.
#[derive(Clone, Copy, Debug)]
pub(super) struct Buckets {
    bounds: &'static [u64],
    per_one: f64,
}

/// Durations from 100 µs, a commit to a local database, to 10 s. In nanoseconds.
pub(super) const SECONDS: Buckets = Buckets {
    bounds: &[
        100_000,
        250_000,
        500_000,
        1_000_000,
        2_500_000,
        5_000_000,
        10_000_000,
        25_000_000,
        50_000_000,
        100_000_000,
        250_000_000,
        500_000_000,
        1_000_000_000,
        2_500_000_000,
        5_000_000_000,
        10_000_000_000,
    ],
    per_one: 1e9,
};

/// Numbers of commits.
pub(super) const COMMITS: Buckets =
    Buckets { bounds: &[1, 2, 4, 8, 16, 32, 64, 128, 256], per_one: 1.0 };

/// The places for counts: one more than the most bounds.
const PLACES: usize = 17;

/// Counts values in buckets. Clones share the counts.
#[derive(Clone, Debug)]
pub(super) struct Histogram(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    buckets: Buckets,
    /// The number of values in each bucket; the one after the last bound has the values above it.
    counts: [AtomicU64; PLACES],
    sum: AtomicU64,
}

impl Histogram {
    pub(super) fn new(buckets: Buckets) -> Self {
        debug_assert!(buckets.bounds.len() < PLACES && buckets.bounds.is_sorted());
        let counts = std::array::from_fn(|_| AtomicU64::new(0));
        Self(Arc::new(Inner { buckets, counts, sum: AtomicU64::new(0) }))
    }

    pub(super) fn observe_duration(&self, duration: Duration) {
        self.observe(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(super) fn observe(&self, value: u64) {
        let Inner { buckets, counts, sum } = &*self.0;
        let bucket = buckets.bounds.partition_point(|&bound| bound < value);
        counts[bucket].fetch_add(1, Ordering::Relaxed);
        sum.fetch_add(value, Ordering::Relaxed);
    }
}

impl TypedMetric for Histogram {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for Histogram {
    /// The total is that of the counts that were read, so that it never differs from the last bucket.
    #[expect(clippy::cast_precision_loss, reason = "the format has floating-point numbers")]
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Inner { buckets, counts, sum } = &*self.0;
        let bounds = buckets.bounds.iter().map(|&bound| bound as f64 / buckets.per_one);
        let counts = counts.iter().map(|count| count.load(Ordering::Relaxed));
        let counted: Vec<_> = bounds.chain([f64::INFINITY]).zip(counts).collect();
        let total = counted.iter().map(|(_, count)| count).sum();
        let sum = sum.load(Ordering::Relaxed) as f64 / buckets.per_one;
        encoder.encode_histogram::<NoLabelSet>(sum, total, &counted, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::prometheus_text::encode;
    use prometheus_client::registry::Registry;

    use super::*;

    #[test]
    fn values_are_counted_up_to_the_bounds_that_they_reach() {
        let mut registry = Registry::default();
        let histogram = Histogram::new(COMMITS);
        registry.register("group", "Commits", histogram.clone());
        for value in [0, 1, 2, 3, 256, 257, 1_000] {
            histogram.observe(value);
        }
        let mut text = String::new();
        encode(&mut text, &registry).expect("a text takes everything");
        let line = |start: &str| text.lines().find_map(|line| line.strip_prefix(start));
        assert_eq!(line("group_bucket{le=\"1\"} "), Some("2"));
        assert_eq!(line("group_bucket{le=\"2\"} "), Some("3"));
        assert_eq!(line("group_bucket{le=\"256\"} "), Some("5"));
        assert_eq!(line("group_bucket{le=\"+Inf\"} "), Some("7"));
        assert_eq!(line("group_count "), Some("7"));
        assert_eq!(line("group_sum "), Some("1519.0"));
    }

    #[test]
    fn durations_are_exported_in_seconds() {
        let mut registry = Registry::default();
        let histogram = Histogram::new(SECONDS);
        registry.register("load", "Loads", histogram.clone());
        histogram.observe_duration(Duration::from_micros(1_500));
        let mut text = String::new();
        encode(&mut text, &registry).expect("a text takes everything");
        let line = |start: &str| text.lines().find_map(|line| line.strip_prefix(start));
        assert_eq!(line("load_bucket{le=\"0.001\"} "), Some("0"));
        assert_eq!(line("load_bucket{le=\"0.0025\"} "), Some("1"));
        assert_eq!(line("load_sum "), Some("0.0015"));
    }
}
