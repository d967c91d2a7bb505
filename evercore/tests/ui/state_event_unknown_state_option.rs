use evercore::{Aggregate, state_event};

#[derive(Aggregate, Default)]
struct Account {
    balance: i64,
}

#[state_event(aggregate = Account)]
struct Opened {
    balance: i64,
    #[state(skipp)]
    reason: String,
}

fn main() {}
