use evercore::{Aggregate, Event};

#[derive(Aggregate, Default)]
struct Account;

#[derive(serde::Serialize, serde::Deserialize)]
struct Closed;

impl Event for Closed {
    type Aggregate = Account;
    const NAME: &'static str = "closed";
}

fn main() {}
