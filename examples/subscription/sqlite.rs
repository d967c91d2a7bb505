//! Keeps a read model in the same SQLite file as the events, with a durable worker.
//!
//! ```sh
//! cargo run -p evercore-examples --example subscription_sqlite
//! ```
//!
//! Run it in two terminals: one worker keeps the balances, the other stands by. End the first with Ctrl-C, and the
//! other takes over at once; kill it, and the other takes over when its lease has ended. No deposit is missing, and
//! none counts twice.

mod worker;

use clap::Parser;
use evercore::subscription::SubscriptionBuilder;
use evercore::{Batch, EventStore};
use evercore_sqlite::SqliteContext;

use worker::{ADD, Balance, CREATE, MoneyDeposited, Options, READ, ReadModel, Worker};

/// Takes deposits, and keeps the balances in a table beside the events.
#[derive(Parser)]
struct Args {
    /// The file of the events and the balances.
    #[arg(long, default_value = "subscription.db")]
    db: String,

    #[command(flatten)]
    options: Options,
}

struct OnSqlite;

impl ReadModel for OnSqlite {
    async fn create(&self, store: &EventStore) -> anyhow::Result<()> {
        let create = async |ctx: &mut SqliteContext| {
            sqlx::query(CREATE).execute(&mut **ctx.transaction()).await?;
            Ok(())
        };
        store.with_transaction(create).await
    }

    async fn keep(
        &self,
        subscription: SubscriptionBuilder,
        worker: &Worker,
    ) -> evercore::Result<()> {
        subscription
            .run_in_transaction(async |ctx: &mut SqliteContext, batch: Batch| {
                worker.handles(&batch);
                for event in &batch {
                    let MoneyDeposited { owner, amount } = event.decode()?;
                    let add = sqlx::query(ADD).bind(owner).bind(amount);
                    add.execute(&mut **ctx.transaction()).await?;
                }
                anyhow::Ok(())
            })
            .await
    }

    async fn read(&self, store: &EventStore) -> anyhow::Result<Vec<Balance>> {
        let read = async |ctx: &mut SqliteContext| {
            Ok(sqlx::query_as(READ).fetch_all(&mut **ctx.transaction()).await?)
        };
        store.with_transaction(read).await
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Args { db, options } = Args::parse();
    let store = EventStore::connect(format!("sqlite://{db}")).await?;
    let outcome = worker::run(&store, &OnSqlite, options, worker::ctrl_c()).await?;
    worker::print(&outcome);
    store.close().await?;
    Ok(())
}

#[cfg(test)]
mod takeover;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::takeover;

    /// The program itself and not a test, run in a process that the test below can kill.
    #[tokio::test]
    #[ignore = "it is run by the test that kills it"]
    async fn program() -> anyhow::Result<()> {
        takeover::program(&OnSqlite).await
    }

    #[tokio::test]
    async fn every_deposit_is_in_the_balances_once() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let db = folder.path().join("subscription.db");
        takeover::run_to_the_end(&OnSqlite, &format!("sqlite://{}", db.display())).await
    }

    #[tokio::test]
    async fn a_worker_that_stands_by_takes_over_from_one_that_was_killed() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let db = folder.path().join("subscription.db");
        takeover::kill_one(&OnSqlite, &format!("sqlite://{}", db.display())).await
    }
}
