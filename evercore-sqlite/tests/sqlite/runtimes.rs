//! A store used outside the runtime that it was opened in: without any, after its end, and under a paused clock.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::thread;

use evercore::error::RuntimeProblem;
use evercore::{AggregateId, Batch, BoxError, Error, EventStore, Position};
use evercore_sqlite::{SqliteContext, SqliteEngine, SqliteOptions};
use tokio::runtime::{Builder, Runtime};

use crate::account::{Account, Deposited, balance, open_account};

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

async fn open(folder: &tempfile::TempDir) -> EventStore {
    let options = SqliteOptions::default().readers(1);
    let engine =
        SqliteEngine::open(folder.path().join("bank.db"), options).await.expect("it opens");
    EventStore::builder().open(engine).await.expect("it migrates")
}

async fn deposit(store: &EventStore, id: AggregateId, amount: i64) -> Result<(), Error> {
    store
        .with_context(async |ctx| {
            let mut account = ctx.load::<Account>(id).await?;
            ctx.apply(&mut account, Deposited { amount })
        })
        .await
}

/// Does everything that a store can do.
async fn use_all(store: &EventStore) {
    let account = open_account(store, &[1]).await.expect("it lands");
    deposit(store, account, 2).await.expect("it lands");
    assert_eq!(balance(store, account).await.expect("it loads"), 3);
    let within = store.with_transaction(async |ctx: &mut SqliteContext| {
        sqlx::query("SELECT 1").execute(&mut **ctx.transaction()).await?;
        ctx.load::<Account>(account).await.map(drop)?;
        Ok::<_, BoxError>(())
    });
    within.await.expect("it lands");
    let mut pages = Vec::new();
    for _ in 0..20 {
        pages.push(store.read_log(Position::START, 10));
    }
    for page in futures_util::future::join_all(pages).await {
        page.expect("it is read");
    }
    let view = store.with_readonly_context(async |ctx| ctx.read_log(Position::START, 10).await);
    view.await.expect("it is read");
    let handle = store
        .subscription("all")
        .spawn(async |_: Batch| Ok::<_, Error>(()))
        .expect("the name is one");
    store.wait_until_idle("all").await.expect("it goes on");
    handle.shutdown().await.expect("it stops");
}

#[test]
fn a_store_outlives_the_runtime_that_it_was_opened_in() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = runtime();
    let store = first.block_on(async {
        let store = open(&folder).await;
        use_all(&store).await;
        // The worker ends with its runtime, and so does the heartbeat.
        let running = store.subscription("other").spawn(async |_: Batch| Ok::<_, Error>(()));
        store.wait_until_idle("other").await.expect("it goes on");
        drop(running);
        store
    });
    drop(first);
    let second = runtime();
    second.block_on(async {
        use_all(&store).await;
        store.close().await.expect("nothing is under way");
    });
}

#[tokio::test(start_paused = true)]
async fn a_paused_tokio_clock_ends_no_wait() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&folder).await;
    use_all(&store).await;
    store.close().await.expect("nothing is under way");
    let store = EventStore::connect("sqlite::memory:").await.expect("it opens");
    use_all(&store).await;
    store.close().await.expect("nothing is under way");
}

#[test]
fn without_a_runtime_a_store_says_so_or_works() {
    let missing = |refused: &Error| {
        matches!(refused, Error::NoRuntime { problem: RuntimeProblem::Missing })
            && !refused.is_retryable()
    };
    let refused = outside(SqliteEngine::in_memory(SqliteOptions::default()));
    assert!(missing(&refused.expect_err("there is none")));
    let refused = outside(EventStore::connect("sqlite::memory:"));
    assert!(missing(&refused.expect_err("there is none")));

    let runtime = runtime();
    let folder = tempfile::tempdir().expect("a folder");
    let store = runtime.block_on(open(&folder));
    let account = outside(open_account(&store, &[1])).expect("it lands");
    outside(deposit(&store, account, 2)).expect("it lands");
    let history = outside(store.history(account, ..)).expect("it is read");
    assert_eq!(history.events.len(), 2);
    outside(store.read_log(Position::START, 10)).expect("it is read");

    let within = store.with_transaction(async |_: &mut SqliteContext| Ok::<_, Error>(()));
    assert!(missing(&outside(within).expect_err("there is none")));
    let running = store.subscription("all").run(async |_: Batch| Ok::<_, Error>(()));
    assert!(missing(&outside(running).expect_err("there is none")));
    let running = store.subscription("all").spawn(async |_: Batch| Ok::<_, Error>(()));
    assert!(missing(&running.expect_err("there is none")));
    let running = store.ephemeral().run(async |_: Batch| Ok::<_, Error>(()));
    assert!(missing(&outside(running).expect_err("there is none")));
    runtime.block_on(store.close()).expect("nothing is under way");
}
