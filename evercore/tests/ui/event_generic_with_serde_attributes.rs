use evercore::{Aggregate, event};

#[derive(Aggregate, Default)]
struct Account {
    balance: i64,
}

#[event(aggregate = Account)]
#[serde(rename_all = "camelCase")]
struct Deposited<T> {
    #[serde(rename = "sum")]
    amount: T,
}

fn main() {}
