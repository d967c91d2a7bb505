//! Messages made with prost are events, with or without serde's traits.
#![deny(warnings)]

use evercore::{Aggregate, Apply, EventMeta, event, state_event};

#[derive(Aggregate, Default)]
struct Account {
    owner: String,
}

/// Does not implement serde's traits.
#[event(aggregate = Account, codec = protobuf)]
#[derive(Clone, PartialEq, prost::Message)]
struct Closed {}

/// Implements serde's traits by a derive of its own.
#[state_event(aggregate = Account, codec = protobuf)]
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
struct Opened {
    #[prost(string, tag = "1")]
    owner: String,
}

impl Apply<Closed> for Account {
    fn apply(&mut self, _: &Closed, _: &EventMeta) {
        self.owner.clear();
    }
}

#[test]
fn a_message_is_an_event() {
    let registry = evercore::Registry::linked().expect("the names differ");
    assert!(registry.knows_event::<Opened>() && registry.knows_event::<Closed>());
}
