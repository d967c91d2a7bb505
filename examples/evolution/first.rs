//! The first generation of the program: it counts in euros, and has events with more than one meaning.

use evercore::{Aggregate, AggregateId, Apply, Error, EventMeta, EventStore, Registry, event};

#[derive(Aggregate, Default)]
#[aggregate(name = "client-account")]
struct Account {
    owner: String,
    euros: i64,
}

/// The account was opened, with a first deposit.
#[event(aggregate = Account, name = "opened")]
struct Opened {
    owner: String,
    euros: i64,
}

/// A deposit, as a bare number.
#[event(aggregate = Account, name = "deposited")]
struct Deposited(i64);

/// An event that later generations do not need.
#[event(aggregate = Account, name = "statement-printed")]
struct StatementPrinted;

impl Apply<Opened> for Account {
    fn apply(&mut self, event: &Opened, _meta: &EventMeta) {
        self.owner.clone_from(&event.owner);
        self.euros += event.euros;
    }
}

impl Apply<Deposited> for Account {
    fn apply(&mut self, event: &Deposited, _meta: &EventMeta) {
        self.euros += event.0;
    }
}

impl Apply<StatementPrinted> for Account {
    fn apply(&mut self, _event: &StatementPrinted, _meta: &EventMeta) {}
}

pub(crate) fn registry() -> evercore::Result<Registry> {
    Registry::builder().event::<Opened>().event::<Deposited>().event::<StatementPrinted>().build()
}

/// Opens an account with 5 euros, and pays in 100.
pub(crate) async fn write(store: &EventStore) -> evercore::Result<AggregateId> {
    store
        .with_context(async |ctx| -> Result<_, Error> {
            let mut account = ctx.create::<Account>().await?;
            ctx.apply(&mut account, Opened { owner: "Ada".to_owned(), euros: 5 })?;
            ctx.apply(&mut account, StatementPrinted)?;
            ctx.apply(&mut account, Deposited(100))?;
            Ok(account.id())
        })
        .await
}
