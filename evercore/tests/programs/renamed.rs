//! A crate that has renamed evercore states the name, in any form of path.
#![deny(warnings)]

extern crate evercore as ec;

mod nested {
    use ec::{Aggregate, Apply, EventMeta, event, retired_event, state_event};

    #[derive(Aggregate, Default, serde::Serialize, serde::Deserialize)]
    #[aggregate(crate = "ec", snapshot_every = 3)]
    pub(crate) struct Account {
        limit: Option<i64>,
    }

    #[state_event(aggregate = Account, crate = "::ec")]
    pub(crate) struct Opened {
        pub(crate) limit: Option<Option<i64>>,
    }

    #[event(aggregate = Account, crate = ec)]
    pub(crate) struct Closed;

    #[retired_event(aggregate = Account, crate = "ec")]
    struct Printed;

    impl Apply<Closed> for Account {
        fn apply(&mut self, _: &Closed, _: &EventMeta) {}
    }
}

#[test]
fn evercore_can_be_renamed() {
    let registry = ec::Registry::linked().expect("the names differ");
    assert!(registry.knows_event::<nested::Opened>());
    let _ = (nested::Opened { limit: None }.limit, nested::Closed);
}
