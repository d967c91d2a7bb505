//! Processes orders: they are placed, paid, packed and shipped, or cancelled, or refunded.
//!
//! ```sh
//! cargo run -p evercore-examples --example order-processing
//! cargo run -p evercore-examples --example order-processing -- sqlite://shop.db
//! cargo run -p evercore-examples --example order-processing -- postgres://localhost/shop
//! ```
//!
//! Each file is a slice of the business with its commands, events, decisions and tests: [`place`], [`pay`], [`pack`],
//! [`ship`], [`cancel`], [`refund`], [`stock`], and [`mail`]. The slices know nothing of each other but their events and
//! commands; [`fulfilment`], a process, ties them together over days, and [`ship`] has a reactor. [`orders`] is a view, and [`shop`] puts the services
//! together. [`story`] plays some days, each of which takes half a second, and checks how they end.

mod cancel;
mod fulfilment;
mod mail;
mod order;
mod orders;
mod pack;
mod pay;
mod place;
mod refund;
mod ship;
mod shop;
mod stock;
mod story;

use std::time::Duration;

use clap::Parser;
use evercore::EventStore;
use evercore_memory as _;
use evercore_postgres as _;
use evercore_sqlite as _;
use tokio_util::sync::CancellationToken;

use mail::Outbox;
use orders::Orders;
use story::Story;

/// Processes the orders of some customers.
#[derive(Parser)]
struct Args {
    /// The database.
    #[arg(default_value = "memory:")]
    url: String,

    /// The milliseconds that a day takes.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..))]
    day_ms: u64,

    /// Goes on after the story, until SIGTERM or Ctrl-C.
    #[arg(long)]
    serve: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Args { url, day_ms, serve } = Args::parse();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_writer(std::io::stderr)
        .init();
    let store = EventStore::connect(url).await?;
    let (orders, outbox) = (Orders::default(), Outbox::default());
    let services = shop::services(&store, &orders, outbox.clone());

    let done = CancellationToken::new();
    let day = Duration::from_millis(day_ms);
    let story = Story { store: store.clone(), orders, outbox, day };
    let services = services.then().with(story.service(done.clone()));
    let ended = if serve {
        services.run_until_signal().await
    } else {
        services.run_until(done.cancelled()).await
    };
    store.close().await?;
    Ok(ended?)
}

#[cfg(test)]
mod tests;
