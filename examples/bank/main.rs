//! A small complete program: accounts that are opened, paid into, and transferred between.
//!
//! `cargo run --example bank` keeps its accounts in `bank.db`. Each further run adds to them. The URL of another
//! database can be given as an argument: `cargo run --example bank -- sqlite://other.db`.

mod domain;

use domain::{Account, BankError, Close, Deposit, Open, Withdraw};
use evercore::{CommandError, Error, EventStore, StateAggregate, Target};
#[cfg(feature = "postgres")]
use evercore_postgres as _;
use evercore_sqlite as _;

type Outcome = Result<(), CommandError<BankError>>;

/// Opens an account, unless one with this number exists.
async fn open(store: &EventStore, iban: &str, owner: &str) -> Outcome {
    let command = Open { owner: owner.to_owned() };
    match store.execute::<Account, _>(Target::key_or_new(iban)?, command).await {
        Ok(_) | Err(CommandError::Rejected(BankError::AlreadyOpen)) => Ok(()),
        Err(error) => Err(error),
    }
}

async fn deposit(store: &EventStore, iban: &str, amount: i64) -> Outcome {
    store.execute::<Account, _>(iban, Deposit { amount }).await.map(drop)
}

async fn withdraw(store: &EventStore, iban: &str, amount: i64) -> Outcome {
    store.execute::<Account, _>(iban, Withdraw { amount }).await.map(drop)
}

/// Transfers money in one commit: both accounts change, or neither does.
async fn transfer(store: &EventStore, from: &str, to: &str, amount: i64) -> Outcome {
    store
        .with_context(async |ctx| {
            let mut from = ctx.load_by_key::<Account>(from).await?;
            let mut to = ctx.load_by_key::<Account>(to).await?;
            ctx.decide(&mut to, &Deposit { amount })?;
            ctx.decide(&mut from, &Withdraw { amount })
        })
        .await
}

/// Opens a savings account without a number, and closes it, which pays out the balance.
async fn save_for_a_while(store: &EventStore, owner: &str, amount: i64) -> Outcome {
    let command = Open { owner: owner.to_owned() };
    let savings = store.execute::<Account, _>(Target::New, command).await?.id();
    store.execute::<Account, _>(savings, Deposit { amount }).await?;
    let closed = store.execute::<Account, _>(savings, Close).await?;
    for event in closed.events() {
        println!("       {}", event.event_type());
    }
    Ok(())
}

async fn account(store: &EventStore, iban: &str) -> Result<StateAggregate<Account>, Error> {
    store.with_readonly_context(async |ctx| ctx.load_by_key(iban).await).await
}

const ADA: &str = "NL91ABNA0417164300";
const GRACE: &str = "DE89370400440532013000";

/// Opens two accounts and moves money between them.
#[tokio::main]
async fn main() -> Outcome {
    let url = std::env::args().nth(1).unwrap_or_else(|| "sqlite://bank.db".into());
    let store = EventStore::connect(url).await?;

    open(&store, ADA, "Ada").await?;
    open(&store, GRACE, "Grace").await?;
    deposit(&store, ADA, 100).await?;
    println!("Ada pays in 100.");

    withdraw(&store, ADA, 30).await?;
    println!("Ada withdraws 30.");

    match withdraw(&store, GRACE, 1_000_000).await {
        Err(CommandError::Rejected(BankError::InsufficientFunds { owner, balance, amount })) => {
            println!("{owner} asks for {amount} and is refused: the balance is {balance}.");
        }
        unexpected => unexpected?,
    }

    transfer(&store, ADA, GRACE, 50).await?;
    println!("Ada sends Grace 50.");

    println!("\nGrace saves 7 for a while:");
    save_for_a_while(&store, "Grace", 7).await?;

    for iban in [ADA, GRACE] {
        let account = account(&store, iban).await?;
        let Account { owner, balance, .. } = account.state();
        println!("\n{owner} has {balance} after {} events:", account.sequence());
        for event in store.history(account.id(), ..).await?.events {
            println!("  {:>3}  {}", event.sequence(), event.event_type());
        }
    }

    store.close().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_refused_transfer_changes_neither_account() -> Outcome {
        let store = EventStore::connect("sqlite::memory:").await?;
        open(&store, ADA, "Ada").await?;
        open(&store, GRACE, "Grace").await?;
        deposit(&store, ADA, 10).await?;

        let refused = transfer(&store, ADA, GRACE, 11).await;

        let refused = refused.expect_err("there are but 10");
        assert!(matches!(
            refused.rejection(),
            Some(BankError::InsufficientFunds { balance: 10, .. })
        ));
        assert_eq!(account(&store, ADA).await?.state().balance, 10);
        assert_eq!(account(&store, GRACE).await?.state().balance, 0);
        Ok(())
    }
}
