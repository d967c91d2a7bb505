//! Transactions that wait for each other, of which the server aborts one.

use std::sync::atomic::{AtomicUsize, Ordering};

use evercore::Error;
use evercore_postgres::PostgresContext;
use sqlx::AssertSqlSafe;

use crate::{Account, Bank, Deposited, execute};

/// A session that waits this long checks for deadlocks and aborts itself, which must never be the test's own session.
const PATIENT: &str = "SET deadlock_timeout = '1h'";

#[tokio::test]
async fn a_commit_that_loses_a_deadlock_is_sent_again() {
    let bank = Bank::new("failures_deadlock").await;
    let (first, second) = (bank.account().await, bank.account().await);
    let mut other = bank.lock(second).await;
    execute(&mut other, PATIENT).await;

    let runs = AtomicUsize::new(0);
    let commit = bank.store.with_context(async |ctx| {
        runs.fetch_add(1, Ordering::Relaxed);
        for id in [first, second] {
            let mut account = ctx.load::<Account>(id).await?;
            ctx.apply(&mut account, Deposited { amount: 1 })?;
        }
        Ok::<_, Error>(())
    });
    let (commit, ()) = tokio::join!(commit, async {
        bank.waiting("append").await;
        execute(&mut other, &bank.lock_statement(first)).await;
        execute(&mut other, "COMMIT").await;
    });
    commit.expect("it is sent again");
    assert_eq!(runs.into_inner(), 1, "nothing was decided on anything stale");
    for account in [first, second] {
        assert_eq!(bank.balance(account).await.expect("it can be read"), 2);
    }
}

#[tokio::test]
async fn a_transaction_that_loses_a_deadlock_is_run_again() {
    let bank = Bank::new("failures_deadlock_tx").await;
    let account = bank.account().await;
    let table = "failures_deadlock_tx.notes";
    let mut other = crate::sql().await;
    let notes = format!("CREATE TABLE {table} (n bigint); INSERT INTO {table} VALUES (0)");
    execute(&mut other, &notes).await;
    let update = format!("UPDATE {table} SET n = n + 1");
    let mut other = bank.lock(account).await;
    execute(&mut other, PATIENT).await;

    let runs = AtomicUsize::new(0);
    let commit = bank.store.with_transaction(async |ctx: &mut PostgresContext| {
        runs.fetch_add(1, Ordering::Relaxed);
        let mut account = ctx.load::<Account>(account).await?;
        ctx.apply(&mut account, Deposited { amount: 1 })?;
        sqlx::query(AssertSqlSafe(update.as_str()))
            .execute(&mut **ctx.transaction())
            .await
            .map_err(|error| Error::storage("update a note", error))?;
        Ok::<_, Error>(())
    });
    let (commit, ()) = tokio::join!(commit, async {
        bank.waiting("append").await;
        execute(&mut other, &update).await;
        execute(&mut other, "COMMIT").await;
    });
    commit.expect("it is run again");
    assert_eq!(runs.into_inner(), 2);
    assert_eq!(bank.balance(account).await.expect("it can be read"), 2);
    let count = format!("SELECT n FROM {table}");
    let count = sqlx::query_scalar(AssertSqlSafe(count)).fetch_one(&mut other).await;
    assert_eq!(count.ok(), Some(2_i64), "once by each");
}
