use evercore::{Aggregate, event};

#[derive(Aggregate, Default)]
struct Account {
    balance: i64,
}

#[event(aggregate = Account)]
struct Deposited {
    amount: i64,
}

fn main() {}
