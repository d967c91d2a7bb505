//! Workers that are dropped at any point.

use std::time::Duration;

use evercore::{EventStore, Result};
use evercore_process::Processes;

use crate::domain::{Fulfilment, do_commands, fulfilment, pay, place};
use crate::engines::on_every_engine;

on_every_engine! {
    effects_are_exactly_once_beside_crashes
}

const ORDERS: usize = 40;

async fn effects_are_exactly_once_beside_crashes(store: EventStore) -> Result<()> {
    for number in 0..ORDERS {
        let number = number.to_string();
        place(&store, &number, false).await?;
        pay(&store, &number).await?;
    }
    let spawn = || {
        store
            .process::<Fulfilment>("fulfilment")
            .partitions(3)
            // The most that a crash can repeat.
            .subscription(|subscription| {
                subscription.lease(Duration::from_secs(2)).record_within(Duration::from_secs(2))
            })
            .spawn()
    };
    for crash in 0..6 {
        let process = spawn()?;
        // Each one is dropped a bit later than the one before.
        tokio::time::sleep(Duration::from_millis(crash * 15)).await;
        drop(process);
        // All leases are given up, so that the next one need not wait, and everything is given again.
        if store.subscriptions().find("fulfilment").await?.is_some() {
            store.subscriptions().reset("fulfilment", evercore::Start::Beginning).await?;
        }
    }
    let process = spawn()?;
    store.wait_until_idle("fulfilment").await?;
    assert_eq!(store.queues().get("mail").await?.due, ORDERS as u64);
    assert_eq!(do_commands(&store).await?, ORDERS);
    for number in 0..ORDERS {
        let found = fulfilment(&store, &number.to_string()).await?;
        assert_eq!(found.map(|found| found.payments), Some(1), "order {number}");
    }
    process.shutdown().await
}
