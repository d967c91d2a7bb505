use evercore::{Aggregate, state_event};

#[derive(Default, serde::Serialize, serde::Deserialize)]
struct Money(i64);

#[derive(Aggregate, Default)]
struct Account {
    balance: Money,
}

#[state_event(aggregate = Account)]
struct Opened {
    balance: Money,
}

fn main() {}
