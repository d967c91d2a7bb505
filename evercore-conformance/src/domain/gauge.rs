//! A gauge whose events survive JSON, but whose states do not: `Some(None)`, and infinity before the first reading.

use evercore::format::Encoding;
use evercore::{
    Aggregate, AggregateId, Apply, Event, EventMeta, EventStore, Fingerprint, Result,
    SnapshotPolicy,
};
use serde::{Deserialize, Serialize};

/// The fingerprint of [`Gauge`] in its snapshots.
pub(crate) const FINGERPRINT: Fingerprint = Fingerprint::new(0x6A);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Gauge {
    /// `None` before the first reading, and `Some(None)` after a failed one.
    pub(crate) last: Option<Option<i64>>,
    pub(crate) lowest: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Read {
    pub(crate) value: Option<i64>,
    pub(crate) precision: f64,
}

impl Default for Gauge {
    fn default() -> Self {
        Self { last: None, lowest: f64::INFINITY }
    }
}

impl Aggregate for Gauge {
    const NAME: &'static str = "gauge";
    /// A snapshot after each event.
    const SNAPSHOTS: Option<SnapshotPolicy<Self>> = Some(SnapshotPolicy::json(1, FINGERPRINT));
    const CLONE: Option<fn(&Self) -> Self> = Some(Self::clone);
}

impl Event for Read {
    type Aggregate = Gauge;
    const NAME: &'static str = "read";
    const ENCODING: Encoding<Self> = Encoding::serde();
}

impl Apply<Read> for Gauge {
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    fn apply(&mut self, event: &Read, _meta: &EventMeta) {
        self.last = Some(event.value);
        if let Some(value) = event.value {
            self.lowest = self.lowest.min(value as f64);
        }
    }
}

pub(crate) fn read(value: Option<i64>) -> Read {
    Read { value, precision: 0.5 }
}

pub(crate) async fn state(store: &EventStore, id: AggregateId) -> Result<Gauge> {
    read!(store, |ctx| Ok(ctx.load::<Gauge>(id).await?.into_state()))
}
