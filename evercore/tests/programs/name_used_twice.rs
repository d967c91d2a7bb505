//! Two events with one name are detected when the program starts, whichever crates they come from.

use evercore::{Aggregate, Error, Registry, state_event};

#[derive(Aggregate, Default)]
struct Account {
    balance: i64,
}

#[state_event(aggregate = Account, name = "opened")]
struct Opened {
    balance: i64,
}

#[state_event(aggregate = Account, name = "opened", version = 2, oldest_version = 2)]
struct OpenedV2 {
    balance: i64,
}

#[state_event(aggregate = Account, name = "created", version = 2, oldest_version = 2, aliases = ["opened"])]
struct Created {
    balance: i64,
}

#[test]
fn two_events_with_one_name_are_detected() {
    let error = Registry::linked().expect_err("two types claim one name");
    let message = error.to_string();
    assert!(message.contains("`EventStore::builder().registry(Registry::builder()"), "{message}");
    let Error::DuplicateName { what, first, second } = error else { panic!("{error}") };
    assert_eq!(what, "version 2 of the event name `opened` of `Account`");
    assert!(first.ends_with("::Created") && second.ends_with("::OpenedV2"), "{first}, {second}");

    let by_hand = Registry::builder().event::<Opened>().event::<Created>().build();
    assert!(by_hand.expect("these two get along").knows_event::<Created>());
}
