//! A round of work, and the store that stays for all rounds.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use evercore::subscription::{SubscriptionBuilder, SubscriptionHandle};
use evercore::{Batch, Error, EventStore, Start};
use fastrand::Rng;
use futures_util::StreamExt;
use tokio::time::{sleep, timeout};

use crate::domain::{Document, Written};
use crate::place::Place;

const WRITERS: usize = 4;
const COMMITS: usize = 12;

/// The total number of documents, which are changed again and again.
const DOCUMENTS: u32 = 200;

/// The maximum time that a handler takes for a batch.
const SLOW: Duration = Duration::from_millis(10);

/// Long enough for a busy machine: a lease has to outlast several round trips.
const LEASE: Duration = Duration::from_secs(10);

/// The interval at which a subscription polls the log.
const POLL_INTERVAL: Duration = Duration::from_millis(40);

/// The number of events that a round follows. A slow handler may see fewer.
const FOLLOWED: usize = 10;

/// A store and a subscription that stay for the whole run.
#[derive(Debug)]
pub(crate) struct Resident {
    store: EventStore,
    follower: SubscriptionHandle,
    handled: Arc<AtomicU64>,
}

impl Resident {
    pub(crate) async fn settle(place: &Place) -> Result<Self> {
        let store = place.open().await?;
        let handled = Arc::default();
        let follower = follow(&store, "resident", &handled)?;
        Ok(Self { store, follower, handled })
    }

    /// Returns whether the subscription still runs. It must not end by itself.
    pub(crate) fn is_there(&self) -> bool {
        !self.follower.is_finished()
    }

    /// Shuts down, and returns the number of events that the subscription has handled.
    pub(crate) async fn leave(self) -> Result<u64> {
        self.follower.shutdown().await?;
        self.store.close().await?;
        Ok(self.handled.load(Ordering::Relaxed))
    }
}

/// Opens a store, works on it, and leaves it in one of several ways. Returns the number of committed events.
pub(crate) async fn run(place: &Place, number: usize, mut rng: Rng) -> Result<usize> {
    let store = place.open().await?;
    let handled = Arc::default();
    let visitor = follow(&store, "visitor", &handled)?;
    let passer_by = tokio::spawn(pass_by(store.clone()));
    let writers: Vec<_> =
        (0..WRITERS).map(|_| tokio::spawn(write(store.clone(), rng.fork()))).collect();
    let mut landed = 0;
    for writer in writers {
        landed += writer.await??;
    }
    read(&store, &mut rng).await?;
    // If the task is still running, it is aborted at any point.
    passer_by.abort();
    if let Ok(passed) = passer_by.await {
        passed?;
    }
    match number % 4 {
        0 => visitor.shutdown().await?,
        1 => drop(visitor),
        // The handle outlives the store.
        _ => {
            store.close().await?;
            drop(store);
            let stopped = visitor.shutdown().await;
            let is_closed = matches!(stopped, Ok(()) | Err(Error::Closed));
            anyhow::ensure!(is_closed, "{stopped:?}");
            return Ok(landed);
        }
    }
    if number.is_multiple_of(2) {
        store.close().await?;
    }
    Ok(landed)
}

/// Starts a subscription with a slow handler.
fn follow(store: &EventStore, name: &str, handled: &Arc<AtomicU64>) -> Result<SubscriptionHandle> {
    let handled = Arc::clone(handled);
    let subscription: SubscriptionBuilder =
        store.subscription(name).start(Start::End).poll_interval(POLL_INTERVAL).lease(LEASE);
    let handle = async move |batch: Batch| {
        sleep(SLOW.mul_f64(fastrand::f64())).await;
        let events = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        handled.fetch_add(events, Ordering::Relaxed);
        Ok::<_, Error>(())
    };
    Ok(subscription.spawn(handle)?)
}

/// Follows some events and then drops the stream.
async fn pass_by(store: EventStore) -> Result<()> {
    let mut events = pin!(store.ephemeral().poll_interval(POLL_INTERVAL).stream().take(FOLLOWED));
    while let Some(event) = events.next().await {
        event?.decode::<Written>()?;
    }
    Ok(())
}

/// Changes documents. Some changes are cancelled midway.
async fn write(store: EventStore, mut rng: Rng) -> Result<usize> {
    let mut landed = 0;
    for _ in 0..COMMITS {
        let key = format!("document-{}", rng.u32(..DOCUMENTS));
        let text = "x".repeat(size(&mut rng));
        let commit = store.with_context(async |ctx| {
            let mut document = ctx.load_or_create::<Document>(key.as_str()).await?;
            ctx.apply(&mut document, Written { text: text.clone() })
        });
        let patience = match rng.u8(..6) {
            0 => Duration::from_micros(rng.u64(..3_000)),
            _ => Duration::from_secs(60),
        };
        match timeout(patience, commit).await {
            Ok(Ok(())) => landed += 1,
            Ok(Err(error)) if error.is_retryable() => {}
            Ok(Err(error)) => return Err(error.into()),
            Err(_given_up) => {}
        }
    }
    Ok(landed)
}

/// Returns a size: usually small, sometimes up to the limit.
fn size(rng: &mut Rng) -> usize {
    match rng.u8(..40) {
        0 => 512 * 1024,
        1..5 => 64 * 1024,
        _ => rng.usize(..400),
    }
}

/// Reads in a view that stays open meanwhile, and cancels the read of a second one.
async fn read(store: &EventStore, rng: &mut Rng) -> Result<()> {
    let key = format!("document-{}", rng.u32(..DOCUMENTS));
    let read = || {
        store.with_readonly_context(async |ctx| {
            let found = ctx.find_by_key::<Document>(key.as_str()).await?;
            sleep(Duration::from_millis(1)).await;
            Ok::<_, Error>(found.is_some())
        })
    };
    read().await?;
    let _given_up = timeout(Duration::from_micros(rng.u64(..2_000)), read()).await;
    Ok(())
}
