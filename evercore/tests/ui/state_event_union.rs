use evercore::{Aggregate, state_event};

#[derive(Aggregate, Default)]
struct Account {
    balance: i64,
}

#[state_event(aggregate = Account)]
union Opened {
    balance: i64,
}

fn main() {}
