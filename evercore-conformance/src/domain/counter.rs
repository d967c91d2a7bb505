//! A counter. Its state depends on the number of its events, not on their order.

use evercore::format::Encoding;
use evercore::{Aggregate, AggregateId, Apply, Error, Event, EventMeta, EventStore, Result};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default)]
pub(crate) struct Counter {
    pub(crate) value: i64,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Added {
    pub(crate) by: i64,
}

/// Sets the value whatever it was, as a client does that reads, adds and writes back.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Reset {
    pub(crate) to: i64,
}

impl Aggregate for Counter {
    const NAME: &'static str = "counter";
    const CLONE: Option<fn(&Self) -> Self> = Some(Self::clone);
}

impl Event for Added {
    type Aggregate = Counter;
    const NAME: &'static str = "added";
    const ENCODING: Encoding<Self> = Encoding::serde();
}

impl Event for Reset {
    type Aggregate = Counter;
    const NAME: &'static str = "reset";
    const ENCODING: Encoding<Self> = Encoding::serde();
}

impl Apply<Added> for Counter {
    fn apply(&mut self, event: &Added, _meta: &EventMeta) {
        self.value += event.by;
    }
}

impl Apply<Reset> for Counter {
    fn apply(&mut self, event: &Reset, _meta: &EventMeta) {
        self.value = event.to;
    }
}

/// Creates a counter with a single event, so that it is at sequence 1.
pub(crate) async fn create(store: &EventStore, value: i64) -> Result<AggregateId> {
    store
        .with_context(async |ctx| {
            let mut counter = ctx.create::<Counter>().await?;
            ctx.apply(&mut counter, Added { by: value })?;
            Ok::<_, Error>(counter.id())
        })
        .await
}

/// Creates a counter with a natural key.
pub(crate) async fn create_with_key(
    store: &EventStore,
    key: &str,
    value: i64,
) -> Result<AggregateId> {
    store
        .with_context(async |ctx| {
            let mut counter = ctx.create_with_key::<Counter>(key).await?;
            ctx.apply(&mut counter, Added { by: value })?;
            Ok::<_, Error>(counter.id())
        })
        .await
}

/// Loads the counter and adds to it; reruns on conflict.
pub(crate) async fn add(store: &EventStore, id: AggregateId, by: i64) -> Result<()> {
    store
        .with_context(async |ctx| {
            let mut counter = ctx.load::<Counter>(id).await?;
            ctx.apply(&mut counter, Added { by })
        })
        .await
}

pub(crate) async fn value(store: &EventStore, id: AggregateId) -> Result<i64> {
    read!(store, |ctx| Ok(ctx.load::<Counter>(id).await?.state().value))
}

/// Moves a key from its holder to another counter.
pub(crate) async fn pass_on(store: &EventStore, key: &str, to: AggregateId) -> Result<()> {
    store
        .with_context(async |ctx| {
            let mut old = ctx.load_by_key::<Counter>(key).await?;
            ctx.clear_key(&mut old)?;
            let mut new = ctx.load::<Counter>(to).await?;
            ctx.change_key(&mut new, key)
        })
        .await
}

pub(crate) async fn find_by_key(store: &EventStore, key: &str) -> Result<Option<AggregateId>> {
    read!(store, |ctx| { Ok(ctx.find_by_key::<Counter>(key).await?.map(|counter| counter.id())) })
}
