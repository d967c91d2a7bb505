use evercore::{Aggregate, state_event};

#[derive(Aggregate, Default)]
enum Account {
    #[default]
    Closed,
    Open { balance: i64 },
}

#[state_event(aggregate = Account)]
struct Opened {
    balance: i64,
}

fn main() {}
