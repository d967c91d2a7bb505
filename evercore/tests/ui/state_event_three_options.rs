use evercore::{Aggregate, state_event};

#[derive(Aggregate, Default)]
struct Account {
    limit: Option<Option<i64>>,
}

#[state_event(aggregate = Account)]
struct Changed {
    limit: Option<Option<Option<i64>>>,
}

fn main() {}
