//! Reads events that have outlived the code that wrote them.
//!
//! ```sh
//! cargo run -p evercore-examples --example evolution
//! ```
//!
//! Three generations of one program write the same story to one file, each with its own events. The present one then
//! reads all three: with typed and raw upcasters, with aliases, and by splitting and dropping retired events. The
//! states are the same, and no stored event has changed.
//!
//! A real program contains only one generation and uses the types that are linked. This one contains three, so each
//! store is given the registry of its generation.

mod first;
mod present;
mod second;

use std::sync::{Arc, Mutex};

use clap::Parser;
use evercore::{AggregateId, Error, EventStore, Received, RecordedEvent, Registry, Router};
use evercore_sqlite as _;

use present::{Account, MoneyDeposited};

/// Reads the events that three generations of a program have written.
#[derive(Parser)]
struct Args {
    /// The file of the events.
    #[arg(long, default_value = "evolution.db")]
    db: String,
}

/// An account as it is stored, and as it is read.
#[derive(Debug)]
struct Story {
    generation: &'static str,
    stored: Vec<RecordedEvent>,
    account: Account,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let url = format!("sqlite://{}", Args::parse().db);
    for Story { generation, stored, account } in run(&url).await? {
        println!("{generation} has written:");
        for event in &stored {
            let (name, version) = (event.event_type(), event.version());
            println!("  {} {name} v{version} {}", event.sequence(), json(event)?);
        }
        let Account { owner, cents, currency } = account;
        println!("  so {owner} has {}.{:02} {currency}\n", cents / 100, cents % 100);
    }
    println!("A subscription to deposits is given {:?} cents.", deposits(&url).await?);
    Ok(())
}

/// Writes a story with each generation, and reads all of them with the last one.
async fn run(url: &str) -> anyhow::Result<Vec<Story>> {
    let accounts = [
        ("The first generation", first::write(&open(url, first::registry()).await?).await?),
        ("The second", second::write(&open(url, second::registry()).await?).await?),
        ("The present one", present::write(&open(url, present::registry()).await?).await?),
    ];
    let store = open(url, present::registry()).await?;
    let mut stories = Vec::new();
    for (generation, id) in accounts {
        let stored = store.history(id, ..).await?.events;
        stories.push(Story { generation, stored, account: load(&store, id).await? });
    }
    Ok(stories)
}

async fn load(store: &EventStore, id: AggregateId) -> evercore::Result<Account> {
    store.with_readonly_context(async |ctx| Ok(ctx.load::<Account>(id).await?.into_state())).await
}

/// Collects all deposits with a subscription, in whichever version they were stored.
async fn deposits(url: &str) -> anyhow::Result<Vec<i64>> {
    let store = open(url, present::registry()).await?;
    let deposits: Arc<Mutex<Vec<i64>>> = Arc::default();
    let seen = Arc::clone(&deposits);
    let router =
        Router::new().on(async move |deposited: Received<MoneyDeposited>| -> Result<(), Error> {
            seen.lock().expect("no thread panics").push(deposited.cents);
            Ok(())
        });
    let worker = store.subscription("deposits").event::<MoneyDeposited>().spawn(router)?;
    store.wait_for("deposits", store.head().await?).await?;
    worker.shutdown().await?;
    Ok(std::mem::take(&mut *deposits.lock().expect("no thread panics")))
}

async fn open(url: &str, registry: evercore::Result<Registry>) -> evercore::Result<EventStore> {
    EventStore::builder().registry(registry?).connect(url).await
}

fn json(event: &RecordedEvent) -> anyhow::Result<String> {
    Ok(event.payload().to_json()?.to_string())
}

#[cfg(test)]
mod tests;
