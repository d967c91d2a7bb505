//! Keeps a read model in the same PostgreSQL database as the events, with a durable worker.
//!
//! ```sh
//! cargo xtask db   # prints the URL of a server that lives until it is stopped
//! cargo run -p evercore-examples --example subscription_postgres -- --db postgres://postgres@127.0.0.1:5432/postgres
//! ```
//!
//! Run it in two terminals: one worker keeps the balances, the other stands by. End the first with Ctrl-C, and the
//! other takes over at once; kill it, and the other takes over when its lease has ended. No deposit is missing, and
//! none counts twice.

mod worker;

use clap::Parser;
use evercore::subscription::SubscriptionBuilder;
use evercore::{Batch, EventStore};
use evercore_postgres::PostgresContext;

use worker::{ADD, Balance, CREATE, MoneyDeposited, Options, READ, ReadModel, Worker};

/// Takes deposits, and keeps the balances in a table beside the events.
#[derive(Parser)]
struct Args {
    /// The database of the events and the balances.
    #[arg(long, default_value = "postgres://postgres@127.0.0.1:5432/postgres")]
    db: String,

    #[command(flatten)]
    options: Options,
}

struct OnPostgres;

impl ReadModel for OnPostgres {
    async fn create(&self, store: &EventStore) -> anyhow::Result<()> {
        let create = async |ctx: &mut PostgresContext| {
            // Without a lock, two processes that create a table at once would both find that it does not exist.
            let lock = sqlx::query("SELECT pg_advisory_xact_lock(hashtext('balances'))");
            lock.execute(&mut **ctx.transaction()).await?;
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
            .run_in_transaction(async |ctx: &mut PostgresContext, batch: Batch| {
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
        let read = async |ctx: &mut PostgresContext| {
            Ok(sqlx::query_as(READ).fetch_all(&mut **ctx.transaction()).await?)
        };
        store.with_transaction(read).await
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Args { db, options } = Args::parse();
    let store = EventStore::connect(db).await?;
    let outcome = worker::run(&store, &OnPostgres, options, worker::ctrl_c()).await?;
    worker::print(&outcome);
    store.close().await?;
    Ok(())
}

#[cfg(test)]
mod takeover;

#[cfg(test)]
mod on_postgres {
    use super::*;
    use crate::takeover;
    use throwaway_postgres::{Binaries, Server};

    /// The program itself and not a test, run in a process that the test below can kill.
    #[tokio::test]
    #[ignore = "it is run by the test that kills it"]
    async fn program() -> anyhow::Result<()> {
        takeover::program(&OnPostgres).await
    }

    #[tokio::test]
    async fn every_deposit_is_in_the_balances_once() -> anyhow::Result<()> {
        let server = Server::start(&Binaries::find()?, &["fsync=off"])?;
        takeover::run_to_the_end(&OnPostgres, &server.url()).await
    }

    #[tokio::test]
    async fn a_worker_that_stands_by_takes_over_from_one_that_was_killed() -> anyhow::Result<()> {
        let server = Server::start(&Binaries::find()?, &["fsync=off"])?;
        takeover::kill_one(&OnPostgres, &server.url()).await
    }
}
