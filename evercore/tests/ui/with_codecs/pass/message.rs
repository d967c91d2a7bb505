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
