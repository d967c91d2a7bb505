use evercore::{Aggregate, state_event};

#[derive(Aggregate, Default)]
struct Account {
    balance: i64,
}

#[state_event(name = "opened")]
struct Opened {
    balance: i64,
}

fn main() {}
