//! Two events of one name are found when the program starts, whichever crates they come from.

use evercore::{Aggregate, Error, Registry, state_event};

#[derive(Aggregate, Default)]
struct Account {
    balance: i64,
}

#[state_event(aggregate = Account, name = "opened")]
struct Opened {
    balance: i64,
}

#[state_event(aggregate = Account, name = "opened", version = 2)]
struct OpenedV2 {
    balance: i64,
}

#[state_event(aggregate = Account, name = "created", version = 2, aliases = ["opened"])]
struct Created {
    balance: i64,
}

fn main() {
    let error = Registry::linked().expect_err("two types claim one name");
    let Error::DuplicateName { what, first, second } = error else { panic!("{error}") };
    assert_eq!(what, "version 2 of the event name `opened` of `Account`");
    assert!(first.ends_with("::Created") && second.ends_with("::OpenedV2"), "{first}, {second}");
}
