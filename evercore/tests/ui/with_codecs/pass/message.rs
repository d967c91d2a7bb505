#![deny(warnings)]

use evercore::{Aggregate, Apply, EventMeta, event, state_event};

#[derive(Aggregate, Default)]
struct Account {
    owner: String,
}

/// Serde does not know it.
#[event(aggregate = Account, codec = protobuf)]
#[derive(Clone, PartialEq, prost::Message)]
struct Closed {}

/// Serde knows it, whichever way.
#[state_event(aggregate = Account, codec = protobuf)]
#[derive(Clone, PartialEq, prost::Message)]
#[derive(serde::Serialize, serde::Deserialize)]
struct Opened {
    #[prost(string, tag = "1")]
    owner: String,
}

impl Apply<Closed> for Account {
    fn apply(&mut self, _: &Closed, _: &EventMeta) {
        self.owner.clear();
    }
}

fn main() {}
