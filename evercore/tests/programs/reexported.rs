//! A facade can re-export the macros: `crate = …` tells them where to find everything else.
#![expect(unreachable_pub, reason = "the module stands for a crate")]

mod facade {
    pub mod inner {
        pub use evercore::*;
    }
}

use facade::inner::{Aggregate, Registry, state_event};

#[derive(Aggregate, Default, serde::Serialize, serde::Deserialize)]
#[aggregate(snapshot_every = 5, crate = "crate::facade::inner")]
struct Account {
    limit: Option<i64>,
}

#[state_event(aggregate = Account, crate = "crate::facade::inner")]
struct LimitSet {
    limit: Option<Option<i64>>,
}

#[test]
fn a_facade_can_reexport_the_macros() {
    assert!(Registry::linked().expect("the names differ").knows_event::<LimitSet>());
}
