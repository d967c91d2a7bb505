//! The present generation of the program: it has new names, knows currencies, and has one meaning per event.

use evercore::evolution::{Parts, Split, Upcast};
use evercore::{
    Aggregate, AggregateId, Apply, BoxError, Error, EventMeta, EventStore, Registry, event,
    retired_event, state_event,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// The alias makes a database of older programs keep the name that it has stored.
#[derive(Aggregate, Clone, Debug, Default, PartialEq)]
#[aggregate(name = "account", aliases = ["client-account"])]
pub(crate) struct Account {
    pub(crate) owner: String,
    pub(crate) cents: i64,
    pub(crate) currency: String,
}

#[state_event(aggregate = Account, name = "account-opened")]
struct AccountOpened {
    owner: String,
}

/// Version 1 has no type any more: it is converted as JSON to the shape of version 2.
#[event(
    aggregate = Account,
    name = "money-deposited",
    aliases = ["deposited"],
    version = 3,
    upcast_from = [raw(euros_to_cents), DepositedV2],
)]
pub(crate) struct MoneyDeposited {
    pub(crate) cents: i64,
    currency: String,
}

fn euros_to_cents(euros: Value) -> Result<Value, BoxError> {
    let euros = euros.as_i64().ok_or("the amount is no number")?;
    let cents = euros.checked_mul(100).ok_or("the amount is out of range")?;
    Ok(json!({ "cents": cents }))
}

#[derive(Deserialize)]
struct DepositedV2 {
    cents: i64,
}

impl Upcast<DepositedV2> for MoneyDeposited {
    fn upcast(old: DepositedV2) -> Result<Self, BoxError> {
        Ok(Self::euros(old.cents))
    }
}

/// A retired event with two meanings, which is read as two events.
#[retired_event(aggregate = Account, name = "opened", into = [AccountOpened, MoneyDeposited])]
struct Opened {
    owner: String,
    euros: i64,
}

impl Split for Opened {
    fn split(self, parts: &mut Parts<Self>) -> Result<(), BoxError> {
        parts.push(AccountOpened { owner: self.owner });
        if self.euros > 0 {
            parts.push(MoneyDeposited::euros(self.euros * 100));
        }
        Ok(())
    }
}

/// A retired event that is dropped when it is read.
#[retired_event(aggregate = Account, name = "statement-printed")]
struct StatementPrinted;

impl MoneyDeposited {
    fn euros(cents: i64) -> Self {
        Self { cents, currency: "EUR".to_owned() }
    }
}

impl Apply<MoneyDeposited> for Account {
    fn apply(&mut self, event: &MoneyDeposited, _meta: &EventMeta) {
        self.cents += event.cents;
        self.currency.clone_from(&event.currency);
    }
}

pub(crate) fn registry() -> evercore::Result<Registry> {
    Registry::builder()
        .event::<AccountOpened>()
        .event::<MoneyDeposited>()
        .retired::<Opened>()
        .dropped::<StatementPrinted>()
        .build()
}

/// Opens an account with 5 euros, and pays in 100.
pub(crate) async fn write(store: &EventStore) -> evercore::Result<AggregateId> {
    store
        .with_context(async |ctx| -> Result<_, Error> {
            let mut account = ctx.create::<Account>().await?;
            ctx.apply(&mut account, AccountOpened { owner: "Ada".to_owned() })?;
            ctx.apply(&mut account, MoneyDeposited::euros(500))?;
            ctx.apply(&mut account, MoneyDeposited::euros(10_000))?;
            Ok(account.id())
        })
        .await
}
