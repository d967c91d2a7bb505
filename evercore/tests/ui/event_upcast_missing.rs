use evercore::{Aggregate, Apply, EventMeta, event};

#[derive(Aggregate, Default)]
struct Account {
    cents: i64,
}

#[derive(serde::Deserialize)]
struct DepositedV1 {
    euros: i64,
}

#[event(aggregate = Account, version = 2, upcast_from = [DepositedV1])]
struct Deposited {
    cents: i64,
}

impl Apply<Deposited> for Account {
    fn apply(&mut self, event: &Deposited, _meta: &EventMeta) {
        self.cents += event.cents;
    }
}

fn main() {}
