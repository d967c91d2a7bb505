use evercore::evolution::Upcast;
use evercore::{Aggregate, Apply, BoxError, EventMeta, event};

#[derive(Aggregate, Default)]
struct Account {
    cents: i64,
}

#[derive(serde::Deserialize)]
struct DepositedV1 {
    euros: i64,
}

#[event(aggregate = Account, version = 2, upcast_from = [raw(euros), DepositedV1])]
struct Deposited {
    cents: i64,
}

impl Upcast<DepositedV1> for Deposited {
    fn upcast(old: DepositedV1) -> Result<Self, BoxError> {
        Ok(Self { cents: old.euros * 100 })
    }
}

fn euros(json: serde_json::Value) -> Result<serde_json::Value, BoxError> {
    Ok(json)
}

impl Apply<Deposited> for Account {
    fn apply(&mut self, event: &Deposited, _meta: &EventMeta) {
        self.cents += event.cents;
    }
}

fn main() {}
