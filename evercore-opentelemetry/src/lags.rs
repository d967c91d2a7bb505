//! Keeps the lag of each partition that workers of this process work on, since an instrument that is recorded forgets none.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use opentelemetry::KeyValue;
use opentelemetry::metrics::AsyncInstrument;

/// The lags, by subscription and partition.
#[derive(Debug, Default)]
pub(crate) struct Lags(Mutex<BTreeMap<String, BTreeMap<u32, u64>>>);

impl Lags {
    pub(crate) fn set(&self, subscription: &str, partition: u32, positions: u64) {
        let mut lags = self.lock();
        // Most lags are of a known partition, and then this allocates nothing.
        if let Some(partitions) = lags.get_mut(subscription) {
            partitions.insert(partition, positions);
        } else {
            lags.insert(subscription.to_owned(), BTreeMap::from([(partition, positions)]));
        }
    }

    pub(crate) fn forget(&self, subscription: &str, partition: u32) {
        let mut lags = self.lock();
        if let Some(partitions) = lags.get_mut(subscription) {
            partitions.remove(&partition);
            if partitions.is_empty() {
                lags.remove(subscription);
            }
        }
    }

    /// Reports each lag. `attributes` makes the attributes of a partition.
    pub(crate) fn report(
        &self,
        instrument: &dyn AsyncInstrument<u64>,
        attributes: fn(&str, u32) -> [KeyValue; 2],
    ) {
        // Copied, so that a worker never waits for an exporter.
        let lags = self.lock().clone();
        for (subscription, partitions) in &lags {
            for (&partition, &positions) in partitions {
                instrument.observe(positions, &attributes(subscription, partition));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, BTreeMap<u32, u64>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
