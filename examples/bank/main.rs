//! The smallest whole program: accounts that are opened, paid into, and transferred between.
//!
//! `cargo run --example bank` keeps its accounts in `bank.db`; run it again and they have moved on.

use clap::Parser;
use evercore::{
    Aggregate, Apply, Context, Error, EventMeta, EventStore, StateAggregate, event, state_event,
};
use evercore_postgres as _;
use evercore_sqlite as _;

#[derive(Aggregate, Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
#[aggregate(name = "account", snapshot_every = 100)]
struct Account {
    owner: String,
    balance: i64,
}

#[state_event(aggregate = Account, name = "account-opened")]
struct AccountOpened {
    owner: String,
    balance: i64,
}

#[event(aggregate = Account, name = "money-deposited")]
struct MoneyDeposited {
    amount: i64,
}

#[event(aggregate = Account, name = "money-withdrawn")]
struct MoneyWithdrawn {
    amount: i64,
}

impl Apply<MoneyDeposited> for Account {
    fn apply(&mut self, event: &MoneyDeposited, _meta: &EventMeta) {
        self.balance += event.amount;
    }
}

impl Apply<MoneyWithdrawn> for Account {
    fn apply(&mut self, event: &MoneyWithdrawn, _meta: &EventMeta) {
        self.balance -= event.amount;
    }
}

#[derive(Debug, thiserror::Error)]
enum BankError {
    #[error("{owner} has {balance} and cannot pay {amount}")]
    InsufficientFunds { owner: String, balance: i64, amount: i64 },
    #[error(transparent)]
    Store(#[from] Error),
}

/// Opens an account, unless there is one with this number already.
async fn open(store: &EventStore, iban: &str, owner: &str) -> Result<(), BankError> {
    store
        .with_context(async |ctx| {
            if ctx.find_by_key::<Account>(iban).await?.is_none() {
                let mut account = ctx.create_with_key::<Account>(iban).await?;
                ctx.apply(&mut account, AccountOpened { owner: owner.to_owned(), balance: 0 })?;
            }
            Ok(())
        })
        .await
}

async fn deposit(store: &EventStore, iban: &str, amount: i64) -> Result<(), BankError> {
    store
        .with_context(async |ctx| {
            let mut account = ctx.load_by_key::<Account>(iban).await?;
            Ok(ctx.apply(&mut account, MoneyDeposited { amount })?)
        })
        .await
}

async fn withdraw(store: &EventStore, iban: &str, amount: i64) -> Result<(), BankError> {
    store
        .with_context(async |ctx| {
            let mut account = ctx.load_by_key::<Account>(iban).await?;
            pay_out(ctx, &mut account, amount)
        })
        .await
}

/// Both accounts change, or neither does.
async fn transfer(store: &EventStore, from: &str, to: &str, amount: i64) -> Result<(), BankError> {
    store
        .with_context(async |ctx| {
            let mut from = ctx.load_by_key::<Account>(from).await?;
            let mut to = ctx.load_by_key::<Account>(to).await?;
            ctx.apply(&mut to, MoneyDeposited { amount })?;
            pay_out(ctx, &mut from, amount)
        })
        .await
}

fn pay_out(
    ctx: &mut Context,
    account: &mut StateAggregate<Account>,
    amount: i64,
) -> Result<(), BankError> {
    let Account { owner, balance } = account.state().clone();
    if balance < amount {
        return Err(BankError::InsufficientFunds { owner, balance, amount });
    }
    Ok(ctx.apply(account, MoneyWithdrawn { amount })?)
}

async fn account(store: &EventStore, iban: &str) -> Result<StateAggregate<Account>, Error> {
    store.with_readonly_context(async |ctx| ctx.load_by_key(iban).await).await
}

const ADA: &str = "NL91ABNA0417164300";
const GRACE: &str = "DE89370400440532013000";

/// Opens two accounts and moves money between them.
#[derive(Parser)]
struct Args {
    /// Where the accounts are kept.
    #[arg(long, default_value = "sqlite://bank.db")]
    db: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Args { db } = Args::parse();
    let store = EventStore::connect(db).await?;

    open(&store, ADA, "Ada").await?;
    open(&store, GRACE, "Grace").await?;
    deposit(&store, ADA, 100).await?;
    println!("Ada pays in 100.");

    withdraw(&store, ADA, 30).await?;
    println!("Ada withdraws 30.");

    match withdraw(&store, GRACE, 1_000_000).await {
        Err(BankError::InsufficientFunds { owner, balance, amount }) => {
            println!("{owner} asks for {amount} and is refused: the balance is {balance}.");
        }
        unexpected => unexpected?,
    }

    transfer(&store, ADA, GRACE, 50).await?;
    println!("Ada sends Grace 50.");

    for iban in [ADA, GRACE] {
        let account = account(&store, iban).await?;
        let Account { owner, balance } = account.state();
        println!("\n{owner} has {balance} after {} events:", account.sequence());
        for event in store.history(account.id(), ..).await? {
            println!("  {:>3}  {}", event.sequence(), event.event_type());
        }
    }

    store.close().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use evercore_memory::MemoryEngine;

    #[tokio::test]
    async fn a_refused_transfer_changes_neither_account() -> Result<(), BankError> {
        let store = EventStore::builder().open(MemoryEngine::new()).await?;
        open(&store, ADA, "Ada").await?;
        open(&store, GRACE, "Grace").await?;
        deposit(&store, ADA, 10).await?;

        let refused = transfer(&store, ADA, GRACE, 11).await;

        assert!(matches!(refused, Err(BankError::InsufficientFunds { balance: 10, .. })));
        assert_eq!(account(&store, ADA).await?.state().balance, 10);
        assert_eq!(account(&store, GRACE).await?.state().balance, 0);
        Ok(())
    }
}
