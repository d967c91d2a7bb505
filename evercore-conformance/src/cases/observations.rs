//! An observer receives what a store and its engine do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use evercore::observer::CommitAnswer;
use evercore::{Batch, Error, FailurePolicy, HandlerRetry, RecordedEvent, Result, each};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};

use crate::assert::assert_error;
use crate::counts::{Counted, Counts};
use crate::domain::counter::{self, Added, Counter};
use crate::fixture::{Fixture, ROOM};
use crate::journal::{idle, until_true};

pub(crate) async fn an_observer_is_told_of_commits_loads_and_reruns(
    fixture: &Fixture,
) -> Result<()> {
    let counts = Arc::new(Counts::default());
    let builder = fixture.builder().cache_aggregates(ROOM).observer(Arc::clone(&counts));
    let store = fixture.store_with(builder).await?;
    let id = counter::create(&store, 0).await?;
    // Cached by the commit.
    counter::add(&store, id, 1).await?;
    // A write past the cache makes the cached state stale, and two more make the next two attempts conflict.
    let rival = fixture.rival();
    counter::add(&rival, id, 1).await?;
    let attempts = AtomicU32::new(0);
    store
        .with_context(async |ctx| {
            let mut counter = ctx.load::<Counter>(id).await?;
            if attempts.fetch_add(1, Ordering::Relaxed) < 2 {
                counter::add(&rival, id, 1).await?;
            }
            ctx.apply(&mut counter, Added { by: 1 })
        })
        .await?;

    let counted = counts.now();
    let (conflicts, _) = counted.answered(CommitAnswer::Conflict);
    assert!(counted.reruns >= 1 && conflicts >= 2, "{counted:?}");
    assert!(counted.hits >= 1 && counted.loads >= 1, "{counted:?}");
    assert_eq!(counted.answered(CommitAnswer::Stored), (3, 3), "{counted:?}");
    Ok(())
}

pub(crate) async fn an_observer_is_told_the_answer_to_a_commit_and_its_events(
    fixture: &Fixture,
) -> Result<()> {
    let counts = Arc::new(Counts::default());
    // An engine of its own, which this case closes.
    let engine = fixture.harness().open().await?;
    let builder = fixture.builder().observer(Arc::clone(&counts));
    let store = builder.open_shared(engine).await?;
    let id = counter::create_with_key(&store, "taken", 1).await?;
    let add_twice = store.with_context(async |ctx| {
        let mut counter = ctx.load::<Counter>(id).await?;
        ctx.apply(&mut counter, Added { by: 1 })?;
        ctx.apply(&mut counter, Added { by: 1 })
    });
    add_twice.await?;
    assert_eq!(counts.now().answered(CommitAnswer::Stored), (2, 3));

    let taken = counter::create_with_key(&store, "taken", 1).await;
    assert_error!(taken, Error::KeyTaken { .. });
    assert_eq!(counts.now().answered(CommitAnswer::Refused), (1, 1));

    let closed = store
        .with_context(async |ctx| {
            let mut counter = ctx.load::<Counter>(id).await?;
            ctx.apply(&mut counter, Added { by: 1 })?;
            store.close().await
        })
        .await;
    assert_error!(closed, Error::Closed);
    let counted = counts.now();
    assert_eq!(counted.answered(CommitAnswer::Failed), (1, 1), "{counted:?}");
    assert_eq!(counted.answered(CommitAnswer::Stored), (2, 3), "{counted:?}");
    Ok(())
}

/// The caller gives up between sending the commit and the answer, which happens at some of these moments.
pub(crate) async fn an_observer_is_told_of_commits_whose_callers_are_gone(
    fixture: &Fixture,
) -> Result<()> {
    let counts = Arc::new(Counts::default());
    let store = fixture.store_with(fixture.builder().observer(Arc::clone(&counts))).await?;
    let deadline = Instant::now() + Duration::from_secs(60);
    let stored = || counts.now().answered(CommitAnswer::Stored);
    let (mut heard, mut gave_up) = (0, 0);
    // How long the last commit with an answer took, and longer with each without: a caller waits for a part of that.
    let mut took = Duration::from_millis(1);
    for round in 0_u32.. {
        let begun = Instant::now();
        let patience = took * (round % 16) / 12;
        let giving_up = async {
            while begun.elapsed() < patience {
                yield_now().await;
            }
        };
        tokio::select! {
            biased;
            created = counter::create(&store, 0) => {
                created?;
                heard += 1;
                took = begun.elapsed();
            }
            () = giving_up => {
                gave_up += 1;
                took += took / 16;
            }
        }
        // The engine in memory answers at once.
        if stored().0 > heard || (gave_up == 0 && round > 100) {
            break;
        }
        assert!(
            Instant::now() < deadline,
            "of {gave_up} commits without callers none was observed"
        );
    }
    let (_, events) = stored();
    until_true(async || Ok(fixture.log().await?.len() >= events)).await
}

pub(crate) async fn an_observer_is_told_what_a_handler_does(fixture: &Fixture) -> Result<()> {
    let counts = Arc::new(Counts::default());
    let store = fixture.store_with(fixture.builder().observer(Arc::clone(&counts))).await?;
    let bad = counter::create(&store, 0).await?;
    for value in 1..4 {
        counter::create(&store, value).await?;
    }
    counter::add(&store, bad, 1).await?;
    let handler = each(
        async move |event: RecordedEvent| {
            if event.aggregate_id() == bad { Err("not to my taste") } else { Ok(()) }
        },
    );
    let retry = HandlerRetry::default().attempts(3).longest(Duration::from_millis(5));
    let policy = FailurePolicy::park().retry(retry);
    let worker = store.subscription("observed").on_failure(policy).spawn(handler)?;
    idle(&store, "observed", &worker).await?;
    let is_told = async || Ok(counts.now().parked >= 2);
    until_true(is_told).await?;
    worker.shutdown().await?;
    let counted = counts.now();
    assert_eq!((counted.handled, counted.parked), (3, 2), "{counted:?}");
    assert_eq!(counted.retries, [1, 2], "{counted:?}");
    Ok(())
}

pub(crate) async fn an_observer_is_told_the_lag_of_a_worker(fixture: &Fixture) -> Result<()> {
    let counts = Arc::new(Counts::default());
    let store = fixture.store_with(fixture.builder().observer(Arc::clone(&counts))).await?;
    for value in 0..10 {
        counter::create(&store, value).await?;
    }
    // Slow, so that the worker learns the end of the log while it is behind.
    let handler = async |_: Batch| {
        sleep(Duration::from_millis(30)).await;
        Ok::<_, Error>(())
    };
    let worker = store.subscription("observed").batch_size(1).spawn(handler)?;
    store.wait_until_idle("observed").await?;
    let deadline = Instant::now() + Duration::from_secs(20);
    let is_told =
        |counted: Counted| counted.lags.is_some_and(|(most, last)| most >= 1 && last == 0);
    while !is_told(counts.now()) {
        assert!(Instant::now() < deadline, "{:?}", counts.now());
        sleep(Duration::from_millis(5)).await;
    }
    assert!(!counts.now().released, "the worker has the partition");
    worker.shutdown().await?;
    assert!(counts.now().released, "the worker has released the partition");

    let dropped = store.subscription("observed").batch_size(1).run(handler);
    let runs = until_true(async || Ok(!counts.now().released));
    tokio::select! {
        ended = dropped => panic!("{ended:?}"),
        runs = runs => runs?,
    }
    assert!(counts.now().released, "the worker was dropped");
    // An engine that groups commits has reported each of them by now, since it answers before it reports.
    let counted = counts.now();
    assert!(counted.groups == 0 || counted.grouped >= 9, "{counted:?}");
    Ok(())
}
