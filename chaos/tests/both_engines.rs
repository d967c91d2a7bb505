//! A program that links both engines can use the transactions of both, in separate tasks.

use std::time::Duration;

use evercore::{Aggregate, Batch, BoxError, Error, EventStore, state_event};
use evercore_postgres::PostgresContext;
use evercore_sqlite::SqliteContext;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

#[derive(Aggregate, Clone, Default)]
struct Account {
    balance: i64,
}

#[state_event(aggregate = Account)]
struct BalanceSet {
    balance: i64,
}

/// Opens an account, in a transaction of any engine.
async fn set_balance<X: Send>(ctx: &mut evercore::TransactionContext<X>) -> Result<(), Error> {
    let mut account = ctx.create::<Account>().await?;
    ctx.apply(&mut account, BalanceSet { balance: 7 })
}

#[tokio::test]
async fn a_store_knows_by_the_context_which_engine_it_needs() {
    let store = EventStore::connect("sqlite::memory:").await.expect("it opens");
    let lands = tokio::spawn({
        let store = store.clone();
        async move {
            store
                .with_transaction(async |ctx: &mut SqliteContext| {
                    sqlx::query("CREATE TABLE balances (amount INTEGER)")
                        .execute(&mut **ctx.transaction())
                        .await?;
                    set_balance(ctx).await?;
                    Ok::<_, anyhow::Error>(())
                })
                .await
        }
    });
    lands.await.expect("it does not panic").expect("it lands");
    let refused = tokio::spawn({
        let store = store.clone();
        async move {
            store
                .with_transaction(async |ctx: &mut PostgresContext| {
                    sqlx::query("SELECT 1").execute(&mut **ctx.transaction()).await?;
                    set_balance(ctx).await?;
                    Ok::<_, anyhow::Error>(())
                })
                .await
        }
    });
    let refused = refused.await.expect("it does not panic").expect_err("it is on SQLite");
    let refused = refused.downcast_ref();
    assert!(matches!(refused, Some(Error::WrongEngine { wanted: "PostgreSQL" })), "{refused:?}");
}

#[tokio::test]
async fn a_subscription_knows_by_the_context_which_engine_it_needs() {
    let store = EventStore::connect("sqlite::memory:").await.expect("it opens");
    store
        .with_transaction(set_balance::<evercore_sqlite::SqliteTransaction>)
        .await
        .expect("it lands");

    let stop = CancellationToken::new();
    let counting = store.subscription("counted").stop_on(stop.clone()).run_in_transaction(
        async move |ctx: &mut SqliteContext, batch: Batch| {
            for event in &batch {
                let mut account = ctx.create::<Account>().await?;
                let BalanceSet { balance } = event.decode()?;
                if balance < 9 {
                    ctx.apply(&mut account, BalanceSet { balance: balance + 1 })?;
                }
            }
            Ok::<_, BoxError>(())
        },
    );
    let counting = tokio::spawn(counting);
    let all_handled = async {
        while store.head().await.expect("it is read").get() < 3 {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(60), all_handled).await.expect("each event leads to the next");
    stop.cancel();
    counting.await.expect("it does not panic").expect("it stops");

    let refused = store
        .subscription("refused")
        .run_in_transaction(async |_: &mut PostgresContext, _: Batch| Ok::<_, BoxError>(()));
    let refused = tokio::spawn(refused).await.expect("it does not panic");
    assert!(matches!(refused, Err(Error::WrongEngine { wanted: "PostgreSQL" })), "{refused:?}");
}
