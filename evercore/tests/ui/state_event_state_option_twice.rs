use evercore::{Aggregate, state_event};

#[derive(Aggregate, Default)]
struct Account {
    balance: i64,
}

#[state_event(aggregate = Account)]
struct Opened {
    balance: i64,
    #[state(skip)]
    #[state(skip)]
    reason: String,
}

fn main() {}
