//! Subscriptions while other programs write to the file.

use std::time::Duration;

use evercore::{Batch, Error};
use sqlx::Connection;

use crate::account::{file, open_account, store};
use crate::raw::connect;

#[tokio::test]
async fn a_subscription_that_has_to_wait_for_a_writer_runs_with_a_short_lease() {
    const LEASE: Duration = Duration::from_millis(200);
    let (_folder, path) = file();
    let store = store(&path).await;
    open_account(&store, &[7]).await.expect("it lands");
    let mut other = connect(&path).await;
    let held = other.begin_with("BEGIN IMMEDIATE").await.expect("there is no other writer");
    let worker = store
        .subscription("balances")
        .lease(LEASE)
        .spawn(async |_: Batch| Ok::<_, Error>(()))
        .expect("the name can be one");
    // Not a wait for a condition: the other program writes for this long.
    tokio::time::sleep(LEASE).await;
    held.commit().await.expect("nothing was written");

    let handled = async {
        loop {
            match store.wait_until_idle("balances").await {
                Err(Error::UnknownSubscription { .. }) if !worker.is_finished() => {
                    tokio::task::yield_now().await;
                }
                idle => return idle,
            }
        }
    };
    let handled = tokio::time::timeout(Duration::from_secs(30), handled).await;
    handled.expect("it is handled soon").expect("the worker runs");
    worker.shutdown().await.expect("it has not failed");
}
