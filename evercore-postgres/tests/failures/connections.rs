//! Connections that are all in use, abandoned midway, or outlive their runtime.

use std::time::Duration;

use evercore::{Error, EventStore};
use evercore_postgres::PostgresOptions;

use crate::{Bank, execute, sql};

/// Connections are opened within this time, even on a busy machine.
const SHORT: Duration = Duration::from_secs(1);

fn one_reader(options: PostgresOptions) -> PostgresOptions {
    options.readers(1).acquire_timeout(SHORT)
}

#[tokio::test]
async fn more_read_contexts_than_connections_are_unavailable() {
    let bank = Bank::with("failures_held", one_reader).await;
    let account = bank.account().await;
    let both = bank.store.with_readonly_context(async |_| {
        let second = bank.store.with_readonly_context(async |_| Ok::<_, Error>(())).await;
        // Reads outside of views have their own connections.
        let balance = bank.balance(account).await?;
        Ok::<_, Error>((second, balance))
    });
    let (second, balance) = both.await.expect("there is a connection for one");
    assert!(
        matches!(&second, Err(error @ Error::Unavailable { .. }) if error.is_retryable()),
        "{second:?}"
    );
    assert_eq!(balance, 1);
    bank.store
        .with_readonly_context(async |_| Ok::<_, Error>(()))
        .await
        .expect("it was given back");
}

#[tokio::test]
async fn a_load_without_a_free_connection_is_unavailable() {
    let bank = Bank::with("failures_taken", one_reader).await;
    let account = bank.account().await;
    let mut other = sql().await;
    execute(&mut other, "BEGIN; LOCK TABLE failures_taken.events").await;

    let (first, second) = tokio::join!(bank.balance(account), async {
        bank.waiting("aggregates").await;
        let second = bank.balance(account).await;
        execute(&mut other, "COMMIT").await;
        second
    });
    assert_eq!(first.expect("it waited"), 1);
    assert!(
        matches!(&second, Err(error @ Error::Unavailable { .. }) if error.is_retryable()),
        "{second:?}"
    );
    assert_eq!(bank.balance(account).await.expect("it was given back"), 1);
}

#[tokio::test]
async fn a_load_that_is_given_up_gives_its_connection_back() {
    let bank = Bank::with("failures_dropped", |options| options.readers(1)).await;
    let account = bank.account().await;
    for _ in 0..3 {
        let mut other = sql().await;
        execute(&mut other, "BEGIN; LOCK TABLE failures_dropped.events").await;
        tokio::select! {
            balance = bank.balance(account) => panic!("the table is locked: {balance:?}"),
            _ = bank.waiting("aggregates") => {}
        }
        execute(&mut other, "COMMIT").await;
        assert_eq!(bank.balance(account).await.expect("there is a connection"), 1);
    }
}

#[test]
fn a_store_may_outlive_its_runtime() {
    let runtime = tokio::runtime::Runtime::new().expect("there are threads");
    let store: EventStore = runtime.block_on(async {
        let bank = Bank::new("failures_runtime").await;
        let account = bank.account().await;
        assert_eq!(bank.balance(account).await.expect("it can be read"), 1);
        bank.store
    });
    drop(runtime);
    drop(store);
}

#[tokio::test]
async fn a_store_that_is_closed_finishes_what_is_under_way() {
    let bank = Bank::with("failures_close", |options| options.readers(1)).await;
    let account = bank.account().await;
    let mut other = sql().await;
    execute(&mut other, "BEGIN; LOCK TABLE failures_close.events").await;
    let (under_way, (closed, late, ())) = tokio::join!(bank.balance(account), async {
        bank.waiting("aggregates").await;
        let release = execute(&mut other, "COMMIT");
        tokio::join!(bank.store.close(), bank.balance(account), release)
    });
    assert_eq!(under_way.expect("it was under way"), 1);
    assert!(matches!(late, Ok(1) | Err(Error::Closed)), "{late:?}");
    closed.expect("it waits for what is under way");
    let after = bank.balance(account).await;
    assert!(matches!(after, Err(Error::Closed)), "{after:?}");
}
