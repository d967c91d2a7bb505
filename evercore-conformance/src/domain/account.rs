//! An account whose money must neither be created nor lost.

use evercore::format::Encoding;
use evercore::{
    Aggregate, AggregateId, Apply, Decide, Decision, Error, Event, EventMeta, EventStore, Result,
};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default)]
pub(crate) struct Account {
    pub(crate) balance: i64,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Deposited {
    pub(crate) amount: i64,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Withdrawn {
    pub(crate) amount: i64,
}

/// A rejection of the domain, beside the store's errors.
#[derive(Debug)]
pub(crate) enum Refused {
    Overdrawn,
    Store(Error),
}

impl Aggregate for Account {
    const NAME: &'static str = "account";
    const CLONE: Option<fn(&Self) -> Self> = Some(Self::clone);
}

impl Event for Deposited {
    type Aggregate = Account;
    const NAME: &'static str = "deposited";
    const ENCODING: Encoding<Self> = Encoding::serde();
}

impl Event for Withdrawn {
    type Aggregate = Account;
    const NAME: &'static str = "withdrawn";
    const ENCODING: Encoding<Self> = Encoding::serde();
}

impl Apply<Deposited> for Account {
    fn apply(&mut self, event: &Deposited, _meta: &EventMeta) {
        self.balance += event.amount;
    }
}

impl Apply<Withdrawn> for Account {
    fn apply(&mut self, event: &Withdrawn, _meta: &EventMeta) {
        self.balance -= event.amount;
    }
}

/// Withdraws money.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Withdraw {
    pub(crate) amount: i64,
}

/// Deposits money; an amount of zero emits no event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deposit {
    pub(crate) amount: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overdrawn;

impl Decide<Withdraw> for Account {
    type Error = Overdrawn;

    fn decide(account: &mut Decision<'_, Self>, command: &Withdraw) -> Result<(), Overdrawn> {
        if account.balance < command.amount {
            return Err(Overdrawn);
        }
        account.emit(Withdrawn { amount: command.amount });
        Ok(())
    }
}

impl Decide<Deposit> for Account {
    type Error = Overdrawn;

    fn decide(account: &mut Decision<'_, Self>, command: &Deposit) -> Result<(), Overdrawn> {
        if command.amount != 0 {
            account.emit(Deposited { amount: command.amount });
        }
        Ok(())
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

pub(crate) async fn open(store: &EventStore, balance: i64) -> Result<AggregateId> {
    store
        .with_context(async |ctx| {
            let mut account = ctx.create::<Account>().await?;
            ctx.apply(&mut account, Deposited { amount: balance })?;
            Ok::<_, Error>(account.id())
        })
        .await
}

/// Transfers money; an account's balance cannot become negative.
pub(crate) async fn transfer(
    store: &EventStore,
    from: AggregateId,
    to: AggregateId,
    amount: i64,
) -> Result<(), Refused> {
    store
        .with_context(async |ctx| {
            let mut payer = ctx.load::<Account>(from).await?;
            let mut payee = ctx.load::<Account>(to).await?;
            ctx.apply(&mut payee, Deposited { amount })?;
            if payer.state().balance < amount {
                return Err(Refused::Overdrawn);
            }
            ctx.apply(&mut payer, Withdrawn { amount })?;
            Ok(())
        })
        .await
}

/// Returns the total balance of the accounts, read in one view.
pub(crate) async fn total(store: &EventStore, accounts: &[AggregateId]) -> Result<i64> {
    store
        .with_readonly_context(async |ctx| {
            let mut total = 0;
            for &id in accounts {
                total += ctx.load::<Account>(id).await?.state().balance;
            }
            Ok(total)
        })
        .await
}
