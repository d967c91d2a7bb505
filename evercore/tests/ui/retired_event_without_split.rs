use evercore::{Aggregate, retired_event, state_event};

#[derive(Aggregate, Default)]
struct Customer {
    name: String,
    city: String,
}

#[state_event(aggregate = Customer)]
struct Renamed {
    name: String,
}

#[state_event(aggregate = Customer)]
struct Moved {
    city: String,
}

#[retired_event(aggregate = Customer, into = [Renamed, Moved])]
struct Changed {
    name: String,
    city: String,
}

fn main() {}
