//! A crate that forbids lints can use the macros: the generated code contains no unnecessary `allow`.
#![forbid(deprecated, unsafe_code, unused_imports, unused_variables)]

use evercore::{Aggregate, Apply, EventMeta, event, state_event};

#[derive(Aggregate, Clone, Default)]
struct Account {
    balance: i64,
}

#[state_event(aggregate = Account)]
struct Opened {
    balance: i64,
}

#[event(aggregate = Account)]
struct Closed;

impl Apply<Closed> for Account {
    fn apply(&mut self, _: &Closed, _: &EventMeta) {}
}

#[test]
fn a_crate_that_forbids_lints_can_use_the_macros() {
    let registry = evercore::Registry::linked().expect("the names differ");
    assert!(registry.knows_event::<Opened>() && registry.knows_event::<Closed>());
    let _ = (Opened { balance: 1 }.balance, Closed);
}
