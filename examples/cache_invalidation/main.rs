//! Caches account balances, and invalidates them with an ephemeral subscription.
//!
//! ```sh
//! cargo run -p evercore-examples --example cache_invalidation
//! ```
//!
//! Two stores on one file stand for two processes: one takes deposits, the other answers from its cache. The cache
//! follows the log and removes an account as soon as the other process has changed it. The subscription stores nothing:
//! after a restart, the program begins with an empty cache, and so needs no old events.

mod cache;

use std::sync::Arc;

use clap::Parser;
use evercore::{Aggregate, AggregateId, Apply, Error, EventMeta, EventStore, event};
use evercore_sqlite as _;

use cache::Cache;

#[derive(Aggregate, Default)]
#[aggregate(name = "account")]
pub(crate) struct Account {
    pub(crate) balance: i64,
}

#[event(aggregate = Account, name = "money-deposited")]
struct MoneyDeposited {
    amount: i64,
}

impl Apply<MoneyDeposited> for Account {
    fn apply(&mut self, event: &MoneyDeposited, _meta: &EventMeta) {
        self.balance += event.amount;
    }
}

/// Answers from a cache while another process takes deposits.
#[derive(Parser)]
struct Args {
    /// The file of the accounts.
    #[arg(long, default_value = "cache.db")]
    db: String,

    /// The number of deposits.
    #[arg(long, default_value_t = 5)]
    deposits: u32,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    run(Args::parse()).await.map(drop)
}

async fn run(Args { db, deposits }: Args) -> anyhow::Result<Arc<Cache>> {
    let url = format!("sqlite://{db}");
    let (bank, shop) = (EventStore::connect(&url).await?, EventStore::connect(&url).await?);
    let account = deposit(&bank, None).await?;
    let cache = Cache::new(&shop);
    // The first one to end also ends the other.
    tokio::select! {
        ended = cache.follow() => ended?,
        served = serve(&bank, &cache, account, deposits) => served?,
    }
    println!("{} answers from the cache, {} from the store", cache.hits(), cache.misses());
    shop.close().await?;
    bank.close().await?;
    Ok(cache)
}

async fn serve(
    bank: &EventStore,
    cache: &Cache,
    account: AggregateId,
    deposits: u32,
) -> Result<(), Error> {
    cache.followed().await;
    for _ in 0..deposits {
        let before = cache.balance(account).await?;
        let again = cache.balance(account).await?;
        println!("the balance is {before}; asked again, {again}");

        let forgotten = cache.forgotten();
        deposit(bank, Some(account)).await?;
        println!("another process pays in 10");
        cache.forgets_more_than(forgotten).await;
        println!("the cache forgets the account");
    }
    println!("the balance is {}", cache.balance(account).await?);
    Ok(())
}

/// Pays into an account, or into a new one.
async fn deposit(bank: &EventStore, account: Option<AggregateId>) -> Result<AggregateId, Error> {
    bank.with_context(async |ctx| {
        let mut account = match account {
            Some(id) => ctx.load::<Account>(id).await?,
            None => ctx.create().await?,
        };
        ctx.apply(&mut account, MoneyDeposited { amount: 10 })?;
        Ok(account.id())
    })
    .await
}

#[cfg(test)]
mod tests;
