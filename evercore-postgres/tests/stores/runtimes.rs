//! A store used outside the runtime that it was opened in: without any, after its end, and under a paused clock.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::thread;

use evercore::error::RuntimeProblem;
use evercore::subscription::SubscriptionHandle;
use evercore::{Batch, BoxError, CommitId, Error, EventStore, Position};
use evercore_postgres::{PostgresContext, PostgresEngine, PostgresOptions};
use tokio::runtime::{Builder, Runtime};

use crate::{balance, deposit, fresh, open, server};

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("it is built")
}

/// Drives a future outside of any runtime.
fn outside<F: Future>(work: F) -> F::Output {
    let mut work = pin!(work);
    loop {
        if let Poll::Ready(done) = work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return done;
        }
        thread::yield_now();
    }
}

#[track_caller]
fn assert_no_runtime<T>(answer: Result<T, Error>, wanted: RuntimeProblem) {
    match answer {
        Err(refused @ Error::NoRuntime { problem }) if problem == wanted => {
            assert!(!refused.is_retryable());
        }
        Err(other) => panic!("it is about the runtime: {other}"),
        Ok(_) => panic!("there is no runtime for it"),
    }
}

fn follow(store: &EventStore) -> SubscriptionHandle {
    let spawned = store.subscription("all").spawn(async |_: Batch| Ok::<_, Error>(()));
    spawned.expect("the name is one")
}

#[test]
fn every_call_says_that_the_runtime_has_ended_in_which_the_store_was_opened() {
    let first = runtime();
    let (store, running) = first.block_on(async {
        let store = open(fresh("stores_runtimes").await).await;
        deposit(&store, "ada", 1).await;
        let running = follow(&store);
        store.wait_until_idle("all").await.expect("it goes on");
        (store, running)
    });
    // The task that follows the log ends with its runtime, and so does the heartbeat.
    drop((first, running));
    let ended = RuntimeProblem::Ended;
    runtime().block_on(async {
        // Repeated, because the first call may find remaining connections, and later ones none.
        for _ in 0..3 {
            let commit =
                store.with_context(async |ctx| ctx.create::<crate::Account>().await.map(drop));
            assert_no_runtime(commit.await, ended);
            assert_no_runtime(store.head().await, ended);
            assert_no_runtime(store.read_log(Position::START, 10).await, ended);
            let view =
                store.with_readonly_context(async |ctx| ctx.read_log(Position::START, 1).await);
            assert_no_runtime(view.await, ended);
            let within = store.with_transaction(async |_: &mut PostgresContext| Ok::<_, Error>(()));
            assert_no_runtime(within.await, ended);
            assert_no_runtime(store.find_commit(CommitId::generate()).await, ended);
            assert_no_runtime(store.subscriptions().list().await, ended);
            assert_no_runtime(store.migrate().await, ended);
            assert_no_runtime(follow(&store).join().await, ended);
            let following = store.ephemeral().run(async |_: Batch| Ok::<_, Error>(()));
            assert_no_runtime(following.await, ended);
        }
        store.close().await.expect("there is nothing left to wait for");
    });
}

#[tokio::test(start_paused = true)]
async fn a_paused_tokio_clock_ends_no_wait() {
    // Fewer connections than concurrent requests.
    let options = fresh("stores_paused").await.readers(2);
    let store = open(options).await;
    deposit(&store, "ada", 1).await;
    assert_eq!(balance(&store, "ada").await, 1);
    let within = store.with_transaction(async |ctx: &mut PostgresContext| {
        sqlx::query("SELECT pg_sleep(0.05)").execute(&mut **ctx.transaction()).await?;
        ctx.load_by_key::<crate::Account>("ada").await.map(drop)?;
        Ok::<_, BoxError>(())
    });
    within.await.expect("it lands");
    let view = store.with_readonly_context(async |ctx| {
        let mut pages = Vec::new();
        for _ in 0..8 {
            pages.push(store.read_log(Position::START, 10));
        }
        for page in pages {
            page.await?;
        }
        ctx.read_log(Position::START, 10).await
    });
    view.await.expect("it is read");
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let store = store.clone();
        tasks.spawn(async move {
            let view =
                store.with_readonly_context(async |ctx| ctx.read_log(Position::START, 10).await);
            view.await.map(drop)?;
            store.read_log(Position::START, 10).await.map(drop)
        });
    }
    for read in tasks.join_all().await {
        read.expect("it is read");
    }
    let handle = follow(&store);
    store.wait_until_idle("all").await.expect("it goes on");
    handle.shutdown().await.expect("it stops");
    store.close().await.expect("nothing is under way");
}

#[test]
fn outside_of_a_runtime_a_store_says_so() {
    let missing = RuntimeProblem::Missing;
    assert_no_runtime(outside(PostgresEngine::open(PostgresOptions::new(server()))), missing);

    let runtime = runtime();
    let store = runtime.block_on(async { open(fresh("stores_outside").await).await });
    let commit = store.with_context(async |ctx| ctx.create::<crate::Account>().await.map(drop));
    assert_no_runtime(outside(commit), missing);
    assert_no_runtime(outside(store.head()), missing);
    assert_no_runtime(outside(store.read_log(Position::START, 10)), missing);
    let view = store.with_readonly_context(async |ctx| ctx.read_log(Position::START, 1).await);
    assert_no_runtime(outside(view), missing);
    let within = store.with_transaction(async |_: &mut PostgresContext| Ok::<_, Error>(()));
    assert_no_runtime(outside(within), missing);
    let running = store.subscription("all").run(async |_: Batch| Ok::<_, Error>(()));
    assert_no_runtime(outside(running), missing);
    let spawned = store.subscription("all").spawn(async |_: Batch| Ok::<_, Error>(()));
    assert_no_runtime(spawned, missing);
    runtime.block_on(async {
        deposit(&store, "ada", 1).await;
        store.close().await.expect("nothing is under way");
    });
}
