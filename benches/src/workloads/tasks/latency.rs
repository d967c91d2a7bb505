//! The time from the acknowledged commit that enqueues a task to its handler.

use std::time::{Duration, Instant};

use evercore::EventStore;
use evercore::task::{Claimed, Handlers};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::{MakeDeposit, QUEUE};
use crate::engines::{Bed, Kind};
use crate::workloads::wake_up::Latency;

/// Makes `commits` commits, each 2 to 12 ms after the task of the previous one was begun.
pub(crate) async fn run(bed: &Bed, commits: u32) -> anyhow::Result<Vec<Latency>> {
    let ground = bed.ground().await?;
    let here = ground.store().await?;
    let mut latencies =
        vec![measure(ground.kind, "a task, in the same process", &here, &here, commits).await?];
    if ground.kind != Kind::Memory {
        let there = ground.store().await?;
        let place = "a task, on another connection";
        latencies.push(measure(ground.kind, place, &here, &there, commits).await?);
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
    let (begun, mut begins) = mpsc::channel(16);
    let handlers =
        Handlers::new().on(async move |_: Claimed<MakeDeposit>| begun.send(Instant::now()).await);
    let running = worker.queue(QUEUE).concurrency(4).spawn(handlers)?;
    // The first task waits for the worker's start.
    let mut waits = Vec::new();
    for commit in 0..=commits.max(1) {
        sleep(Duration::from_micros(fastrand::u64(2_000..12_000))).await;
        writer.enqueue(MakeDeposit::of(2)).await?;
        let committed = Instant::now();
        let Some(begun) = begins.recv().await else {
            anyhow::bail!("the worker has ended: {:?}", running.join().await);
        };
        if commit > 0 {
            // Zero if the handler was faster than the answer to the writer.
            waits.push(begun.saturating_duration_since(committed));
        }
    }
    running.shutdown().await?;
    Ok(Latency::of(kind, place, waits))
}
