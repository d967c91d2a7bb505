//! From the acknowledged commit to the handler.

use std::time::{Duration, Instant};

use evercore::{Aggregate, Batch, Error, EventStore, Start, SubscriptionState, state_event};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::engines::Kind;

#[derive(Aggregate, Default, Serialize, Deserialize)]
#[aggregate(name = "bell")]
struct Bell {
    rings: u32,
}

#[state_event(aggregate = Bell, name = "rung")]
struct Rung {
    rings: u32,
}

pub(crate) async fn run(kinds: &[Kind], commits: u32) -> anyhow::Result<()> {
    println!("{commits} commits, each 2 to 12 ms after the last one was handled; full durability");
    println!(
        "{:<10} {:<22} {:>9} {:>9} {:>9}",
        "engine", "the worker is", "median", "95 %", "longest"
    );
    for &kind in kinds {
        let data = kind.data()?;
        let here = data.store().await?;
        measure(kind, "in the same process", &here, &here, commits).await?;
        if kind != Kind::Memory {
            let there = data.store().await?;
            measure(kind, "on another connection", &here, &there, commits).await?;
        }
    }
    Ok(())
}

async fn measure(
    kind: Kind,
    place: &str,
    writer: &EventStore,
    worker: &EventStore,
    commits: u32,
) -> anyhow::Result<()> {
    let (handled, mut handling) = mpsc::channel(16);
    let running = worker
        .subscription(place)
        .start(Start::End)
        .spawn(async move |_: Batch| handled.send(Instant::now()).await)?;
    while running.status().state != SubscriptionState::Live {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let mut waits = Vec::new();
    for rings in 0..commits {
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
    waits.sort_unstable();
    let at = |part: usize| millis(waits[(waits.len() - 1) * part / 100]);
    let name = format!("{kind:?}").to_lowercase();
    println!("{name:<10} {place:<22} {:>9} {:>9} {:>9}", at(50), at(95), at(100));
    Ok(())
}

fn millis(wait: Duration) -> String {
    format!("{:.2} ms", wait.as_secs_f64() * 1_000.0)
}

async fn ring(store: &EventStore, rings: u32) -> Result<(), Error> {
    store
        .with_context(async |ctx| {
            let mut bell = ctx.load_or_create::<Bell>("the bell").await?;
            ctx.apply(&mut bell, Rung { rings })
        })
        .await
}
