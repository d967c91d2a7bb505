//! The second generation of the program: it counts in cents, with version 2 of a deposit, and the shape of version 1 to
//! read older ones.

use evercore::evolution::Upcast;
use evercore::{
    Aggregate, AggregateId, Apply, BoxError, Error, EventMeta, EventStore, Registry, event,
};
use serde::Deserialize;

#[derive(Aggregate, Default)]
#[aggregate(name = "client-account")]
struct Account {
    owner: String,
    cents: i64,
}

#[event(aggregate = Account, name = "opened")]
struct Opened {
    owner: String,
    euros: i64,
}

#[event(aggregate = Account, name = "deposited", version = 2, upcast_from = [DepositedV1])]
struct Deposited {
    cents: i64,
}

#[derive(Deserialize)]
struct DepositedV1(i64);

impl Upcast<DepositedV1> for Deposited {
    fn upcast(old: DepositedV1) -> Result<Self, BoxError> {
        Ok(Self { cents: old.0 * 100 })
    }
}

impl Apply<Opened> for Account {
    fn apply(&mut self, event: &Opened, _meta: &EventMeta) {
        self.owner.clone_from(&event.owner);
        self.cents += event.euros * 100;
    }
}

impl Apply<Deposited> for Account {
    fn apply(&mut self, event: &Deposited, _meta: &EventMeta) {
        self.cents += event.cents;
    }
}

pub(crate) fn registry() -> evercore::Result<Registry> {
    Registry::builder().event::<Opened>().event::<Deposited>().build()
}

/// Opens an account with 5 euros, and pays in 100.
pub(crate) async fn write(store: &EventStore) -> evercore::Result<AggregateId> {
    store
        .with_context(async |ctx| -> Result<_, Error> {
            let mut account = ctx.create::<Account>().await?;
            ctx.apply(&mut account, Opened { owner: "Ada".to_owned(), euros: 5 })?;
            ctx.apply(&mut account, Deposited { cents: 10_000 })?;
            Ok(account.id())
        })
        .await
}
