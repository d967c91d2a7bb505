//! An aggregate with small events and a large state: each event states how much the text grows.

use evercore::format::Encoding;
use evercore::{Aggregate, Apply, Event, EventMeta, Fingerprint, SnapshotPolicy};
use serde::{Deserialize, Serialize};

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Hoard {
    pub(crate) text: String,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Hoarded {
    pub(crate) length: usize,
}

impl Aggregate for Hoard {
    const NAME: &'static str = "hoard";
    /// A snapshot after each event.
    const SNAPSHOTS: Option<SnapshotPolicy<Self>> =
        Some(SnapshotPolicy::json(1, Fingerprint::new(0x40)));
}

impl Event for Hoarded {
    type Aggregate = Hoard;
    const NAME: &'static str = "hoarded";
    const ENCODING: Encoding<Self> = Encoding::serde();
}

impl Apply<Hoarded> for Hoard {
    fn apply(&mut self, event: &Hoarded, _meta: &EventMeta) {
        self.text.extend(std::iter::repeat_n('x', event.length));
    }
}
