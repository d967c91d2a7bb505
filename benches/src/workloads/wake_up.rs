//! W6: the time from the acknowledged commit to the handler.

use std::time::{Duration, Instant};

use evercore::subscription::SubscriptionState;
use evercore::{Aggregate, Batch, Error, EventStore, Start, state_event};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::engines::{Bed, Kind};

#[derive(Aggregate, Default, Serialize, Deserialize)]
#[aggregate(name = "bell")]
struct Bell {
    rings: u32,
}

#[state_event(aggregate = Bell, name = "rung")]
struct Rung {
    rings: u32,
}

/// The waiting times of handlers, in milliseconds.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Latency {
    pub(crate) engine: String,
    /// The process of the worker.
    pub(crate) place: String,
    pub(crate) commits: usize,
    pub(crate) median: f64,
    /// The 95th percentile.
    pub(crate) high: f64,
    pub(crate) longest: f64,
}

/// Makes `commits` commits, each 2 to 12 ms after the previous one was handled.
pub(crate) async fn run(bed: &Bed, commits: u32) -> anyhow::Result<Vec<Latency>> {
    let ground = bed.ground().await?;
    let kind = ground.kind;
    let here = ground.store().await?;
    let mut latencies = vec![measure(kind, "in the same process", &here, &here, commits).await?];
    if kind != Kind::Memory {
        let there = ground.store().await?;
        latencies.push(measure(kind, "on another connection", &here, &there, commits).await?);
    }
    Ok(latencies)
}

async fn measure(
    kind: Kind,
    place: &str,
    writer: &EventStore,
    worker: &EventStore,
    commits: u32,
) -> anyhow::Result<Latency> {
    let (handled, mut handling) = mpsc::channel(16);
    let running = worker
        .subscription(place)
        .start(Start::End)
        .spawn(async move |_: Batch| handled.send(Instant::now()).await)?;
    while running.status().state != SubscriptionState::Live {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let mut waits = Vec::new();
    for rings in 0..commits.max(1) {
        tokio::time::sleep(Duration::from_micros(fastrand::u64(2_000..12_000))).await;
        ring(writer, rings).await?;
        let committed = Instant::now();
        let Some(handled) = handling.recv().await else {
            anyhow::bail!("the worker has ended: {:?}", running.join().await);
        };
        // Zero if the handler was faster than the answer to the writer.
        waits.push(handled.saturating_duration_since(committed));
    }
    running.shutdown().await?;
    Ok(Latency::of(kind, place, waits))
}

impl Latency {
    /// Summarizes the waiting times of at least one handler.
    pub(super) fn of(kind: Kind, place: &str, mut waits: Vec<Duration>) -> Self {
        waits.sort_unstable();
        let at = |part: usize| waits[(waits.len() - 1) * part / 100].as_secs_f64() * 1_000.0;
        Self {
            engine: kind.name().to_owned(),
            place: place.to_owned(),
            commits: waits.len(),
            median: at(50),
            high: at(95),
            longest: at(100),
        }
    }
}

async fn ring(store: &EventStore, rings: u32) -> Result<(), Error> {
    store
        .with_context(async |ctx| {
            let mut bell = ctx.load_or_create::<Bell>("the bell").await?;
            ctx.apply(&mut bell, Rung { rings })
        })
        .await
}
