//! A server that stops answering without closing its connections.

use std::time::Duration;

use evercore::{Batch, Error, EventStore, Position};
use evercore_postgres::PostgresContext;
use tokio::time::{Instant, sleep, timeout};

use crate::{Counted, Counter, Tapped};

/// Long enough for calls that are answered, even on a busy machine.
const ANSWERS: Duration = Duration::from_secs(5);

/// A call waits on its own connection, and possibly on another one to ask for the outcome.
const WITHIN: Duration = Duration::from_secs(60);

async fn tapped(schema: &'static str) -> Tapped {
    Tapped::with(schema, |options| options.answer_timeout(ANSWERS)).await
}

#[tokio::test]
async fn the_outcome_of_an_unanswered_commit_is_looked_up_on_another_connection() {
    let mut tapped = tapped("cuts_silence").await;
    tapped.append(1).await.expect("there is an answer");
    tapped.proxy.silence();
    let unanswered = timeout(WITHIN, tapped.append(2)).await.expect("it does not wait for ever");
    let Err(error @ Error::Unavailable { .. }) = unanswered else { panic!("{unanswered:?}") };
    assert!(error.is_retryable());
    tapped.append(2).await.expect("it connects anew");
    assert_eq!(tapped.landed(2).await, [1, 1, 1]);
}

#[tokio::test]
async fn a_read_without_an_answer_is_an_error() {
    let tapped = tapped("cuts_silence_read").await;
    tapped.store.read_log(Position::START, 10).await.expect("there is an answer");
    tapped.proxy.silence();
    let unanswered = timeout(WITHIN, tapped.store.read_log(Position::START, 10)).await;
    let unanswered = unanswered.expect("it does not wait for ever");
    assert!(matches!(unanswered, Err(Error::Unavailable { .. })), "{unanswered:?}");
    let page = tapped.store.read_log(Position::START, 10).await.expect("it connects anew");
    assert_eq!(page.events.len(), 1);
}

#[tokio::test]
async fn the_outcome_of_an_unanswered_transaction_is_looked_up() {
    let mut tapped = tapped("cuts_silence_transaction").await;
    let transact = async |store: &EventStore, falls_silent: bool| {
        store
            .with_transaction(async |ctx: &mut PostgresContext| {
                let mut counter = ctx.load::<Counter>(tapped.counter).await?;
                ctx.apply(&mut counter, Counted { number: 1 })?;
                if falls_silent {
                    tapped.proxy.silence();
                }
                Ok::<_, Error>(())
            })
            .await
    };
    let unanswered = timeout(WITHIN, transact(&tapped.store, true)).await;
    let unanswered = unanswered.expect("it does not wait for ever");
    assert!(matches!(unanswered, Err(Error::Unavailable { .. })), "{unanswered:?}");
    // The abandoned connection occupies its place for the same time again.
    let deadline = Instant::now() + WITHIN;
    while let Err(error) = transact(&tapped.store, false).await {
        assert!(error.is_retryable() && Instant::now() < deadline, "{error:?}");
    }
    assert_eq!(tapped.landed(1).await, [1, 1]);
}

#[tokio::test]
async fn a_subscription_goes_on_after_a_silence() {
    let tapped = tapped("cuts_silence_subscription").await;
    let worker = tapped.store.subscription("all").spawn(async |_: Batch| Ok::<_, Error>(()));
    let worker = worker.expect("a name");
    tapped.store.wait_until_idle("all").await.expect("it can be asked");
    tapped.proxy.silence();
    let deadline = Instant::now() + WITHIN;
    while tapped.append(1).await.is_err() {
        assert!(Instant::now() < deadline, "it does not connect anew");
    }
    while worker.status().handled < 2 {
        assert!(Instant::now() < deadline, "it does not go on: {:?}", worker.status());
        // Polling without a pause would keep the worker from making progress.
        sleep(Duration::from_millis(10)).await;
    }
    worker.shutdown().await.expect("a silence is no reason to end");
}

/// The control: without a timeout, a connection waits forever.
#[tokio::test]
async fn without_a_bound_a_commit_would_wait() {
    let tapped = Tapped::new("cuts_silence_control").await;
    tapped.append(1).await.expect("there is an answer");
    tapped.proxy.silence();
    let waits = timeout(2 * ANSWERS, tapped.append(2)).await;
    assert!(waits.is_err(), "the server is not silent: {waits:?}");
}
