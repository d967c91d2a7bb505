use evercore::{Aggregate, event, state_event};

#[derive(Aggregate, Default)]
struct Account {
    balance: i64,
}

#[state_event(aggregate = Account)]
#[event(aggregate = Account)]
struct Opened {
    balance: i64,
}

fn main() {}
