//! Behavior specific to PostgreSQL of subscriptions that write in the transaction which settles their batch.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};

use evercore::subscription::TransactionHandler;
use evercore::{Batch, BoxError, Error, EventStore, FailurePolicy};
use evercore_memory::MemoryEngine;
use evercore_postgres::{PostgresContext, PostgresTransaction};
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
        // To the server, a stopped process looks the same.
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
async fn a_store_on_an_engine_without_transactions_runs_no_projection() {
    let store = EventStore::builder().open(MemoryEngine::new()).await.expect("it opens");
    let refused = store
        .subscription("wrong")
        .run_in_transaction(async |_: &mut PostgresContext, _: Batch| Ok::<_, Error>(()))
        .await;
    let is_refused = matches!(refused, Err(Error::Unsupported { engine: "memory", .. }));
    assert!(is_refused, "{refused:?}");
}

/// The handler's reaction to the end of its session.
#[derive(Clone, Copy, Debug)]
enum Says {
    Error,
    OpaqueError,
    Panic,
    Nothing,
}

#[tokio::test]
async fn a_session_that_is_terminated_is_no_failure_of_the_handler_whatever_it_says() {
    let bank = Bank::new("tx_terminated").await;
    bank.deposit("ada", 1).await.expect("it lands");
    let policies = [("stopping", FailurePolicy::stop()), ("parking", FailurePolicy::park())];
    for (name, policy) in policies {
        let what_it_says = [Says::Error, Says::OpaqueError, Says::Panic, Says::Nothing];
        let given = AtomicUsize::new(0);
        let handler = async |ctx: &mut PostgresContext, _: Batch| {
            let Some(says) = what_it_says.get(given.fetch_add(1, Ordering::Relaxed)) else {
                return Ok(());
            };
            let ended = sqlx::query("SELECT pg_terminate_backend(pg_backend_pid())")
                .execute(&mut **ctx.transaction())
                .await
                .expect_err("the session was ended");
            match says {
                Says::Error => Err(BoxError::from(ended)),
                Says::OpaqueError => Err(ended.to_string().into()),
                Says::Panic => panic!("{ended}"),
                Says::Nothing => Ok(()),
            }
        };
        run_until_idle(&bank, name, policy, handler).await.expect("it goes on");
        assert_eq!(given.into_inner(), what_it_says.len() + 1);
        let stored = bank.store.subscriptions().find(name).await.expect("it answers");
        assert_eq!(stored.expect("it was run").parked, 0);
    }
}

/// Raises an error with this code in the first two transactions. Returns the number of calls of the handler.
async fn raised(bank: &Bank, name: &str, code: &str) -> Result<usize, Error> {
    let given = AtomicUsize::new(0);
    let raise = format!("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{code}'; END $$");
    let handler = async |ctx: &mut PostgresContext, _: Batch| {
        if given.fetch_add(1, Ordering::Relaxed) < 2 {
            sqlx::raw_sql(AssertSqlSafe(raise.as_str())).execute(&mut **ctx.transaction()).await?;
        }
        Ok::<_, BoxError>(())
    };
    run_until_idle(bank, name, FailurePolicy::stop(), handler).await?;
    Ok(given.into_inner())
}

#[tokio::test]
async fn the_code_of_a_server_error_decides_whether_the_handler_failed() {
    let bank = Bank::new("tx_raised").await;
    bank.deposit("ada", 1).await.expect("it lands");
    for code in ["40001", "40P01", "55P03", "53200"] {
        let given = raised(&bank, &format!("passes_{code}"), code).await;
        assert_eq!(given.expect("it goes on"), 3, "{code}");
    }
    for code in ["23505", "22012", "57014"] {
        let ended = raised(&bank, &format!("stays_{code}"), code).await;
        assert!(matches!(ended, Err(Error::HandlerFailed { .. })), "{code}: {ended:?}");
    }
}

async fn run_until_idle<F>(
    bank: &Bank,
    name: &str,
    policy: FailurePolicy,
    handler: F,
) -> Result<(), Error>
where
    F: TransactionHandler<PostgresTransaction>,
{
    let stop = CancellationToken::new();
    let subscription = bank.store.subscription(name).on_failure(policy).stop_on(stop.clone());
    let idle = async {
        while bank.store.subscriptions().find(name).await.expect("it answers").is_none() {
            tokio::task::yield_now().await;
        }
        bank.store.wait_until_idle(name).await.expect("it answers");
        stop.cancel();
    };
    let mut worker = pin!(subscription.run_in_transaction(handler));
    let until_idle = async {
        tokio::select! {
            biased;
            ended = &mut worker => return ended,
            () = idle => {}
        }
        worker.await
    };
    let within = std::time::Duration::from_secs(30);
    tokio::time::timeout(within, until_idle).await.expect("it is idle or ends")
}
