use evercore::{Aggregate, state_event};

#[derive(Aggregate, Default)]
struct Account {
    balance: i64,
}

#[state_event(aggregate = Account, version = 0)]
struct Opened {
    #[state(copy)]
    balance: i64,
    #[state = "skip"]
    reason: String,
}

fn main() {}
