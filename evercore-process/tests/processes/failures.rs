//! Steps that fail.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use evercore::{Aggregate, Error, EventStore, FailurePolicy, Result, Start, task};
use evercore_process::{Noted, Process, Processes, Reactions, Rehearsal};

use crate::domain::{OrderPaid, OrderPlaced, SendReceipt, pay, place};
use crate::engines::{memory, until};

/// Sends receipts, but not while its scales are broken.
#[derive(Aggregate, Default)]
struct Receipts {}

static IS_BROKEN: AtomicBool = AtomicBool::new(true);

impl Process for Receipts {
    fn register(on: &mut Reactions<Self>) {
        on.event(
            |e: &OrderPaid| e.order.clone(),
            |step, e| {
                assert!(e.order != "42" || !IS_BROKEN.load(Ordering::SeqCst), "it is broken");
                step.enqueue(SendReceipt { order: e.order.clone() });
            },
        );
    }
}

async fn due(store: &EventStore) -> Result<u64> {
    Ok(store.queues().get("mail").await?.due)
}

#[tokio::test]
async fn a_parked_event_is_reacted_to_once_when_it_is_redriven() -> Result<()> {
    let store = memory().await;
    let process = store.process::<Receipts>("receipts").on_failure(FailurePolicy::park());
    let process = process.spawn()?;
    for order in ["41", "42", "43"] {
        place(&store, order, false).await?;
        pay(&store, order).await?;
    }
    store.wait_until_idle("receipts").await?;
    assert_eq!(due(&store).await?, 2, "the one of 42 is parked");

    IS_BROKEN.store(false, Ordering::SeqCst);
    store.subscriptions().redrive("receipts").await?;
    until("the third receipt", async || Ok(due(&store).await? == 3)).await?;

    store.subscriptions().reset("receipts", Start::Beginning).await?;
    store.wait_until_idle("receipts").await?;
    assert_eq!(due(&store).await?, 3);
    process.shutdown().await
}

#[task(queue = "forgetful")]
struct Forgotten {}

/// Sets a deadline that it does not react to.
#[derive(Aggregate, Default)]
struct Forgetful {}

impl Process for Forgetful {
    fn register(on: &mut Reactions<Self>) {
        on.event(
            |e: &OrderPlaced| e.order.clone(),
            |step, _| {
                step.deadline("forgotten", Duration::ZERO, Forgotten {});
                step.enqueue(SendReceipt { order: "never".to_owned() });
            },
        );
    }
}

#[tokio::test]
async fn a_deadline_without_a_reaction_fails_the_step() -> Result<()> {
    let placed = OrderPlaced { order: Some("42".to_owned()), lapses_at_once: false };
    let mut noted = Noted::default();
    let refused = Rehearsal::<Forgetful>::new().event(&placed, &mut noted);
    assert!(matches!(refused, Err(Error::InvalidTask { .. })), "{refused:?}");

    let store = memory().await;
    let process = store.process::<Forgetful>("forgetful").spawn()?;
    place(&store, "42", false).await?;
    let failed = process.join().await;
    assert!(matches!(failed, Err(Error::HandlerFailed { .. })), "{failed:?}");
    assert_eq!(due(&store).await?, 0, "nothing of the step has landed");
    Ok(())
}

#[tokio::test]
async fn a_key_that_is_not_valid_fails_the_step() -> Result<()> {
    let placed = OrderPlaced { order: Some(String::new()), lapses_at_once: false };
    let refused = Rehearsal::<Forgetful>::new().event(&placed, &mut Noted::default());
    assert!(matches!(refused, Err(Error::InvalidKey { .. })), "{refused:?}");
    Ok(())
}
