//! Moves the events of a service on the crate `cqrs-es` from its PostgreSQL table to a store.
//!
//! ```sh
//! cargo build -p evercore-examples --example from_cqrs_es
//! db=postgres://app@localhost/bank
//! target/debug/examples/from_cqrs_es --from $db --to $db move
//! target/debug/examples/from_cqrs_es --from $db --to $db check
//! ```
//!
//! `move` reads the table from its beginning to its end and appends each event that the store does not have yet. It can
//! be stopped or killed at any time: the next one continues where it was, and then reads the table once more. `check` compares the store with the table. The guide is
//! `docs/from-cqrs-es.md`.

mod check;
mod domain;
mod error;
mod mover;
mod old;

use clap::{Parser, Subcommand};
use evercore::EventStore;
use evercore_postgres as _;
use evercore_sqlite as _;
use sqlx::{Connection, PgConnection};

use mover::Progress;

/// Moves the events of a service on cqrs-es to a store.
#[derive(Parser)]
struct Args {
    /// The database with the table `events` of cqrs-es.
    #[arg(long)]
    from: String,

    /// The store, on any engine; on PostgreSQL it may be the same database.
    #[arg(long)]
    to: String,

    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Appends the events that the store does not have yet.
    Move {
        /// The number of events in one commit.
        #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=5_000))]
        batch: u32,
    },
    /// Compares the store with the table.
    Check,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Args { from, to, task } = Args::parse();
    let mut table = PgConnection::connect(&from).await?;
    let store = EventStore::connect(to).await?;
    match task {
        Task::Move { batch } => {
            let report = |progress: &Progress| {
                if let Some(place) = &progress.after {
                    println!("{} events in the store, read up to {place}", progress.moved);
                }
            };
            let moved = mover::move_events(&mut table, &store, batch, report).await?;
            println!("appended {moved} events");
        }
        Task::Check => println!("{}", check::check(&mut table, &store).await?),
    }
    for (aggregate_type, events) in old::other_types(&mut table).await? {
        println!("left in the table: {events} events of `{aggregate_type}`");
    }
    store.close().await?;
    Ok(())
}

#[cfg(test)]
mod tests;
