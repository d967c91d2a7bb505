use evercore::{Aggregate, Apply, BoxError, EventMeta, event};

#[derive(Aggregate, Default)]
struct Account {
    cents: i64,
}

#[derive(serde::Deserialize)]
struct DepositedV1 {
    euros: i64,
}

#[event(aggregate = Account, version = 3, upcast_from = [DepositedV1, raw(euros)])]
struct Deposited {
    cents: i64,
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
