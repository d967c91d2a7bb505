//! Reactors, which have no state.

use evercore::{EventStore, Result, Start};
use evercore_process::{Processes, Reactor};

use crate::domain::{OrderPaid, Pack, SendReceipt, do_commands, order, pay, place};
use crate::engines::on_every_engine;

on_every_engine! {
    a_reactor_turns_each_event_into_effects_once
}

async fn a_reactor_turns_each_event_into_effects_once(store: EventStore) -> Result<()> {
    let reactor = Reactor::new().on(|reaction, paid: &OrderPaid| {
        reaction.send(Pack { order: paid.order.clone() });
        reaction.enqueue(SendReceipt { order: paid.order.clone() });
    });
    let reactor = store.reactor("packing", reactor).spawn()?;
    place(&store, "42", false).await?;
    pay(&store, "42").await?;
    store.wait_until_idle("packing").await?;
    store.subscriptions().reset("packing", Start::Beginning).await?;
    store.wait_until_idle("packing").await?;
    assert_eq!(do_commands(&store).await?, 1);
    assert_eq!(order(&store, "42").await?.packed, 1);
    assert_eq!(store.queues().get("mail").await?.due, 1);
    reactor.shutdown().await
}
