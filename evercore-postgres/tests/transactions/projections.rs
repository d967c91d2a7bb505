//! Subscriptions that write in the transaction which records them: what is PostgreSQL's own.

use evercore::{Batch, Error, EventStore};
use evercore_memory::MemoryEngine;
use evercore_postgres::PostgresContext;
use sqlx::AssertSqlSafe;
use tokio_util::sync::CancellationToken;

use super::{Account, Bank, Deposited};

#[tokio::test(flavor = "multi_thread")]
async fn a_spawned_projection_borrows_its_captures() {
    let mut bank = Bank::new("tx_projection").await;
    let store = bank.store.clone();
    store
        .with_context(async |ctx| {
            let mut account = ctx.create_with_key::<Account>("ada").await?;
            ctx.apply(&mut account, Deposited { amount: 7 })
        })
        .await
        .expect("it lands");
    let stop = CancellationToken::new();
    let worker = tokio::spawn({
        let (store, stop, upsert) = (store.clone(), stop.clone(), bank.upsert());
        async move {
            let borrowed = &upsert;
            store
                .subscription("balances")
                .stop_on(stop)
                .run_in_transaction(async |ctx: &mut PostgresContext, batch: Batch| {
                    for event in &batch {
                        sqlx::query(AssertSqlSafe(borrowed.clone()))
                            .bind(event.aggregate_id().get())
                            .bind(event.decode::<Deposited>().map_err(sqlx::Error::decode)?.amount)
                            .execute(&mut **ctx.transaction())
                            .await?;
                    }
                    Ok::<_, sqlx::Error>(())
                })
                .await
        }
    });
    while store.subscriptions().find("balances").await.expect("it answers").is_none() {
        tokio::task::yield_now().await;
    }
    store.wait_until_idle("balances").await.expect("it answers");
    stop.cancel();
    worker.await.expect("no panic").expect("it was told to stop");
    assert_eq!(bank.balances("ada").await, (Some(7), Some(7)));
}

#[tokio::test]
async fn a_transaction_that_does_nothing_for_as_long_as_the_lease_is_ended() {
    let bank = Bank::new("tx_idle").await;
    bank.deposit("ada", 1).await.expect("it lands");
    let handler = async |_: &mut PostgresContext, _: Batch| {
        // A process that is stopped looks the same to the server.
        tokio::time::sleep(std::time::Duration::from_millis(2_500)).await;
        Ok::<_, Error>(())
    };
    let stop = CancellationToken::new();
    let lease = std::time::Duration::from_millis(1_200);
    let subscription = bank.store.subscription("idle").lease(lease).stop_on(stop.clone());
    let running = subscription.run_in_transaction(handler);
    let watching = async {
        tokio::time::sleep(std::time::Duration::from_millis(4_000)).await;
        let stored = bank.store.subscriptions().find("idle").await.expect("it answers");
        stop.cancel();
        stored.expect("it runs")
    };
    let (ended, stored) = tokio::join!(running, watching);
    ended.expect("it was told to stop");
    assert_eq!(stored.cursor.get(), 0, "nothing was recorded in a transaction that was ended");
}

#[tokio::test]
async fn a_store_on_another_engine_runs_no_projection() {
    let store = EventStore::builder().open(MemoryEngine::new()).await.expect("it opens");
    let refused = store
        .subscription("wrong")
        .run_in_transaction(async |_: &mut PostgresContext, _: Batch| Ok::<_, Error>(()))
        .await;
    assert!(matches!(refused, Err(Error::WrongEngine { wanted: "PostgreSQL" })), "{refused:?}");
}
