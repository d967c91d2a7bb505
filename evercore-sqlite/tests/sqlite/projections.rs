//! Behavior specific to SQLite of subscriptions that write in the transaction which settles their batch.

use evercore::{Batch, Error, EventStore, Result};
use evercore_memory::MemoryEngine;
use evercore_sqlite::SqliteContext;
use tokio_util::sync::CancellationToken;

use crate::account::{Account, Deposited};
use crate::bank::{Bank, BankError, deposit, upsert};

impl std::fmt::Display for BankError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for BankError {}

async fn open(store: &EventStore, key: &str, amount: i64) -> i64 {
    let opened = store
        .with_context(async |ctx| {
            let mut account = ctx.create_with_key::<Account>(key).await?;
            ctx.apply(&mut account, Deposited { amount })?;
            Ok::<_, Error>(account.id().get())
        })
        .await;
    opened.expect("it lands")
}

/// Runs the subscription in a task until it has handled all events, with a handler that borrows.
async fn project(store: EventStore, extra: i64) -> Result<()> {
    let stop = CancellationToken::new();
    let worker = tokio::spawn({
        let (store, stop) = (store.clone(), stop.clone());
        async move {
            let borrowed = &extra;
            store
                .subscription("balances")
                .stop_on(stop)
                .run_in_transaction(async |ctx: &mut SqliteContext, batch: Batch| {
                    for event in &batch {
                        let amount = event.decode::<Deposited>()?.amount + borrowed;
                        upsert(ctx, event.aggregate_id().get(), amount).await?;
                    }
                    Ok::<_, BankError>(())
                })
                .await
        }
    });
    while store.subscriptions().find("balances").await?.is_none() {
        tokio::task::yield_now().await;
    }
    store.wait_until_idle("balances").await?;
    stop.cancel();
    worker.await.expect("no panic")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spawned_projection_borrows_its_captures() {
    for bank in Bank::each().await {
        open(&bank.store, "ada", 7).await;
        project(bank.store.clone(), 100).await.expect("it stops");
        assert_eq!(bank.balances("ada").await, (Some(107), Some(7)));
    }
}

#[tokio::test]
async fn a_handler_that_writes_past_its_context_is_refused_at_once() {
    for bank in Bank::each().await {
        open(&bank.store, "ada", 7).await;
        let handler = async |_: &mut SqliteContext, _: Batch| deposit(&bank.store, "bob", 1).await;
        let ended = bank.store.subscription("nested").run_in_transaction(handler).await;
        let Err(Error::HandlerFailed { source, .. }) = ended else { panic!("{ended:?}") };
        let nested = source.downcast_ref::<BankError>();
        assert!(matches!(nested, Some(BankError::Store(Error::NestedCommit))), "{nested:?}");
    }
}

#[tokio::test]
async fn a_store_on_an_engine_without_transactions_says_so() {
    let store = EventStore::builder().open(MemoryEngine::new()).await.expect("it opens");
    let refused = store
        .subscription("wrong")
        .run_in_transaction(async |_: &mut SqliteContext, _: Batch| Ok::<_, Error>(()))
        .await;
    let is_refused = matches!(refused, Err(Error::Unsupported { engine: "memory", .. }));
    assert!(is_refused, "{refused:?}");
    let spawned = store
        .subscription("wrong")
        .spawn_in_transaction(async |_: &mut SqliteContext, _: Batch| Ok::<_, Error>(()));
    let is_refused = matches!(spawned, Err(Error::Unsupported { engine: "memory", .. }));
    assert!(is_refused, "{spawned:?}");
}
