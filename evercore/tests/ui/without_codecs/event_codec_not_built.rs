use evercore::{Aggregate, Apply, EventMeta, event};

#[derive(Aggregate, Default)]
struct Account;

#[event(aggregate = Account, codec = cbor)]
struct Closed;

impl Apply<Closed> for Account {
    fn apply(&mut self, _: &Closed, _: &EventMeta) {}
}

fn main() {}
