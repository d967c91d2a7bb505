//! A store in memory outside of any runtime: calls that need none work, and those that need one return an error.

use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;

use evercore::error::RuntimeProblem;
use evercore::{Aggregate, Batch, Error, EventStore, state_event};
use evercore_memory::MemoryEngine;
use futures_util::StreamExt;

#[derive(Aggregate, Clone, Default)]
#[aggregate(name = "runtimes.account")]
struct Account {
    balance: i64,
}

#[state_event(aggregate = Account, name = "runtimes.balance-set")]
struct BalanceSet {
    balance: i64,
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

fn open() -> EventStore {
    outside(EventStore::builder().open(MemoryEngine::new())).expect("memory opens")
}

#[test]
fn contexts_and_their_retries_need_no_runtime() {
    let store = open();
    let create = store.with_context(async |ctx| {
        let mut account = ctx.create_with_key::<Account>("ada").await?;
        ctx.apply(&mut account, BalanceSet { balance: 1 })?;
        Ok::<_, Error>(account.id())
    });
    let id = outside(create).expect("it lands");
    let runs = AtomicU32::new(0);
    let write_sooner = || {
        let sooner = store.with_context_once(async |ctx| {
            let mut account = ctx.load::<Account>(id).await?;
            ctx.apply(&mut account, BalanceSet { balance: 3 })
        });
        outside(sooner).expect("there is no other writer");
    };
    let write = store.with_context(async |ctx| {
        let mut account = ctx.load::<Account>(id).await?;
        ctx.apply(&mut account, BalanceSet { balance: 2 })?;
        if runs.fetch_add(1, Ordering::Relaxed) == 0 {
            thread::scope(|scope| scope.spawn(write_sooner).join().expect("it does not panic"));
        }
        Ok::<_, Error>(())
    });
    outside(write).expect("it runs again");
    assert_eq!(runs.load(Ordering::Relaxed), 2);
    let view = store.with_readonly_context(async |ctx| ctx.load::<Account>(id).await);
    assert_eq!(outside(view).expect("it loads").state().balance, 2);
    outside(store.close()).expect("nothing is under way");
}

#[test]
fn following_needs_a_runtime_and_says_so() {
    let missing = |refused: Error| {
        assert!(!refused.is_retryable());
        let message = refused.to_string();
        assert!(message.contains("#[tokio::main]"), "{message}");
        matches!(refused, Error::NoRuntime { problem: RuntimeProblem::Missing })
    };
    let store = open();
    let running = store.subscription("all").run(async |_: Batch| Ok::<_, Error>(()));
    assert!(missing(outside(running).expect_err("there is none")));
    let running = store.subscription("all").spawn(async |_: Batch| Ok::<_, Error>(()));
    assert!(missing(running.expect_err("there is none")));
    let running = store.ephemeral().run(async |_: Batch| Ok::<_, Error>(()));
    assert!(missing(outside(running).expect_err("there is none")));
    let mut events = pin!(store.ephemeral().stream());
    let first = outside(events.next()).expect("it says why");
    assert!(missing(first.expect_err("there is none")));
    let listed = outside(store.subscriptions().list());
    assert!(listed.expect("nothing is waited for").is_empty());
}
