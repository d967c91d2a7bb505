//! A crate that forbids unsafe code can use the macros.
#![forbid(unsafe_code)]

use evercore::{Aggregate, state_event};

#[derive(Aggregate, Default)]
struct Account {
    balance: i64,
}

#[state_event(aggregate = Account)]
struct Opened {
    balance: i64,
}

fn main() {
    let registry = evercore::Registry::linked().expect("the names differ");
    assert!(registry.knows_event::<Opened>());
}
