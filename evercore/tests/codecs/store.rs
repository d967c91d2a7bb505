//! Stores in memory with different settings on one log.

use evercore::{
    Aggregate, AggregateId, Apply, Error, Event, EventStore, EventStoreBuilder, NaturalKey,
    RecordedEvent, Result, Stream,
};
use evercore_memory::MemoryEngine;

/// The codecs of serde.
pub(crate) const BY_SERDE: [evercore::Codec; 3] =
    [evercore::Codec::Json, evercore::Codec::Cbor, evercore::Codec::MessagePack];

pub(crate) async fn open(builder: EventStoreBuilder, engine: &MemoryEngine) -> EventStore {
    builder.open(engine.clone()).await.expect("memory opens")
}

/// Applies an event to the aggregate with this key; creates the aggregate if needed.
pub(crate) async fn apply<E>(store: &EventStore, key: &str, event: E) -> Result<AggregateId>
where
    E: Event + Clone,
    E::Aggregate: Apply<E>,
{
    store
        .with_context(async |ctx| {
            let mut aggregate = ctx.load_or_create::<E::Aggregate>(key).await?;
            ctx.apply(&mut aggregate, event.clone())?;
            Ok::<_, Error>(aggregate.id())
        })
        .await
}

/// Loads an aggregate and returns its state.
pub(crate) async fn state<A: Aggregate>(store: &EventStore, id: AggregateId) -> Result<A> {
    store
        .with_readonly_context(async |ctx| ctx.load(id).await)
        .await
        .map(|found| found.into_state())
}

/// Returns an event as a store with these settings records it.
pub(crate) async fn recorded<E>(builder: EventStoreBuilder, event: E) -> RecordedEvent
where
    E: Event,
    E::Aggregate: Apply<E>,
{
    let store = open(builder, &MemoryEngine::new()).await;
    let stream = Stream::Key(NaturalKey::new("key").expect("a key"));
    let appended = store.append::<E::Aggregate, _>(stream, evercore::Expected::Any, [event]).await;
    let id = appended.expect("it can be written").id;
    store.history(id, ..).await.expect("memory reads").events.remove(0)
}

pub(crate) fn in_codec(codec: evercore::Codec) -> EventStoreBuilder {
    EventStore::builder().codec(codec)
}
