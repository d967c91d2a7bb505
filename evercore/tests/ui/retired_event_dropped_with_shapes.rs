use evercore::{Aggregate, BoxError, retired_event, state_event};

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

#[retired_event(aggregate = Customer, version = 2, upcast_from = [raw(same)])]
struct Changed {
    name: String,
    city: String,
}

fn same(json: serde_json::Value) -> Result<serde_json::Value, BoxError> {
    Ok(json)
}

fn main() {}
