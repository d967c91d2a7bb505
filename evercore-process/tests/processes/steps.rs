//! Single steps: events, deadlines, rejections, the end, and resets.

use evercore::{Aggregate, Error, EventStore, Result, Start};
use evercore_process::{Process, Processes, Reactions};

use crate::domain::{
    DAY, Fulfilment, Order, OrderPlaced, do_commands, fulfilment, lose, order, pay, place,
};
use crate::engines::{on_every_engine, until};

on_every_engine! {
    a_paid_order_is_packed_once
    a_deadline_that_is_set_again_replaces_the_former
    an_ended_process_does_nothing
    a_rejection_leads_to_a_compensation
    a_reset_repeats_nothing
    an_event_without_a_key_begins_nothing
}

async fn a_paid_order_is_packed_once(store: EventStore) -> Result<()> {
    let process = store.process::<Fulfilment>("fulfilment").partitions(2).spawn()?;
    place(&store, "42", false).await?;
    pay(&store, "42").await?;
    pay(&store, "42").await?;
    store.wait_until_idle("fulfilment").await?;
    assert_eq!(do_commands(&store).await?, 1);
    assert_eq!(order(&store, "42").await?.packed, 1);
    let payments = fulfilment(&store, "42").await?.map(|found| found.payments);
    assert_eq!(payments, Some(2));
    assert_eq!(store.queues().get("mail").await?.due, 1);
    assert_eq!(store.queues().get("fulfilment").await?.scheduled, 0, "it is cancelled");
    process.shutdown().await
}

async fn a_deadline_that_is_set_again_replaces_the_former(store: EventStore) -> Result<()> {
    let process = store.process::<Fulfilment>("fulfilment").spawn()?;
    place(&store, "42", false).await?;
    store.wait_until_idle("fulfilment").await?;
    let set = store.queues().waiting("fulfilment", None, 10).await?;
    let [deadline] = &*set else { panic!("one is set: {set:?}") };
    let key = deadline.key.as_ref().map(|key| key.as_str().to_owned()).unwrap_or_default();
    assert!(key.starts_with("give up/"), "{key}");
    let evercore::task::TaskState::Waiting { due, .. } = &deadline.state else {
        panic!("{:?}", deadline.state);
    };
    let after = (*due - deadline.enqueued_at).to_std().unwrap_or_default();
    assert!(after > 2 * DAY, "{after:?}");
    process.shutdown().await
}

async fn an_ended_process_does_nothing(store: EventStore) -> Result<()> {
    let process = store.process::<Fulfilment>("fulfilment").spawn()?;
    place(&store, "42", true).await?;
    store.wait_until_idle("fulfilment").await?;
    until("the end", async || {
        store.queues().wait_until_idle("fulfilment").await?;
        Ok(do_commands(&store).await? == 1)
    })
    .await?;
    assert_eq!(order(&store, "42").await?.cancelled, 1);
    // Too late.
    pay(&store, "42").await?;
    store.wait_until_idle("fulfilment").await?;
    assert_eq!(do_commands(&store).await?, 1);
    assert_eq!(order(&store, "42").await?.packed, 0);
    let payments = fulfilment(&store, "42").await?.map(|found| found.payments);
    assert_eq!(payments, Some(0));
    process.shutdown().await
}

async fn a_rejection_leads_to_a_compensation(store: EventStore) -> Result<()> {
    let process = store.process::<Fulfilment>("fulfilment").spawn()?;
    place(&store, "42", false).await?;
    lose(&store, "42").await?;
    pay(&store, "42").await?;
    store.wait_until_idle("fulfilment").await?;
    until("the refund", async || {
        do_commands(&store).await?;
        store.queues().wait_until_idle("fulfilment").await?;
        Ok(do_commands(&store).await? == 2)
    })
    .await?;
    let order = order(&store, "42").await?;
    assert_eq!((order.packed, order.refunded), (0, 1));
    // The way back is not among what the events carry on.
    let page = store.read_log(evercore::Position::START, 100).await?;
    for event in &page.events {
        let column = event.metadata().to_column()?.unwrap_or_default();
        assert!(!column.contains("evercore."), "{event:?}");
    }
    process.shutdown().await
}

async fn a_reset_repeats_nothing(store: EventStore) -> Result<()> {
    let process = store.process::<Fulfilment>("fulfilment").partitions(2).spawn()?;
    for number in 0..5 {
        let number = number.to_string();
        place(&store, &number, false).await?;
        pay(&store, &number).await?;
    }
    store.wait_until_idle("fulfilment").await?;
    assert_eq!(do_commands(&store).await?, 5);
    let head = store.head().await?;
    store.subscriptions().reset("fulfilment", Start::Beginning).await?;
    store.wait_until_idle("fulfilment").await?;
    assert_eq!(do_commands(&store).await?, 5);
    assert_eq!(store.head().await?, head, "no event was emitted");
    assert_eq!(store.queues().get("mail").await?.due, 5);
    assert_eq!(store.queues().get("fulfilment").await?.scheduled, 0);
    process.shutdown().await
}

async fn an_event_without_a_key_begins_nothing(store: EventStore) -> Result<()> {
    let process = store.process::<Fulfilment>("fulfilment").spawn()?;
    store
        .with_context(async |ctx| {
            let mut placed = ctx.create::<Order>().await?;
            ctx.apply(&mut placed, OrderPlaced { order: None, lapses_at_once: false })
        })
        .await?;
    store.wait_until_idle("fulfilment").await?;
    assert_eq!(store.queues().get("fulfilment").await?.scheduled, 0);
    process.shutdown().await
}

/// Reacts to nothing.
#[derive(Aggregate, Default)]
struct Idle {}

impl Process for Idle {
    fn register(_: &mut Reactions<Self>) {}
}

#[tokio::test]
async fn a_process_without_reactions_is_refused() {
    let store = crate::engines::memory().await;
    let refused = store.process::<Idle>("idle").run().await;
    assert!(matches!(refused, Err(Error::InvalidSubscription { .. })), "{refused:?}");
}

/// Counts, but begins only with an order that is placed.
#[derive(Aggregate, Default)]
struct Late {}

impl Process for Late {
    fn register(on: &mut Reactions<Self>) {
        on.event(|e: &OrderPlaced| e.order.clone(), |_, _| {});
    }
}

#[tokio::test]
async fn a_step_that_does_nothing_begins_no_process() -> Result<()> {
    let store = crate::engines::memory().await;
    let process = store.process::<Late>("late").spawn()?;
    place(&store, "42", false).await?;
    store.wait_until_idle("late").await?;
    let found = store.with_context(async |ctx| ctx.find_by_key::<Late>("42").await).await?;
    assert!(found.is_none(), "it has begun");
    process.shutdown().await
}
