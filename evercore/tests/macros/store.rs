//! A store in memory in which tests apply events.

use std::fmt::Debug;

use evercore::{
    Aggregate, AggregateId, Context, Error, EventStore, RecordedEvent, Result, StateAggregate,
};
use evercore_memory::MemoryEngine;

/// Returns the state after `write` has applied events to a new aggregate. A replay must give the same state.
pub(crate) async fn state_after<T>(
    write: impl FnOnce(&mut Context, &mut StateAggregate<T>) -> Result<()>,
) -> T
where
    T: Aggregate + Clone + PartialEq + Debug,
{
    let (store, id, state) = written(write).await;
    let replayed: T = store
        .with_readonly_context(async |ctx| ctx.load(id).await)
        .await
        .expect("what was written loads")
        .into_state();
    assert_eq!(replayed, state);
    replayed
}

/// Returns the recorded events that `write` applies to a new aggregate.
pub(crate) async fn recorded<T: Aggregate + Clone>(
    write: impl FnOnce(&mut Context, &mut StateAggregate<T>) -> Result<()>,
) -> Vec<RecordedEvent> {
    let (store, id, _) = written(write).await;
    store.history(id, ..).await.expect("what was written reads").events
}

async fn written<T: Aggregate + Clone>(
    write: impl FnOnce(&mut Context, &mut StateAggregate<T>) -> Result<()>,
) -> (EventStore, AggregateId, T) {
    let store = EventStore::builder().open(MemoryEngine::new()).await.expect("memory opens");
    let (id, state) = store
        .with_context_once(async |ctx| {
            let mut aggregate = ctx.create::<T>().await?;
            write(ctx, &mut aggregate)?;
            Ok::<_, Error>((aggregate.id(), aggregate.state().clone()))
        })
        .await
        .expect("the events apply");
    (store, id, state)
}
