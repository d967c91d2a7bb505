//! Locks that are held for longer than a statement waits.

use std::pin::pin;
use std::time::Duration;

use evercore::Error;
use evercore_postgres::PostgresContext;

use crate::{Account, Bank, Deposited, execute, sql};

const SHORT: Duration = Duration::from_millis(150);

#[tokio::test]
async fn a_commit_that_waits_too_long_for_a_lock_is_busy() {
    let bank = Bank::with("failures_lock", |options| options.lock_timeout(SHORT)).await;
    commits_are_busy(&bank).await;
}

#[tokio::test]
async fn a_commit_that_takes_too_long_is_busy() {
    let bank = Bank::with("failures_statement", |options| options.statement_timeout(SHORT)).await;
    commits_are_busy(&bank).await;
}

async fn commits_are_busy(bank: &Bank) {
    let account = bank.account().await;
    let free = bank.account().await;
    let mut other = bank.lock(account).await;

    let error = bank.deposit(account).await.expect_err("the row is locked");
    assert!(matches!(error, Error::Busy { .. }), "{error:?}");
    assert!(error.is_retryable());

    let commit = bank.store.with_transaction(async |ctx: &mut PostgresContext| {
        let mut account = ctx.load::<Account>(account).await?;
        ctx.apply(&mut account, Deposited { amount: 1 })
    });
    let error = commit.await.expect_err("the row is locked");
    assert!(matches!(error, Error::Busy { .. }), "{error:?}");

    // Commits in the same transaction are not affected.
    let (locked, free_one) = tokio::join!(bank.deposit(account), bank.deposit(free));
    assert!(matches!(locked, Err(Error::Busy { .. })), "{locked:?}");
    free_one.expect("its row is free");

    execute(&mut other, "COMMIT").await;
    bank.deposit(account).await.expect("the row is free");
    assert_eq!(bank.balance(account).await.expect("it can be read"), 2);
    assert_eq!(bank.balance(free).await.expect("it can be read"), 2);
}

#[tokio::test]
async fn a_commit_that_waits_for_a_lock_blocks_no_other_commit() {
    let bank = Bank::new("failures_waiting").await;
    let account = bank.account().await;
    let free = bank.account().await;
    let mut other = bank.lock(account).await;

    let mut locked = pin!(bank.deposit(account));
    let free_ones = async {
        bank.waiting("append_one").await;
        for _ in 0..3 {
            bank.deposit(free).await.expect("its row is free");
        }
    };
    tokio::select! {
        locked = &mut locked => panic!("the others have waited until its end: {locked:?}"),
        () = free_ones => {}
    }

    execute(&mut other, "COMMIT").await;
    locked.await.expect("the row is free");
    assert_eq!(bank.balance(free).await.expect("it can be read"), 4);
}

#[tokio::test]
async fn a_load_that_waits_too_long_is_busy() {
    let bank = Bank::with("failures_load", |options| options.lock_timeout(SHORT)).await;
    let account = bank.account().await;
    let mut other = sql().await;
    execute(&mut other, "BEGIN; LOCK TABLE failures_load.events").await;

    let error = bank.balance(account).await.expect_err("the table is locked");
    assert!(matches!(error, Error::Busy { .. }), "{error:?}");
    execute(&mut other, "COMMIT").await;
    assert_eq!(bank.balance(account).await.expect("it can be read"), 1);
}
