//! Several partitions, services, and names.

use evercore::service::{Lifecycle, Service, ServiceError};
use evercore::{EventStore, Result};
use evercore_process::Processes;
use tokio_util::sync::CancellationToken;

use crate::domain::{Fulfilment, Order, OrderPaid, do_commands, fulfilment, pay, place};
use crate::engines::{memory, on_every_engine};

on_every_engine! {
    steps_of_one_process_do_not_overtake_each_other
}

const PAYERS: u32 = 24;

/// The events are of different aggregates, and so in different partitions, but of one process.
async fn steps_of_one_process_do_not_overtake_each_other(store: EventStore) -> Result<()> {
    place(&store, "42", false).await?;
    for _ in 0..PAYERS {
        store
            .with_context(async |ctx| {
                let mut payer = ctx.create::<Order>().await?;
                ctx.apply(&mut payer, OrderPaid { order: "42".to_owned() })
            })
            .await?;
    }
    let process = store.process::<Fulfilment>("fulfilment").partitions(6).spawn()?;
    store.wait_until_idle("fulfilment").await?;
    let payments = fulfilment(&store, "42").await?.map(|found| found.payments);
    assert_eq!(payments, Some(PAYERS));
    assert_eq!(do_commands(&store).await?, 1, "only the first payment packs");
    process.shutdown().await
}

#[tokio::test]
async fn a_service_is_ready_and_stops() -> Result<(), ServiceError> {
    let store = memory().await;
    let mut service = store.process::<Fulfilment>("fulfilment").service();
    assert_eq!(service.name(), "fulfilment");
    for round in 0..2 {
        let order = round.to_string();
        let stop = CancellationToken::new();
        let lifecycle = Lifecycle::new(stop.clone());
        let working = async {
            lifecycle.until_ready().await;
            place(&store, &order, false).await?;
            pay(&store, &order).await?;
            store.wait_until_idle("fulfilment").await?;
            stop.cancel();
            Ok::<_, ServiceError>(())
        };
        let (ended, worked) = tokio::join!(service.run(&lifecycle), working);
        ended.and(worked)?;
    }
    assert_eq!(store.queues().get("mail").await?.due, 2);
    Ok(())
}

#[tokio::test]
async fn another_name_is_another_process() -> Result<()> {
    let store = memory().await;
    place(&store, "42", false).await?;
    pay(&store, "42").await?;
    for name in ["one", "two", "one"] {
        let process = store.process::<Fulfilment>(name).spawn()?;
        store.wait_until_idle(name).await?;
        process.shutdown().await?;
    }
    let payments = fulfilment(&store, "42").await?.map(|found| found.payments);
    assert_eq!(payments, Some(2), "each name has reacted once");
    Ok(())
}
