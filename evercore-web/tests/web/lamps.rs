//! A domain with one aggregate.

use evercore::{Aggregate, AggregateId, Error, EventStore, Result, state_event};

#[derive(Aggregate, Clone, Default)]
pub(crate) struct Lamp {
    is_on: bool,
}

#[state_event(aggregate = Lamp)]
pub(crate) struct Switched {
    pub(crate) is_on: bool,
}

/// Creates a lamp that is on: one commit with one event.
pub(crate) async fn create(store: &EventStore) -> Result<AggregateId> {
    store
        .with_context(async |ctx| {
            let mut lamp = ctx.create::<Lamp>().await?;
            ctx.apply(&mut lamp, Switched { is_on: true })?;
            Ok::<_, Error>(lamp.id())
        })
        .await
}

/// Switches a lamp: one load, and one commit with one event.
pub(crate) async fn switch(store: &EventStore, id: AggregateId) -> Result<()> {
    store
        .with_context(async |ctx| {
            let mut lamp = ctx.load::<Lamp>(id).await?;
            let is_on = !lamp.state().is_on;
            ctx.apply(&mut lamp, Switched { is_on })
        })
        .await
}
