//! An observer receives what a store and its engine do.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evercore::observer::{Observation, Observer};
use evercore::{Batch, Error, Result};
use tokio::time::{Instant, sleep};

use crate::domain::counter::{self, Added, Counter};
use crate::fixture::{Fixture, ROOM};

/// Counts observations by their kinds.
#[derive(Debug, Default)]
struct Counts(Mutex<Counted>);

#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    reruns: u32,
    hits: u32,
    misses: u32,
    loads: u32,
    stored: u32,
    refused: u32,
    groups: u32,
    /// The commits of all groups.
    grouped: usize,
    /// The highest and the last lag.
    lags: Option<(u64, u64)>,
}

impl Counts {
    fn now(&self) -> Counted {
        *self.0.lock().expect("no test panics here")
    }
}

impl Observer for Counts {
    fn observe(&self, observation: &Observation<'_>) {
        let mut counted = self.0.lock().expect("no test panics here");
        match *observation {
            Observation::Rerun { failed, .. } => counted.reruns = counted.reruns.max(failed),
            Observation::CacheLookup { hit: true } => counted.hits += 1,
            Observation::CacheLookup { hit: false } => counted.misses += 1,
            Observation::Load { .. } => counted.loads += 1,
            Observation::Commit { stored: true, .. } => counted.stored += 1,
            Observation::Commit { stored: false, .. } => counted.refused += 1,
            Observation::Group { commits, .. } => {
                counted.groups += 1;
                counted.grouped += commits;
            }
            Observation::Lag { subscription, partition, positions } => {
                assert_eq!((subscription, partition), ("observed", 0));
                let highest = counted.lags.map_or(0, |(highest, _)| highest);
                counted.lags = Some((highest.max(positions), positions));
            }
            _ => {}
        }
    }
}

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
    assert!(counted.reruns >= 1 && counted.refused >= 2, "{counted:?}");
    assert!(counted.hits >= 1 && counted.loads >= 1, "{counted:?}");
    assert_eq!(counted.stored, 3, "{counted:?}");
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
    worker.shutdown().await?;
    // An engine that groups commits has reported each of them by now, since it answers before it reports.
    let counted = counts.now();
    assert!(counted.groups == 0 || counted.grouped >= 9, "{counted:?}");
    Ok(())
}
