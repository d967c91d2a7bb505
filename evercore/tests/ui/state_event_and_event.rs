use evercore::{Aggregate, event, state_event};

#[derive(Aggregate, Default)]
struct Account {
    balance: i64,
}

#[event(aggregate = Account)]
#[state_event(aggregate = Account)]
struct Opened {
    balance: i64,
}

fn main() {}
