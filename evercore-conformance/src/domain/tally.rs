//! An aggregate with snapshots. Its state differs if any event is missing, repeated or out of order.

use evercore::engine::Precondition;
use evercore::format::Encoding;
use evercore::{
    Aggregate, AggregateId, Apply, Error, Event, EventMeta, EventStore, Fingerprint, Registry,
    Result, SnapshotPolicy,
};
use serde::{Deserialize, Serialize};

use crate::fixture::Fixture;
use crate::raw;

/// The number of events between two snapshots.
const EVERY: u32 = 5;

/// The fingerprint of [`Tally`] in its snapshots.
pub(crate) const FINGERPRINT: Fingerprint = Fingerprint::new(0xA1);

/// The fingerprint of [`ReshapedTally`]. The high bit is set, to test engines that store it as a signed integer.
pub(crate) const OTHER_FINGERPRINT: Fingerprint = Fingerprint::new(0xF0F0_F0F0_F0F0_F0F0);

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tally {
    pub(crate) events: u64,
    pub(crate) digest: u64,
}

/// A tally of the same name without snapshots: it always replays all events.
#[derive(Debug, Default)]
pub(crate) struct PlainTally(Tally);

/// A tally of the same name after its shape has changed.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct ReshapedTally {
    tally: Tally,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Counted {
    pub(crate) number: u64,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct PlainCounted {
    pub(crate) number: u64,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct ReshapedCounted {
    pub(crate) number: u64,
}

impl Tally {
    /// Returns the state after these numbers.
    pub(crate) fn of(numbers: &[u64]) -> Self {
        let mut tally = Self::default();
        for &number in numbers {
            tally.count(number);
        }
        tally
    }

    fn count(&mut self, number: u64) {
        self.events += 1;
        self.digest = self.digest.wrapping_mul(0x0100_0000_01B3).wrapping_add(number + 1);
    }
}

impl Aggregate for Tally {
    const NAME: &'static str = "tally";
    const SNAPSHOTS: Option<SnapshotPolicy<Self>> = Some(SnapshotPolicy::json(EVERY, FINGERPRINT));
    const CLONE: Option<fn(&Self) -> Self> = Some(Self::clone);
}

impl Aggregate for PlainTally {
    const NAME: &'static str = Tally::NAME;
}

impl Aggregate for ReshapedTally {
    const NAME: &'static str = Tally::NAME;
    const SNAPSHOTS: Option<SnapshotPolicy<Self>> =
        Some(SnapshotPolicy::json(EVERY, OTHER_FINGERPRINT));
}

impl Event for Counted {
    type Aggregate = Tally;
    /// Also the name of the counter's event: an event is identified by its aggregate's type and its own name.
    const NAME: &'static str = "added";
    const ENCODING: Encoding<Self> = Encoding::serde();
}

impl Event for PlainCounted {
    type Aggregate = PlainTally;
    const NAME: &'static str = Counted::NAME;
    const ENCODING: Encoding<Self> = Encoding::serde();
}

impl Event for ReshapedCounted {
    type Aggregate = ReshapedTally;
    const NAME: &'static str = Counted::NAME;
    const ENCODING: Encoding<Self> = Encoding::serde();
}

impl Apply<Counted> for Tally {
    fn apply(&mut self, event: &Counted, _meta: &EventMeta) {
        self.count(event.number);
    }
}

impl Apply<PlainCounted> for PlainTally {
    fn apply(&mut self, event: &PlainCounted, _meta: &EventMeta) {
        self.0.count(event.number);
    }
}

impl Apply<ReshapedCounted> for ReshapedTally {
    fn apply(&mut self, event: &ReshapedCounted, _meta: &EventMeta) {
        self.tally.count(event.number);
    }
}

impl AsRef<Tally> for Tally {
    fn as_ref(&self) -> &Tally {
        self
    }
}

impl AsRef<Tally> for PlainTally {
    fn as_ref(&self) -> &Tally {
        &self.0
    }
}

impl AsRef<Tally> for ReshapedTally {
    fn as_ref(&self) -> &Tally {
        &self.tally
    }
}

/// Returns a registry of only the tally without snapshots.
pub(crate) fn plain_registry() -> Result<Registry> {
    Registry::builder().event::<PlainCounted>().build()
}

/// Returns a registry of only the reshaped tally.
pub(crate) fn reshaped_registry() -> Result<Registry> {
    Registry::builder().event::<ReshapedCounted>().build()
}

/// Creates a tally that has counted these numbers, in one commit.
pub(crate) async fn create(store: &EventStore, numbers: &[u64]) -> Result<AggregateId> {
    store
        .with_context(async |ctx| {
            let mut tally = ctx.create::<Tally>().await?;
            for &number in numbers {
                ctx.apply(&mut tally, Counted { number })?;
            }
            Ok::<_, Error>(tally.id())
        })
        .await
}

/// Counts more numbers, in one commit.
pub(crate) async fn count(store: &EventStore, id: AggregateId, numbers: &[u64]) -> Result<()> {
    store
        .with_context(async |ctx| {
            let mut tally = ctx.load::<Tally>(id).await?;
            for &number in numbers {
                ctx.apply(&mut tally, Counted { number })?;
            }
            Ok(())
        })
        .await
}

/// Loads the tally as a `T` and returns its state.
pub(crate) async fn state<T: Aggregate + AsRef<Tally>>(
    store: &EventStore,
    id: AggregateId,
) -> Result<Tally> {
    read!(store, |ctx| { Ok(ctx.load::<T>(id).await?.into_state().as_ref().clone()) })
}

/// Stores a snapshot that no context has made.
pub(crate) async fn plant(
    fixture: &Fixture,
    id: AggregateId,
    sequence: i64,
    fingerprint: Fingerprint,
    state: Vec<u8>,
) -> Result<()> {
    let mut commit = raw::commit(vec![raw::write::<Tally>(id, Precondition::Exists)], Vec::new());
    commit.snapshots = vec![raw::snapshot(id, sequence, fingerprint, state)];
    fixture.engine().commit(commit).await.map(drop)
}
