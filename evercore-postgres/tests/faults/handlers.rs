//! A server that stops while the handler of a subscription has a transaction open.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use evercore::{Batch, BoxError, Error, FailurePolicy};
use evercore_postgres::PostgresContext;
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::{Counted, Counter, connect, execute, number, open, server};

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_under_a_handler_is_no_failure_of_the_handler() {
    let mut server = server(&[]);
    let store = open(&server.url()).await;
    execute(&mut connect(&server).await, "CREATE TABLE handled (n bigint)").await;
    let counted = store.with_context(async |ctx| {
        let mut counter = ctx.create::<Counter>().await?;
        ctx.apply(&mut counter, Counted { number: 1 })?;
        Ok::<_, Error>(counter.id())
    });
    let counter = counted.await.expect("it lands");

    for (name, policy) in [("stopping", FailurePolicy::stop()), ("parking", FailurePolicy::park())]
    {
        let (is_open, has_stopped) = (Notify::new(), Notify::new());
        let given = AtomicUsize::new(0);
        let handler = async |ctx: &mut PostgresContext, _: Batch| {
            let insert = || sqlx::query("INSERT INTO handled VALUES (1)");
            insert().execute(&mut **ctx.transaction()).await?;
            match given.fetch_add(1, Ordering::Relaxed) {
                0 => {
                    is_open.notify_one();
                    has_stopped.notified().await;
                    insert().execute(&mut **ctx.transaction()).await?;
                }
                // The context's own reads fail as well.
                1 => {
                    is_open.notify_one();
                    has_stopped.notified().await;
                    ctx.load::<Counter>(counter).await?;
                }
                _ => {}
            }
            Ok::<_, BoxError>(())
        };
        let stop = CancellationToken::new();
        let subscription = store.subscription(name).on_failure(policy).stop_on(stop.clone());
        let scenario = async {
            for _ in 0..2 {
                is_open.notified().await;
                tokio::task::block_in_place(|| server.crash().and_then(|()| server.restart()))
                    .unwrap_or_else(|failure| panic!("{failure}"));
                has_stopped.notify_one();
            }
            // Retry while the server does not answer yet.
            while store.wait_until_idle(name).await.is_err() {}
            stop.cancel();
        };
        let both = async { tokio::join!(subscription.run_in_transaction(handler), scenario) };
        let (ended, ()) = timeout(Duration::from_secs(60), both).await.expect("it goes on");
        ended.expect("it was told to stop");
        let stored = store.subscriptions().find(name).await.expect("it answers");
        assert_eq!(stored.expect("it was run").parked, 0);
    }
    let handled = "SELECT count(*) FROM handled";
    assert_eq!(number(&mut connect(&server).await, handled).await, 2, "each handled it once");
}
