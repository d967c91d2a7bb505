//! A server process that is terminated while it works.

use evercore::Error;
use evercore_postgres::PostgresContext;

use crate::{Account, Bank, Deposited, execute, sql, terminate};

#[tokio::test]
async fn a_commit_whose_process_is_terminated_can_be_made_again() {
    let bank = Bank::new("failures_terminated").await;
    let account = bank.account().await;
    let mut other = bank.lock(account).await;

    let (deposit, ()) = tokio::join!(bank.deposit(account), async {
        terminate(bank.waiting("append").await).await;
        // The outcome of the commit is asked for on another connection, which waits for nothing.
        execute(&mut other, "COMMIT").await;
    });
    let error = deposit.expect_err("it was ended");
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    assert!(error.is_retryable());
    assert_eq!(bank.balance(account).await.expect("it can be read"), 1);

    bank.deposit(account).await.expect("nothing is in its way");
    assert_eq!(bank.balance(account).await.expect("it can be read"), 2);
}

#[tokio::test]
async fn a_transaction_whose_process_is_terminated_can_be_made_again() {
    let bank = Bank::new("failures_terminated_tx").await;
    let account = bank.account().await;
    let mut other = bank.lock(account).await;

    let commit = bank.store.with_transaction(async |ctx: &mut PostgresContext| {
        let mut account = ctx.load::<Account>(account).await?;
        ctx.apply(&mut account, Deposited { amount: 1 })
    });
    let (commit, ()) = tokio::join!(commit, async {
        terminate(bank.waiting("append").await).await;
        execute(&mut other, "COMMIT").await;
    });
    let error = commit.expect_err("it was ended");
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    assert!(error.is_retryable());
    assert_eq!(bank.balance(account).await.expect("it can be read"), 1);
}

#[tokio::test]
async fn connections_that_were_ended_while_they_rested_lose_no_commit() {
    let bank = Bank::new("failures_rested").await;
    let account = bank.account().await;
    let mut expected = 1;
    for _ in 0..5 {
        bank.balance(account).await.expect("it can be read");
        let own = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE application_name = 'evercore' AND position('{}.' IN query) > 0",
            bank.schema
        );
        execute(&mut sql().await, &own).await;
        match bank.deposit(account).await {
            Ok(_) => expected += 1,
            // The outcome must not be unknown, because it can be asked for on other connections.
            Err(error) => assert!(error.is_retryable(), "{error:?}"),
        }
        assert_eq!(bank.balance(account).await.expect("it can be read"), expected);
    }
}
