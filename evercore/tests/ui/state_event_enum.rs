use evercore::{Aggregate, state_event};

#[derive(Aggregate, Default)]
struct Account {
    balance: i64,
}

#[state_event(aggregate = Account)]
enum Opened {
    Empty,
    With { balance: i64 },
}

fn main() {}
