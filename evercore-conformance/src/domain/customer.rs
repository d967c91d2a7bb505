//! Customers, and the types of an older program: other names, another shape, and an event that is split in two.

use evercore::evolution::{Parts, RetiredEvent, Split, SplitInto, Upcast, Upcaster};
use evercore::format::Encoding;
use evercore::registry::EventType;
use evercore::{Aggregate, Apply, BoxError, Event, EventMeta, Registry, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Customer {
    pub(crate) name: String,
    pub(crate) cents: i64,
}

/// Version 3 of the event that was called [`Deposited`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct MoneyDeposited {
    pub(crate) cents: i64,
    pub(crate) currency: String,
}

/// Version 2, which this program knows only as a shape to upcast from.
#[derive(Deserialize)]
struct DepositedV2 {
    cents: i64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Renamed {
    pub(crate) name: String,
}

/// A retired event that is split into two events.
#[derive(Deserialize)]
pub(crate) struct Welcomed {
    name: String,
    cents: i64,
}

/// The customer of the older program.
#[derive(Debug, Default)]
pub(crate) struct Client {
    pub(crate) euros: i64,
}

/// Version 1 of the event.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Deposited(pub(crate) i64);

/// An event of the older program that is retired now.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Greeted {
    pub(crate) name: String,
    pub(crate) cents: i64,
}

impl Aggregate for Customer {
    const NAME: &'static str = "customer";
    const ALIASES: &'static [&'static str] = &[Client::NAME];
}

impl Aggregate for Client {
    const NAME: &'static str = "client";
}

impl Event for MoneyDeposited {
    type Aggregate = Customer;
    const NAME: &'static str = "money-deposited";
    const VERSION: u32 = 3;
    const ALIASES: &'static [&'static str] = &[Deposited::NAME];
    const UPCASTERS: &'static [Upcaster] =
        &[Upcaster::raw(in_cents), Upcaster::typed::<DepositedV2, Self>()];
    const ENCODING: Encoding<Self> = Encoding::serde();
}

impl Event for Renamed {
    type Aggregate = Customer;
    const NAME: &'static str = "renamed";
    const ENCODING: Encoding<Self> = Encoding::serde();
}

impl RetiredEvent for Welcomed {
    type Aggregate = Customer;
    const NAME: &'static str = Greeted::NAME;
    const INTO: &'static [EventType] =
        &[EventType::of::<Renamed>(), EventType::of::<MoneyDeposited>()];
}

impl Event for Deposited {
    type Aggregate = Client;
    const NAME: &'static str = "deposited";
    const ENCODING: Encoding<Self> = Encoding::serde();
}

impl Event for Greeted {
    type Aggregate = Client;
    const NAME: &'static str = "greeted";
    const ENCODING: Encoding<Self> = Encoding::serde();
}

fn in_cents(euros: Value) -> Result<Value, BoxError> {
    let euros = euros.as_i64().ok_or("the amount is no number")?;
    Ok(json!({ "cents": euros * 100 }))
}

impl Upcast<DepositedV2> for MoneyDeposited {
    fn upcast(old: DepositedV2) -> Result<Self, BoxError> {
        Ok(deposited(old.cents))
    }
}

impl SplitInto<Renamed> for Welcomed {}

impl SplitInto<MoneyDeposited> for Welcomed {}

impl Split for Welcomed {
    fn split(self, parts: &mut Parts<Self>) -> Result<(), BoxError> {
        parts.push(Renamed { name: self.name });
        parts.push(deposited(self.cents));
        Ok(())
    }
}

impl Apply<MoneyDeposited> for Customer {
    fn apply(&mut self, event: &MoneyDeposited, _meta: &EventMeta) {
        self.cents += event.cents;
    }
}

impl Apply<Renamed> for Customer {
    fn apply(&mut self, event: &Renamed, _meta: &EventMeta) {
        self.name.clone_from(&event.name);
    }
}

impl Apply<Deposited> for Client {
    fn apply(&mut self, event: &Deposited, _meta: &EventMeta) {
        self.euros += event.0;
    }
}

impl Apply<Greeted> for Client {
    fn apply(&mut self, _event: &Greeted, _meta: &EventMeta) {}
}

pub(crate) fn deposited(cents: i64) -> MoneyDeposited {
    MoneyDeposited { cents, currency: "EUR".to_owned() }
}

/// Returns the registry of the current program.
pub(crate) fn registry() -> Result<Registry> {
    let registry = Registry::builder().event::<MoneyDeposited>().event::<Renamed>();
    registry.retired::<Welcomed>().build()
}

/// Returns the registry of the older program.
pub(crate) fn older_registry() -> Result<Registry> {
    Registry::builder().event::<Deposited>().event::<Greeted>().build()
}
